// Requests that were drawn for an arm, added up to what the off-policy values need; by the database for a trial, here for any rows.
import { noCross, type AllSums, type CrossSums, type WeightedSums } from './off-policy.ts';

export interface Drawn {
  /** Requests of one unit have one arm as long as the shares stay. */
  readonly unit: string;
  readonly arm: number;
  /** Share that its arm had when it was drawn. */
  readonly propensity: number;
  readonly reward: number;
}

export interface DrawnSums {
  readonly arms: readonly WeightedSums[];
  readonly all: AllSums;
  /** Of each arm with the first one. */
  readonly cross: readonly CrossSums[];
}

interface Unit {
  requests: number;
  readonly reward: number[];
  readonly weight: number[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function sumsOf(rows: readonly Drawn[], count: number): DrawnSums {
  const zeros = (): number[] => Array.from({ length: count }, () => 0);
  const units = new Map<string, Unit>();
  const arms = zeros().map((): Mutable<WeightedSums> => ({
    ...{ n: 0, reward: 0, weight: 0, reward2: 0, weight2: 0, rewardWeight: 0, rewardRequests: 0, squaredWeight: 0 },
  }));
  for (const { unit, arm, propensity, reward } of rows) {
    const own = units.get(unit) ?? { requests: 0, reward: zeros(), weight: zeros() };
    units.set(unit, own);
    own.requests++;
    own.reward[arm]! += reward / propensity;
    own.weight[arm]! += 1 / propensity;
    arms[arm]!.n++;
    arms[arm]!.squaredWeight += 1 / propensity ** 2;
  }
  const cross = zeros().map((): Mutable<CrossSums> => ({ ...noCross }));
  let requests2 = 0;
  for (const { requests, reward, weight } of units.values()) {
    requests2 += requests ** 2;
    for (const [i, sums] of arms.entries()) {
      const [r, w] = [reward[i]!, weight[i]!];
      sums.reward += r;
      sums.weight += w;
      sums.reward2 += r * r;
      sums.weight2 += w * w;
      sums.rewardWeight += r * w;
      sums.rewardRequests += r * requests;
      const with0 = cross[i]!;
      with0.rewards += r * reward[0]!;
      with0.rewardWeight += r * weight[0]!;
      with0.weightReward += w * reward[0]!;
      with0.weights += w * weight[0]!;
    }
  }
  return { arms, all: { requests: rows.length, units: units.size, requests2 }, cross };
}
