// Where a bandit's weights go next, and what its arms would have brought with all the traffic. Pure.
import { createHash } from 'node:crypto';
import {
  effectiveSize,
  ips,
  noCross,
  snips,
  snipsDifference,
  varianceSequence,
  type PolicyValue,
} from '../../../stats/bandit/off-policy.ts';
import { nextShares } from '../../../stats/bandit/shares.ts';
import { bestShares, betaOf, gaussianOf, seeded, turned, type Posterior } from '../../../stats/bandit/thompson.ts';
import { normalQuantile } from '../../../stats/normal.ts';
import { mismatchOf, type Mismatch } from '../../../stats/trial/corrections.ts';
import { comparisonAlpha } from '../../../stats/trial/sample-size.ts';
import { FEWEST_ALWAYS } from '../../../stats/trial/readout.ts';
import { percent, roundTo, type BanditPlan, type Plan, type Update, type WeightedFigures } from '../model.ts';
import type { Rewarded, RewardedArm } from './measure-rewards.ts';

/** 31 bits of a text, so that a bandit that is named the same in a replay draws the same. */
export const seedOf = (text: string): number => Number.parseInt(createHash('sha256').update(text).digest('hex').slice(0, 8), 16) >>> 1;

const seedOfUpdate = (seed: number, update: number): number => seedOf(`${seed}/${update}`);

const nobody = (arm: string): RewardedArm => ({
  ...{ arm, requests: 0, assigned: 0 },
  sums: { n: 0, weight: 0, squaredWeight: 0, reward: 0, squaredReward: 0 },
  weighted: { n: 0, reward: 0, weight: 0, reward2: 0, weight2: 0, rewardWeight: 0, rewardRequests: 0, squaredWeight: 0 },
  cross: noCross,
});

/** In the order of the plan. */
export const armsInOrder = (plan: Plan, found: Rewarded): RewardedArm[] =>
  plan.arms.map(({ name }) => found.arms.find((a) => a.arm === name) ?? nobody(name));

const posteriorOf = ({ reward }: BanditPlan, { sums }: RewardedArm): Posterior => (reward === 'binary' ? betaOf(sums) : gaussianOf(sums));

/** As draws compare them: more is better. */
const towardsBetter = (plan: Plan, posterior: Posterior): Posterior => (plan.higherIsBetter ? posterior : turned(posterior));

export type Next =
  | { readonly kind: 'waits'; readonly why: string }
  | { readonly kind: 'next'; readonly weights: readonly number[]; readonly update: Update; readonly why: string };

/** The weights from here on. The same rewards and the same number of the update give the same weights. */
export function nextWeights(plan: Plan, bandit: BanditPlan, found: Rewarded, updates: number): Next {
  const arms = armsInOrder(plan, found);
  if (bandit.reward === 'binary' && found.notBinary > 0)
    return {
      kind: 'waits',
      why: `${found.notBinary} rewards are neither 0 nor 1, so that they have no Beta posterior; plan with continuous rewards`,
    };
  const posteriors = arms.map((arm) => posteriorOf(bandit, arm));
  const seed = seedOfUpdate(bandit.seed, updates + 1);
  const next = nextShares(
    posteriors.map((p) => towardsBetter(plan, p)),
    arms.map((arm) => arm.sums.n),
    bandit,
    seed,
  );
  if (!next) {
    const [least] = arms.toSorted((a, b) => a.sums.n - b.sums.n);
    return {
      kind: 'waits',
      why: `${least!.arm} has ${least!.sums.n} of the ${bandit.fewest} rewards that every arm needs before the weights move`,
    };
  }
  const update: Update = {
    seed,
    draws: bandit.draws,
    arms: arms.map(({ arm, sums }, i) => ({
      name: arm,
      rewards: sums.n,
      posterior: { ...posteriors[i]! },
      chance: next.chances[i]!,
      share: next.shares[i]!,
    })),
  };
  return { kind: 'next', weights: next.shares, update, why: weightsInWords(plan, next.shares) };
}

export const weightsInWords = (plan: Plan, weights: readonly number[]): string =>
  plan.arms.map(({ name }, i) => `${name} ${percent(weights[i]!)}`).join(', ');

/** Changes below this make no revision: nobody would see them in the traffic. */
const LEAST_CHANGE = 0.005;
export const isMove = (before: readonly number[], after: readonly number[]): boolean =>
  after.some((share, i) => Math.abs(share - before[i]!) >= LEAST_CHANGE);

export interface WeightedComparison {
  readonly difference: number;
  readonly always: { readonly low: number; readonly high: number; readonly pValue: number; readonly method: string } | null;
}

const METHOD = 'confidence sequence of propensity-weighted means (SNIPS)';

/** Arm less control for each arm, valid at every look; null before each has a hundred rewards. */
export function compareWeighted(plan: Plan, found: Rewarded, alpha: number): WeightedComparison[] {
  const [control, ...arms] = armsInOrder(plan, found) as [RewardedArm, ...RewardedArm[]];
  return arms.map((arm, i) => {
    const d = snipsDifference(control.weighted, arm.weighted, arm.cross, found.all);
    const isEnough = Math.min(control.weighted.n, arm.weighted.n) >= FEWEST_ALWAYS;
    if (!d || !isEnough || !(found.variance > 0)) return { difference: d?.difference ?? 0, always: null };
    // What gathers by the planned sample, if the shares stay as they were planned.
    const expected = plan.size.units * found.variance * (1 / plan.arms[0]!.weight + 1 / plan.arms[i + 1]!.weight);
    return { difference: d.difference, always: { ...varianceSequence({ ...d, n: found.all.requests }, alpha, expected), method: METHOD } };
  });
}

export function weightedFigures(
  plan: Plan,
  bandit: BanditPlan,
  found: Rewarded,
  weights: readonly number[],
  updates: number,
): WeightedFigures[] {
  const arms = armsInOrder(plan, found);
  const isKnown = arms.every(({ sums }) => sums.n >= 2) && (bandit.reward === 'continuous' || found.notBinary === 0);
  const chances = isKnown
    ? bestShares(
        arms.map((arm) => towardsBetter(plan, posteriorOf(bandit, arm))),
        bandit.draws,
        seeded(seedOfUpdate(bandit.seed, updates + 1)),
      )
    : undefined;
  const quantile = normalQuantile(1 - comparisonAlpha(plan.alpha, 1) / 2);
  const span = (of: PolicyValue | null) =>
    of && { value: of.value, low: of.value - quantile * of.standardError, high: of.value + quantile * of.standardError };
  return arms.map(({ sums, weighted }, i) => ({
    share: weights[i]!,
    chance: chances?.[i] ?? null,
    plain: sums.weight > 0 ? sums.reward / sums.weight : null,
    ips: span(ips(weighted, found.all)),
    snips: span(snips(weighted, found.all)),
    effectiveSize: roundTo(effectiveSize(weighted)),
  }));
}

/** Units where they were assigned first, against the weights of that revision. */
export function ratioOfUnits(plan: Plan, { firsts }: Rewarded, weights: ReadonlyMap<number, readonly number[]>): Mismatch {
  const revisions = [...new Set(firsts.map((f) => f.revision))].filter((revision) => weights.has(revision));
  return mismatchOf(
    revisions.map((revision) => ({
      counts: plan.arms.map(({ name }) => firsts.find((f) => f.revision === revision && f.arm === name)?.units ?? 0),
      shares: weights.get(revision)!,
    })),
  );
}
