// Bandits against quadrature and influence functions by NumPy and SciPy; make-golden-bandit.py made the file.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sumsOf, type Drawn } from '../bandit/drawn.ts';
import { effectiveSize, ips, snips, snipsDifference } from '../bandit/off-policy.ts';
import { boundedShares } from '../bandit/shares.ts';
import { bestShares, discountOf, gaussianOf, seeded, turned, type Posterior } from '../bandit/thompson.ts';

interface Value {
  readonly value: number;
  readonly standardError: number;
}
interface OffPolicy {
  readonly ips: Value;
  readonly snips: Value;
  readonly effectiveSize: number;
}
interface Golden {
  readonly beta: readonly { arms: { successes: number; failures: number }[]; chances: number[] }[];
  readonly gaussian: readonly { arms: { n: number; mean: number; variance: number }[]; chances: number[] }[];
  readonly bounded: readonly { chances: number[]; floor: number; cap: number; shares: number[] }[];
  readonly discounted: { n: number; mean: number; variance: number };
  readonly control: OffPolicy;
  readonly arm: OffPolicy;
  readonly difference: { difference: number; standardError: number };
}
const golden = JSON.parse(readFileSync(join(import.meta.dirname, 'golden-bandit.json'), 'utf8')) as Golden;

const near = (found: number, expected: number, what: string, tolerance = 1e-10): void =>
  assert.ok(Math.abs(found - expected) <= tolerance * Math.max(1, Math.abs(expected)), `${what}: ${found}, where ${expected} was expected`);

test('the chance that an arm is the best is that of the integral, by either posterior', () => {
  const draws = 200_000;
  const same = (arms: readonly Posterior[], expected: readonly number[]): void => {
    const found = bestShares(arms, draws, seeded(1));
    // Four standard errors of a share of so many draws.
    expected.forEach((p, i) => near(found[i]!, p, JSON.stringify(arms[i]), 4 * Math.sqrt((p * (1 - p)) / draws)));
    // Where less is better, of two arms the other one is the best.
    if (arms.length === 2) near(bestShares(arms.map(turned), draws, seeded(2))[0]!, expected[1]!, 'turned', 0.005);
  };
  for (const { arms, chances } of golden.beta)
    same(
      arms.map((a) => ({ kind: 'beta', ...a })),
      chances,
    );
  for (const { arms, chances } of golden.gaussian)
    same(
      arms.map((a) => ({ kind: 'gaussian', ...a })),
      chances,
    );
});

test('floor and cap: what is cut off goes to the others in proportion', () => {
  for (const { chances, floor, cap, shares } of golden.bounded)
    boundedShares(chances, { floor, cap }).forEach((share, i) => near(share, shares[i]!, JSON.stringify(chances), 2e-6));
});

test('discounted rewards: mean, spread and effective number', () => {
  const sums = { n: 50, weight: 0, squaredWeight: 0, reward: 0, squaredReward: 0 };
  for (let i = 0; i < 50; i++) {
    const [w, r] = [discountOf(i, 10), ((7919 * i) % 10_007) / 10_007];
    sums.weight += w;
    sums.squaredWeight += w * w;
    sums.reward += w * r;
    sums.squaredReward += w * r * r;
  }
  const found = gaussianOf(sums);
  assert.ok(found.kind === 'gaussian');
  near(found.n, golden.discounted.n, 'n');
  near(found.mean, golden.discounted.mean, 'mean');
  near(found.variance, golden.discounted.variance, 'variance');
  near(discountOf(7, null), 1, 'without a half-life');
});

test('off-policy values, their errors by unit, and the difference of two arms that share units', () => {
  const rows = Array.from({ length: 240 }, (_, i): Drawn => {
    const arm = (i * 7) % 5 > 2 ? 1 : 0;
    const share = i >= 120 ? 0.7 : 0.3;
    return { unit: String((i * 11) % 90), arm, propensity: arm === 1 ? share : 1 - share, reward: ((31_337 * i + 7) % 65_537) / 65_537 };
  });
  const { arms, all, cross } = sumsOf(rows, 2);
  [golden.control, golden.arm].forEach((expected, i) => {
    for (const [what, found] of [
      ['ips', ips(arms[i]!, all)],
      ['snips', snips(arms[i]!, all)],
    ] as const) {
      near(found!.value, expected[what].value, what);
      near(found!.standardError, expected[what].standardError, `error of ${what}`);
    }
    near(effectiveSize(arms[i]!), expected.effectiveSize, 'effective size');
  });
  const found = snipsDifference(arms[0]!, arms[1]!, cross[1]!, all)!;
  near(found.difference, golden.difference.difference, 'difference');
  near(found.standardError, golden.difference.standardError, 'error of the difference');
});

test('of nothing nothing is said', () => {
  const { arms, all, cross } = sumsOf([], 2);
  assert.deepEqual([ips(arms[0]!, all), snips(arms[0]!, all), snipsDifference(arms[0]!, arms[1]!, cross[1]!, all)], [null, null, null]);
  assert.equal(effectiveSize(arms[0]!), 0);
});
