// Predictions in service against what came true.
import type { DayRow, LiveView } from '../model.ts';
import { below, beside, colour, dayAxis, drawChart, grid, numbers, rule, whiskers } from './charts.ts';
import { calibrationChart, metricTable } from './evaluation.ts';
import { count, days, duration, fixed, interval, moment, percent, value, sample } from './format.ts';
import { code, html, type Html } from './html.ts';

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
            <th>Stage</th>
            <th class="n">Median</th>
            <th class="n">90 %</th>
            <th class="n">99 %</th>
            <th class="n">Longest</th>
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

const known = (rows: readonly DayRow[]) => rows.flatMap((d, i) => (d.primary.ok ? [{ i, d, f: d.primary }] : []));

async function leadChart(live: LiveView): Promise<Html> {
  const lead = live.metrics.find((m) => m.title === live.primaryTitle)?.figure;
  const rows = known(live.days);
  const bounds = rows.flatMap(({ f }) => (f.interval ? [f.interval.low, f.interval.high] : [f.value]));
  const step = live.task === 'binary' ? 0.1 : 0;
  const range =
    step === 0 || bounds.length === 0
      ? { scale: true }
      : { min: Math.floor(Math.min(...bounds) / step) * step, max: Math.min(1, Math.ceil(Math.max(...bounds) / step) * step) };
  const low = [...rows].sort((a, b) => a.f.value - b.f.value)[0];
  return drawChart(
    {
      size: 'half',
      title: `${live.primaryTitle} by day`,
      description: rows.map(({ d, f }) => `${d.day} ${fixed(f.value)}`).join(', '),
      caption: `Bars are 95\u00a0% intervals${rows[0]?.f.interval ? ` (${rows[0].f.interval.method})` : ''}; the dashed line is all days together${lead?.ok ? `, ${value(lead)}` : ''}, which also tells days apart.${low ? ` Lowest: ${low.d.day}, ${fixed(low.f.value)}, ${sample(low.f.n)}.` : ''}`,
      option: {
        grid: { ...grid, bottom: 30 },
        xAxis: dayAxis(live.days.map((d) => d.day)),
        yAxis: numbers(live.primaryTitle, {
          ...beside,
          ...range,
          axisLabel: { color: colour.muted, fontSize: 13, formatter: (v: number) => String(Number(v.toFixed(2))) },
        }),
        series: [
          whiskers(
            rows.map(({ i, f }) => [i, f.interval?.low ?? f.value, f.interval?.high ?? f.value]),
            colour.first,
          ),
          {
            type: 'scatter',
            data: rows.map(({ i, f }) => [i, f.value]),
            symbolSize: 7,
            itemStyle: { color: colour.first },
            ...(lead?.ok ? { markLine: rule({ yAxis: lead.value }) } : {}),
          },
        ],
      },
    },
    'lead',
  );
}

const inPercent = { color: colour.muted, fontSize: 13, formatter: (v: number) => `${Math.round(v * 100)} %` };

async function shareChart(live: LiveView): Promise<Html> {
  const binary = live.task === 'binary';
  const observed = live.days.map((d) => (d.observed.ok ? d.observed.value : null));
  const band = live.days.map((d) => (d.observed.ok && d.observed.interval ? [d.observed.interval.low, d.observed.interval.high] : null));
  const invisible = { type: 'line', symbol: 'none', silent: true, lineStyle: { opacity: 0 } };
  return drawChart(
    {
      size: 'half',
      title: binary ? 'Share predicted and observed' : 'Mean predicted and observed',
      description: live.days
        .map((d) => `${d.day}: predicted ${d.predicted === null ? 'none' : fixed(d.predicted, 2)}, observed ${value(d.observed, 2)}`)
        .join('; '),
      caption: html`<span class="key second"></span>observed, with its 95 % interval${binary ? ' (Wilson)' : ''}
        <span class="key first"></span>predicted, the mean of the scores. By day, of the predictions whose outcome is known.`,
      option: {
        grid: { ...grid, bottom: 30 },
        xAxis: dayAxis(live.days.map((d) => d.day)),
        yAxis: numbers('', { ...beside, ...(binary ? { min: 0, axisLabel: inPercent } : { scale: true }) }),
        series: [
          { ...invisible, stack: 'band', data: band.map((b) => b?.[0] ?? null) },
          {
            ...invisible,
            stack: 'band',
            data: band.map((b) => (b ? b[1]! - b[0]! : null)),
            areaStyle: { color: colour.second, opacity: 0.16 },
          },
          { type: 'line', data: observed, symbol: 'none', lineStyle: { color: colour.second, width: 2 } },
          { type: 'line', data: live.days.map((d) => d.predicted), symbol: 'none', lineStyle: { color: colour.first, width: 2 } },
        ],
      },
    },
    'share',
  );
}

async function volumeChart(rows: readonly DayRow[]): Promise<Html> {
  const without = rows.reduce((sum, d) => sum + d.predictions - d.withTruth, 0);
  return drawChart(
    {
      size: 'third',
      title: 'Predictions by day',
      description: rows.map((d) => `${d.day} ${d.predictions}`).join(', '),
      caption: html`<span class="key first"></span>with a known outcome <span class="key" style="background:var(--line)"></span>without one
        (${count(without)} in all).`,
      option: {
        grid: { ...grid, bottom: 30 },
        xAxis: dayAxis(rows.map((d) => d.day)),
        yAxis: numbers('', { axisLabel: { color: colour.muted, fontSize: 13, formatter: (v: number) => count(v) } }),
        series: [
          { type: 'bar', stack: 'n', data: rows.map((d) => d.withTruth), itemStyle: { color: colour.first }, barCategoryGap: '25%' },
          { type: 'bar', stack: 'n', data: rows.map((d) => d.predictions - d.withTruth), itemStyle: { color: colour.line } },
        ],
      },
    },
    'volume',
  );
}

async function scoreChart(live: LiveView): Promise<Html> {
  const { edges, positive, negative } = live.scores!;
  const middle = (i: number): number => (edges[i]! + edges[i + 1]!) / 2;
  const area = (data: readonly number[], c: string) => ({
    type: 'line',
    step: 'middle',
    symbol: 'none',
    data: data.map((v, i) => [middle(i), v]),
    lineStyle: { color: c, width: 2 },
    areaStyle: { color: c, opacity: 0.14 },
  });
  return drawChart(
    {
      size: 'third',
      title: 'Scores by outcome',
      description: `distribution of the score over ${positive.length} bins, for positive and for negative outcomes`,
      caption: html`<span class="key second"></span>outcome positive <span class="key first"></span>outcome negative; share of each
        outcome’s predictions in ${positive.length} bins. The further apart, the better the model tells them apart.`,
      option: {
        grid: { ...grid, right: 22 },
        xAxis: numbers('score', { ...below, min: 0, max: 1 }),
        yAxis: numbers('', { ...beside, axisLabel: inPercent }),
        series: [area(negative, colour.first), area(positive, colour.second)],
      },
    },
    'scores',
  );
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
            <th>Day</th>
            <th class="n">Predictions</th>
            <th class="n">With outcome</th>
            <th class="n">Predicted</th>
            <th class="n">Observed</th>
            <th class="n">${live.primaryTitle}</th>
            <th class="n">Interval</th>
            <th class="n">${live.secondTitle}</th>
            <th class="n">Interval</th>
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
              <th>Feature view</th>
              <th class="n">Predictions</th>
              <th class="n">Not found</th>
              <th class="n">Share</th>
              <th class="n">Age of the fact, median</th>
              <th class="n">95 %</th>
              <th class="n">Allowed age</th>
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
          <th>Input</th>
          <th class="n">Missing in service</th>
          <th class="n">Missing in training</th>
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
