// The rising step function closest to the labels: what share of rows with a score is positive.
import type { ScoreTable } from '../figures/score-table.ts';

/** Straight between its points, constant outside them; both lists rise. */
export interface Isotonic {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/**
 * Isotonic regression by pooling adjacent violators (M. Ayer et al., 1955), least squares, equal scores taken
 * together; of each constant run only its ends are kept (scikit-learn's IsotonicRegression). O(distinct scores).
 */
export function fitIsotonic({ scores, positives, negatives }: ScoreTable): Isotonic {
  // Blocks of equal fitted value: sum of labels, rows, and the scores where it begins and ends.
  const [sum, rows, first] = [new Float64Array(scores.length), new Float64Array(scores.length), new Uint32Array(scores.length)];
  let top = -1;
  for (let i = 0; i < scores.length; i++) {
    top += 1;
    sum[top] = positives[i]!;
    rows[top] = positives[i]! + negatives[i]!;
    first[top] = i;
    while (top > 0 && sum[top - 1]! * rows[top]! >= sum[top]! * rows[top - 1]!) {
      sum[top - 1]! += sum[top]!;
      rows[top - 1]! += rows[top]!;
      top -= 1;
    }
  }
  const [x, y]: [number[], number[]] = [[], []];
  for (let block = 0; block <= top; block++) {
    const value = sum[block]! / rows[block]!;
    const from = first[block]!;
    const to = block === top ? scores.length - 1 : first[block + 1]! - 1;
    for (const at of from === to ? [from] : [from, to]) {
      x.push(scores[at]!);
      y.push(value);
    }
  }
  return { x, y };
}

/** The fitted share at a score; linear between points, that of the end outside them. */
export function isotonicAt({ x, y }: Isotonic, score: number): number {
  const last = x.length - 1;
  if (score <= x[0]!) return y[0]!;
  if (score >= x[last]!) return y[last]!;
  let [low, high] = [0, last];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x[middle]! <= score) low = middle;
    else high = middle;
  }
  const [from, to] = [x[low]!, x[high]!];
  return y[low]! + ((y[high]! - y[low]!) * (score - from)) / (to - from);
}
