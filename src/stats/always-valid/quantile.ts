// Quantiles of two arms at every look: whether the candidate is slower.
import { logAbove } from './share.ts';

/** Each bucket ends so much above where it begins; a latency is known to that. */
export const BUCKET = 1.02;

/** The bucket of a positive value. SQL does the same: floor(ln(x) / ln(1.02)). */
export const bucketOf = (value: number): number => Math.floor(Math.log(value) / Math.log(BUCKET));

/** Counts by bucket, in the order of the buckets. */
export type Histogram = readonly (readonly [bucket: number, count: number])[];

export interface Slower {
  /** Middle of the bucket that holds the quantile; null without values. */
  readonly candidate: number | null;
  readonly other: number | null;
  /** Against "the candidate's quantile is at most (1 + margin) times the other's". */
  readonly pValue: number;
}

const quantileOf = (histogram: Histogram, q: number): number | null => {
  const total = histogram.reduce((sum, [, count]) => sum + count, 0);
  let seen = 0;
  for (const [bucket, count] of histogram) {
    seen += count;
    if (seen >= q * total && count > 0) return BUCKET ** (bucket + 0.5);
  }
  return null;
};

/**
 * Whether the q-quantile of the candidate is above (1 + margin) times that of the other, exact and valid at every look and
 * for any distribution. If it is not, there is a moment t that at most 1 - q of the candidate's requests outlast and that at
 * most q of the other's, stretched by the margin, fall short of; each of the two is a share against a bound (`logAbove`), and
 * the product of the two is an e-process at that t. Which t it is is unknown, so the least evidence over all t counts. Within
 * a bucket the counts that speak least are taken.
 */
export function slowerQuantile(candidate: Histogram, other: Histogram, q: number, margin: number): Slower {
  const n = candidate.reduce((sum, [, count]) => sum + count, 0);
  const m = other.reduce((sum, [, count]) => sum + count, 0);
  const found = { candidate: quantileOf(candidate, q), other: quantileOf(other, q) };
  if (n === 0 || m === 0) return { ...found, pValue: 1 };
  const shift = Math.ceil(Math.log(1 + margin) / Math.log(BUCKET));
  const stretched = other.map(([bucket, count]) => [bucket + shift, count] as const);
  const buckets = [...new Set([...candidate, ...stretched].map(([bucket]) => bucket))].sort((a, b) => a - b);
  const [own, others] = [new Map(candidate), new Map(stretched)];
  // Before the first bucket and between two of them the counts are those after the former one.
  let least = logAbove({ events: n, n }, 1 - q) + logAbove({ events: 0, n: m }, q);
  let [above, below] = [n, 0];
  for (const bucket of buckets) {
    above -= own.get(bucket) ?? 0;
    // t lies in this bucket: what is in it does not outlast t for sure, nor does it fall short of t.
    least = Math.min(least, logAbove({ events: above, n }, 1 - q) + logAbove({ events: below, n: m }, q));
    below += others.get(bucket) ?? 0;
    // t lies between this bucket and the next one.
    least = Math.min(least, logAbove({ events: above, n }, 1 - q) + logAbove({ events: below, n: m }, q));
  }
  return { ...found, pValue: Math.min(1, Math.exp(-least)) };
}
