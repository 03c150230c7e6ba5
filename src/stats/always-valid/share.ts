// One share against a bound, at every look.
import { logBeta, logLikelihood, logMixture, type Count } from '../sequential.ts';

/**
 * Log of the evidence that a share is above `bound`: the mixture likelihood (Beta(1/2, 1/2)) over the largest one that
 * "at most the bound" allows. An e-process (L. Wasserman, A. Ramdas and S. Balakrishnan, "Universal inference", PNAS
 * 117, 2020); it grows with the number of events.
 */
export function logAbove(count: Count, bound: number): number {
  const { events, n } = count;
  if (n === 0) return 0;
  return logMixture(count) - logLikelihood(count, Math.min(bound, events / n));
}

export interface Above {
  /** The share as found. */
  readonly share: number;
  /** With probability 1 - alpha the truth is never below any `low`. */
  readonly low: number;
  /** Against "at most the bound". */
  readonly pValue: number;
}

/** Whether a share is above a bound, one-sided, exact and valid at every look. */
export function shareAbove(count: Count, alpha: number, bound: number): Above {
  if (count.n === 0) return { share: 0, low: 0, pValue: 1 };
  const share = count.events / count.n;
  let [outside, inside] = [0, share];
  if (logAbove(count, 0) < -Math.log(alpha)) inside = 0;
  else
    for (let i = 0; i < 50; i++) {
      const middle = (outside + inside) / 2;
      if (logAbove(count, middle) >= -Math.log(alpha)) outside = middle;
      else inside = middle;
    }
  return { share, low: inside, pValue: Math.min(1, Math.exp(-logAbove(count, bound))) };
}

/** logBeta of a coin that is fair, against one that is not: the mixture over Beta(1/2, 1/2) of `heads` of `n`. */
export const logUnfair = (heads: number, n: number): number => logBeta(heads + 0.5, n - heads + 0.5) - logBeta(0.5, 0.5) + n * Math.LN2;
