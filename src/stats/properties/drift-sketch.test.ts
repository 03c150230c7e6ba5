import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  categoricalBaseline,
  categoricalBaselineOf,
  countCategorical,
  countCategoriesOf,
  countNumeric,
  mergeCounts,
  noCounts,
  numericBaseline,
  numericCounts,
  type ColumnCounts,
} from '../drift-sketch.ts';
import { binEdges, binOf } from '../drift/bins.ts';
import { momentsOf } from '../moments.ts';

// Few distinct numbers and many, ties, extremes, and what is no number.
const number = fc.oneof(
  fc.integer({ min: -3, max: 6 }),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.constantFrom(Number.NaN, Infinity, -Infinity, 0, -0, 1e308, -1e308, 5e-324),
);
const numbers = fc.array(number, { maxLength: 80 });
const word = fc.oneof(fc.constantFrom('a', 'b', 'c', 'd', ''), fc.string({ maxLength: 3 }));
const words = fc.array(fc.option(word, { nil: null }), { maxLength: 80 });

/** Sums of deviations depend on the order in the last digits only. */
const sameCounts = (a: ColumnCounts, b: ColumnCounts): void => {
  if (a.kind === 'categorical' || b.kind === 'categorical') return assert.deepEqual(a, b);
  const { moments: x, ...rest } = a;
  const { moments: y, ...others } = b;
  assert.deepEqual(rest, others);
  assert.equal(x.n, y.n);
  // Beyond 1e150 squares leave the numbers.
  const close = (p: number, q: number): boolean =>
    Object.is(p, q) || !Number.isFinite(p) || Math.abs(p - q) <= 1e-9 * Math.max(1, Math.abs(p), Math.abs(q));
  assert.ok(
    Math.max(Math.abs(a.min ?? 0), Math.abs(a.max ?? 0)) > 1e100 || (close(x.mean, y.mean) && close(x.m2, y.m2)),
    JSON.stringify([x, y]),
  );
};
const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

test('the counts of two parts add up to those of the whole, in either order, and nothing changes nothing', () => {
  fc.assert(
    fc.property(numbers, numbers, numbers, (reference, a, b) => {
      const baseline = numericBaseline(reference);
      const [x, y, all] = [
        countNumeric(baseline, a, { nulls: 2 }),
        countNumeric(baseline, b),
        countNumeric(baseline, [...a, ...b], { nulls: 2 }),
      ];
      sameCounts(mergeCounts(x, y), all);
      sameCounts(mergeCounts(y, x), all);
      sameCounts(mergeCounts(noCounts(baseline), x), x);
    }),
  );
  fc.assert(
    fc.property(words, words, words, (reference, a, b) => {
      const baseline = categoricalBaseline(reference);
      const [x, y, all] = [countCategorical(baseline, a), countCategorical(baseline, b), countCategorical(baseline, [...a, ...b])];
      sameCounts(mergeCounts(x, y), all);
      sameCounts(mergeCounts(y, x), all);
      sameCounts(mergeCounts(noCounts(baseline), x), x);
    }),
  );
  const numeric = numericBaseline([1, 2]).reference;
  assert.throws(() => mergeCounts<ColumnCounts>(numeric, categoricalBaseline(['a']).reference), TypeError);
  assert.throws(() => mergeCounts(numeric, numericBaseline([1]).reference), RangeError);
  assert.throws(() => numericCounts({ edges: [1] }, { bins: [1], moments: { n: 0, mean: 0, m2: 0 }, min: null, max: null }), RangeError);
});

test('a baseline counts its own reference as a window does, in any order, and survives JSON', () => {
  fc.assert(
    fc.property(numbers, (values) => {
      const baseline = numericBaseline(values);
      sameCounts(countNumeric(baseline, values.toReversed()), baseline.reference);
      assert.deepEqual(JSON.parse(JSON.stringify(baseline)), JSON.parse(JSON.stringify(numericBaseline(values))));
      const { n, notFinite, bins, below, above } = baseline.reference;
      assert.deepEqual([n, n + notFinite, below, above], [sum(bins), values.length, 0, 0]);
      assert.ok(baseline.edges.every((edge, i) => i === 0 || edge > baseline.edges[i - 1]!));
      assert.ok(baseline.edges.length <= 43);
    }),
  );
  fc.assert(
    fc.property(words, (values) => {
      const baseline = categoricalBaseline(values);
      assert.deepEqual(countCategorical(baseline, values.toReversed()), baseline.reference);
      assert.deepEqual(JSON.parse(JSON.stringify(baseline)), baseline);
      const { n, nulls, counts, other, unseen } = baseline.reference;
      assert.deepEqual([n + nulls, n, unseen], [values.length, sum(counts) + other, 0]);
    }),
  );
});

test('few distinct values have a bin each, many are cut into bins of about equal mass, and equal ones are never parted', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: 1, maxLength: 400 }),
      fc.integer({ min: 1, max: 30 }),
      (raw, grain) => {
        const sorted = Float64Array.from(raw, (x) => Math.round(x * grain) / grain).sort();
        const { edges, values } = binEdges(sorted);
        const distinct = new Set(sorted);
        assert.equal(values !== null, distinct.size <= 20);
        if (values) for (const [i, v] of values.entries()) assert.equal(binOf(edges, v), i);
      },
    ),
  );
  const even = numericBaseline(Array.from({ length: 40_000 }, (_, i) => i));
  const inner = even.reference.bins.slice(4, -4);
  assert.ok(
    inner.every((count) => count === 1000),
    inner.join(),
  );
  // A float32 on its way changes no bin.
  const tenths = Array.from({ length: 3000 }, (_, i) => (i % 300) / 10);
  const baseline = numericBaseline(tenths);
  assert.deepEqual(countNumeric(baseline, Float32Array.from(tenths)).bins, baseline.reference.bins);
  // More than half of one value: it has a bin for itself.
  const zeros = numericBaseline(Array.from({ length: 1000 }, (_, i) => (i < 600 ? 0 : i)));
  assert.ok(zeros.reference.bins.includes(600));
});

test('rare categories share a cell, new ones are told from them, and too many are only counted', () => {
  const values = Array.from({ length: 150 }, (_, i) => Array.from({ length: i < 100 ? 3 : 1 }, () => `v${i}`)).flat();
  const baseline = categoricalBaseline(values);
  assert.equal(baseline.categories.length, 100);
  assert.equal(baseline.rare?.length, 50);
  const found = countCategorical(baseline, ['v0', 'v120', 'new', 'newer', null]);
  assert.deepEqual([found.n, found.nulls, found.other, found.unseen, found.examples], [4, 1, 1, 2, ['new', 'newer']]);
  const many = categoricalBaselineOf(Array.from({ length: 6000 }, (_, i) => [`id${i}`, 1] as const));
  assert.equal(many.rare, null);
  const counted = countCategoriesOf(many, [['never', 3]]);
  assert.deepEqual([counted.other, counted.unseen], [3, 0]);
});

test('moments of a window are those of its finite values', () => {
  const baseline = numericBaseline([1, 2, 3]);
  assert.deepEqual(
    countNumeric(baseline, [4, Number.NaN, 6]).moments,
    momentsOf(2, (i) => 4 + 2 * i),
  );
});
