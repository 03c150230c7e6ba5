import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generator, normalOf } from '../../stats/simulation/generator.ts';
import { unitsForMeans } from '../../stats/trial/sample-size.ts';
import type { Plan, Verdict } from './model.ts';
import type { Measured } from './service/measure.ts';
import { toReadout } from './service/readout.ts';
import { judgeTrial } from './service/verdict.ts';

const plan = (more: Partial<Plan> = {}, arms = 2, units = 2000): Plan => ({
  ...{ kind: 'ab', hypothesis: '', metric: 'brier', higherIsBetter: false, effect: 0.1, alpha: 0.05, power: 0.8 },
  ...{ rule: 'fixed-horizon', correction: 'holm', covariate: null, bandit: null },
  ...{ guardrails: [], guardAlpha: 0.01, guardUnits: 100, longestUs: null },
  arms: ['control', 'b', 'c', 'd'].slice(0, arms).map((name) => ({ name, version: null, weight: 1 / arms })),
  size: { units, unitsPerDay: 100, days: 20, baseline: { mean: 0, variance: 1, units: 100, from: 'log' }, reduction: 0 },
  ...more,
});

/** An arm whose units asked once each; the covariate, if it counts, explains 64 % of the variance. */
const arm = (name: string, n: number, mean: number, more: Partial<Measured> = {}): Measured => ({
  ...{ arm: name, assigned: n, exposedTwice: 0, requests: n, shares: null },
  ratio: { n, numerator: mean, denominator: 1, numeratorVariance: 1, denominatorVariance: 0, covariance: 0 },
  means: { n, mean, variance: 1, before: 0, beforeVariance: 1, covariance: 0.8 },
  ...more,
});
const read = (of: Plan, arms: readonly Measured[]) => toReadout(of, [{ number: 1 }, { number: 2 }], arms, arms, 0);
const verdict = (of: Plan, arms: readonly Measured[]): Verdict => read(of, arms).verdict;

test('a fixed horizon decides when its units are there and not before, and in the direction of the metric', () => {
  assert.equal(verdict(plan(), [arm('control', 900, 1), arm('b', 900, 0.5)]).kind, 'continue');
  const won = verdict(plan(), [arm('control', 1000, 1), arm('b', 1000, 0.5)]);
  assert.deepEqual([won.kind, won.arm, won.rule], ['winner', 'b', 'fixed horizon at 2000 units, two-sided alpha 0.05']);
  const worse = verdict(plan(), [arm('control', 1000, 1), arm('b', 1000, 1.5)]);
  assert.equal(worse.kind, 'keep-control');
  assert.match(worse.why, /all others are worse: b by 0.5/);
  const nothing = verdict(plan(), [arm('control', 1000, 1), arm('b', 1000, 1.01)]);
  assert.match(nothing.why, /no arm is shown to be better in 2000 units/);
});

test('a sequence decides as soon as it is sure, and ends with the control at the planned sample', () => {
  const of = plan({ rule: 'confidence-sequence' });
  assert.equal(verdict(of, [arm('control', 300, 1), arm('b', 300, 0.5)]).kind, 'winner');
  assert.equal(verdict(of, [arm('control', 300, 1), arm('b', 300, 0.95)]).kind, 'continue');
  assert.equal(verdict(of, [arm('control', 1000, 1), arm('b', 1000, 0.95)]).kind, 'keep-control');
  // Too few for the asymptotics: it says nothing yet, however far apart they are.
  assert.equal(verdict(of, [arm('control', 20, 1), arm('b', 20, -5)]).kind, 'continue');
  assert.match(verdict(of, []).why, /0 of 2000/);
});

test('a measurement that cannot be trusted gives no winner', () => {
  const skewed = verdict(plan(), [arm('control', 1150, 1), arm('b', 850, 0.5)]);
  assert.equal(skewed.kind, 'invalid');
  assert.match(skewed.why, /control 1150, b 850 of 2000/);
  const twice = verdict(plan(), [arm('control', 1000, 1, { exposedTwice: 50 }), arm('b', 1000, 0.5)]);
  assert.match(twice.why, /50 of 2050 units met more than one arm/);
});

test('an A/A check that finds a difference is invalid', () => {
  const of = plan({ kind: 'aa' });
  assert.equal(verdict(of, [arm('control', 1000, 1), arm('b', 1000, 0.5)]).kind, 'invalid');
  assert.equal(verdict(of, [arm('control', 1000, 1), arm('b', 1000, 1)]).kind, 'no-difference');
});

test('a covariate narrows the interval, and a unit that asks several times is one unit', () => {
  const arms = [arm('control', 1000, 1), arm('b', 1000, 0.9)];
  const width = (of: Plan): number => {
    const { low, high } = read(of, arms).comparisons[0]!.fixed!;
    return high - low;
  };
  const adjusted = plan({ covariate: { column: 'x' } });
  assert.ok(Math.abs(width(adjusted) / width(plan()) - 0.6) < 0.01);
  assert.ok(Math.abs(read(adjusted, arms).reduction! - 0.64) < 1e-9);
  const often = { n: 1000, numerator: 4, denominator: 4, numeratorVariance: 9, denominatorVariance: 1, covariance: 2 };
  const found = read(plan(), [
    arm('control', 1000, 1, { ratio: often, requests: 4000 }),
    arm('b', 1000, 1, { ratio: often, requests: 4000 }),
  ]);
  assert.deepEqual([found.kind, found.units, found.verdict.kind], ['ratios', 2000, 'keep-control']);
});

test('four arms that are the same: a winner in at most one of twenty trials, by both rules; a real one is found as planned', () => {
  const random = generator(21);
  const weights = [0.25, 0.25, 0.25, 0.25];
  const units = unitsForMeans(1, 0.2, { alpha: 0.05, power: 0.8, weights, rule: 'fixed-horizon' });
  const n = Math.ceil(units / 4);
  const noisy = (effects: readonly number[]): Measured[] =>
    effects.map((effect, i) => arm(['control', 'b', 'c', 'd'][i]!, n, effect + normalOf(random) / Math.sqrt(n)));
  const count = (of: Plan, effects: readonly number[], trials: number): number =>
    Array.from({ length: trials }, () => verdict(of, noisy(effects))).filter((v) => v.kind === 'winner').length / trials;
  const fixed = plan({}, 4, units);
  // Winners are found on one side only.
  assert.ok(count(fixed, [0, 0, 0, 0], 2000) <= 0.025 + 0.014);
  assert.ok(count(plan({ rule: 'confidence-sequence' }, 4, units), [0, 0, 0, 0], 1000) <= 0.025);
  assert.ok(count(fixed, [0, -0.2, 0, 0], 600) >= 0.8 - 0.05);
});

test('what is judged is what was read', () => {
  const { verdict: said, ...found } = read(plan(), [arm('control', 1000, 1), arm('b', 1000, 0.5)]);
  assert.deepEqual(judgeTrial(plan(), found), said);
});
