// Two models that answered the same rows, as in a shadow: what differs is counted per row, for two answers to one row are
// not independent.
import { logGamma } from '../special/gamma.ts';
import { logAbove, logUnfair } from './share.ts';

export interface Pairs {
  /** Rows on which only the candidate has the event. */
  readonly candidateOnly: number;
  readonly otherOnly: number;
  readonly n: number;
}

/** Log likelihood of three counts, mixed over Dirichlet(1/2, 1/2, 1/2). */
const logMixture = (counts: readonly number[]): number =>
  counts.reduce((sum, c) => sum + logGamma(c + 0.5) - logGamma(0.5), logGamma(1.5) - logGamma(counts.reduce((a, b) => a + b, 0) + 1.5));

const term = (count: number, p: number): number => (count === 0 ? 0 : count * Math.log(p));

/** The largest log likelihood with the candidate's share of events above the other's by at most d. */
function largest({ candidateOnly: b, otherOnly: c, n }: Pairs, d: number): number {
  if (b - c <= d * n) return term(b, b / n) + term(c, c / n) + term(n - b - c, (n - b - c) / n);
  // Concave along the border P(b) = P(c) + d; thirds find its top.
  const at = (q: number): number => term(b, q + d) + term(c, q) + term(n - b - c, 1 - d - 2 * q);
  let [low, high] = [Math.max(0, -d), (1 - d) / 2];
  for (let i = 0; i < 100; i++) {
    const third = (high - low) / 3;
    if (at(low + third) < at(high - third)) low += third;
    else high -= third;
  }
  return at((low + high) / 2);
}

/**
 * By how much the candidate's share of events is above the other's on the same rows: McNemar's question, one-sided, exact
 * and valid at every look. Against "not above at all" only rows count on which one of the two has the event: each is a coin
 * that shows the candidate at most every other time (`logAbove`). Against a margin, and for the bound, the evidence is the
 * mixture likelihood of the three outcomes of a row (Dirichlet(1/2)) over the largest that "above by at most d" allows.
 */
export function pairedExcess(pairs: Pairs, alpha: number, margin = 0): { difference: number; low: number; pValue: number } {
  const { candidateOnly, otherOnly, n } = pairs;
  if (n === 0) return { difference: 0, low: -1, pValue: 1 };
  const mixture = logMixture([candidateOnly, otherOnly, n - candidateOnly - otherOnly]);
  const evidence = (d: number): number => mixture - largest(pairs, d);
  const difference = (candidateOnly - otherOnly) / n;
  const against = margin === 0 ? logAbove({ events: candidateOnly, n: candidateOnly + otherOnly }, 0.5) : evidence(margin);
  const pValue = Math.min(1, Math.exp(-against));
  let [outside, inside] = [-1, difference];
  if (evidence(-1 + 1e-9) < -Math.log(alpha)) inside = outside;
  else
    for (let i = 0; i < 50; i++) {
      const middle = (outside + inside) / 2;
      if (evidence(middle) >= -Math.log(alpha)) outside = middle;
      else inside = middle;
    }
  return { difference, low: pValue <= alpha ? Math.max(margin, inside) : inside, pValue };
}

/**
 * Evidence that two models give the same rows scores of different distributions. `moved[i]` counts, for bin i, the rows that
 * only the candidate and that only the other put there: if the distributions are one, each of these is a fair coin. The mean
 * of the bins' mixture likelihood ratios is an e-process however they depend on each other (V. Vovk and R. Wang,
 * "E-values", Annals of Statistics 49, 2021). Answers its p-value.
 */
export function pairedShift(moved: readonly (readonly [candidateOnly: number, otherOnly: number])[]): number {
  if (moved.length === 0) return 1;
  const logs = moved.map(([own, other]) => logUnfair(own, own + other));
  const most = Math.max(...logs);
  const mean = most + Math.log(logs.reduce((sum, x) => sum + Math.exp(x - most), 0) / logs.length);
  return Math.min(1, Math.exp(-mean));
}
