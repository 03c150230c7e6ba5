// How Thompson sampling fares: the best arm is found, none is starved, rewards count once, means by propensity are right. Seeded.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { banditDefaults, nextShares, rewardsOnce, weightedMean, type Posterior, type Rewarded } from '../trial/bandit.ts';
import { generator } from './generator.ts';

/** Updates of a bandit with Bernoulli arms whose rewards come an update late, every tenth of them twice. */
function bandit(rates: readonly number[], rounds: number, seed: number) {
  const random = generator(seed);
  const state = rates.map(() => ({ successes: 0, failures: 0 }));
  const rows: Rewarded[][] = rates.map(() => []);
  const counts = rates.map(() => 0);
  let shares = rates.map(() => 1 / rates.length);
  let late: { arm: number; id: string; value: number }[] = [];
  const lowest: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const arrived = late.flatMap((r, seq) => (seq % 10 === 0 ? [r, r] : [r])).map((r, seq) => ({ ...r, seq }));
    for (const [id, value] of rewardsOnce(arrived)) {
      const { arm } = late.find((r) => r.id === id)!;
      if (value === 1) state[arm]!.successes++;
      else state[arm]!.failures++;
    }
    const posteriors = state.map((s): Posterior => ({ kind: 'beta', ...s }));
    shares = nextShares(posteriors, { ...banditDefaults, draws: 1000, fewest: 30 }, seed * 1000 + round);
    lowest.push(Math.min(...shares));
    late = [];
    for (let i = 0; i < 200; i++) {
      let u = random();
      const arm = Math.max(
        0,
        shares.findIndex((share) => (u -= share) < 0),
      );
      const value = random() < rates[arm]! ? 1 : 0;
      counts[arm]!++;
      rows[arm]!.push({ reward: value, propensity: shares[arm]! });
      late.push({ arm, id: `${round}.${i}`, value });
    }
  }
  return { shares, rows, counts, lowest, state };
}

test('Thompson sampling finds the best arm, never starves one, and counts late and repeated rewards once', () => {
  const runs = Array.from({ length: 20 }, (_, seed) => bandit([0.1, 0.12, 0.25], 25, seed + 1));
  assert.ok(runs.filter(({ shares }) => shares[2]! > 0.7).length >= 19);
  for (const { lowest, counts, state } of runs) {
    assert.ok(Math.min(...lowest) >= 0.05 - 1e-9);
    // All but those of the last update, which have not come yet.
    assert.equal(
      state.reduce((sum, s) => sum + s.successes + s.failures, 0),
      counts.reduce((a, b) => a + b, 0) - 200,
    );
  }
});

test('means by propensity cover the truth where the shares moved', () => {
  const runs = Array.from({ length: 150 }, (_, seed) => bandit([0.2, 0.3], 8, seed + 500));
  const covered = runs.flatMap(({ rows }) =>
    [0.2, 0.3].map((rate, arm) => {
      const { mean, standardError } = weightedMean(rows[arm]!);
      return Math.abs(mean - rate) <= 1.96 * standardError;
    }),
  );
  // 300 intervals of 95 %: four standard errors below it are 0.9.
  const coverage = covered.filter(Boolean).length / covered.length;
  assert.ok(coverage >= 0.9, `coverage ${coverage}`);
});
