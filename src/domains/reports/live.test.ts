import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rocAuc } from '../../stats/auc.ts';
import { liveView, observedShare, type LiveRows } from './live.ts';

const rows: LiveRows = {
  predictions: 12,
  failed: 0,
  withTruth: 8,
  ambiguous: 0,
  sampled: 1,
  fromUs: 0,
  toUs: 2 * 86_400_000_000,
  volume: [
    { day: 0, n: 5 },
    { day: 1, n: 4 },
    { day: 2, n: 3 },
  ],
  versions: [{ version: '3', variant: 'v3', n: 12 }],
  days: [0, 1, 0, 1, 0, 1, 0, 1],
  scores: [0.9, 0.2, 0.1, 0.7, 0.8, 0.3, 0.4, 1],
  labels: [1, 0, 0, 1, 0, 1, 1, 1],
  missing: [{ column: 'temp', n: 3 }],
  views: [
    { view: 'weather', n: 12, absent: 3, age50: 3_600_000_000, age95: 7_200_000_000 },
    { view: 'plane', n: 12, absent: 0, age50: 3.5e15, age95: 3.6e15 },
  ],
  latency: [1, 2, 3, 4],
  example: null,
};
const input = {
  endpoint: 'e',
  window: { fromUs: 0, toUs: 1 },
  task: 'binary',
  label: 'late',
  joinedBy: 'id',
  knownByUs: 0,
  trainingMissing: new Map([['temp', 0.5]]),
  ttlUs: new Map([['weather', 21_600_000_000]]),
} as const;

test('the figures of a day are those of its own joined rows, and a day without outcomes has none', () => {
  const live = liveView(rows, input);
  assert.deepEqual(
    live.days.map((d) => [d.day, d.predictions, d.withTruth]),
    [
      ['1970-01-01', 5, 4],
      ['1970-01-02', 4, 4],
      ['1970-01-03', 3, 0],
    ],
  );
  assert.deepEqual(live.days[0]!.primary, rocAuc({ labels: [1, 0, 0, 1], scores: [0.9, 0.1, 0.8, 0.4] }));
  assert.equal(live.days[1]!.predicted, (0.2 + 0.7 + 0.3 + 1) / 4);
  assert.deepEqual(live.days[2]!.primary, { ok: false, reason: 'there are no rows', n: 0 });
  assert.equal(live.days[2]!.predicted, null);
  assert.deepEqual(live.metrics.find((m) => m.metric === 'roc_auc')!.figure, rocAuc(rows));
});

test('scores are shared out by outcome, and a score of exactly 1 is in the last bin', () => {
  const { scores } = liveView(rows, input);
  const sum = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0);
  assert.ok(Math.abs(sum(scores!.positive) - 1) < 1e-12 && Math.abs(sum(scores!.negative) - 1) < 1e-12);
  assert.equal(scores!.positive.at(-1), 0.2);
});

test('missing inputs are set beside those of the training, facts beside the age their view allows', () => {
  const live = liveView(rows, input);
  assert.deepEqual(live.columns, [{ name: 'temp', missing: 0.25, trainingMissing: 0.5 }]);
  assert.deepEqual(
    live.views.map((v) => [v.name, v.absent, v.ageMedianUs, v.ttlUs]),
    [
      ['weather', 3, 3_600_000_000, 21_600_000_000],
      ['plane', 0, null, null],
    ],
  );
});

test('a regression is judged by its own metrics and shows no scores by outcome', () => {
  const live = liveView({ ...rows, labels: rows.labels.map((y) => y * 10) }, { ...input, task: 'regression' });
  assert.equal(live.primaryTitle, 'Mean absolute error');
  assert.equal(live.scores, null);
  assert.deepEqual(live.calibration, []);
  assert.ok(live.observed.ok && live.observed.value === 6.25 && live.observed.interval!.method === 'normal approximation');
});

test('the observed share of nothing is not zero', () => {
  assert.deepEqual(observedShare([], 'binary'), { ok: false, reason: 'no outcome is known', n: 0 });
});
