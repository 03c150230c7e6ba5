// Tests that stay valid however often one looks: what a release is judged with while its traffic runs.
import { erfc } from './normal.ts';
import { logGamma } from './special/gamma.ts';

export const logBeta = (a: number, b: number): number => logGamma(a) + logGamma(b) - logGamma(a + b);

/** The mixing parameter with which a confidence sequence of level 1 - alpha is narrowest at `nStar` observations. */
export const mixingRho = (alpha: number, nStar: number): number =>
  Math.sqrt((-2 * Math.log(alpha) + Math.log(-2 * Math.log(alpha) + 1)) / nStar);

export interface Estimate {
  readonly difference: number;
  readonly standardError: number;
  /** Observations behind it, both arms together. */
  readonly n: number;
}

export interface Sequence {
  readonly low: number;
  readonly high: number;
  /** Always valid: the smallest alpha at which the sequence leaves out 0. */
  readonly pValue: number;
}

/**
 * Asymptotic confidence sequence of a difference, two-sided: I. Waudby-Smith et al., "Time-uniform central
 * limit theory and asymptotic confidence sequences" (Annals of Statistics 52, 2024), in GrowthBook's form.
 * Fix `nStar` before the first look, at the sample at which a decision is expected. Asymptotic: some 30
 * observations in each arm.
 */
export function confidenceSequence({ difference, standardError, n }: Estimate, alpha: number, nStar = 5000): Sequence {
  const rho = mixingRho(alpha, nStar);
  const s = n * rho * rho + 1;
  const half = standardError * Math.sqrt(n) * Math.sqrt(((2 * s) / (n * rho) ** 2) * Math.log(Math.sqrt(s) / alpha));
  const z = (rho * rho * difference * difference * n) / (standardError * standardError * 2 * s);
  return { low: difference - half, high: difference + half, pValue: Math.min(1, Math.sqrt(s) * Math.exp(-z)) };
}

/** The same, one-sided: with probability 1 - alpha the truth is never below any `low`. The p-value is against "at most `bound`". */
export function lowerConfidenceSequence(estimate: Estimate, alpha: number, nStar = 5000, bound = 0): { low: number; pValue: number } {
  const { difference } = estimate;
  const lowAt = (a: number): number => difference - oneSidedHalfWidth(estimate, a, nStar);
  if (difference <= bound) return { low: lowAt(alpha), pValue: 1 };
  // rho depends on alpha, so that there is no closed form. Beyond 0.3 the width grows again: no evidence is 1.
  let [refused, accepted] = [1e-12, 0.3];
  if (lowAt(accepted) <= bound) return { low: lowAt(alpha), pValue: 1 };
  for (let i = 0; i < 100; i++) {
    const middle = Math.sqrt(refused * accepted);
    if (lowAt(middle) > bound) accepted = middle;
    else refused = middle;
  }
  return { low: lowAt(alpha), pValue: accepted };
}

function oneSidedHalfWidth({ standardError, n }: Estimate, alpha: number, nStar: number): number {
  const rho = mixingRho(2 * alpha, nStar);
  const s = n * rho * rho + 1;
  return standardError * Math.sqrt(n) * Math.sqrt(((2 * s) / (n * rho) ** 2) * Math.log1p(Math.sqrt(s) / (2 * alpha)));
}

/**
 * Mixture sequential probability ratio test of "no difference", mixing over N(0, tau2): R. Johari et al.,
 * "Peeking at A/B tests" (KDD 2017). `variance` is that of the difference per observation. Answers the p-value
 * of this look; the test's is the smallest so far.
 */
export function mixtureSprt(difference: number, variance: number, n: number, tau2: number): number {
  const v = variance + n * tau2;
  const logRatio = 0.5 * Math.log(variance / v) + (n * n * tau2 * difference * difference) / (2 * variance * v);
  return Math.min(1, Math.exp(-logRatio));
}

/** Sample ratio mismatch, for one look: Pearson's chi-square of two counts against their planned shares. */
export function sampleRatio(counts: readonly [number, number], shares: readonly [number, number]): { chiSquare: number; pValue: number } {
  const n = counts[0] + counts[1];
  if (n === 0) return { chiSquare: 0, pValue: 1 };
  const total = shares[0] + shares[1];
  const chiSquare = counts.reduce((sum, count, i) => {
    const expected = (n * shares[i]!) / total;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
  return { chiSquare, pValue: erfc(Math.sqrt(chiSquare / 2)) };
}

/** Weight of the planned share, in observations: deviations of a few hundredths are looked for. */
const RATIO_PRIOR = 100;

/**
 * Sample ratio mismatch at every look: M. Lindon and A. Malek, "Anytime-valid inference for multinomial count
 * data" (NeurIPS 2022), for two arms. Exact.
 */
export const sampleRatioAlways = (counts: readonly [number, number], shares: readonly [number, number]): number =>
  Math.min(1, Math.exp(-logCoin(counts[1], counts[0], shares[1] / (shares[0] + shares[1]), RATIO_PRIOR)));

/** Log of the mixture likelihood ratio of a coin that shows heads with probability `share`, or with another one near it. */
const logCoin = (heads: number, tails: number, share: number, prior: number): number => {
  const [a, b] = [prior * share, prior * (1 - share)];
  return logBeta(heads + a, tails + b) - logBeta(a, b) - heads * Math.log(share) - tails * Math.log1p(-share);
};

export interface Count {
  readonly events: number;
  readonly n: number;
}

/**
 * By how much the candidate's share of events is above the other's, one-sided and valid at every look and
 * every sample size, also where an arm has no event at all. The evidence against "above by at most d" is
 * the mixture likelihood of both arms (Beta(1/2, 1/2) each) over the largest likelihood that this allows: an
 * e-process, so that it reaches 1/alpha with probability at most alpha (L. Wasserman, A. Ramdas and
 * S. Balakrishnan, "Universal inference", PNAS 117, 2020; H. Robbins, 1970). `low` inverts it.
 */
export function excessShare(
  candidate: Count,
  other: Count,
  alpha: number,
  margin = 0,
): { difference: number; low: number; pValue: number } {
  if (candidate.n === 0 || other.n === 0) return { difference: 0, low: -1, pValue: 1 };
  const mixture = logMixture(candidate) + logMixture(other);
  const evidence = (d: number): number => mixture - largestLogLikelihood(candidate, other, d);
  const difference = candidate.events / candidate.n - other.events / other.n;
  let [outside, inside] = [-1, difference];
  if (evidence(outside) < -Math.log(alpha)) inside = outside;
  else
    for (let i = 0; i < 50; i++) {
      const middle = (outside + inside) / 2;
      if (evidence(middle) >= -Math.log(alpha)) outside = middle;
      else inside = middle;
    }
  return { difference, low: inside, pValue: Math.min(1, Math.exp(-evidence(margin))) };
}

/** Log of the likelihood of a count, mixed over all shares with Beta(1/2, 1/2). */
export const logMixture = ({ events, n }: Count): number => logBeta(events + 0.5, n - events + 0.5) - logBeta(0.5, 0.5);

export const logLikelihood = ({ events, n }: Count, p: number): number =>
  (events === 0 ? 0 : events * Math.log(p)) + (events === n ? 0 : (n - events) * Math.log1p(-p));

/** Over all pairs of shares with the candidate's above the other's by at most d. */
function largestLogLikelihood(candidate: Count, other: Count, d: number): number {
  const [own, others] = [candidate.events / candidate.n, other.events / other.n];
  if (own - others <= d) return logLikelihood(candidate, own) + logLikelihood(other, others);
  // The likelihood is concave, so that its largest value lies on the border; thirds find it.
  const at = (p: number): number => logLikelihood(candidate, Math.min(1, Math.max(0, p + d))) + logLikelihood(other, p);
  let [low, high] = [Math.max(0, -d), Math.min(1, 1 - d)];
  for (let i = 0; i < 80; i++) {
    const third = (high - low) / 3;
    if (at(low + third) < at(high - third)) low += third;
    else high -= third;
  }
  return at((low + high) / 2);
}

/** Weight of the planned share within one bin, in observations. */
const BIN_PRIOR = 20;

/**
 * Evidence that two arms draw from different distributions, valid at every look: where they do not, each
 * observation of a bin fell to the candidate with the planned share, whatever the bin. A mixture likelihood
 * ratio per bin, multiplied: an e-process under random assignment, exact. Answers its p-value.
 */
export const assignmentTest = (candidate: readonly number[], other: readonly number[], share: number): number =>
  Math.min(1, Math.exp(-candidate.reduce((sum, count, bin) => sum + logCoin(count, other[bin]!, share, BIN_PRIOR), 0)));

/**
 * Jensen-Shannon distance (root of the divergence in bits, 0 to 1) of two histograms, less what sampling alone
 * adds to the divergence: (bins - 1) / (8 ln 2) (1/n + 1/m), its expectation to first order.
 */
export function excessDistance(a: readonly number[], b: readonly number[]): number {
  const [n, m] = [a, b].map((counts) => counts.reduce((sum, count) => sum + count, 0)) as [number, number];
  if (n === 0 || m === 0) return 0;
  const used = a.filter((count, i) => count + b[i]! > 0).length;
  let divergence = 0;
  a.forEach((count, i) => {
    const [p, q] = [count / n, b[i]! / m];
    const middle = (p + q) / 2;
    if (p > 0) divergence += 0.5 * p * Math.log2(p / middle);
    if (q > 0) divergence += 0.5 * q * Math.log2(q / middle);
  });
  const bySampling = ((used - 1) / (8 * Math.LN2)) * (1 / n + 1 / m);
  return Math.sqrt(Math.max(0, divergence - bySampling));
}
