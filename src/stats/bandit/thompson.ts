// Thompson sampling: each arm gets the share of the traffic that is the chance that it is the best one.
import { normalQuantile } from '../normal.ts';

/** What is known of an arm: rewards of 0 or 1 as a Beta posterior, rewards on any scale as a Gaussian one. */
export type Posterior =
  | { readonly kind: 'beta'; readonly successes: number; readonly failures: number }
  | { readonly kind: 'gaussian'; readonly n: number; readonly mean: number; readonly variance: number };

/** Rewards of one arm as sums; with discounting each reward weighs `discountOf` its age, and 1 without. */
export interface RewardSums {
  /** Rewards as they were counted, whatever they weigh. */
  readonly n: number;
  readonly weight: number;
  readonly squaredWeight: number;
  readonly reward: number;
  readonly squaredReward: number;
}

/** What a reward weighs that is so old: half of it after each half-life. */
export const discountOf = (age: number, halfLife: number | null): number => (halfLife === null ? 1 : 0.5 ** (age / halfLife));

/** Beta(1 + successes, 1 + failures): a flat prior, and discounted rewards count as parts of one. */
export const betaOf = ({ reward, weight }: RewardSums): Posterior => ({ kind: 'beta', successes: reward, failures: weight - reward });

/** N(mean, variance / n) under a flat prior; n is L. Kish's effective number where rewards weigh differently. */
export function gaussianOf({ weight, squaredWeight, reward, squaredReward }: RewardSums): Posterior {
  const n = squaredWeight > 0 ? weight ** 2 / squaredWeight : 0;
  const mean = weight > 0 ? reward / weight : 0;
  const spread = weight > 0 ? Math.max(0, squaredReward / weight - mean ** 2) : 0;
  return { kind: 'gaussian', n, mean, variance: n > 1 ? (spread * n) / (n - 1) : spread };
}

/** The same arm where less is better. */
export const turned = (arm: Posterior): Posterior =>
  arm.kind === 'beta' ? { ...arm, successes: arm.failures, failures: arm.successes } : { ...arm, mean: -arm.mean };

/** mulberry32: the same seed gives the same shares, so that an update can be told again. */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
}

/** Chance of each arm to be the best, by draws from the posteriors. */
export function bestShares(arms: readonly Posterior[], draws: number, random: () => number): number[] {
  const wins = arms.map(() => 0);
  const drawers = arms.map((arm) => drawer(arm, random));
  for (let i = 0; i < draws; i++) {
    let [best, highest] = [0, -Infinity];
    drawers.forEach((draw, arm) => {
      const value = draw();
      if (value > highest) [best, highest] = [arm, value];
    });
    wins[best] = wins[best]! + 1;
  }
  return wins.map((count) => count / draws);
}

function drawer(arm: Posterior, random: () => number): () => number {
  if (arm.kind === 'gaussian') {
    const error = Math.sqrt(arm.variance / arm.n);
    return () => arm.mean + error * normalQuantile(random());
  }
  const [a, b] = [gammaDraw(arm.successes + 1, random), gammaDraw(arm.failures + 1, random)];
  return () => {
    const x = a();
    return x / (x + b());
  };
}

/** G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables" (2000), for a shape of 1 or more. */
function gammaDraw(shape: number, random: () => number): () => number {
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  return () => {
    for (;;) {
      const x = normalQuantile(random());
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(random()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  };
}
