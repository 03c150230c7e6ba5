// How many units a trial needs, before it begins.
import { mixingRho } from '../sequential.ts';
import { normalQuantile } from '../normal.ts';

export interface Wanted {
  /** Chance of a false winner, two-sided, all comparisons together. */
  readonly alpha: number;
  /** Chance to find an effect of the minimal size. */
  readonly power: number;
  /** Shares of the units, the control's first; they sum to 1. */
  readonly weights: readonly number[];
  /** Looks at one moment that was fixed before, or always valid ones. */
  readonly rule: 'fixed-horizon' | 'confidence-sequence';
}

/** Alpha of one comparison. Holm's first step and Benjamini and Hochberg's, if one arm alone differs, ask for a k-th. */
export const comparisonAlpha = (alpha: number, comparisons: number): number => alpha / Math.max(1, comparisons);

/**
 * Standard errors by which the interval's end is away from the estimate: the normal quantile at a fixed horizon, and
 * at a confidence sequence's narrowest point, which does not depend on the sample, some 1.4 times as many.
 */
export function criticalValue(alpha: number, rule: Wanted['rule']): number {
  if (rule === 'fixed-horizon') return normalQuantile(1 - alpha / 2);
  const c = mixingRho(alpha, 1) ** 2;
  return Math.sqrt(((2 * (c + 1)) / c) * Math.log(Math.sqrt(c + 1) / alpha));
}

/** Two shares: the test's error pools them, that of the estimate does not (J. L. Fleiss, 1981, without continuity correction). */
export function unitsForShares(baseline: number, effect: number, wanted: Wanted): number {
  return most(wanted, (control, arm, critical, beta) => {
    const other = baseline + effect;
    const pooled = (control * baseline + arm * other) / (control + arm);
    const none = Math.sqrt(pooled * (1 - pooled) * (1 / control + 1 / arm));
    const real = Math.sqrt((baseline * (1 - baseline)) / control + (other * (1 - other)) / arm);
    return ((critical * none + beta * real) / effect) ** 2;
  });
}

/**
 * Two means with the same variance. W. C. Guenther's term (1981) makes up for Student's t: within a unit of the exact answer
 * from some ten units in each arm on.
 */
export function unitsForMeans(variance: number, effect: number, wanted: Wanted): number {
  return most(wanted, (control, arm, critical, beta) => {
    const units = (variance * (1 / control + 1 / arm) * (critical + beta) ** 2) / effect ** 2;
    return units + (critical * critical) / 2;
  });
}

/** Units of all arms together, so many that the comparison that needs most has enough. */
function most(
  { alpha, power, weights, rule }: Wanted,
  units: (control: number, arm: number, critical: number, beta: number) => number,
): number {
  const critical = criticalValue(comparisonAlpha(alpha, weights.length - 1), rule);
  const beta = normalQuantile(power);
  const [control, ...arms] = weights as [number, ...number[]];
  return Math.ceil(Math.max(...arms.map((arm) => units(control, arm, critical, beta))) - 1e-9);
}
