// CBPE promises the performance that labels will show, by chance no further off than its interval says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { estimateMetric, fitCalibrator } from '../cbpe.ts';
import { standardErrorOf } from '../intervals.ts';
import { metrics, type MetricName } from '../metrics.ts';
import { generator, normalOf } from './generator.ts';

const estimated = ['roc_auc', 'pr_auc', 'accuracy', 'precision', 'recall', 'f1', 'log_loss', 'brier'] as const;

/** A model that is too sure of itself: its scores are steeper than the truth. */
function rows(random: () => number, n: number, shift = 0) {
  const signal = Float64Array.from({ length: n }, () => normalOf(random) + shift);
  const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
  return {
    labels: Array.from(signal, (x): number => (random() < logistic(x - 1) ? 1 : 0)),
    scores: signal.map((x) => logistic(2 * x - 1)),
  };
}
const valueOf = (name: MetricName, given: ReturnType<typeof rows>): number => {
  const figure = metrics[name].compute(given);
  assert.ok(figure.ok, name);
  return figure.value;
};

test('the truth lies within the interval of the estimate as often as it says, also where the inputs have moved', (t) => {
  const random = generator(1);
  const calibrator = fitCalibrator(rows(random, 60_000));
  assert.ok(calibrator.ok && calibrator.kind === 'isotonic');
  for (const shift of [0, 0.4]) {
    const held = Object.fromEntries(estimated.map((name) => [name, 0]));
    for (let run = 0; run < 200; run++) {
      const window = rows(random, 900, shift);
      for (const name of estimated) {
        const figure = estimateMetric(name, calibrator, window.scores);
        assert.ok(figure.ok && figure.interval, name);
        const { low, high } = figure.interval;
        const truth = valueOf(name, window);
        if (low <= truth && truth <= high) held[name]!++;
      }
    }
    t.diagnostic(`shift ${shift}: held of 200 ${JSON.stringify(held)}`);
    for (const name of estimated) assert.ok(held[name]! >= 180, `${name}, shift ${shift}: ${held[name]} of 200`);
  }
});

test('calibration is left out where it does not help, and scores that are no probabilities always get it', () => {
  const random = generator(2);
  const scores = Float64Array.from({ length: 3000 }, random);
  const labels = Array.from(scores, (p): number => (random() < p ? 1 : 0));
  const margins = fitCalibrator({ labels, scores: scores.map((p) => p * 10 - 5) });
  assert.equal(margins.ok && margins.kind, 'isotonic');
  // The order of the rows decides nothing.
  const turned = fitCalibrator({ labels: labels.toReversed(), scores: scores.toReversed() });
  assert.deepEqual(turned, fitCalibrator({ labels, scores }));
  // A model that is right about itself keeps its scores in most samples; one that is far off never does.
  let kept = 0;
  for (let run = 0; run < 20; run++) {
    const own = Float64Array.from({ length: 1000 }, random);
    const truth = Array.from(own, (p): number => (random() < p ? 1 : 0));
    const found = fitCalibrator({ labels: truth, scores: own });
    if (found.ok && found.kind === 'as-is') kept++;
    const wrong = fitCalibrator({ labels: truth, scores: own.map((p) => p / 3) });
    assert.equal(wrong.ok && wrong.kind, 'isotonic');
  }
  assert.ok(kept >= 15, `${kept} of 20`);
});

test('a calibrator survives JSON, and what cannot be estimated says why', () => {
  const random = generator(3);
  const calibrator = fitCalibrator(rows(random, 2000));
  const { scores } = rows(random, 500);
  const again = JSON.parse(JSON.stringify(calibrator)) as typeof calibrator;
  assert.deepEqual(estimateMetric('roc_auc', again, scores), estimateMetric('roc_auc', calibrator, scores));
  assert.ok(standardErrorOf(estimateMetric('roc_auc', calibrator, scores))! > 0.005);
  const reason = (name: MetricName, given: ArrayLike<number>, by = calibrator): string => {
    const figure = estimateMetric(name, by, given);
    return figure.ok ? 'it was estimated' : figure.reason;
  };
  assert.match(reason('calibration_error', scores), /cannot be estimated/);
  assert.match(reason('rmse', scores), /cannot be estimated/);
  assert.match(reason('roc_auc', []), /no rows/);
  assert.match(reason('log_loss', [0.2, 3]), /not probabilities/);
  assert.match(reason('roc_auc', scores, fitCalibrator({ labels: [1, 1], scores: [0.1, 0.2] })), /no calibrator: all labels are the same/);
  assert.match(reason('roc_auc', scores, fitCalibrator({ labels: [1, 0], scores: [Number.NaN, 0.2] })), /no calibrator: row 0/);
});
