// What ranking metrics need to know of scores and labels: how many of each class have each score.
import type { Scores } from '../figure.ts';

export interface ScoreTable {
  /** Distinct scores, rising. */
  readonly scores: Float64Array;
  /** Rows with label 1, and all others, at each score. */
  readonly positives: Float64Array;
  readonly negatives: Float64Array;
  /** Rows of each class. */
  readonly positive: number;
  readonly negative: number;
}

/** Sorted scores of the rows with label 1, and of all others. Scores must be numbers. */
export function sortedByClass({ labels, scores }: Scores): { positives: Float64Array; negatives: Float64Array } {
  const n = labels.length;
  const both = new Float64Array(n);
  let [head, tail] = [0, n];
  for (let i = 0; i < n; i++) {
    if (labels[i] === 1) both[head++] = scores[i]!;
    else both[--tail] = scores[i]!;
  }
  // A typed array sorts by number, several times faster than an index by comparison.
  return { positives: both.subarray(0, head).sort(), negatives: both.subarray(head).sort() };
}

/** The table of the rows, in O(n log n): sorts each class and merges. */
export function scoreTable(rows: Scores): ScoreTable {
  const { positives: p, negatives: q } = sortedByClass(rows);
  const most = p.length + q.length;
  const [scores, positives, negatives] = [new Float64Array(most), new Float64Array(most), new Float64Array(most)];
  let [i, j, size] = [0, 0, 0];
  while (i < p.length || j < q.length) {
    const score = j >= q.length || (i < p.length && p[i]! <= q[j]!) ? p[i]! : q[j]!;
    const [fromP, fromQ] = [i, j];
    while (i < p.length && p[i] === score) i++;
    while (j < q.length && q[j] === score) j++;
    scores[size] = score;
    positives[size] = i - fromP;
    negatives[size++] = j - fromQ;
  }
  return {
    scores: scores.subarray(0, size),
    positives: positives.subarray(0, size),
    negatives: negatives.subarray(0, size),
    positive: p.length,
    negative: q.length,
  };
}
