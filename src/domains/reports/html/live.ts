// Predictions in service against what came true.
import type { LiveView } from '../model.ts';
import { calibrationChart, metricTable } from './evaluation.ts';
import { count, days, duration, fixed, interval, moment, percent, value, sample } from './format.ts';
import { code, html, type Html } from './html.ts';
import { leadChart, scoreChart, shareChart, volumeChart } from './live-charts.ts';

export async function liveSection(live: LiveView | { readonly absent: string }): Promise<Html> {
  if ('absent' in live)
    return html`<section id="live">
      <h2>Predictions against truth</h2>
      <p>${live.absent}</p>
    </section>`;
  const window = days(live.window.fromUs, live.window.toUs + 1);
  return html`<section id="live">
    <h2>Predictions against truth</h2>
    <p>
      From ${window} the endpoint <b>${live.endpoint}</b> answered ${count(live.predictions)} predictions. The outcome (${code(live.label)})
      of ${count(live.withTruth)} of them was known by
      ${moment(live.knownByUs)}${live.failed > 0 ? `; ${count(live.failed)} got no score` : ''}. A prediction and its outcome are joined by
      ${live.joinedBy}${live.ambiguous > 0 ? `; ${count(live.ambiguous)} that more than one row fits are left out` : ''}.${
        live.sampled < 1 ? ` The figures below come from an even sample of ${percent(live.sampled)} of them.` : ''
      }
    </p>
    <p class="note">
      Answered by ${live.versions.map((v) => `version ${v.version} (variant ${v.variant}), ${sample(v.predictions)}`).join('; ')}
    </p>
    <div class="charts">${[await leadChart(live), await shareChart(live)]}</div>
    <div class="charts three">
      ${[
        await volumeChart(live.days),
        ...(live.scores ? [await scoreChart(live)] : []),
        ...(live.calibration.length > 0 ? [await calibrationChart(live.calibration, 'live', window)] : []),
      ]}
    </div>
    <h3>Metrics in service</h3>
    ${metricTable(live.metrics, `Over ${window}; computed from the predictions as they were answered`)} ${dayTable(live)}
    <h3>What the model was given</h3>
    ${viewTable(live)}${columnTable(live)}
    <h3>Latency</h3>
    <div class="scroll">
      <table class="slim">
        <caption>
          <span>
            From the inference log, ${sample(live.predictions)}. The log holds one time per prediction, from the moment its features are
            found to the moment its score is there; HTTP and the look-up of features come on top.
          </span>
        </caption>
        <thead>
          <tr>
            <th scope="col">Stage</th>
            <th scope="col" class="n">Median</th>
            <th scope="col" class="n">90 %</th>
            <th scope="col" class="n">99 %</th>
            <th scope="col" class="n">Longest</th>
          </tr>
        </thead>
        <tbody>
          ${live.latency.map(
            (l) =>
              html`<tr>
                <th scope="row">${l.stage}</th>
                ${[l.medianUs, l.p90Us, l.p99Us, l.maxUs].map((us) => html`<td class="n">${duration(us)}</td>`)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}

const dayTable = (live: LiveView): Html =>
  html`<details>
    <summary>Figures of each day</summary>
    <div class="scroll">
      <table class="days">
        <caption>
          <span> By day of event time, UTC. Intervals are of 95 %. </span>
        </caption>
        <thead>
          <tr>
            <th scope="col">Day</th>
            <th scope="col" class="n">Predictions</th>
            <th scope="col" class="n">With outcome</th>
            <th scope="col" class="n">Predicted</th>
            <th scope="col" class="n">Observed</th>
            <th scope="col" class="n">${live.primaryTitle}</th>
            <th scope="col" class="n">Interval</th>
            <th scope="col" class="n">${live.secondTitle}</th>
            <th scope="col" class="n">Interval</th>
          </tr>
        </thead>
        <tbody>
          ${live.days.map(
            (d) =>
              html`<tr>
                <th scope="row" class="nowrap">${d.day}</th>
                <td class="n">${count(d.predictions)}</td>
                <td class="n">${count(d.withTruth)}</td>
                <td class="n">${d.predicted === null ? '' : fixed(d.predicted)}</td>
                <td class="n">${value(d.observed)}</td>
                <td class="n">${value(d.primary)}</td>
                <td class="n">${interval(d.primary)}</td>
                <td class="n">${value(d.second)}</td>
                <td class="n">${interval(d.second)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`;

const viewTable = (live: LiveView): Html | null =>
  live.views.length === 0
    ? null
    : html`<div class="scroll">
        <table class="views">
          <caption>
            <span>
              Features looked up at the moment of each prediction. “Not found” is an entity that the store did not know, or whose newest
              fact was older than the view allows.
            </span>
          </caption>
          <thead>
            <tr>
              <th scope="col">Feature view</th>
              <th scope="col" class="n">Predictions</th>
              <th scope="col" class="n">Not found</th>
              <th scope="col" class="n">Share</th>
              <th scope="col" class="n">Age of the fact, median</th>
              <th scope="col" class="n">95 %</th>
              <th scope="col" class="n">Allowed age</th>
            </tr>
          </thead>
          <tbody>
            ${live.views.map(
              (v) =>
                html`<tr>
                  <th scope="row">${v.name}</th>
                  <td class="n">${count(v.predictions)}</td>
                  <td class="n">${count(v.absent)}</td>
                  <td class="n">${percent(v.predictions === 0 ? 0 : v.absent / v.predictions)}</td>
                  <td class="n">${v.ageMedianUs === null ? 'timeless' : duration(v.ageMedianUs)}</td>
                  <td class="n">${v.age95Us === null ? '' : duration(v.age95Us)}</td>
                  <td class="n">${v.ttlUs === null ? 'any' : duration(v.ttlUs)}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>`;

function columnTable(live: LiveView): Html {
  const gaps = live.columns.filter((c) => c.missing > 0 || (c.trainingMissing ?? 0) > 0);
  if (gaps.length === 0) return html`<p>No input of the model was ever missing, ${sample(live.predictions)}.</p>`;
  return html`<div class="scroll">
    <table class="slim">
      <caption>
        <span>
          Inputs of the model with missing values; the other ${live.columns.length - gaps.length} of ${live.columns.length} were never
          missing, ${sample(live.predictions)}.
        </span>
      </caption>
      <thead>
        <tr>
          <th scope="col">Input</th>
          <th scope="col" class="n">Missing in service</th>
          <th scope="col" class="n">Missing in training</th>
        </tr>
      </thead>
      <tbody>
        ${[...gaps]
          .sort((a, b) => b.missing - a.missing)
          .map(
            (c) =>
              html`<tr>
                <th scope="row">${c.name}</th>
                <td class="n">${percent(c.missing)}</td>
                <td class="n">${c.trainingMissing === null ? 'not known' : percent(c.trainingMissing)}</td>
              </tr>`,
          )}
      </tbody>
    </table>
  </div>`;
}
