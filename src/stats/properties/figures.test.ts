import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { midRanks, rocAuc, rocAucDifference } from '../auc.ts';
import { confusion } from '../classification.ts';
import { calibrationBins, precisionRecallCurve, rocCurve } from '../curves.ts';
import { improvement } from '../difference.ts';
import type { Figure } from '../figure.ts';
import { standardErrorOf, wilson } from '../intervals.ts';
import { computeMetrics, metrics, type MetricName } from '../metrics.ts';
import { mergeMoments, momentsOf } from '../moments.ts';

// Few distinct scores, so that ties are common.
const score = fc.oneof(
  fc.integer({ min: 0, max: 8 }).map((i) => i / 8),
  fc.double({ min: 0, max: 1, noNaN: true }),
);
const row = fc.record({ label: fc.integer({ min: 0, max: 1 }), score, other: score });
const rows = fc.array(row, { minLength: 1, maxLength: 60 });
type Row = { label: number; score: number; other: number };
const of = (list: readonly Row[]) => ({ labels: list.map((r) => r.label), scores: list.map((r) => r.score) });

const same = (a: number, b: number, tolerance = 1e-9): boolean => Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(a), Math.abs(b));
const sameFigure = (a: Figure, b: Figure): void => {
  assert.equal(a.ok, b.ok);
  if (!a.ok || !b.ok) return;
  assert.ok(same(a.value, b.value), `${a.value} and ${b.value}`);
  assert.equal(a.interval === undefined, b.interval === undefined);
  if (a.interval && b.interval) assert.ok(same(a.interval.low, b.interval.low, 1e-6) && same(a.interval.high, b.interval.high, 1e-6));
};

test('the order of the rows changes no metric', () => {
  fc.assert(
    fc.property(rows, fc.integer(), (list, seed) => {
      const shuffled = list
        .map((r, i) => ({ r, at: Math.sin(seed + i * 12.9898) }))
        .sort((a, b) => a.at - b.at)
        .map(({ r }) => r);
      for (const task of ['binary', 'regression'] as const) {
        const [a, b] = [computeMetrics(task, of(list)), computeMetrics(task, of(shuffled))];
        for (const name of Object.keys(a)) sameFigure(a[name]!, b[name]!);
      }
    }),
  );
});

test('a strictly rising transformation of the scores changes neither AUC nor its interval', () => {
  fc.assert(
    fc.property(rows, (list) => {
      const { labels, scores } = of(list);
      // Steep enough to tell apart what was told apart, and exact for equal scores.
      sameFigure(rocAuc({ labels, scores }), rocAuc({ labels, scores: midRanks(scores) }));
      sameFigure(rocAuc({ labels, scores }), rocAuc({ labels, scores: Array.from(midRanks(scores), (r) => Math.exp(r / 10)) }));
    }),
  );
});

test('turning scores or labels round turns AUC round one half', () => {
  fc.assert(
    fc.property(rows, (list) => {
      const { labels, scores } = of(list);
      const plain = rocAuc({ labels, scores });
      const turned = rocAuc({ labels, scores: scores.map((x) => -x) });
      const swapped = rocAuc({ labels: labels.map((y) => 1 - y), scores });
      assert.equal(plain.ok, turned.ok && swapped.ok);
      if (plain.ok && turned.ok && swapped.ok) assert.ok(same(1 - plain.value, turned.value) && same(1 - plain.value, swapped.value));
    }),
  );
});

test('AUC is the chance that a positive scores above a negative, ties counting half', () => {
  fc.assert(
    fc.property(rows, (list) => {
      const positives = list.filter((r) => r.label === 1);
      const negatives = list.filter((r) => r.label === 0);
      const found = rocAuc(of(list));
      assert.equal(found.ok, positives.length > 0 && negatives.length > 0);
      if (!found.ok) return;
      const wins = positives.flatMap((p) => negatives.map((n): number => (p.score > n.score ? 1 : p.score === n.score ? 0.5 : 0)));
      assert.ok(same(found.value, wins.reduce((a, b) => a + b, 0) / wins.length));
    }),
  );
});

test('a mean of values per row is the mean of its parts, weighted; counts add up', () => {
  fc.assert(
    fc.property(rows, rows, (a, b) => {
      for (const task of ['binary', 'regression'] as const) {
        const [x, y, all] = [computeMetrics(task, of(a)), computeMetrics(task, of(b)), computeMetrics(task, of([...a, ...b]))];
        for (const name of Object.keys(all).filter((n) => 'perRow' in metrics[n as MetricName])) {
          const [p, q, r] = [x[name]!, y[name]!, all[name]!];
          assert.ok(p.ok && q.ok && r.ok);
          assert.ok(same(r.value, (p.value * p.n + q.value * q.n) / r.n), name);
        }
      }
      const [p, q, r] = [confusion(of(a), 0.5), confusion(of(b), 0.5), confusion(of([...a, ...b]), 0.5)];
      for (const key of Object.keys(r) as (keyof typeof r)[]) assert.equal(r[key], p[key] + q[key]);
    }),
  );
});

test('moments of two samples merge to the moments of all, in either order and for any cut', () => {
  const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { maxLength: 40 });
  fc.assert(
    fc.property(values, values, (a, b) => {
      const moments = (x: readonly number[]) => momentsOf(x.length, (i) => x[i]!);
      const [left, right, all] = [moments(a), moments(b), moments([...a, ...b])];
      for (const merged of [mergeMoments(left, right), mergeMoments(right, left)]) {
        assert.equal(merged.n, all.n);
        assert.ok(same(merged.mean, all.mean) && same(merged.m2, all.m2));
      }
    }),
  );
  // More than one block.
  const long = Array.from({ length: 5000 }, (_, i) => 1e8 + (i % 7));
  const mean = 1e8 + long.reduce((sum, x) => sum + (x - 1e8), 0) / long.length;
  const found = momentsOf(long.length, (i) => long[i]!);
  assert.ok(same(found.mean, mean, 1e-15));
  assert.ok(
    same(
      found.m2,
      long.reduce((sum, x) => sum + (x - mean) ** 2, 0),
      1e-9,
    ),
  );
});

test('an improvement turns its sign when the models change places, and is nothing against oneself', () => {
  fc.assert(
    fc.property(rows, (list) => {
      const labels = list.map((r) => r.label);
      const [mine, theirs] = [list.map((r) => r.score), list.map((r) => r.other)];
      for (const name of ['roc_auc', 'log_loss', 'brier', 'accuracy', 'mae'] as const) {
        const [there, back, self] = [
          improvement(name, labels, mine, theirs),
          improvement(name, labels, theirs, mine),
          improvement(name, labels, mine, mine),
        ];
        assert.ok(there.ok === back.ok && there.ok === self.ok);
        if (!there.ok || !back.ok || !self.ok) continue;
        assert.ok(same(there.difference, -back.difference) && same(there.low, -back.high) && same(there.high, -back.low), name);
        assert.deepEqual([self.difference, self.low, self.high].map(Math.abs), [0, 0, 0]);
      }
    }),
  );
});

test('curves rise from corner to corner, and bins hold every row once', () => {
  fc.assert(
    fc.property(rows, (list) => {
      const given = of(list);
      const roc = rocCurve(given);
      if (roc.length > 0) {
        assert.deepEqual(
          [roc[0], roc.at(-1)],
          [
            { x: 0, y: 0 },
            { x: 1, y: 1 },
          ],
        );
        for (let i = 1; i < roc.length; i++) assert.ok(roc[i]!.x >= roc[i - 1]!.x && roc[i]!.y >= roc[i - 1]!.y);
      }
      for (const point of precisionRecallCurve(given)) assert.ok(point.x >= 0 && point.x <= 1 && point.y >= 0 && point.y <= 1);
      const bins = calibrationBins(given);
      assert.equal(
        bins.reduce((n, b) => n + b.n, 0),
        list.length,
      );
      for (const b of bins) assert.ok(b.low <= b.observed && b.observed <= b.high);
    }),
  );
});

test('Wilson’s interval holds the share, stays within 0 and 1, and narrows with n', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.double({ min: 0, max: 1, noNaN: true }), (n, share) => {
      const k = Math.round(n * share);
      const { low, high } = wilson(k, n);
      assert.ok(low >= 0 && high <= 1 && low <= k / n + 1e-12 && k / n <= high + 1e-12);
      const more = wilson(k * 10, n * 10);
      assert.ok(more.high - more.low < high - low);
    }),
  );
});

test('input that allows no figure gives the reason, never NaN and never a plausible zero', () => {
  const cases: readonly (readonly [string, readonly number[], readonly number[], RegExp])[] = [
    ['no rows', [], [], /no rows/],
    ['lengths that differ', [1, 0], [0.5], /2 labels and 1 scores/],
    ['a label that is not a number', [1, Number.NaN], [0.5, 0.5], /row 1/],
    ['a score that is infinite', [1, 0], [Infinity, 0.5], /row 0/],
  ];
  for (const [what, labels, scores, reason] of cases)
    for (const task of ['binary', 'regression'] as const)
      for (const [name, figure] of Object.entries(computeMetrics(task, { labels, scores }))) {
        assert.equal(figure.ok, false, `${name} of ${what}`);
        if (!figure.ok && !(task === 'binary' && Number.isNaN(labels[1]))) assert.match(figure.reason, reason, `${name} of ${what}`);
      }
  const reasonOf = (figure: Figure | undefined): string => (figure?.ok === false ? figure.reason : 'there is a figure');
  const oneClass = computeMetrics('binary', { labels: [0, 0, 0], scores: [0.1, 0.2, 0.3] });
  assert.match(reasonOf(oneClass.roc_auc), /all labels are the same/);
  assert.match(reasonOf(oneClass.pr_auc), /no positive labels/);
  assert.match(reasonOf(oneClass.recall), /no positive labels/);
  assert.match(reasonOf(oneClass.precision), /nothing was called positive/);
  assert.match(reasonOf(oneClass.f1), /neither/);
  assert.match(reasonOf(computeMetrics('regression', { labels: [2, 2], scores: [1, 2] }).r2), /all labels are the same/);
  assert.match(reasonOf(computeMetrics('binary', { labels: [0, 1], scores: [-1, 3] }).log_loss), /not probabilities/);
  assert.match(reasonOf(computeMetrics('binary', { labels: [0, 1, 2], scores: [0.1, 0.2, 0.3] }).roc_auc), /0 or 1/);
  assert.equal(rocAucDifference([1, 1], [0.1, 0.2], [0.2, 0.1]).ok, false);
  assert.equal(improvement('f1', [0, 1], [0, 1], [0, 1]).ok, false);
  assert.equal(improvement('brier', [1], [0.5], [0.4]).ok, false);
  assert.equal(improvement('log_loss', [0, 1], [0, 2], [0, 1]).ok, false);
});

test('a perfect order keeps an honest interval, and with it a standard error', () => {
  const perfect = rocAuc({ labels: [0, 1], scores: [0.1, 0.9] });
  assert.deepEqual(perfect, { ok: true, value: 1, n: 2, interval: wilson(1, 1) });
  for (const name of ['roc_auc', 'pr_auc', 'accuracy', 'precision', 'recall', 'f1'] as const) {
    const figure = computeMetrics('binary', { labels: [0, 1, 0, 1], scores: [0.1, 0.9, 0.2, 0.8] })[name]!;
    assert.ok(figure.ok && figure.value === 1 && standardErrorOf(figure)! > 0.1, name);
  }
});
