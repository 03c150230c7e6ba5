// Intervals promise a rate of misses; simulations with a fixed seed see whether they keep it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rocAuc } from '../auc.ts';
import { brier } from '../classification.ts';
import { improvement } from '../difference.ts';
import { wilson } from '../intervals.ts';
import { normalCdf, normalQuantile } from '../normal.ts';
import type { Scores } from '../figure.ts';
import { metrics, type MetricName } from '../metrics.ts';
import { generator, normalOf } from './generator.ts';

/** Share of `trials` in which the interval holds the truth. */
function coverage(trials: number, seed: number, trial: (random: () => number) => { low: number; high: number; truth: number }): number {
  const random = generator(seed);
  let held = 0;
  for (let i = 0; i < trials; i++) {
    const { low, high, truth } = trial(random);
    if (low <= truth && truth <= high) held++;
  }
  return held / trials;
}
// Three standard errors of a share of 95 % in so many trials, and what the approximation itself costs.
const about = (found: number, level: number, trials: number, slack: number): void => {
  const error = 3 * Math.sqrt((level * (1 - level)) / trials);
  assert.ok(Math.abs(found - level) <= error + slack, `covered ${found}, promised ${level}`);
};

// Normal scores, one standard deviation apart: AUC = Phi(1 / sqrt 2).
const binormal = (random: () => number, n: number, shift: number) => {
  const labels = Array.from({ length: n }, (_, i) => (i % 3 === 0 ? 1 : 0));
  return { labels, scores: labels.map((y) => normalQuantile(random() * (1 - 1e-12) + 5e-13) + shift * y) };
};

test('DeLong’s interval on the logit scale covers AUC as often as it says, at 120 rows', () => {
  for (const [shift, seed] of [
    [1, 11],
    [2.5, 12],
  ] as const) {
    const truth = normalCdf(shift / Math.SQRT2);
    const found = coverage(1500, seed, (random) => {
      const figure = rocAuc(binormal(random, 120, shift));
      assert.ok(figure.ok && figure.interval);
      return { ...figure.interval, truth };
    });
    about(found, 0.95, 1500, 0.01);
  }
});

test('the paired interval covers the difference of two models, whose scores go together', () => {
  const found = coverage(1200, 21, (random) => {
    const { labels, scores } = binormal(random, 150, 1);
    const noise = scores.map(() => normalQuantile(random() * (1 - 1e-12) + 5e-13));
    // The rival sees the same signal through noise of the same size: its scores are one sqrt 2 as far apart.
    const rival = scores.map((x, i) => x + noise[i]!);
    const difference = improvement('roc_auc', labels, scores, rival);
    assert.ok(difference.ok);
    return { ...difference, truth: normalCdf(1 / Math.SQRT2) - normalCdf(1 / 2) };
  });
  about(found, 0.95, 1200, 0.01);
});

test('Wilson’s interval covers a share, a rare one too', () => {
  for (const [p, n, seed] of [
    [0.5, 50, 31],
    [0.03, 60, 32],
    [0.2, 400, 33],
  ] as const) {
    const found = coverage(4000, seed, (random) => {
      let k = 0;
      for (let i = 0; i < n; i++) if (random() < p) k++;
      return { ...wilson(k, n), truth: p };
    });
    about(found, 0.95, 4000, 0.025);
  }
});

test('the normal interval covers a mean loss, at 100 rows', () => {
  // Probabilities uniform and right: the mean of p (1 - p) is 1/6.
  const found = coverage(3000, 41, (random) => {
    const scores = Array.from({ length: 100 }, random);
    const figure = brier({ labels: scores.map((p): number => (random() < p ? 1 : 0)), scores });
    assert.ok(figure.ok && figure.interval);
    return { ...figure.interval, truth: 1 / 6 };
  });
  about(found, 0.95, 3000, 0.015);
});

test('delta-method intervals cover average precision, F1, RMSE and R², at 400 rows', () => {
  const of = (name: MetricName, rows: Scores) => {
    const figure = metrics[name].compute(rows);
    assert.ok(figure.ok && figure.interval, name);
    return figure;
  };
  const binary = (random: () => number, n: number) => {
    const { labels, scores } = binormal(random, n, 1);
    return { labels, scores: scores.map((x) => 1 / (1 + Math.exp(0.7 - x))) };
  };
  const regression = (random: () => number, n: number) => {
    const labels = Array.from({ length: n }, () => normalOf(random) * 3);
    return { labels, scores: labels.map((y) => 0.8 * y + normalOf(random)) };
  };
  for (const [name, rows] of [
    ['pr_auc', binary],
    ['f1', binary],
    ['rmse', regression],
    ['r2', regression],
  ] as const) {
    const truth = of(name, rows(generator(60), 200_000)).value;
    const found = coverage(600, 61, (random) => ({ ...of(name, rows(random, 400)).interval!, truth }));
    about(found, 0.95, 600, 0.015);
  }
});

test('a candidate that is worse by the margin passes a gate no more often than the level allows', () => {
  // Non-inferiority at a margin: "the lower bound is above -margin" is wrong in at most half of 5 %.
  const margin = normalCdf(1 / Math.SQRT2) - normalCdf(1 / 2);
  let passed = 0;
  const random = generator(51);
  for (let i = 0; i < 1000; i++) {
    const { labels, scores } = binormal(random, 150, 1);
    const worse = scores.map((x) => x + normalQuantile(random() * (1 - 1e-12) + 5e-13));
    const difference = improvement('roc_auc', labels, worse, scores);
    if (difference.ok && difference.low >= -margin) passed++;
  }
  assert.ok(passed / 1000 <= 0.025 + 3 * Math.sqrt((0.025 * 0.975) / 1000) + 0.005, `${passed} of 1000 passed`);
});
