// ROC AUC with DeLong's variance: E. R. DeLong et al., Biometrics 44 (1988); the O(n log n) form by X. Sun
// and W. Xu, IEEE Signal Processing Letters 21 (2014).
import { none, unusable, type Difference, type Figure, type Scores } from './figure.ts';
import { normalQuantile } from './normal.ts';

/** Ranks from 1, ties sharing their mean rank. */
export function midRanks(values: ArrayLike<number>): Float64Array {
  const n = values.length;
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(n);
  for (let i = 0; i < n;) {
    let j = i;
    while (j < n && values[order[j]!] === values[order[i]!]) j++;
    for (let k = i; k < j; k++) ranks[order[k]!] = (i + j + 1) / 2;
    i = j;
  }
  return ranks;
}

interface Components {
  readonly auc: number;
  /** Placement of each positive among the negatives, and of each negative among the positives. */
  readonly positives: Float64Array;
  readonly negatives: Float64Array;
}

function components({ labels, scores }: Scores): Components | undefined {
  const positive: number[] = [];
  const negative: number[] = [];
  for (let i = 0; i < labels.length; i++) (labels[i] === 1 ? positive : negative).push(scores[i]!);
  const [m, n] = [positive.length, negative.length];
  if (m === 0 || n === 0) return undefined;
  const all = midRanks([...positive, ...negative]);
  const [own, other] = [midRanks(positive), midRanks(negative)];
  const v10 = Float64Array.from(positive, (_, i) => (all[i]! - own[i]!) / n);
  const v01 = Float64Array.from(negative, (_, j) => 1 - (all[m + j]! - other[j]!) / m);
  return { auc: v10.reduce((s, x) => s + x, 0) / m, positives: v10, negatives: v01 };
}

const covariance = (a: Float64Array, b: Float64Array): number => {
  const n = a.length;
  if (n < 2) return 0;
  const ma = a.reduce((s, x) => s + x, 0) / n;
  const mb = b.reduce((s, x) => s + x, 0) / n;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += (a[i]! - ma) * (b[i]! - mb);
  return sum / (n - 1);
};

const ONE_CLASS = 'all labels are the same';

/**
 * Area under the ROC curve: the chance that a positive row scores above a negative one, ties counting
 * half. Labels are 0 or 1. The interval is DeLong's on the logit scale, so that it stays within (0, 1).
 */
export function rocAuc(rows: Scores, level = 0.95): Figure {
  const fault = unusable(rows);
  const n = rows.labels.length;
  if (fault) return none(fault, n);
  const c = components(rows);
  if (!c) return none(ONE_CLASS, n);
  const variance = aucVariance(rows);
  const method = 'DeLong, logit scale';
  // A perfect order leaves no variance to estimate.
  if (c.auc <= 0 || c.auc >= 1 || variance === 0) return { ok: true, value: c.auc, n };
  const z = normalQuantile(0.5 + level / 2);
  const logit = Math.log(c.auc / (1 - c.auc));
  const half = (z * Math.sqrt(variance)) / (c.auc * (1 - c.auc));
  const back = (x: number): number => 1 / (1 + Math.exp(-x));
  return { ok: true, value: c.auc, n, interval: { low: back(logit - half), high: back(logit + half), level, method } };
}

/** DeLong's variance of the ROC AUC; 0 where one class is missing. */
export function aucVariance(rows: Scores): number {
  const c = components(rows);
  if (!c) return 0;
  return covariance(c.positives, c.positives) / c.positives.length + covariance(c.negatives, c.negatives) / c.negatives.length;
}

/** AUC of `scores` less AUC of `baseline` on the same rows, with DeLong's paired interval. */
export function rocAucDifference(
  labels: ArrayLike<number>,
  scores: ArrayLike<number>,
  baseline: ArrayLike<number>,
  level = 0.95,
): Difference {
  const fault = unusable({ labels, scores }) ?? unusable({ labels, scores: baseline });
  if (fault) return { ok: false, reason: fault };
  const [a, b] = [components({ labels, scores }), components({ labels, scores: baseline })];
  if (!a || !b) return { ok: false, reason: ONE_CLASS };
  const part = (x: 'positives' | 'negatives'): number =>
    (covariance(a[x], a[x]) + covariance(b[x], b[x]) - 2 * covariance(a[x], b[x])) / a[x].length;
  const half = normalQuantile(0.5 + level / 2) * Math.sqrt(Math.max(0, part('positives') + part('negatives')));
  const difference = a.auc - b.auc;
  return {
    ok: true,
    difference,
    low: difference - half,
    high: difference + half,
    n: labels.length,
    method: `paired DeLong, ${level * 100} %`,
  };
}
