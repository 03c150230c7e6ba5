// Trials against statsmodels, SciPy and GrowthBook’s published figures; make-golden-trial.py made the file.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { momentsOf } from '../moments.ts';
import { confidenceSequence } from '../sequential.ts';
import { cuped, ratioOf, shareOf, type ArmEstimate, type CovariateMoments } from '../trial/arms.ts';
import { adjusted, sampleMismatch } from '../trial/corrections.ts';
import { compareMeans, compareShares, relative, waldInterval } from '../trial/readout.ts';
import { unitsForMeans, unitsForShares } from '../trial/sample-size.ts';

type Pair = readonly [number, number];
interface Golden {
  readonly shares: readonly { control: Pair; arm: Pair; alpha: number; newcombe: Pair; wald: Pair; p: number }[];
  readonly welch: readonly { alpha: number; difference: number; low: number; high: number; p: number }[];
  readonly shareSizes: readonly { baseline: number; effect: number; alpha: number; power: number; control: number }[];
  readonly meanSizes: readonly { d: number; alpha: number; power: number; ratio: number; control: number }[];
  readonly corrections: { p: readonly number[]; holm: readonly number[]; benjaminiHochberg: readonly number[] };
  readonly mismatch: readonly { counts: readonly number[]; shares: readonly number[]; p: number }[];
  readonly cuped: { difference: number; theta: number };
  readonly ratio: { value: number; standardError: number };
}
const golden = JSON.parse(readFileSync(join(import.meta.dirname, 'golden-trial.json'), 'utf8')) as Golden;

const near = (found: number, expected: number, what: string, tolerance = 1e-10): void =>
  assert.ok(Math.abs(found - expected) <= tolerance * Math.max(1, Math.abs(expected)), `${what}: ${found}, where ${expected} was expected`);

// As in make-golden-trial.py.
const seq = (n: number, a: number, b: number, c = 0): number[] => Array.from({ length: n }, (_, i) => ((a * i + c) % b) / b);
const x = seq(400, 7919, 10_007);
const z = seq(300, 104_729, 100_003, 13);
const noise = seq(400, 31_337, 65_537, 7);
const y = x.map((value, i) => 2 * value + noise[i]!);
const w = seq(300, 15_485_863, 32_452_843, 5).map((value, i) => 2 * z[i]! + 0.1 + value);

const covarianceOf = (a: readonly number[], b: readonly number[]): number => {
  const [p, q] = [momentsOf(a.length, (i) => a[i]!), momentsOf(b.length, (i) => b[i]!)];
  return a.reduce((sum, value, i) => sum + (value - p.mean) * (b[i]! - q.mean), 0) / (a.length - 1);
};
const armOf = (values: readonly number[]): ArmEstimate => {
  const { n, mean, m2 } = momentsOf(values.length, (i) => values[i]!);
  return { n, value: mean, variance: m2 / (n - 1) };
};
const withCovariate = (before: readonly number[], after: readonly number[]): CovariateMoments => {
  const [b, a] = [armOf(before), armOf(after)];
  const covariance = covarianceOf(before, after);
  return { n: a.n, mean: a.value, variance: a.variance, before: b.value, beforeVariance: b.variance, covariance };
};

test('two shares: test, Newcombe’s and Wald’s interval', () => {
  for (const { control, arm, alpha, newcombe, wald, p } of golden.shares) {
    const [a, b] = [control, arm].map(([events, n]) => ({ events, n })) as [{ events: number; n: number }, { events: number; n: number }];
    const found = compareShares(a, b, alpha);
    near(found.low, newcombe[0], 'Newcombe, low');
    near(found.high, newcombe[1], 'Newcombe, high');
    near(found.pValue, p, 'p');
    near(waldInterval(a, b, alpha).low, wald[0], 'Wald, low');
    near(waldInterval(a, b, alpha).high, wald[1], 'Wald, high');
  }
});

test('two means: Welch’s test and interval', () => {
  const pairs = [
    [y, w],
    [x, z],
    [x.slice(0, 5), z.slice(0, 4)],
  ] as const;
  golden.welch.forEach((expected, i) => {
    const [control, arm] = pairs[i]!;
    const found = compareMeans(armOf(control), armOf(arm), expected.alpha);
    near(found.difference, expected.difference, 'difference');
    near(found.low, expected.low, 'low');
    near(found.high, expected.high, 'high');
    near(found.pValue, expected.p, 'p');
  });
});

test('a ratio by the delta method', () => {
  const denominators = noise.map((value) => 1 + Math.floor(4 * value));
  const numerators = denominators.map((value, i) => value * x[i]!);
  const [top, bottom] = [armOf(numerators), armOf(denominators)];
  const found = ratioOf({
    n: 400,
    numerator: top.value,
    denominator: bottom.value,
    numeratorVariance: top.variance,
    denominatorVariance: bottom.variance,
    covariance: covarianceOf(numerators, denominators),
  });
  near(found.value, golden.ratio.value, 'ratio');
  near(Math.sqrt(found.variance / 400), golden.ratio.standardError, 'standard error');
});

test('CUPED is the analysis of covariance with one slope', () => {
  const found = cuped([withCovariate(x, y), withCovariate(z, w)]);
  near(found.theta, golden.cuped.theta, 'theta');
  near(found.arms[1]!.value - found.arms[0]!.value, golden.cuped.difference, 'difference');
  assert.ok(found.reduction > 0.75 && found.reduction < 0.85, `${found.reduction}`);
});

test('sample sizes of shares as statsmodels has them, and of means within a unit of its exact answer', () => {
  for (const { baseline, effect, alpha, power, control } of golden.shareSizes) {
    const wanted = { alpha, power, weights: [0.5, 0.5], rule: 'fixed-horizon' } as const;
    assert.equal(unitsForShares(baseline, effect, wanted), Math.ceil(2 * control));
  }
  for (const { d, alpha, power, ratio, control } of golden.meanSizes) {
    const wanted = { alpha, power, weights: [1 / (1 + ratio), ratio / (1 + ratio)], rule: 'fixed-horizon' } as const;
    const found = unitsForMeans(1, d, wanted) / (1 + ratio);
    assert.ok(Math.abs(found - control) < 1, `${found} units of the control, ${control} are exact`);
  }
});

test('Holm, Benjamini and Hochberg, and the mismatch of counts', () => {
  const { p } = golden.corrections;
  adjusted(p, 'holm').forEach((value, i) => near(value, golden.corrections.holm[i]!, 'Holm'));
  adjusted(p, 'benjamini-hochberg').forEach((value, i) => near(value, golden.corrections.benjaminiHochberg[i]!, 'BH'));
  for (const { counts, shares, p: expected } of golden.mismatch) near(sampleMismatch(counts, shares).chiSquareP, expected, 'p');
});

test('relative uplift and its sequence are those of gbstats for 1396 of 3000 against 2422 of 3461', () => {
  const found = relative(shareOf({ events: 1396, n: 3000 }), shareOf({ events: 2422, n: 3461 }))!;
  near(found.difference, 0.503863351682, 'uplift');
  near(found.standardError, 0.033860214798, 'standard error');
  const { low, high } = confidenceSequence({ ...found, n: 6461 }, 0.05);
  near(low, 0.400978496686, 'low');
  near(high, 0.606748206678, 'high');
});
