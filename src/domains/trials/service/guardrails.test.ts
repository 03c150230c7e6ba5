// How often guardrails stop a trial without harm, and how soon with it, whatever the number of arms, metrics and looks. Seeded.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sumsOf, type Drawn } from '../../../stats/bandit/drawn.ts';
import { generator, normalOf } from '../../../stats/simulation/generator.ts';
import { assignVariant } from '../../serving/plane/assignment.ts';
import type { BanditPlan, Guardrail, Plan } from '../model.ts';
import { nextWeights } from './bandit.ts';
import { judgeFixed, judgeMoved } from './guardrails.ts';
import type { Rewarded } from './measure-rewards.ts';
import type { Measured } from './measure.ts';

const GUARD_ALPHA = 0.05;
const NAMES = ['control', 'b', 'c'];

const planOf = (guardrails: readonly Guardrail[], arms: number, units: number): Plan => ({
  ...{ kind: 'ab', hypothesis: '', metric: 'brier', higherIsBetter: false, effect: 0.1, alpha: 0.05, power: 0.8 },
  ...{ rule: 'fixed-horizon', correction: 'holm', covariate: null, bandit: null, longestUs: null },
  ...{ guardrails, guardAlpha: GUARD_ALPHA, guardUnits: 100 },
  arms: NAMES.slice(0, arms).map((name) => ({ name, version: null, weight: 1 / arms })),
  size: { units, unitsPerDay: 100, days: 20, baseline: { mean: 0, variance: 1, units: 100, from: 'log' }, reduction: 0 },
});

const measured = (arm: string, values: readonly number[]): Measured => {
  const n = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / n;
  const variance = values.reduce((a, v) => a + (v - mean) ** 2, 0) / (n - 1);
  const isShares = values.every((v) => v === 0 || v === 1);
  return {
    ...{ arm, assigned: n, exposedTwice: 0, requests: n },
    ratio: { n, numerator: mean, denominator: 1, numeratorVariance: variance, denominatorVariance: 0, covariance: 0 },
    means: { n, mean, variance, before: 0, beforeVariance: 0, covariance: 0 },
    shares: isShares ? { events: values.filter((v) => v === 1).length, n } : null,
  };
};

const rateOf = (trials: number, of: (i: number) => boolean): number =>
  Array.from({ length: trials }, (_, i) => of(i)).filter(Boolean).length / trials;
const atMost = (found: number, rate: number, trials: number): void =>
  assert.ok(found <= rate + 4 * Math.sqrt((rate * (1 - rate)) / trials), `${found}, at most ${rate} is wanted`);

/** Failures and latencies of three arms, looked at after every hundred units of each, until something stops it; answers the look. */
function firstStop(seed: number, failures: readonly number[], slower: readonly number[], looks: number): number | null {
  const random = generator(seed);
  const guardrails = [
    { metric: 'error_rate', margin: 0 },
    { metric: 'latency_ms', margin: 0 },
  ] as const;
  const plan = planOf(guardrails, 3, looks * 300);
  const failed: number[][] = NAMES.map(() => []);
  const took: number[][] = NAMES.map(() => []);
  for (let look = 1; look <= looks; look++) {
    NAMES.forEach((_, arm) => {
      for (let i = 0; i < 100; i++) {
        failed[arm]!.push(random() < failures[arm]! ? 1 : 0);
        took[arm]!.push(10 + slower[arm]! + Math.abs(normalOf(random)) * 3);
      }
    });
    const [errors, latencies] = [failed, took].map((values) => NAMES.map((name, arm) => measured(name, values[arm]!)));
    const found = [...judgeFixed(plan, guardrails[0], errors!), ...judgeFixed(plan, guardrails[1], latencies!)];
    if (found.some((g) => g.verdict === 'harm')) return look;
  }
  return null;
}

test('two guardrails over three arms and twelve looks: the chance of any false stop is below what was planned', () => {
  const trials = 400;
  atMost(
    rateOf(trials, (i) => firstStop(i + 1, [0.03, 0.03, 0.03], [0, 0, 0], 12) !== null),
    GUARD_ALPHA,
    trials,
  );
});

test('real harm stops it early, by whichever metric it shows', () => {
  const byErrors = Array.from({ length: 40 }, (_, i) => firstStop(i + 1000, [0.03, 0.03, 0.12], [0, 0, 0], 12));
  assert.ok(byErrors.filter((look) => look !== null && look <= 8).length >= 36, String(byErrors));
  const byLatency = Array.from({ length: 40 }, (_, i) => firstStop(i + 2000, [0.03, 0.03, 0.03], [0, 1, 0], 12));
  assert.ok(byLatency.filter((look) => look !== null && look <= 8).length >= 36, String(byLatency));
});

test('a margin tolerates what it says, and more data than the minimum is asked for', () => {
  const plan = planOf([], 2, 2000);
  const shares = (control: number, arm: number, n: number) =>
    [control, arm].map((rate, i) =>
      measured(
        NAMES[i]!,
        Array.from({ length: n }, (_, k) => (k < rate * n ? 1 : 0)),
      ),
    );
  const verdict = (metric: 'error_rate' | 'accuracy', margin: number, control: number, arm: number, n = 2000): string =>
    judgeFixed({ ...plan, guardrails: [{ metric, margin }] }, { metric, margin }, shares(control, arm, n))[0]!.verdict;
  assert.equal(verdict('error_rate', 0, 0.02, 0.08), 'harm');
  assert.equal(verdict('error_rate', 0.1, 0.02, 0.08), 'ok');
  assert.equal(verdict('error_rate', 0, 0.08, 0.02), 'ok');
  assert.equal(verdict('error_rate', 0, 0, 1, 99), 'too-little-data');
  // More is better: the other way round.
  assert.equal(verdict('accuracy', 0, 0.9, 0.8), 'harm');
  assert.equal(verdict('accuracy', 0, 0.8, 0.9), 'ok');
  assert.equal(judgeFixed(plan, { metric: 'error_rate', margin: 0 }, [])[0]!.verdict, 'too-little-data');
});

const bandit: BanditPlan = {
  ...{ reward: 'binary', everyUs: 1, floor: 0.05, cap: 0.9, fewest: 30, draws: 400, halfLifeUs: null, delayUs: 0 },
  ...{ missing: null, drawnBy: 'key', seed: 1 },
};

/** As `measureRewards` adds it up. */
function rewarded(rows: readonly Drawn[], arms: number): Rewarded {
  const { arms: weighted, all, cross } = sumsOf(rows, arms);
  const mean = rows.reduce((sum, r) => sum + r.reward, 0) / rows.length;
  return {
    arms: weighted.map((w, arm) => {
      const own = rows.filter((r) => r.arm === arm);
      const reward = own.reduce((sum, r) => sum + r.reward, 0);
      const sums = { n: own.length, weight: own.length, squaredWeight: own.length, reward, squaredReward: reward };
      return { arm: NAMES[arm]!, requests: own.length, assigned: own.length, sums, weighted: w, cross: cross[arm]! };
    }),
    ...{ all, mean, variance: mean * (1 - mean), waiting: 0, notBinary: 0, moved: 0, firsts: [] },
  };
}

test('a bandit whose bad hours come when one arm has most of the traffic is not stopped for them', () => {
  // Half of the requests fail in the second half of the day, whoever answers; by then arm b has nine tenths.
  const trials = 150;
  const guardrail = { metric: 'error_rate', margin: 0 } as const;
  const plan = { ...planOf([guardrail], 2, 3000), bandit };
  let plain = 0;
  const stopped = rateOf(trials, (i) => {
    const random = generator(i + 77);
    const rows: Drawn[] = [];
    let isStopped = false;
    for (let hour = 0; hour < 10; hour++) {
      const share = hour < 5 ? 0.5 : 0.9;
      for (let k = 0; k < 300; k++) {
        const arm = random() < share ? 1 : 0;
        const reward = random() < (hour < 5 ? 0.05 : 0.4) ? 1 : 0;
        rows.push({ unit: `${hour}.${k}`, arm, propensity: arm === 1 ? share : 1 - share, reward });
      }
      isStopped ||= judgeMoved(plan, guardrail, rewarded(rows, 2))[0]!.verdict === 'harm';
    }
    const values = (arm: number): number[] => rows.filter((r) => r.arm === arm).map((r) => r.reward);
    if (judgeFixed(plan, guardrail, [measured('control', values(0)), measured('b', values(1))])[0]!.verdict === 'harm') plain++;
    return isStopped;
  });
  atMost(stopped, GUARD_ALPHA, trials);
  assert.ok(plain / trials > 0.9, `plain means would have stopped ${plain} of ${trials}`);
});

test('when a bandit moves its weights, a key moves only from an arm that fell beside the arm that it moves to', () => {
  const random = generator(5);
  const keys = Array.from({ length: 300 }, (_, i) => `key-${i}`);
  const rates = [0.2, 0.3, 0.25];
  let moves = 0;
  const plan = { ...planOf([], 3, 3000), bandit, higherIsBetter: true };
  for (let trial = 0; trial < 4; trial++) {
    const rows: Drawn[] = [];
    let weights: readonly number[] = [1 / 3, 1 / 3, 1 / 3];
    let last = weights;
    let before: string[] = [];
    for (let update = 0; update < 8; update++) {
      const variants = NAMES.map((id, i) => ({ id, weight: weights[i]! }));
      const now = keys.map((key) => assignVariant(variants, `salt-${trial}`, key).id);
      const previous = before;
      if (previous.length > 0)
        now.forEach((id, i) => {
          if (id === previous[i]) return;
          moves++;
          const [from, to] = [NAMES.indexOf(previous[i]!), NAMES.indexOf(id)];
          assert.ok(
            weights[to]! / weights[from]! > last[to]! / last[from]!,
            `${keys[i]} from ${previous[i]} to ${id}: ${last} to ${weights}`,
          );
        });
      before = now;
      last = weights;
      for (let k = 0; k < 120; k++) {
        const arm = NAMES.indexOf(now[Math.floor(random() * keys.length)]!);
        rows.push({ unit: `${update}.${k}`, arm, propensity: weights[arm]!, reward: random() < rates[arm]! ? 1 : 0 });
      }
      const next = nextWeights(plan, bandit, rewarded(rows, 3), update);
      if (next.kind === 'next') weights = next.weights;
      assert.ok(Math.abs(weights.reduce((a, b) => a + b, 0) - 1) < 1e-9);
    }
  }
  assert.ok(moves > 100, `${moves} moves`);
});
