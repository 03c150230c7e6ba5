// Thompson sampling: each arm gets the share of the traffic that is the chance that it is the best one.
import { normalQuantile } from '../normal.ts';

/** What is known of an arm: successes among trials, or moments of rewards on any scale. */
export type Posterior =
  | { readonly kind: 'beta'; readonly successes: number; readonly failures: number }
  | { readonly kind: 'gaussian'; readonly n: number; readonly mean: number; readonly variance: number };

export interface Bandit {
  /** What every arm gets at least; below 1 / arms. */
  readonly floor: number;
  readonly draws: number;
  /** Below so many rewards in any arm all arms get the same. */
  readonly fewest: number;
}

export const banditDefaults: Bandit = { floor: 0.05, draws: 10_000, fewest: 100 };

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

/** Chance of each arm to be the best, by draws from the posteriors. Beta arms begin with Beta(1, 1), Gaussian ones flat. */
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

/** Shares of the next traffic: floor + (1 - arms x floor) x chance to be the best. They are the propensities. */
export function nextShares(arms: readonly Posterior[], { floor, draws, fewest }: Bandit, seed: number): number[] {
  const counts = arms.map((arm) => (arm.kind === 'beta' ? arm.successes + arm.failures : arm.n));
  if (counts.some((n) => n < fewest)) return arms.map(() => 1 / arms.length);
  return bestShares(arms, draws, seeded(seed)).map((share) => floor + (1 - arms.length * floor) * share);
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

/** A reward as it comes in: late, again, out of order. */
export interface Reward {
  /** The prediction that it rewards. */
  readonly id: string;
  /** Order of arrival. */
  readonly seq: number;
  readonly value: number;
}

/** One reward for each prediction, the last that arrived: one sent twice counts once, a corrected one as it was corrected. */
export function rewardsOnce(rewards: Iterable<Reward>): Map<string, number> {
  const newest = new Map<string, Reward>();
  for (const reward of rewards) {
    const before = newest.get(reward.id);
    if (!before || reward.seq >= before.seq) newest.set(reward.id, reward);
  }
  return new Map([...newest].map(([id, { value }]) => [id, value]));
}

export interface Rewarded {
  readonly reward: number;
  /** Share that its arm had when it was assigned. */
  readonly propensity: number;
}

/**
 * Mean reward of an arm for all traffic, from what it was given: J. Hájek's weights, for shares that moved while it ran.
 * A plain mean would lean to the time in which the arm had most.
 */
export function weightedMean(rows: readonly Rewarded[]): { mean: number; standardError: number } {
  const total = rows.reduce((sum, row) => sum + 1 / row.propensity, 0);
  const mean = rows.reduce((sum, row) => sum + row.reward / row.propensity, 0) / total;
  const spread = rows.reduce((sum, row) => sum + ((row.reward - mean) / row.propensity) ** 2, 0);
  return { mean, standardError: Math.sqrt(spread) / total };
}
