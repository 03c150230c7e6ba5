// Several comparisons at once, and whether the units went where they were sent.
import { chiSquareAbove, logGamma } from '../special/gamma.ts';

export type Correction = 'holm' | 'benjamini-hochberg';

/** p-values that may each be held against alpha: of all false findings (Holm), or of their share among the findings. */
export const adjusted = (pValues: readonly number[], correction: Correction): number[] =>
  correction === 'holm' ? holm(pValues) : benjaminiHochberg(pValues);

/** S. Holm, "A simple sequentially rejective multiple test procedure" (1979): the chance of any false finding, whatever the dependence. */
export function holm(pValues: readonly number[]): number[] {
  const order = ascending(pValues);
  const found: number[] = [];
  let largest = 0;
  order.forEach((at, rank) => {
    largest = Math.max(largest, Math.min(1, (order.length - rank) * pValues[at]!));
    found[at] = largest;
  });
  return found;
}

/** Y. Benjamini and Y. Hochberg (1995): the expected share of false findings; for independent or positively dependent comparisons. */
export function benjaminiHochberg(pValues: readonly number[]): number[] {
  const order = ascending(pValues);
  const found: number[] = [];
  let smallest = 1;
  for (let rank = order.length; rank > 0; rank--) {
    const at = order[rank - 1]!;
    smallest = Math.min(smallest, (order.length / rank) * pValues[at]!);
    found[at] = smallest;
  }
  return found;
}

const ascending = (values: readonly number[]): number[] => values.map((_, i) => i).toSorted((a, b) => values[a]! - values[b]!);

/** Weight of the planned shares, in units: deviations of a few hundredths are looked for. */
const PRIOR = 100;

export interface Mismatch {
  readonly chiSquare: number;
  /** Of one look. */
  readonly chiSquareP: number;
  /** At every look: M. Lindon and A. Malek, "Anytime-valid inference for multinomial count data" (NeurIPS 2022). Exact. */
  readonly pValue: number;
}

/** Units that were assigned while the shares were the same. */
export interface Counted {
  readonly counts: readonly number[];
  /** Planned; they sum to 1. */
  readonly shares: readonly number[];
}

/** Sample ratio mismatch of any number of arms: counts against planned shares. */
export const sampleMismatch = (counts: readonly number[], shares: readonly number[]): Mismatch => mismatchOf([{ counts, shares }]);

/**
 * The same where the shares moved while it ran: each unit counts where it was assigned first. The evidence of one time after
 * the other is multiplied, which stays valid at every look, whatever moved the shares.
 */
export function mismatchOf(times: readonly Counted[]): Mismatch {
  const met = times.filter(({ counts }) => counts.some((count) => count > 0));
  if (met.length === 0) return { chiSquare: 0, chiSquareP: 1, pValue: 1 };
  const chiSquare = met.reduce((sum, t) => sum + chiSquareOf(t), 0);
  const df = met.reduce((sum, { counts }) => sum + counts.length - 1, 0);
  const logEvidence = met.reduce((sum, t) => sum + evidenceOf(t), 0);
  return { chiSquare, chiSquareP: chiSquareAbove(chiSquare, df), pValue: Math.min(1, Math.exp(-logEvidence)) };
}

function chiSquareOf({ counts, shares }: Counted): number {
  const n = counts.reduce((sum, count) => sum + count, 0);
  return counts.reduce((sum, count, i) => sum + (count - n * shares[i]!) ** 2 / (n * shares[i]!), 0);
}

function evidenceOf({ counts, shares }: Counted): number {
  const logBeta = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + logGamma(value), 0) - logGamma(values.reduce((sum, value) => sum + value, 0));
  const prior = shares.map((share) => PRIOR * share);
  const chance = counts.reduce((sum, count, i) => sum + count * Math.log(shares[i]!), 0);
  return logBeta(prior.map((value, i) => value + counts[i]!)) - logBeta(prior) - chance;
}
