// The evaluation of the version in service, and the gate it went through.
import type { CalibrationBin, Point } from '../../../stats/curves.ts';
import type { EvaluationView, GateView, MetricRow, SliceRow } from '../model.ts';
import { below, beside, colour, drawChart, grid, numbers, whiskers } from './charts.ts';
import { count, day, days, fixed, interval, percent, value, sample, some } from './format.ts';
import { code, html, type Html } from './html.ts';
import { forest, forestScale } from './small-charts.ts';
import { verdict } from './summary.ts';

export async function evaluationSection(e: EvaluationView | null, gate: GateView | null): Promise<Html> {
  if (!e)
    return html`<section id="evaluation">
      <h2>Evaluation</h2>
      <p>The version in service has no evaluation made by Gyre.</p>
    </section>`;
  const window = days(e.window.fromUs, e.window.toUs);
  const figures =
    e.task === 'binary'
      ? [await rocChart(e), await recallChart(e), await calibrationChart(e.curves.calibration, 'evaluation', window)]
      : [];
  return html`<section id="evaluation">
    <h2>Evaluation</h2>
    <p>
      Gyre scored the sealed model with the runtime that serves it, on ${count(e.rows)} rows of <b>${e.dataset.name}</b> from ${window},
      none of which the training saw.
      ${
        e.label === null
          ? ''
          : html`The label is
            ${code(e.label)}${e.positives === null ? '' : html`; ${count(e.positives)} rows (${percent(e.positives / e.rows)}) are positive`}.`
      }
    </p>
    <p class="note">Evaluation <span class="id">${e.id}</span> on dataset version <span class="id">${e.dataset.id}</span></p>
    ${figures.length > 0 && html`<div class="charts three">${figures}</div>`}
    <h3>Metrics</h3>
    ${metricTable(e.metrics, `Over ${window}`)} ${sliceTables(e, gate)} ${gateTable(gate)}
  </section>`;
}

export const metricTable = (rows: readonly MetricRow[], caption: string): Html =>
  html`<div class="scroll">
    <table class="metrics">
      <caption>
        <span> ${caption} </span>
      </caption>
      <thead>
        <tr>
          <th scope="col">Metric</th>
          <th scope="col" class="n">Value</th>
          <th scope="col" class="n">95 % interval</th>
          <th scope="col">Method of the interval</th>
          <th scope="col" class="n">n</th>
          <th scope="col">Better</th>
          <th scope="col">What it says</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ({ title, figure, better, meaning }) =>
            html`<tr>
              <th scope="row" class="nowrap">${title}</th>
              <td class="n">${value(figure)}</td>
              <td class="n">${interval(figure)}</td>
              <td class="small">${figure.ok ? (figure.interval?.method ?? 'no interval is computed') : figure.reason}</td>
              <td class="n">${count(figure.n)}</td>
              <td class="small">${better}</td>
              <td class="small">${meaning}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;

async function rocChart(e: EvaluationView): Promise<Html> {
  const f = e.primary.figure;
  return drawChart(
    {
      size: 'third',
      title: 'ROC curve',
      description: `true positive rate against false positive rate; area ${value(f)}`,
      caption: `Area ${value(f)}${interval(f) && ` (${interval(f)})`}, ${sample(f.n)}; the dashed line is guessing by a coin.`,
      option: {
        grid: { ...grid, right: 22 },
        xAxis: numbers('false positive rate', { ...below, min: 0, max: 1 }),
        yAxis: numbers('true positive rate', { ...beside, min: 0, max: 1 }),
        series: [
          dashed([
            [0, 0],
            [1, 1],
          ]),
          curve(e.curves.roc),
        ],
      },
    },
    'roc',
  );
}

async function recallChart(e: EvaluationView): Promise<Html> {
  const base = e.positives === null ? null : e.positives / e.rows;
  const f = e.metrics.find((m) => m.metric === 'pr_auc')?.figure;
  return drawChart(
    {
      size: 'third',
      title: 'Precision and recall',
      description: `precision against recall${f?.ok ? `; average precision ${value(f)}` : ''}`,
      caption: `${f?.ok ? `Average precision ${value(f)}, ${sample(f.n)}. ` : ''}${base === null ? '' : `The dashed line is the share of positives, ${percent(base)}.`}`,
      option: {
        grid: { ...grid, right: 22 },
        xAxis: numbers('recall', { ...below, min: 0, max: 1 }),
        yAxis: numbers('precision', { ...beside, min: 0, max: 1 }),
        series: [
          ...(base === null
            ? []
            : [
                dashed([
                  [0, base],
                  [1, base],
                ]),
              ]),
          curve(e.curves.precisionRecall),
        ],
      },
    },
    'precision',
  );
}

export async function calibrationChart(bins: readonly CalibrationBin[], name: string, window: string): Promise<Html> {
  const n = bins.reduce((sum, b) => sum + b.n, 0);
  const top = Math.min(1, Math.ceil(Math.max(0.1, ...bins.flatMap((b) => [b.predicted, b.high])) * 10) / 10);
  return drawChart(
    {
      size: 'third',
      title: 'Calibration',
      description: `observed share against mean prediction in ${bins.length} bins, ${window}: ${bins.map((b) => `${percent(b.predicted, 0)} predicted, ${percent(b.observed, 0)} observed`).join('; ')}`,
      caption: `${some(bins.length, 'bin')} of about ${count(Math.round(n / Math.max(1, bins.length)))} rows by prediction; bars are 95\u00a0% intervals (Wilson). On the dashed line, what is predicted is what happens.`,
      option: {
        grid: { ...grid, right: 22 },
        xAxis: numbers('mean prediction', { ...below, min: 0, max: top }),
        yAxis: numbers('observed share', { ...beside, min: 0, max: top }),
        series: [
          dashed([
            [0, 0],
            [top, top],
          ]),
          whiskers(
            bins.map((b) => [b.predicted, b.low, b.high]),
            colour.first,
          ),
          {
            type: 'line',
            data: bins.map((b) => [b.predicted, b.observed]),
            symbol: 'circle',
            symbolSize: 7,
            itemStyle: { color: colour.first },
            lineStyle: { color: colour.first, width: 1.5 },
          },
        ],
      },
    },
    `calibration-${name}`,
  );
}

const curve = (points: readonly Point[]): Record<string, unknown> => ({
  type: 'line',
  data: points.map((p) => [p.x, p.y]),
  symbol: 'none',
  lineStyle: { color: colour.first, width: 2.5 },
});
const dashed = (data: readonly (readonly number[])[]): Record<string, unknown> => ({
  type: 'line',
  data,
  symbol: 'none',
  silent: true,
  lineStyle: { color: colour.muted, width: 1, type: 'dashed' },
});

const SHOWN_SLICES = 30;

function sliceTables(e: EvaluationView, gate: GateView | null): Html | null {
  if (e.slices.length === 0) return null;
  const overall = e.primary.figure.ok ? e.primary.figure.value : null;
  const columns = [...new Set(e.slices.map((s) => s.column))];
  return html`<h3>Slices</h3>
    <p>${e.primary.title} within each value of ${columns.join(' and of ')}. A slice is as certain as its interval is short.</p>
    ${columns.map((column) =>
      sliceTable(
        column,
        e.slices.filter((s) => s.column === column),
        e,
        overall,
        gate?.bounds.get(column) ?? null,
      ),
    )}`;
}

const sliceTable = (column: string, slices: readonly SliceRow[], e: EvaluationView, overall: number | null, bound: number | null): Html => {
  const scale = forestScale(
    slices.map((s) => s.figure),
    overall,
    bound,
  );
  return html`<div class="scroll">
      <table class="slices">
        <caption>
          <span>
            ${e.primary.title} by ${column}. The line is the figure over all
            rows${overall === null ? '' : ` (${fixed(overall)})`}${bound === null ? '' : `; dashed, the gate’s bound (${bound})`}; the axis
            runs from ${fixed(scale.low, 2)} to ${fixed(scale.high, 2)}.
          </span>
        </caption>
        <thead>
          <tr>
            <th scope="col">${column}</th>
            <th scope="col" class="n">n</th>
            <th scope="col" class="n">${e.primary.title}</th>
            <th scope="col" class="n">95 % interval</th>
            <th scope="col">Figure and interval</th>
          </tr>
        </thead>
        <tbody>
          ${slices.slice(0, SHOWN_SLICES).map(
            (s) =>
              html`<tr>
                <th scope="row">${s.value}</th>
                <td class="n">${count(s.figure.n)}</td>
                <td class="n">${value(s.figure)}</td>
                <td class="n">${interval(s.figure)}</td>
                <td>${s.figure.ok ? forest(s.figure, scale) : html`<span class="small">${s.figure.reason}</span>`}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${slices.length > SHOWN_SLICES && html`<p class="note">${slices.length - SHOWN_SLICES} smaller slices are left out here.</p>`}`;
};

function gateTable(gate: GateView | null): Html {
  if (!gate)
    return html`<h3 id="gate">Gate</h3>
      <p>No decision about this version is recorded.</p>`;
  return html`<h3 id="gate">Gate</h3>
    <p>
      ${verdict(gate.outcome !== 'failed', gate.outcome)} A version gets traffic only if a recorded decision says so.
      ${gate.outcome === 'overridden' ? html`It was let through by hand: “${gate.reason}”.` : ''}
    </p>
    <div class="scroll">
      <table class="gate">
        <caption>
          <span>
            Decision
            <span class="id">${gate.id}</span>
            by ${gate.actor}, ${day(gate.recordedMs * 1000)}
          </span>
        </caption>
        <thead>
          <tr>
            <th scope="col">Rule</th>
            <th scope="col">Threshold</th>
            <th scope="col">Found (95 % interval in brackets)</th>
            <th scope="col">Verdict</th>
          </tr>
        </thead>
        <tbody>
          ${gate.rows.map(
            (g) =>
              html`<tr>
                <th scope="row">${g.rule}</th>
                <td class="nowrap">${g.threshold}</td>
                <td>${sized(g.found)}${!g.passed && html`<div class="small">${g.why}</div>`}</td>
                <td>${verdict(g.passed)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}

// "n = 12489" as everywhere else on the page.
const sized = (text: string): string => text.replaceAll(/\bn = (\d+)/g, (_, digits: string) => sample(Number(digits)));
