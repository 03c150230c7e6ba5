// Against SciPy 1.17 (scipy.stats.t.ppf).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { meanInterval } from '../intervals.ts';
import { regularBeta, studentAbove, studentUpperQuantile } from './student.ts';

const golden: Readonly<Record<number, readonly [number, number]>> = {
  1: [12.706204736174694, 63.656741162871526],
  2: [4.302652729749462, 9.924843200918287],
  3: [3.1824463052837078, 5.840909309733355],
  4: [2.7764451051977934, 4.604094871349992],
  9: [2.262157162798205, 3.249835541592126],
  29: [2.045229642132703, 2.756385903670605],
  200: [1.9718962236339088, 2.600634436191558],
};

test('quantiles of Student’s t agree with SciPy', () => {
  for (const [df, [two, one]] of Object.entries(golden)) {
    for (const [p, expected] of [
      [0.025, two],
      [0.005, one],
    ] as const) {
      const found = studentUpperQuantile(p, Number(df));
      assert.ok(Math.abs(found - expected) < 1e-9 * expected, `df ${df}: ${found}, not ${expected}`);
      assert.ok(Math.abs(studentAbove(found, Number(df)) - p) < 1e-12);
    }
    assert.equal(studentUpperQuantile(0.975, Number(df)), -studentUpperQuantile(1 - 0.975, Number(df)));
  }
  assert.equal(studentUpperQuantile(0.5, 5) < 1e-12, true);
  for (const bad of [studentUpperQuantile(0, 5), studentUpperQuantile(0.1, 0), regularBeta(2, 1, 1), regularBeta(0.5, 0, 1)])
    assert.ok(Number.isNaN(bad));
  assert.ok(Math.abs(regularBeta(0.3, 1, 1) - 0.3) < 1e-14);
});

test('a mean of one value has no interval, and one of several Student’s', () => {
  assert.equal(meanInterval({ n: 1, mean: 3, m2: 0 }), undefined);
  const { low, high, method } = meanInterval({ n: 4, mean: 2.5, m2: 5 })!;
  // 1, 2, 3, 4: SciPy gives 0.445739743239121 and 4.554260256760879.
  assert.ok(Math.abs(low - 0.445739743239121) < 1e-9 && Math.abs(high - 4.554260256760879) < 1e-9);
  assert.match(method, /Student/);
});

test('an interval of a mean holds it as often as it says', () => {
  // A generator of its own, so that the test is the same each time.
  let state = 1;
  const uniform = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  let held = 0;
  const rounds = 4000;
  for (let i = 0; i < rounds; i++) {
    const x = Array.from({ length: 5 }, () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
    const mean = x.reduce((a, b) => a + b) / 5;
    const { low, high } = meanInterval({ n: 5, mean, m2: x.reduce((s, v) => s + (v - mean) ** 2, 0) })!;
    if (low <= 0 && high >= 0) held++;
  }
  assert.ok(Math.abs(held / rounds - 0.95) < 0.012, `${held / rounds}`);
});
