// The loop: what was seen, what was decided, and on what evidence.
import type { Counterfactual, LoopAlert, LoopErasure, LoopRelease, LoopTrigger, LoopView } from '../loop-view.ts';
import { count, day, days, fixed, interval, moment, percent, sample, some, value } from './format.ts';
import { html, type Html, type Part } from './html.ts';
import { loopChart } from './loop-charts.ts';
import { verdict } from './summary.ts';

export async function loopSection(view: LoopView | { readonly absent: string }): Promise<Html> {
  if ('absent' in view)
    return html`<section id="loop">
      <h2>The loop</h2>
      <p>${view.absent}</p>
    </section>`;
  return html`<section id="loop">
    <h2>The loop: watched, retrained, replaced</h2>
    ${story(view)} ${await loopChart(view)} ${worth(view.counterfactual, view.metric.title)} ${windowTable(view)}
    <h3>Alerts</h3>
    ${alertTable(view.alerts)}
    <h3>Retraining</h3>
    ${triggerTable(view.triggers)}
    <h3>Gates</h3>
    ${view.decisions.map(decision)}
    <h3>Releases</h3>
    ${releaseTable(view.releases)}
    ${
      view.erasures.length > 0 &&
      html`<h3 id="erasure">Erasure</h3>
        ${view.erasures.map(certificate)}`
    }
  </section>`;
}

function story(view: LoopView): Html {
  const { windows, triggers, releases, alerts } = view;
  const started = triggers.filter((t) => t.accepted);
  const ended = (outcome: string): number => started.filter((t) => t.outcome === outcome).length;
  const back = releases.filter((r) => r.state === 'rolled-back');
  const harmed = back.reduce((sum, r) => sum + (r.harmed ?? 0), 0);
  return html`<p>
    From ${windows[0] ? days(windows[0].fromUs, windows.at(-1)!.toUs) : 'no day'}, ${some(windows.length, 'window')} of the monitor
    <b>${view.monitor}</b>
    closed${view.lateGenerations > 0 ? `; ${count(view.lateGenerations)} got a new generation because labels came late or were corrected` : ''}.
    ${some(alerts.length, 'alert')} fired and ${some(started.length, 'retraining')} began: ${ended('promoted')} brought a better model into
    service, ${ended('refused')} ${ended('refused') === 1 ? 'was' : 'were'} refused by the gate.
    ${back.length > 0 ? `${some(back.length, 'release')} ${back.length === 1 ? 'was' : 'were'} rolled back in the canary, after ${some(harmed, 'request')} had been harmed.` : ''}
  </p>`;
}

function worth(c: Counterfactual | { readonly absent: string }, title: string): Html {
  if ('absent' in c) return html`<p class="note">${c.absent}</p>`;
  const d = c.difference;
  return html`<div class="cards">
    ${figureCard(`${title} with the loop`, value(c.asAnswered), `${interval(c.asAnswered)}${c.asAnswered.ok ? `, ${sample(c.asAnswered.n)}` : ''}; as it was answered, since the first replacement`)}
    ${figureCard(`${title} of version ${c.version} alone`, value(c.alone), `${interval(c.alone)}${c.alone.ok ? `, ${sample(c.alone.n)}` : ''}; ${c.method}`)}
    ${figureCard('What the loop was worth', d.ok ? `${d.difference >= 0 ? '+' : ''}${fixed(d.difference)}` : 'not known', d.ok ? `${fixed(d.low)} to ${fixed(d.high)}, ${sample(d.n)}, ${d.method}; the same predictions` : d.reason)}
  </div>`;
}

const figureCard = (name: string, figure: string, about: string): Html =>
  html`<div class="card">
    <div class="name">${name}</div>
    <div class="figure">${figure}</div>
    <div class="about">${about}</div>
  </div>`;

const table = (name: string, caption: Part, head: readonly Part[], rows: readonly (readonly Part[])[]): Html =>
  rows.length === 0
    ? html`<p class="note">None.</p>`
    : html`<div class="scroll">
        <table class="${name}">
          <caption>
            <span>${caption}</span>
          </caption>
          <thead>
            <tr>
              ${head.map((h) => html`<th scope="col">${h}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${rows.map(
              (cells) =>
                html`<tr>
                  ${cells.map((c) => html`<td>${c}</td>`)}
                </tr>`,
            )}
          </tbody>
        </table>
      </div>`;

const windowTable = (view: LoopView): Html =>
  html`<details>
    <summary>Every window</summary>
    ${table(
      'windows',
      `Newest generation of each window. Intervals of 95\u00a0%. "Estimated" is what was expected before the labels came (CBPE).`,
      ['Window', 'Version', 'Records', 'Labels', view.metric.title, 'Estimated', 'Baseline', 'Drifted', 'Quality', 'Generation'],
      view.windows.map((w) => [
        day(w.fromUs),
        w.version,
        count(w.records),
        count(w.labelled),
        html`${value(w.figure)} <span class="small">${interval(w.figure)}</span>`,
        value(w.estimate),
        w.baseline === null ? '' : fixed(w.baseline),
        w.driftShare === null
          ? ''
          : html`${percent(w.driftShare, 0)}
              <span class="small">${w.driftedColumns.slice(0, 3).join(', ')}${w.driftedColumns.length > 3 ? ' …' : ''}</span>`,
        w.qualityFindings === 0 ? '' : some(w.qualityFindings, 'finding'),
        w.generation === 0 ? '' : String(w.generation),
      ]),
    )}
  </details>`;

const alertTable = (alerts: readonly LoopAlert[]): Html =>
  table(
    'alerts',
    'In the order of event time.',
    ['Fired', 'Resolved', 'Rule', 'Severity', 'On what'],
    alerts.map((a) => [day(a.firedUs), a.resolvedUs === null ? 'still firing' : day(a.resolvedUs), a.rule, a.severity, a.words]),
  );

const triggerTable = (triggers: readonly LoopTrigger[]): Html =>
  table(
    'triggers',
    'Every reason to train again, also those that were suppressed, and why.',
    ['When', 'Cause', 'Taken', 'Outcome', 'Why'],
    triggers.map((t) => [
      day(t.atUs),
      t.cause,
      t.accepted ? verdict(true, 'accepted') : verdict(false, 'suppressed'),
      t.outcome === null ? '' : html`${verdict(t.outcome === 'promoted', t.outcome)}${t.version === null ? '' : ` version ${t.version}`}`,
      t.outcomeReason === '' ? t.reason : t.outcomeReason,
    ]),
  );

const decision = (d: LoopView['decisions'][number]): Html =>
  html`<details ${d.outcome === 'failed' ? 'open' : ''}>
    <summary>
      ${d.model} version ${d.version}: ${d.outcome}
      <span class="small">${d.rows.filter((r) => r.passed).length} of ${d.rows.length} rules hold</span>
    </summary>
    ${table(
      'gate',
      html`Decision <span class="id">${d.id}</span>, ${d.actor}.`,
      ['Rule', 'Bound', 'Found', 'Verdict'],
      d.rows.map((r) => [r.rule, r.threshold, r.found, html`${verdict(r.passed)} <span class="small">${r.passed ? '' : r.why}</span>`]),
    )}
  </details>`;

const releaseTable = (releases: readonly LoopRelease[]): Html =>
  table(
    'releases',
    'Each candidate was held against the stable version on the same traffic at the same time.',
    ['Version', 'Began', 'Ended', 'Result', 'Steps', 'Its requests', 'Failed', 'Harmed', 'Why'],
    releases.map((r) => [
      String(r.version),
      day(r.startedUs),
      r.endedUs === null ? 'under way' : day(r.endedUs),
      verdict(r.state === 'promoted', r.state),
      html`${r.steps.map((s) => html`<div class="nowrap">${day(s.atUs)}: ${percent(s.share, 0)}</div>`)}`,
      r.requests === null ? '' : count(r.requests),
      r.errors === null ? '' : count(r.errors),
      r.harmed === null ? '' : count(r.harmed),
      r.reason,
    ]),
  );

const certificate = (e: LoopErasure): Html =>
  html`<p>
      Subject <span class="id">${e.subject}</span> (its HMAC; the value itself is nowhere any more), erased ${moment(e.atMs * 1000)}:
      ${e.reason}. Certificate <span class="id">${e.id}</span>.
    </p>
    ${table(
      'slim',
      'Rewritten.',
      ['Kind of place', 'Files', 'Rows removed'],
      e.rewritten.map((r) => [r.place, count(r.files), count(r.rows)]),
    )}
    <p>Searched and clean: ${e.clean.join(', ') || 'none'}.</p>
    ${table(
      'uncovered',
      'Not covered, and what is due.',
      ['What', 'Of them', 'Why', 'What is due'],
      e.notCovered.map((n) => [n.what, n.refs === 0 ? '' : count(n.refs), n.why, n.action]),
    )}`;
