import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { driftMethods, driftSpread, judgeDrift, usualThreshold, type DriftVerdict } from '../drift.ts';
import { categoricalBaseline, countCategorical, countNumeric, noCounts, numericBaseline, type NumericCounts } from '../drift-sketch.ts';
import { gridOf } from '../drift/cells.ts';
import { chiSquare, hellinger, jsDistance, ksOnGrid, psi, wassersteinOnGrid } from '../drift/distances.ts';
import { ksSorted, wassersteinSorted } from '../drift/samples.ts';
import { spreadThreshold } from '../drift/spread.ts';
import { faultSpread, judgeQuality, type QualityKind } from '../quality.ts';
import { generator, normalOf } from '../simulation/generator.ts';

const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
const counts = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 6, maxLength: 6 }).filter((c) => sum(c) > 0);

test('distances are symmetric, zero for equal shares, and within their bounds', () => {
  fc.assert(
    fc.property(counts, counts, fc.integer({ min: 1, max: 9 }), (p, q, times) => {
      for (const [name, of] of Object.entries({
        jsDistance,
        hellinger,
        psi,
        chiSquare: (a: number[], b: number[]) => chiSquare(a, b).statistic,
      })) {
        const [there, back] = [of(p, q), of(q, p)];
        assert.ok(Math.abs(there - back) <= 1e-9 * Math.max(1, there), name);
        assert.ok(there >= 0 && Number.isFinite(there), `${name} ${there}`);
        assert.ok(
          of(
            p,
            p.map((c) => c * times),
          ) < 1e-7,
          `${name} of equal shares`,
        );
      }
      assert.ok(jsDistance(p, q) <= 1 + 1e-12 && hellinger(p, q) <= 1 + 1e-12);
      // Cells that both leave empty change nothing.
      assert.equal(jsDistance([...p, 0], [...q, 0]), jsDistance(p, q));
    }),
  );
  assert.equal(jsDistance([5, 0], [0, 7]), 1);
  assert.equal(hellinger([5, 0], [0, 7]), 1);
});

const finite = fc.array(fc.oneof(fc.integer({ min: -9, max: 9 }), fc.double({ min: -20, max: 20, noNaN: true })), {
  minLength: 1,
  maxLength: 120,
});

test('on the grid, KS and Wasserstein are off by no more than their stated error', () => {
  fc.assert(
    fc.property(finite, finite, (a, b) => {
      const baseline = numericBaseline(a);
      // A value that lost its last digits counts as the one it was.
      if (b.some((v) => a.some((w) => v !== w && Math.abs(v - w) < 1e-3))) return;
      const grid = gridOf(baseline, baseline.reference, countNumeric(baseline, b));
      const [x, y] = [Float64Array.from(a).sort(), Float64Array.from(b).sort()];
      const [ks, w1] = [ksOnGrid(grid), wassersteinOnGrid(grid)];
      // On few values the grid is exact for windows of those values, and says how far off others may be.
      if (grid.exact && b.every((v) => a.includes(v))) assert.ok(ks.error === 0 && w1.error === 0);
      const [exactKs, exactW1] = [ksSorted(x, y).statistic, wassersteinSorted(x, y)];
      assert.ok(
        exactKs >= ks.value - 1e-12 && exactKs <= ks.value + ks.error + 1e-12,
        `KS ${exactKs}, on the grid ${ks.value} ± ${ks.error}`,
      );
      assert.ok(Math.abs(exactW1 - w1.value) <= w1.error + 1e-9, `W1 ${exactW1}, on the grid ${w1.value} ± ${w1.error}`);
    }),
  );
});

test('a window equal to its reference has not drifted by any method; one that is elsewhere has by every method', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 20, maxLength: 300 }), (values) => {
      const baseline = numericBaseline(values);
      for (const method of driftMethods) {
        const same = judgeDrift({ counts: baseline.reference, baseline, columns: 1, method });
        assert.ok(same.ok && !same.drifted && same.value < 1e-7 && same.corrected === 0, `${method} ${JSON.stringify(same)}`);
      }
    }),
  );
  const random = generator(1);
  const sample = (n: number, of: () => number) => Float64Array.from({ length: n }, of);
  const baseline = numericBaseline(sample(3000, () => normalOf(random)));
  for (const method of driftMethods) {
    const far = judgeDrift({
      counts: countNumeric(
        baseline,
        sample(500, () => normalOf(random) + 1),
      ),
      baseline,
      columns: 50,
      method,
    });
    assert.ok(
      far.ok && far.drifted && far.p < 1e-6 && far.value > far.threshold && far.corrected <= far.value,
      `${method} ${JSON.stringify(far)}`,
    );
    assert.equal(far.threshold >= Math.max(far.parts.sampling, method === 'chi2' ? 0 : usualThreshold[method]), true);
  }
  // A constant that becomes another one: no edge lies between them.
  const constant = numericBaseline(new Float64Array(100).fill(3));
  for (const method of driftMethods) {
    const verdict = judgeDrift({ counts: countNumeric(constant, new Float64Array(60).fill(4)), baseline: constant, columns: 1, method });
    assert.ok(verdict.ok && verdict.drifted, `${method} ${JSON.stringify(verdict)}`);
  }
});

test('the more columns are judged, and the smaller the window, the more it takes', () => {
  const random = generator(2);
  const baseline = numericBaseline(Float64Array.from({ length: 5000 }, () => normalOf(random)));
  const at = (n: number, columns: number): DriftVerdict & { ok: true } => {
    const verdict = judgeDrift({
      counts: countNumeric(
        baseline,
        Float64Array.from({ length: n }, () => normalOf(random)),
      ),
      baseline,
      columns,
    });
    assert.ok(verdict.ok);
    return verdict;
  };
  assert.ok(at(400, 100).parts.sampling > at(400, 1).parts.sampling);
  assert.ok(at(400, 1).parts.sampling > at(4000, 1).parts.sampling);
  assert.ok(at(300, 1).threshold > 0.1);
  assert.equal(at(400, 1).parts.practical, 0.1);
});

test('days that differ by nature are no drift where the baseline knows its days', () => {
  const random = generator(3);
  // Half of the days are warm.
  const day = (warm: boolean) => Float64Array.from({ length: 400 }, () => normalOf(random) + (warm ? 1 : -1));
  const days = Array.from({ length: 12 }, (_, i) => day(i % 2 === 0));
  const plain = numericBaseline(days.flatMap((d) => [...d]));
  const spread = driftSpread(
    plain,
    days.map((d) => countNumeric(plain, d)),
  )!;
  const judge = (counts: NumericCounts, known: boolean) => {
    const verdict = judgeDrift({ counts, baseline: known ? { ...plain, spread } : plain, columns: 5 });
    assert.ok(verdict.ok);
    return verdict;
  };
  const warm = countNumeric(plain, day(true));
  assert.equal(judge(warm, false).drifted, true);
  assert.equal(judge(warm, true).drifted, false);
  assert.equal(judge(warm, true).parts.spread, spreadThreshold(spread.js!));
  const hot = countNumeric(
    plain,
    Float64Array.from({ length: 400 }, () => normalOf(random) + 4),
  );
  assert.equal(judge(hot, true).drifted, true);
  assert.deepEqual(Object.keys(spread).sort(), [...driftMethods].sort());
  assert.equal(driftSpread(plain, []), undefined);
  // Days without a value in common: three standard deviations more than that would be beyond 1.
  const apart = { chunks: 30, mean: 0.9, sd: 0.08, max: 0.99, logit: { mean: 2.4, sd: 0.5 } };
  assert.ok(spreadThreshold(apart) > 0.95 && spreadThreshold(apart) < 1);
  assert.ok(spread.ks!.logit && spread.js!.logit && !spread.psi!.logit);
  assert.equal(spreadThreshold({ chunks: 5, mean: 0.1, sd: 0.1, max: 0.25 }), 0.25);
  assert.equal(spreadThreshold({ chunks: 10, mean: 0.1, sd: 0.1, max: 0.25 }), 0.4);
});

test('what cannot be judged says why', () => {
  const numeric = numericBaseline(Array.from({ length: 100 }, (_, i) => i));
  const categorical = categoricalBaseline(Array.from({ length: 100 }, (_, i) => `v${i % 3}`));
  const reason = (verdict: DriftVerdict): string => (verdict.ok ? 'it was judged' : verdict.reason);
  assert.match(
    reason(judgeDrift({ counts: countNumeric(numeric, [1, 2]), baseline: numeric, columns: 1 })),
    /2 values in the window are too few/,
  );
  assert.match(
    reason(judgeDrift({ counts: numeric.reference, baseline: numericBaseline([1]), columns: 1 })),
    /1 values in the reference are too few/,
  );
  assert.match(reason(judgeDrift({ counts: categorical.reference, baseline: numeric, columns: 1 })), /the baseline is numeric/);
  for (const method of ['ks', 'wasserstein'] as const)
    assert.match(reason(judgeDrift({ counts: categorical.reference, baseline: categorical, columns: 1, method })), /needs an order/);
  const huge = numericBaseline(Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? 1e308 : -1e308)));
  assert.match(
    reason(judgeDrift({ counts: huge.reference, baseline: huge, columns: 1, method: 'wasserstein' })),
    /beyond what a number holds/,
  );
  assert.equal(judgeDrift({ counts: huge.reference, baseline: huge, columns: 1 }).ok, true);
  // One value far out, in the window, takes no digits from the reference.
  const fine = numericBaseline(Array.from({ length: 100 }, (_, i) => i));
  const usual = Array.from({ length: 99 }, (_, i) => i);
  for (const far of [-1e20, -1e300, 1e300]) {
    const verdict = judgeDrift({ counts: countNumeric(fine, [...usual, far]), baseline: fine, columns: 1, method: 'wasserstein' });
    assert.ok(verdict.ok && verdict.drifted && verdict.parts.sampling > 0.1 && verdict.parts.sampling < 1, JSON.stringify(verdict));
    for (const part of [verdict.corrected, verdict.p, verdict.threshold]) assert.ok(Number.isFinite(part), JSON.stringify(verdict));
  }
  const constant = numericBaseline(new Float64Array(30).fill(0));
  assert.match(
    reason(
      judgeDrift({
        counts: countNumeric(constant, new Float64Array(30).fill(1.7e308)),
        baseline: constant,
        columns: 1,
        method: 'wasserstein',
      }),
    ),
    /beyond what a number holds/,
  );
  assert.match(reason(judgeDrift({ counts: numericBaseline([]).reference, baseline: numericBaseline([]), columns: 1 })), /0 values/);
});

test('quality: a share of faults that rises is found, one that the reference has, too, or that is one row, is not', () => {
  const number = (i: number): number => i % 50;
  const baseline = numericBaseline(
    Array.from({ length: 2000 }, (_, i) => number(i)),
    { nulls: 100 },
  );
  const judge = (values: number[], given: { nulls?: number; mistyped?: number }): QualityKind[] =>
    judgeQuality({ counts: countNumeric(baseline, values, given), baseline, columns: 20 })
      .filter((q) => q.broken)
      .map((q) => q.kind);
  const usual = Array.from({ length: 855 }, (_, i) => number(i));
  assert.deepEqual(judge(usual, { nulls: 45 }), []);
  assert.deepEqual(judge(usual, { nulls: 200 }), ['nulls']);
  assert.deepEqual(judge([...usual, 51, Number.NaN], { nulls: 45 }), []);
  assert.deepEqual(
    judge(
      usual.map((x, i) => (i % 10 === 0 ? 99 : x)),
      { nulls: 45 },
    ),
    ['out_of_range'],
  );
  assert.deepEqual(
    judge(
      usual.map((x, i) => (i % 10 === 0 ? Number.NaN : x)),
      { nulls: 45 },
    ),
    ['not_finite'],
  );
  assert.deepEqual(judge(usual, { nulls: 45, mistyped: 1 }), ['mistyped']);
  const words = categoricalBaseline(Array.from({ length: 500 }, (_, i) => `v${i % 4}`));
  const found = judgeQuality({
    counts: countCategorical(
      words,
      Array.from({ length: 300 }, (_, i) => (i % 6 === 0 ? 'new' : 'v1')),
    ),
    baseline: words,
    columns: 1,
  });
  const fresh = found.find((q) => q.kind === 'new_categories')!;
  assert.ok(fresh.broken && fresh.share > fresh.threshold && fresh.count === 50);
  assert.deepEqual(fresh.examples, ['new']);
  assert.equal(fresh.reference, 0);
  // 60 values of 600 came once: so many of the next rows are of values that did not come yet, and that is no fault.
  const tail = categoricalBaseline(Array.from({ length: 600 }, (_, i) => (i < 60 ? `once${i}` : `v${i % 9}`)));
  const judgeTail = (fromTail: number): boolean =>
    judgeQuality({
      counts: countCategorical(
        tail,
        Array.from({ length: 200 }, (_, i) => (i < fromTail ? `other${i}` : `v${i % 9}`)),
      ),
      baseline: tail,
      columns: 5,
    }).some((q) => q.broken);
  assert.deepEqual([judgeTail(20), judgeTail(30), judgeTail(90)], [false, false, true]);
  assert.deepEqual(judgeQuality({ counts: noCounts(words), baseline: words, columns: 1 }), []);
});

test('the chance of a Kolmogorov-Smirnov distance is SciPy’s, and values that the reference lacks are put where they are', () => {
  const even = numericBaseline(Array.from({ length: 900 }, (_, i) => i % 9));
  const counts = countNumeric(
    even,
    Array.from({ length: 700 }, (_, i) => (i % 10 === 0 ? 12 + (i % 3) : i % 9)),
  );
  const judged = (method: 'ks' | 'wasserstein'): DriftVerdict & { ok: true } => {
    const verdict = judgeDrift({ counts, baseline: even, columns: 1, method });
    assert.ok(verdict.ok);
    return verdict;
  };
  // scipy 1.17.1: ks_2samp(a, b).statistic, kstwo.sf(0.1, 394), wasserstein_distance(a, b) / std(a).
  assert.ok(Math.abs(judged('ks').value - 0.1) < 1e-12);
  assert.ok(Math.abs(judged('ks').p / 0.0006983105963868845 - 1) < 1e-8, String(judged('ks').p));
  assert.ok(Math.abs(judged('wasserstein').value - 0.3480152178234949) < 1e-12, String(judged('wasserstein').value));
});

test('an identifier is not compared, and a column whose new values are in its nature is not broken by them', () => {
  const ids = (from: number, n: number): string[] => Array.from({ length: n }, (_, i) => `id${from + i}`);
  const identifier = categoricalBaseline(ids(0, 3000));
  const judged = judgeDrift({ counts: countCategorical(identifier, ids(9000, 300)), baseline: identifier, columns: 9 });
  assert.ok(!judged.ok && /an identifier/.test(judged.reason), JSON.stringify(judged));
  // Some values are frequent, and most of the many others come once: as many of these as ever are no drift, far more are.
  const mixed = (from: number, n: number, share: number): string[] => ids(from, n).map((id, i) => (i % 10 < share ? id : `c${i % 3}`));
  const open = categoricalBaseline(mixed(0, 3000, 4));
  const drifted = (share: number): boolean => {
    const verdict = judgeDrift({ counts: countCategorical(open, mixed(9000, 300, share)), baseline: open, columns: 9 });
    assert.ok(verdict.ok, JSON.stringify(verdict));
    return verdict.drifted;
  };
  assert.deepEqual([drifted(4), drifted(9)], [false, true]);
  // The date of each day is new on that day.
  const dates = Array.from({ length: 12 }, (_, day) => Array.from({ length: 200 }, () => `2026-03-${day + 1}`));
  const plain = categoricalBaseline(dates.flat());
  const days = dates.map((d) => countCategorical(plain, d));
  const baseline = { ...plain, spread: driftSpread(plain, days)!, faults: faultSpread(days)! };
  const tomorrow = countCategorical(plain, new Array<string>(200).fill('2026-03-13'));
  const found = judgeQuality({ counts: tomorrow, baseline, columns: 9 }).find((q) => q.kind === 'new_categories')!;
  assert.deepEqual([found.share, found.broken], [1, false]);
  assert.equal(judgeQuality({ counts: tomorrow, baseline: plain, columns: 9 }).find((q) => q.kind === 'new_categories')!.broken, true);
  const verdict = judgeDrift({ counts: tomorrow, baseline, columns: 9 });
  assert.ok(verdict.ok && !verdict.drifted, JSON.stringify(verdict));
});
