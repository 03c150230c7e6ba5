import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignVariant } from './assignment.ts';

const keys = Array.from({ length: 20_000 }, (_, i) => `flight-${i}`);
const variants = (...weights: number[]) => weights.map((weight, i) => ({ id: `v${i}`, weight }));

test('Variants share the keys in proportion to their weights', () => {
  const wanted = [70, 20, 10];
  const counts = new Map<string, number>();
  for (const key of keys) {
    const { id } = assignVariant(variants(...wanted), 's', key);
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  // Pearson's chi-squared with two degrees of freedom; 13.8 is passed by chance once in a thousand salts.
  const chi2 = wanted.reduce((sum, share, i) => sum + (counts.get(`v${i}`)! - share * 200) ** 2 / (share * 200), 0);
  assert.ok(chi2 < 13.8, `chi-squared ${chi2}`);
});

test('The same key gets the same variant, and another salt shuffles', () => {
  const chosen = keys.slice(0, 500).map((key) => assignVariant(variants(1, 1), 's', key).id);
  assert.deepEqual(
    keys.slice(0, 500).map((key) => assignVariant(variants(1, 1), 's', key).id),
    chosen,
  );
  const agreeing = keys.slice(0, 500).filter((key, i) => assignVariant(variants(1, 1), 'other', key).id === chosen[i]).length;
  assert.ok(agreeing > 180 && agreeing < 320, `${agreeing} of 500 agree`);
});

test('When a candidate’s weight grows, keys move only to it', () => {
  for (const key of keys.slice(0, 3000)) {
    const path = [5, 10, 50, 95].map((w) => assignVariant(variants(100 - w, w), 's', key).id);
    assert.equal(path.join(), [...path].sort().join(), key);
  }
});

test('A variant of weight zero gets nothing', () => {
  assert.ok(keys.every((key) => assignVariant(variants(0, 1, 0), 's', key).id === 'v1'));
});
