// Isotonic regression against scikit-learn; CBPE against NannyML's formulas, worked out on calibrated scores.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { calibrated, estimateMetric, expectedConfusion, fitCalibrator, type Calibrator } from '../cbpe.ts';
import { standardErrorOf } from '../intervals.ts';
import type { MetricName } from '../metrics.ts';

const golden = JSON.parse(readFileSync(join(import.meta.dirname, 'golden-drift.json'), 'utf8')) as {
  readonly isotonic: { grid: readonly number[]; plain: readonly number[]; tied: readonly number[] };
};
const near = (found: number, expected: number, what: string, tolerance: number): void =>
  assert.ok(Math.abs(found - expected) <= tolerance, `${what}: ${found}, where ${expected} was expected`);

const seq = (a: number, m: number, o = 0): number[] => Array.from({ length: 2000 }, (_, i) => ((i * a + o) % m) / m);
const s = seq(7919, 10_007);
const u = seq(104_729, 100_003, 13);
const labels = s.map((x, i) => (u[i]! < x ** 1.3 ? 1 : 0));

test('isotonic regression is scikit-learn’s, ties and ends included', () => {
  for (const [name, scores] of [
    ['plain', s],
    ['tied', s.map((x) => Math.floor(x * 40) / 40)],
  ] as const) {
    const calibrator = fitCalibrator({ labels, scores }, 'always');
    assert.ok(calibrator.ok);
    golden.isotonic.grid.forEach((x, i) => near(calibrated(calibrator, x), golden.isotonic[name][i]!, `${name} at ${x}`, 1e-12));
  }
});

// A calibrator that is the curve itself, so that calibrated scores are s^1.3 to rounding.
const curve: Calibrator & { ok: true } = {
  ok: true,
  kind: 'isotonic',
  n: 2000,
  x: s.toSorted((a, b) => a - b),
  y: s.toSorted((a, b) => a - b).map((x) => x ** 1.3),
};

test('CBPE gives NannyML’s figures on calibrated scores', () => {
  const { truePositives, falsePositives, falseNegatives, trueNegatives } = expectedConfusion(curve, s);
  near(truePositives, 693.608201798, 'TP', 1e-8);
  near(falsePositives, 306.391798202, 'FP', 1e-8);
  near(falseNegatives, 176.795042679, 'FN', 1e-8);
  near(trueNegatives, 823.204957321, 'TN', 1e-8);
  near(trueNegatives / (trueNegatives + falsePositives), 0.72876002281, 'specificity', 1e-10);
  const expected: Partial<Record<MetricName, number>> = {
    accuracy: 0.75840657956,
    precision: 0.693608201798,
    recall: 0.79688145259,
    f1: 0.74166702164,
    // NannyML rounds its counts to five decimals.
    roc_auc: 0.8486501888,
  };
  for (const [name, value] of Object.entries(expected)) {
    const figure = estimateMetric(name as MetricName, curve, s);
    assert.ok(figure.ok && figure.interval, name);
    near(figure.value, value, name, name === 'roc_auc' ? 1e-7 : 1e-10);
    assert.ok(figure.interval.low < value && value < figure.interval.high && standardErrorOf(figure)! > 0, name);
  }
});
