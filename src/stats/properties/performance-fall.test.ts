import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { judgeFall, pool, spreadBetween, type WindowFigure } from '../performance-fall.ts';

const window = fc.record({
  value: fc.double({ min: 0, max: 1, noNaN: true }),
  standardError: fc.double({ min: 0.001, max: 0.2, noNaN: true }),
  n: fc.integer({ min: 1, max: 2000 }),
});
const windows = fc.array(window, { minLength: 1, maxLength: 12 });
const pooled = (list: readonly WindowFigure[]) => {
  const found = pool(list);
  assert.ok(found.ok);
  return found;
};

test('a pool lies between its windows, is surer than its surest part of equal size, and does not mind the order', () => {
  fc.assert(
    fc.property(windows, (list) => {
      const all = pooled(list);
      const values = list.map((w) => w.value);
      assert.ok(all.value >= Math.min(...values) - 1e-12 && all.value <= Math.max(...values) + 1e-12);
      assert.ok(all.standardError <= Math.max(...list.map((w) => w.standardError)) + 1e-12);
      const turned = pooled(list.toReversed());
      assert.ok(Math.abs(all.value - turned.value) < 1e-12 && Math.abs(all.standardError - turned.standardError) < 1e-12);
      // A pool of pools is the pool.
      const halves = [list.slice(0, 3), list.slice(3)].filter((half) => half.length > 0).map((half) => pooled(half));
      const twice = pooled(halves);
      assert.ok(Math.abs(all.value - twice.value) < 1e-9 && Math.abs(all.standardError - twice.standardError) < 1e-9);
    }),
  );
  const same = { value: 0.7, standardError: 0.02, n: 900 };
  assert.ok(Math.abs(pooled(Array.from({ length: 4 }, () => same)).standardError - 0.01) < 1e-12);
});

test('a fall is the same whichever way the metric points, and needs both the margin and the certainty', () => {
  fc.assert(
    fc.property(windows, window, fc.double({ min: 0, max: 0.2, noNaN: true }), (list, baseline, by) => {
      const up = judgeFall({ pooled: pool(list), baseline, by, higherIsBetter: true });
      const mirrored = pool(list.map((w) => ({ ...w, value: -w.value })));
      const down = judgeFall({ pooled: mirrored, baseline: { ...baseline, value: -baseline.value }, by, higherIsBetter: false });
      assert.ok(up.ok && down.ok);
      assert.ok(Math.abs(up.fall - down.fall) < 1e-12 && up.fallen === down.fallen && Math.abs(up.threshold + down.threshold) < 1e-12);
      assert.equal(up.fallen, up.fall >= by && up.low > 0);
      assert.ok(up.low < up.fall && up.p >= 0 && up.p <= 1);
      const restless = judgeFall({ pooled: pool(list), baseline: { ...baseline, spread: 0.1 }, by, higherIsBetter: true });
      assert.ok(restless.ok && restless.standardError > up.standardError && restless.low < up.low);
    }),
  );
});

test('what cannot be pooled or judged says why', () => {
  const reason = (verdict: { ok: boolean; reason?: string }): string => (verdict.ok ? 'it was judged' : verdict.reason!);
  const good = pool([{ value: 0.7, standardError: 0.02, n: 900 }]);
  assert.match(reason(pool([])), /no window/);
  assert.match(reason(pool([{ value: Number.NaN, standardError: 0.1, n: 5 }])), /no window/);
  const baseline = { value: 0.7, standardError: 0.01 };
  assert.match(reason(judgeFall({ pooled: pool([]), baseline, by: 0.03, higherIsBetter: true })), /no window/);
  assert.match(
    reason(judgeFall({ pooled: good, baseline: { value: Number.NaN, standardError: 0 }, by: 0.03, higherIsBetter: true })),
    /baseline/,
  );
  assert.match(reason(judgeFall({ pooled: good, baseline, by: -1, higherIsBetter: true })), /margin/);
  assert.match(reason(judgeFall({ pooled: good, baseline, by: 0, higherIsBetter: true, level: 0.4 })), /level/);
  assert.equal(spreadBetween([{ value: 0.7, standardError: 0.02, n: 900 }]), undefined);
});
