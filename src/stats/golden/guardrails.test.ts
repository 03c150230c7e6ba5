// The e-processes of guardrails against SciPy; make-golden-guardrails.py made the file.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pairedExcess, pairedShift } from '../always-valid/paired.ts';
import { bucketOf, slowerQuantile, type Histogram } from '../always-valid/quantile.ts';
import { shareAbove } from '../always-valid/share.ts';

interface Golden {
  readonly shares: readonly { events: number; n: number; alpha: number; bound: number; low: number; p: number }[];
  readonly paired: readonly { pairs: readonly [number, number, number]; alpha: number; margin: number; low: number; p: number }[];
  readonly shifts: readonly { moved: readonly (readonly [number, number])[]; p: number }[];
  readonly slower: readonly { candidate: Histogram; other: Histogram; q: number; margin: number; p: number }[];
}
const golden = JSON.parse(readFileSync(join(import.meta.dirname, 'golden-guardrails.json'), 'utf8')) as Golden;

const near = (found: number, expected: number, what: string, tolerance: number): void =>
  assert.ok(
    Math.abs(found - expected) <= tolerance * Math.max(1e-3, Math.abs(expected)),
    `${what}: ${found}, where ${expected} was expected`,
  );

test('a share against a bound', () => {
  for (const { events, n, alpha, bound, low, p } of golden.shares) {
    const found = shareAbove({ events, n }, alpha, bound);
    near(found.pValue, p, `p of ${events} of ${n}`, 1e-8);
    near(found.low, low, `bound of ${events} of ${n}`, 1e-8);
  }
  assert.deepEqual(shareAbove({ events: 0, n: 0 }, 0.05, 0.1), { share: 0, low: 0, pValue: 1 });
  assert.equal(shareAbove({ events: 0, n: 50 }, 0.05, 0.1).low, 0);
});

test('an excess on the same rows', () => {
  for (const { pairs, alpha, margin, low, p } of golden.paired) {
    const [candidateOnly, otherOnly, n] = pairs;
    const found = pairedExcess({ candidateOnly, otherOnly, n }, alpha, margin);
    near(found.pValue, p, `p of ${pairs.join('/')}`, 1e-6);
    near(found.low, low, `bound of ${pairs.join('/')}`, 1e-6);
  }
  assert.deepEqual(pairedExcess({ candidateOnly: 0, otherOnly: 0, n: 0 }, 0.05), { difference: 0, low: -1, pValue: 1 });
  assert.equal(pairedExcess({ candidateOnly: 0, otherOnly: 0, n: 500 }, 0.05).pValue, 1);
  assert.ok(pairedExcess({ candidateOnly: 50, otherOnly: 0, n: 50 }, 0.05).low > 0.5);
});

test('scores of the same rows that moved to other bins', () => {
  for (const { moved, p } of golden.shifts) near(pairedShift(moved), p, JSON.stringify(moved), 1e-9);
  assert.equal(pairedShift([]), 1);
});

test('a quantile that is slower', () => {
  for (const { candidate, other, q, margin, p } of golden.slower)
    near(slowerQuantile(candidate, other, q, margin).pValue, p, JSON.stringify(candidate), 1e-9);
  assert.deepEqual(slowerQuantile([], [[3, 1]], 0.95, 0.5), { candidate: null, other: 1.02 ** 3.5, pValue: 1 });
  assert.deepEqual([bucketOf(1), bucketOf(1.03), bucketOf(1.02 ** 5 * 1.001)], [0, 1, 5]);
});
