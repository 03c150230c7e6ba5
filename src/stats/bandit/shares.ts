// From the chance to be the best to the share of the next traffic.
import { bestShares, seeded, type Posterior } from './thompson.ts';

export interface Bounds {
  /** What every arm gets at least; at most 1 / arms. */
  readonly floor: number;
  /** What an arm gets at most; at least 1 / arms. */
  readonly cap: number;
}

export interface Bandit extends Bounds {
  readonly draws: number;
  /** Below so many rewards in any arm the shares stay as they are. */
  readonly fewest: number;
}

export const banditDefaults: Bandit = { floor: 0.05, cap: 1, draws: 10_000, fewest: 100 };

/**
 * floor + (1 - arms x floor) x chance, none above the cap: what is cut off goes to the others in proportion to what they
 * have, so that none falls below the floor. The shares sum to 1; they are the propensities.
 */
export function boundedShares(chances: readonly number[], { floor, cap }: Bounds): number[] {
  const k = chances.length;
  let shares = chances.map((chance) => floor + (1 - k * floor) * chance);
  const capped = new Set<number>();
  for (;;) {
    const over = shares.flatMap((share, i) => (share > cap + 1e-12 && !capped.has(i) ? [i] : []));
    if (over.length === 0) break;
    for (const i of over) capped.add(i);
    const left = 1 - cap * capped.size;
    const free = shares.reduce((sum, share, i) => (capped.has(i) ? sum : sum + share), 0);
    const others = k - capped.size;
    shares = shares.map((share, i) => (capped.has(i) ? cap : free > 0 ? (share * left) / free : left / others));
  }
  return toSum(shares.map((share) => Math.max(floor, Number(share.toFixed(6)))));
}

/** Rounded shares that sum to 1 again: the largest takes the difference, which is some millionths. */
function toSum(shares: readonly number[]): number[] {
  const largest = shares.indexOf(Math.max(...shares));
  const others = shares.reduce((sum, share, i) => (i === largest ? sum : sum + share), 0);
  return shares.map((share, i) => (i === largest ? Number((1 - others).toFixed(9)) : share));
}

export interface NextShares {
  readonly chances: readonly number[];
  readonly shares: readonly number[];
}

/** Shares of the next traffic. null: some arm has too few rewards to say anything. `counts` are rewards by arm, undiscounted. */
export function nextShares(
  arms: readonly Posterior[],
  counts: readonly number[],
  { draws, fewest, ...bounds }: Bandit,
  seed: number,
): NextShares | null {
  if (counts.some((n) => n < fewest)) return null;
  const chances = bestShares(arms, draws, seeded(seed));
  return { chances, shares: boundedShares(chances, bounds) };
}
