// A model version, its evaluation and its gate as the report shows them. Pure.
import type { CalibrationBin, Point } from '../../stats/curves.ts';
import { metrics } from '../../stats/metrics.ts';
import type { Decision, Evaluation, Gate, ModelVersion } from '../registry/public.ts';
import { metricOf, metricRows } from './metric-words.ts';
import { leadMetrics, type EvaluationView, type GateRow, type GateView, type ModelView } from './model.ts';

export const modelView = (v: ModelVersion, description: string): ModelView => ({
  name: v.model,
  number: v.number,
  id: v.id,
  state: v.state,
  digest: v.digest,
  description: v.description || description,
  createdMs: v.createdMs,
  trainingRows: v.evidence.trainingTable?.rows ?? null,
  trainingTable: v.evidence.trainingTable?.digest ?? null,
  trainingCutoffUs: v.evidence.trainingCutoffUs ?? null,
  parameters: Object.entries(v.evidence.parameters ?? {}).map(([name, value]) => [name, String(value)]),
  inputs: (v.signature?.inputs ?? []).map(({ name, type }) => ({ name, type })),
});

/** Shares of missing values in the training table, from the version's baseline profile. */
export function trainingMissing(baseline: unknown): Map<string, number> {
  const columns = (baseline as { columns?: readonly { name: string; rows: number; nulls: number }[] } | null)?.columns;
  return new Map((Array.isArray(columns) ? columns : []).map((c) => [c.name, c.rows === 0 ? 0 : c.nulls / c.rows]));
}

const points = (value: unknown): readonly Point[] => (Array.isArray(value) ? (value as Point[]) : []);

export function evaluationView(e: Evaluation, dataset: string, label: string | null): EvaluationView {
  const lead = leadMetrics[e.task][0];
  const bins = Array.isArray(e.curves.calibration) ? (e.curves.calibration as CalibrationBin[]) : [];
  const recall = e.metrics.recall;
  return {
    id: e.id,
    task: e.task,
    label,
    rows: e.rows,
    window: e.window,
    dataset: { id: e.datasetVersion, name: dataset },
    primary: metricOf(e.metrics, lead),
    metrics: metricRows(e.metrics),
    slices: e.slices.map((s) => ({ column: s.column, value: s.value, figure: metricOf(s.metrics, lead).figure })),
    sliceMetric: lead,
    curves: { roc: points(e.curves.roc), precisionRecall: points(e.curves.precisionRecall), calibration: bins },
    // Recall is a share of the positive rows, so its n is their number.
    positives: e.task === 'binary' && recall?.ok ? recall.n : null,
  };
}

const titleOf = (metric: string): string => (Object.hasOwn(metrics, metric) ? metrics[metric as keyof typeof metrics].title : metric);

function ruleOf(g: Gate): string {
  const where = g.slice === undefined ? '' : ` in every ${g.slice}${g.minRows === undefined ? '' : ` with at least ${g.minRows} rows`}`;
  if (g.trust === 'reported') return `${titleOf(g.metric)}, as the training code reported it`;
  if (g.betterThan) return `${titleOf(g.metric)} better than the ${g.betterThan}`;
  return g.notWorseThan ? `${titleOf(g.metric)} not worse than the ${g.notWorseThan}` : `${titleOf(g.metric)}${where}`;
}

function thresholdOf(g: Gate): string {
  if (g.notWorseThan || g.betterThan) return `margin ${g.margin ?? 0} at ${Number(((g.confidence ?? 0.95) * 100).toPrecision(4))} %`;
  return [...(g.floor === undefined ? [] : [`at least ${g.floor}`]), ...(g.ceiling === undefined ? [] : [`at most ${g.ceiling}`])].join(
    ', ',
  );
}

/** The slice that comes closest to the gate's bound, for a reader who asks "by how much?". */
function tightest(g: Gate, e: Evaluation | null): string | null {
  if (g.slice === undefined || !e) return null;
  const judged = e.slices
    .filter((s) => s.column === g.slice && s.n >= (g.minRows ?? 100))
    .flatMap((s) => {
      const figure = s.metrics[g.metric];
      return figure?.ok ? [{ value: s.value, n: s.n, figure }] : [];
    })
    .sort((a, b) => (g.floor === undefined ? b.figure.value - a.figure.value : a.figure.value - b.figure.value));
  const worst = judged[0];
  if (!worst) return null;
  const { interval } = worst.figure;
  return `closest: ${worst.value} ${worst.figure.value.toFixed(3)}${interval ? ` [${interval.low.toFixed(3)}, ${interval.high.toFixed(3)}]` : ''}, n = ${worst.n}`;
}

export const gateView = (d: Decision, e: Evaluation | null): GateView => ({
  id: d.id,
  outcome: d.outcome,
  reason: d.reason,
  actor: d.actor.kind === d.actor.id ? d.actor.id : `${d.actor.kind} ${d.actor.id}`,
  recordedMs: d.recordedMs,
  bounds: new Map(
    d.results.flatMap(({ gate: g }) => {
      const bound = g.floor ?? g.ceiling;
      return g.slice !== undefined && bound !== undefined && e && g.metric === leadMetrics[e.task][0] ? [[g.slice, bound] as const] : [];
    }),
  ),
  rows: d.results.map((r): GateRow => ({
    rule: ruleOf(r.gate),
    threshold: thresholdOf(r.gate),
    found: [r.found, tightest(r.gate, e)].filter((x) => x !== null).join('; '),
    passed: r.passed,
    why: r.why,
  })),
});
