// Two models that answered different rows of the same traffic.
import { aucVariance } from './auc.ts';
import { unusable, type Scores } from './figure.ts';
import { isMetricName, metrics, type Metric } from './metrics.ts';
import { momentsOf, standardError } from './moments.ts';

export type Harm =
  | {
      readonly ok: true;
      /** By how much the candidate is worse: positive whichever way the metric points. */
      readonly difference: number;
      readonly standardError: number;
      readonly candidate: number;
      readonly other: number;
      readonly n: number;
      readonly method: string;
    }
  | { readonly ok: false; readonly reason: string };

/** Labels that each arm must have: below that, standard errors are not to be relied on. */
const MIN_LABELS = 30;
/** Labels of each class that each arm must have. */
const MIN_CLASS = 10;
const GROUPS = 20;

interface Arm {
  readonly value: number;
  readonly variance: number;
}

/**
 * How much worse a metric of the candidate is than that of the other model, on rows of their own: ROC AUC with
 * DeLong's variance, means of values per row with that of the mean, all others with the variance of a jackknife
 * that leaves out a twentieth of the rows at a time (B. Efron and C. Stein, 1981).
 */
export function harm(name: string, candidate: Scores, other: Scores): Harm {
  if (!isMetricName(name)) return { ok: false, reason: `${name} is not a metric` };
  const metric: Metric = metrics[name];
  for (const [who, rows] of [
    ['the candidate', candidate],
    ['the stable variant', other],
  ] as const) {
    const fault = unusable(rows) ?? tooFew(metric, rows);
    if (fault) return { ok: false, reason: `${who}: ${fault}` };
  }
  const [a, b] = [armOf(name, metric, candidate), armOf(name, metric, other)];
  if ('reason' in a) return { ok: false, reason: a.reason };
  if ('reason' in b) return { ok: false, reason: b.reason };
  return {
    ok: true,
    difference: (metric.higherIsBetter ? -1 : 1) * (a.value - b.value),
    standardError: Math.sqrt(a.variance + b.variance),
    candidate: a.value,
    other: b.value,
    n: candidate.labels.length + other.labels.length,
    method: name === 'roc_auc' ? 'DeLong' : metric.perRow ? 'mean' : 'jackknife',
  };
}

function tooFew(metric: Metric, { labels }: Scores): string | undefined {
  if (labels.length < MIN_LABELS) return `${labels.length} labels, ${MIN_LABELS} are needed`;
  if (metric.task !== 'binary') return undefined;
  let positive = 0;
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] !== 0 && labels[i] !== 1) return 'labels must be 0 or 1';
    positive += labels[i]!;
  }
  const rarer = Math.min(positive, labels.length - positive);
  return rarer < MIN_CLASS ? `${rarer} labels of the rarer class, ${MIN_CLASS} are needed` : undefined;
}

function armOf(name: string, metric: Metric, rows: Scores): Arm | { readonly reason: string } {
  const figure = metric.compute(rows);
  if (!figure.ok) return { reason: figure.reason };
  const { labels, scores } = rows;
  if (name === 'roc_auc') return { value: figure.value, variance: aucVariance(rows) };
  const { perRow } = metric;
  if (perRow) {
    const error = standardError(momentsOf(labels.length, (i) => perRow(labels[i]!, scores[i]!)));
    return { value: figure.value, variance: error * error };
  }
  const without = Array.from({ length: GROUPS }, (_, group) => {
    const keep = Array.from({ length: labels.length }, (_row, i) => i).filter((i) => i % GROUPS !== group);
    return metric.compute({ labels: keep.map((i) => labels[i]!), scores: keep.map((i) => scores[i]!) });
  });
  const values = without.flatMap((f) => (f.ok ? [f.value] : []));
  if (values.length < GROUPS) return { reason: `too few rows for ${name}` };
  return { value: figure.value, variance: (momentsOf(GROUPS, (i) => values[i]!).m2 * (GROUPS - 1)) / GROUPS };
}
