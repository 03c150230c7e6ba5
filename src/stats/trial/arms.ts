// What is known of an arm of a trial: moments per unit of assignment, so that arms of any size are a few numbers.

/** Means and sample variances over the units of one arm. */
export interface UnitMoments {
  readonly n: number;
  readonly mean: number;
  /** With n - 1. */
  readonly variance: number;
}

export interface Events {
  readonly events: number;
  readonly n: number;
}

/** A sum over a sum, both per unit: clicks per view, loss per prediction. */
export interface RatioMoments {
  readonly n: number;
  readonly numerator: number;
  readonly denominator: number;
  readonly numeratorVariance: number;
  readonly denominatorVariance: number;
  readonly covariance: number;
}

/** An outcome beside a value that was known before the unit was assigned. */
export interface CovariateMoments extends UnitMoments {
  readonly before: number;
  readonly beforeVariance: number;
  readonly covariance: number;
}

/** A mean or a rate of one arm, with the variance of a single unit's contribution to it. */
export interface ArmEstimate {
  readonly n: number;
  readonly value: number;
  readonly variance: number;
}

export const meanOf = ({ n, mean, variance }: UnitMoments): ArmEstimate => ({ n, value: mean, variance });

export const shareOf = ({ events, n }: Events): ArmEstimate => {
  const p = events / n;
  return { n, value: p, variance: p * (1 - p) };
};

/** A ratio of means by the delta method: its variance is that of (numerator - ratio x denominator) / mean denominator. */
export function ratioOf(r: RatioMoments): ArmEstimate {
  const value = r.numerator / r.denominator;
  const variance = (r.numeratorVariance + value * value * r.denominatorVariance - 2 * value * r.covariance) / r.denominator ** 2;
  return { n: r.n, value, variance: Math.max(0, variance) };
}

export interface Adjusted {
  readonly arms: readonly ArmEstimate[];
  /** Outcome per unit of covariate, the same in all arms. */
  readonly theta: number;
  /** Share of the variance that the covariate took away. */
  readonly reduction: number;
}

/**
 * CUPED with one covariate (A. Deng, Y. Xu, R. Kohavi and T. Walker, WSDM 2013): y - theta (x - mean x), theta pooled
 * within the arms, so that a difference between the arms moves neither theta nor what is taken away.
 */
export function cuped(arms: readonly CovariateMoments[]): Adjusted {
  const sum = (of: (arm: CovariateMoments) => number): number => arms.reduce((total, arm) => total + of(arm), 0);
  const spread = sum((a) => (a.n - 1) * a.beforeVariance);
  const theta = spread > 0 ? sum((a) => (a.n - 1) * a.covariance) / spread : 0;
  const before = sum((a) => a.n * a.before) / sum((a) => a.n);
  const adjusted = arms.map((a): ArmEstimate => {
    const variance = a.variance + theta * theta * a.beforeVariance - 2 * theta * a.covariance;
    return { n: a.n, value: a.mean - theta * (a.before - before), variance: Math.max(0, variance) };
  });
  const unadjusted = sum((a) => (a.n - 1) * a.variance);
  const left = adjusted.reduce((total, a) => total + (a.n - 1) * a.variance, 0);
  return { arms: adjusted, theta, reduction: unadjusted > 0 ? 1 - left / unadjusted : 0 };
}
