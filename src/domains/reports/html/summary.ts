// The first screen: what this is, what is in service, and the figures that matter.
import type { Figure } from '../../../stats/figure.ts';
import type { MetricRow, Report } from '../model.ts';
import { count, day, days, interval, level, percent, value, sample, some } from './format.ts';
import { code, html, type Html, type Part } from './html.ts';

const card = (name: string, figure: Part, about: Part): Html =>
  html`<div class="card">
    <div class="name">${name}</div>
    <div class="figure">${figure}</div>
    <div class="about">${about}</div>
  </div>`;

const span = (f: Figure): string =>
  f.ok && f.interval ? `${level(f.interval.level)} interval ${interval(f)} (${f.interval.method}), ` : '';

const metricCard = (name: string, { title, figure }: MetricRow, window: string): Html =>
  card(
    `${title}, ${name}`,
    value(figure),
    figure.ok ? `${span(figure)}${sample(figure.n)}, ${window}` : `${figure.reason}; ${sample(figure.n)}, ${window}`,
  );

export const verdict = (passed: boolean, words?: string): Html =>
  html`<span class="verdict ${passed ? 'passed' : 'failed'}">${passed ? '✓' : '✗'} ${words ?? (passed ? 'passed' : 'failed')}</span>`;

export function summary(r: Report): Html {
  const { evaluation: e, gate, model } = r;
  const live = 'absent' in r.live ? null : r.live;
  const first = live?.metrics.find((m) => m.metric === e?.sliceMetric);
  return html`<section id="summary" aria-label="Summary">
    <p class="lead">${model?.description || r.description || `The project ${r.project}.`}</p>
    <p>
      ${
        model
          ? html`In service at the endpoint <b>${r.endpoint}</b>: version ${model.number} of the model <b>${model.name}</b>${
                model.trainingRows === null ? '' : `, trained on ${count(model.trainingRows)} rows`
              }${model.trainingCutoffUs === null ? '' : ` whose outcomes were known by ${day(model.trainingCutoffUs)}`}.`
          : r.elsewhere === null
            ? 'No model version is in service yet.'
            : html`The monitor <b>${r.elsewhere}</b> watches a model that is served elsewhere.`
      }
      Every figure here names its method, its time and its number of rows; all times are UTC.
    </p>
    <div class="cards">
      ${e && metricCard('evaluation', e.primary, days(e.window.fromUs, e.window.toUs))}
      ${live && first && metricCard('in service', first, days(live.window.fromUs, live.window.toUs + 1))}
      ${gate && card('Gate', verdict(gate.outcome !== 'failed', gate.outcome), html`${gate.rows.filter((g) => g.passed).length} of ${gate.rows.length} rules hold; decided ${day(gate.recordedMs * 1000)}`)}
      ${live && card('Predictions answered', count(live.predictions), html`${percent(live.predictions === 0 ? 0 : live.withTruth / live.predictions)} have a known outcome (${sample(live.withTruth)}), ${days(live.window.fromUs, live.window.toUs + 1)}`)}
      ${
        live &&
        live.predicted !== null &&
        card(
          live.task === 'binary' ? 'Positive: observed and predicted' : 'Mean outcome: observed and predicted',
          live.task === 'binary'
            ? `${live.observed.ok ? percent(live.observed.value) : 'none'} / ${percent(live.predicted)}`
            : `${value(live.observed)} / ${live.predicted.toFixed(3)}`,
          html`Positive means ${code(live.label)};
          ${
            live.observed.ok && live.observed.interval
              ? `observed ${level(live.observed.interval.level)} interval ${percent(live.observed.interval.low)} to ${percent(live.observed.interval.high)} (${live.observed.interval.method}), `
              : ''
          }${sample(live.withTruth)}`,
        )
      }
      ${card('Data', count(r.datasets.reduce((sum, d) => sum + d.rows, 0)), html`rows in the current versions of ${some(r.datasets.length, 'dataset')}; ${contracts(r)}`)}
    </div>
  </section>`;
}

function contracts({ datasets }: Report): string {
  const held = datasets.filter((d) => d.contract.file !== null);
  const broken = held.filter((d) => d.contract.broken.length > 0);
  if (held.length === 0) return 'no contracts are declared';
  return broken.length === 0
    ? `${some(held.length, 'contract')}, none broken`
    : `${broken.length} of ${some(held.length, 'contract')} broken`;
}
