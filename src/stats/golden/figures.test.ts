// Figures against scikit-learn, SciPy and DeLong's formula; make-golden.py made them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { rocAuc } from '../auc.ts';
import { rocCurve } from '../curves.ts';
import { improvement } from '../difference.ts';
import type { Figure } from '../figure.ts';
import { wilson } from '../intervals.ts';
import { computeMetrics, type MetricName } from '../metrics.ts';
import { erfc, normalCdf, normalQuantile } from '../normal.ts';

type Range = readonly [number, number];
type Binary = Readonly<
  Record<'roc_auc' | 'pr_auc' | 'log_loss' | 'brier' | 'accuracy' | 'precision' | 'recall' | 'f1' | 'calibration_error', number>
>;
interface Golden {
  readonly normal: readonly { p: number; quantile: number }[];
  readonly erfc: readonly { x: number; value: number }[];
  readonly wilson: readonly { k: number; n: number; level: number; low: number; high: number }[];
  readonly distinct: Binary & Readonly<Record<'roc_auc_interval' | 'log_loss_interval' | 'brier_interval', Range>>;
  readonly small: { roc_auc: number; pr_auc: number; roc_points: readonly [readonly number[], readonly number[]] };
  readonly tied: Readonly<Record<'roc_auc' | 'pr_auc' | 'precision' | 'recall' | 'delong_variance', number>>;
  readonly compared: Readonly<Record<'roc_auc' | 'log_loss' | 'brier', readonly [number, number, number]>>;
  readonly regression: { mae: number; mae_interval: Range; rmse: number; r2: number };
}
const golden = JSON.parse(readFileSync(join(import.meta.dirname, 'golden.json'), 'utf8')) as Golden;

const near = (found: number, expected: number, what: string, tolerance = 1e-12): void =>
  assert.ok(Math.abs(found - expected) <= tolerance * Math.max(1, Math.abs(expected)), `${what}: ${found}, where ${expected} was expected`);

// As `seq` of make-golden.py.
const seq = (a: number, b: number, c = 0): number[] => Array.from({ length: 2000 }, (_, i) => ((a * i + c) % b) / b);
const s = seq(7919, 10_007);
const u = seq(104_729, 100_003, 13);
const labels = s.map((x, i) => (u[i]! < x ** 1.3 ? 1 : 0));
const third = seq(31_337, 65_537, 7);
const s2 = s.map((x, i) => 0.75 * x + 0.25 * third[i]!);
const small = { labels: [1, 0, 1, 1, 0, 0, 1, 0], scores: [0.9, 0.8, 0.8, 0.6, 0.6, 0.3, 0.2, 0.1] };

const valueOf = (figure: Figure | undefined): number => {
  assert.ok(figure?.ok, JSON.stringify(figure));
  return figure.value;
};
const rangeOf = (figure: Figure | undefined): Range => {
  assert.ok(figure?.ok && figure.interval, JSON.stringify(figure));
  return [figure.interval.low, figure.interval.high];
};

test('quantiles of the normal distribution are SciPy’s, far into the tails', () => {
  for (const { p, quantile } of golden.normal) near(normalQuantile(p), quantile, `quantile of ${p}`, 1e-9);
  for (const { p, quantile } of golden.normal) if (p > 1e-100 && p < 0.9999) near(normalCdf(quantile), p, `cdf at ${quantile}`);
});

test('the complementary error function is SciPy’s', () => {
  for (const { x, value } of golden.erfc) near(erfc(x), value, `erfc(${x})`, 1e-13);
  assert.ok(Math.abs(erfc(10) / 2.088487583762545e-45 - 1) < 1e-10);
});

test('Wilson’s interval is SciPy’s', () => {
  for (const { k, n, level, low, high } of golden.wilson) {
    const found = wilson(k, n, level);
    near(found.low, low, `low of ${k} of ${n}`, 1e-9);
    near(found.high, high, `high of ${k} of ${n}`, 1e-9);
  }
});

test('every binary metric is scikit-learn’s, with DeLong’s interval', () => {
  assert.equal(labels.filter((y) => y === 1).length, 817);
  const found = computeMetrics('binary', { labels, scores: s });
  const { roc_auc_interval, log_loss_interval, brier_interval, ...values } = golden.distinct;
  for (const [name, value] of Object.entries(values)) near(valueOf(found[name]), value, name);
  assert.deepEqual(Object.keys(values).sort(), Object.keys(found).sort(), 'a metric has no golden value');
  const ranges = { roc_auc: roc_auc_interval, log_loss: log_loss_interval, brier: brier_interval };
  for (const [name, range] of Object.entries(ranges)) rangeOf(found[name]).forEach((x, i) => near(x, range[i]!, `${name} interval`, 1e-10));
});

test('tied scores count half, as scikit-learn counts them', () => {
  const tied = { labels, scores: s.map((x) => Math.floor(x * 20) / 20) };
  const found = computeMetrics('binary', tied);
  for (const name of ['roc_auc', 'pr_auc', 'precision', 'recall'] as const) near(valueOf(found[name]), golden.tied[name], name);
  // The interval on the logit scale gives DeLong's variance back.
  const [low, high] = rangeOf(found.roc_auc);
  const auc = valueOf(found.roc_auc);
  const logit = (p: number): number => Math.log(p / (1 - p));
  const error = ((logit(high) - logit(low)) / 2 / normalQuantile(0.975)) * auc * (1 - auc);
  near(error ** 2, golden.tied.delong_variance, 'variance', 1e-10);
});

test('a small sample with ties gives scikit-learn’s curve and areas', () => {
  near(valueOf(rocAuc(small)), golden.small.roc_auc, 'roc_auc');
  near(valueOf(computeMetrics('binary', small).pr_auc), golden.small.pr_auc, 'pr_auc');
  const [x, y] = golden.small.roc_points;
  assert.deepEqual(
    rocCurve(small),
    x.map((at, i) => ({ x: at, y: y[i]! })),
  );
});

test('two models on the same rows: paired DeLong for AUC, paired means for losses', () => {
  for (const name of ['roc_auc', 'log_loss', 'brier'] as const) {
    const found = improvement(name, labels, s, s2);
    assert.ok(found.ok);
    [found.difference, found.low, found.high].forEach((x, i) => near(x, golden.compared[name][i]!, `${name} ${i}`, 1e-10));
  }
});

test('every regression metric is scikit-learn’s', () => {
  const found = computeMetrics('regression', { labels: s.map((x) => x * 100 - 20), scores: s2.map((x) => x * 90 - 10) });
  for (const name of ['mae', 'rmse', 'r2'] as const satisfies readonly MetricName[])
    near(valueOf(found[name]), golden.regression[name], name);
  rangeOf(found.mae).forEach((x, i) => near(x, golden.regression.mae_interval[i]!, 'mae interval', 1e-10));
});
