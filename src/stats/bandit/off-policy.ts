// What each arm would have brought with all the traffic, from traffic whose shares moved while it ran. Rewards are weighted by
// one over the share (propensity) with which their arm was drawn. A plain mean leans to the time in which the arm had most, and
// an arm is cut back after bad luck, so that it stays there: plain means of a bandit are biased.
import { mixingRho } from '../sequential.ts';

/**
 * One arm as sums over units (all requests of a key are one unit, for their arm was drawn once): of a unit's rewards by
 * propensity R, of its weights W = sum of 1 / propensity, and of its requests N in all arms.
 */
export interface WeightedSums {
  /** Requests with a reward. */
  readonly n: number;
  readonly reward: number;
  readonly weight: number;
  readonly reward2: number;
  readonly weight2: number;
  readonly rewardWeight: number;
  /** Sum of R N over the units. */
  readonly rewardRequests: number;
  /** Sum of the squared weights of requests: what the effective sample size asks for. */
  readonly squaredWeight: number;
}

/** All requests with a reward, whatever arm answered: their number, the units they come from, and the sum of N squared. */
export interface AllSums {
  readonly requests: number;
  readonly units: number;
  readonly requests2: number;
}

export interface PolicyValue {
  readonly value: number;
  readonly standardError: number;
}

/** Inverse propensity score (D. G. Horvitz and D. J. Thompson, 1952): without bias, and wide where shares are small. */
export function ips(arm: WeightedSums, all: AllSums): PolicyValue | null {
  if (all.requests === 0 || arm.n === 0) return null;
  const value = arm.reward / all.requests;
  const spread = arm.reward2 - 2 * value * arm.rewardRequests + value ** 2 * all.requests2;
  return { value, standardError: Math.sqrt(Math.max(0, spread) * correction(all.units)) / all.requests };
}

/** Self-normalised (J. Hájek, 1971): biased by the order of 1 / n, with much less variance, and never outside of the rewards. */
export function snips(arm: WeightedSums, all: AllSums): PolicyValue | null {
  if (arm.n < 2 || !(arm.weight > 0)) return null;
  const value = arm.reward / arm.weight;
  const spread = arm.reward2 - 2 * value * arm.rewardWeight + value ** 2 * arm.weight2;
  return { value, standardError: Math.sqrt(Math.max(0, spread) * correction(all.units)) / arm.weight };
}

const correction = (units: number): number => (units > 1 ? units / (units - 1) : 1);

/** L. Kish's effective sample size: rewards of one share that would tell as much. */
export const effectiveSize = ({ weight, squaredWeight }: WeightedSums): number => (squaredWeight > 0 ? weight ** 2 / squaredWeight : 0);

/** Sums over units that met both arms: R of one by R of the other, and so on. All 0 where the arm is drawn for each request. */
export interface CrossSums {
  readonly rewards: number;
  /** R of the arm by W of the control. */
  readonly rewardWeight: number;
  /** W of the arm by R of the control. */
  readonly weightReward: number;
  readonly weights: number;
}

export const noCross: CrossSums = { rewards: 0, rewardWeight: 0, weightReward: 0, weights: 0 };

/** Arm less control, self-normalised; a unit that met both counts once in the error. */
export function snipsDifference(
  control: WeightedSums,
  arm: WeightedSums,
  cross: CrossSums,
  all: AllSums,
): { difference: number; standardError: number } | null {
  const [a, b] = [snips(control, all), snips(arm, all)];
  if (!a || !b) return null;
  const shared =
    (cross.rewards - a.value * cross.rewardWeight - b.value * cross.weightReward + a.value * b.value * cross.weights) /
    (arm.weight * control.weight);
  const variance = a.standardError ** 2 + b.standardError ** 2 - 2 * shared * correction(all.units);
  return { difference: b.value - a.value, standardError: Math.sqrt(Math.max(0, variance)) };
}

export interface Weighed {
  readonly difference: number;
  readonly standardError: number;
  /** Requests with a reward, of all arms. */
  readonly n: number;
}

/**
 * A confidence sequence for sums whose variance moves with the shares: the boundary is in the variance that has gathered,
 * not in the number of requests (I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy and A. Ramdas, "Time-uniform central
 * limit theory and asymptotic confidence sequences", 2024, for martingales). It is narrowest where the gathered variance is
 * `expected`, which must not depend on the outcome.
 */
export function varianceSequence({ difference, standardError, n }: Weighed, alpha: number, expected: number) {
  const gathered = (standardError * n) ** 2;
  const rate = mixingRho(alpha, 1) ** 2 / expected;
  const s = gathered * rate + 1;
  const half = Math.sqrt(((2 * s) / rate) * Math.log(Math.sqrt(s) / alpha)) / n;
  const pValue = Math.min(1, Math.sqrt(s) * Math.exp(-(rate * (difference * n) ** 2) / (2 * s)));
  return { low: difference - half, high: difference + half, pValue };
}
