// ROC AUC with DeLong's variance: E. R. DeLong et al., Biometrics 44 (1988); the O(n log n) form by X. Sun
// and W. Xu, IEEE Signal Processing Letters 21 (2014).
import { none, unusable, type Difference, type Figure, type Scores } from './figure.ts';
import { logitInterval } from './intervals.ts';
import { normalQuantile } from './normal.ts';
import { scoreTable, sortedByClass, type ScoreTable } from './figures/score-table.ts';

/** How many of `sorted` are below x, an equal one counting half. */
function placement(sorted: Float64Array, x: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < x) low = middle + 1;
    else high = middle;
  }
  const below = low;
  // Ties are rare in most scores: look at the next one before searching.
  if (low === sorted.length || sorted[low] !== x) return below;
  high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= x) low = middle + 1;
    else high = middle;
  }
  return (below + low) / 2;
}

/** Ranks from 1, ties sharing their mean rank. */
export function midRanks(values: ArrayLike<number>): Float64Array {
  const sorted = Float64Array.from(values).sort();
  // Half of a value's own tie lies below it, and it is one of them.
  return Float64Array.from(values, (x) => placement(sorted, x) + 0.5);
}

/** AUC and DeLong's variance of it, from the counts of each class at each score. Undefined for one class. */
export function aucOf({ positives, negatives, positive, negative }: ScoreTable): { auc: number; variance: number } | undefined {
  if (positive === 0 || negative === 0) return undefined;
  const size = positives.length;
  let [below, won] = [0, 0];
  for (let i = 0; i < size; i++) {
    won += positives[i]! * (below + negatives[i]! / 2);
    below += negatives[i]!;
  }
  const auc = won / positive / negative;
  // Squares about the mean of the placements of each positive among the negatives, and the other way round.
  let [p, n, squaresP, squaresN] = [0, 0, 0, 0];
  for (let i = 0; i < size; i++) {
    const v10 = (n + negatives[i]! / 2) / negative;
    const v01 = 1 - (p + positives[i]! / 2) / positive;
    squaresP += positives[i]! * (v10 - auc) ** 2;
    squaresN += negatives[i]! * (v01 - auc) ** 2;
    p += positives[i]!;
    n += negatives[i]!;
  }
  const part = (squares: number, rows: number): number => (rows < 2 ? 0 : squares / (rows - 1) / rows);
  return { auc, variance: part(squaresP, positive) + part(squaresN, negative) };
}

interface Components {
  readonly auc: number;
  /** Placement of each positive among the negatives, and of each negative among the positives. */
  readonly positives: Float64Array;
  readonly negatives: Float64Array;
}

/** Placements in the order of the rows, so that those of two models pair up. */
function components({ labels, scores }: Scores): Components | undefined {
  const sorted = sortedByClass({ labels, scores });
  const [m, n] = [sorted.positives.length, sorted.negatives.length];
  if (m === 0 || n === 0) return undefined;
  const [v10, v01] = [new Float64Array(m), new Float64Array(n)];
  let [i, j, sum] = [0, 0, 0];
  for (let row = 0; row < labels.length; row++) {
    if (labels[row] === 1) sum += v10[i++] = placement(sorted.negatives, scores[row]!) / n;
    else v01[j++] = 1 - placement(sorted.positives, scores[row]!) / m;
  }
  return { auc: sum / m, positives: v10, negatives: v01 };
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
 * half. Labels are 0 or 1. The interval is DeLong's on the logit scale, so that it stays within (0, 1); a
 * perfect order, which leaves no variance to estimate, has Wilson's for as many trials as the smaller class has rows.
 */
export function rocAuc(rows: Scores, level = 0.95): Figure {
  const fault = unusable(rows);
  const n = rows.labels.length;
  if (fault) return none(fault, n);
  const table = scoreTable(rows);
  const found = aucOf(table);
  if (!found) return none(ONE_CLASS, n);
  const { auc, variance } = found;
  return { ok: true, value: auc, n, ...logitInterval(auc, Math.sqrt(variance), Math.min(table.positive, table.negative), 'DeLong', level) };
}

/** DeLong's variance of the ROC AUC; 0 where one class is missing. */
export const aucVariance = (rows: Scores): number => aucOf(scoreTable(rows))?.variance ?? 0;

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
