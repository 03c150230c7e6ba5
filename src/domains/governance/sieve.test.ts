import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sieveOf } from './service/sieve.ts';

const ids = (n: number): Set<string> => new Set(Array.from({ length: n }, (_, i) => `r1.seg.${i}`));

test('a text that may hold the subject is never passed over: a value, an id, a row key, escaped letters', () => {
  for (const predictions of [ids(2), ids(100), new Set([...ids(100), ...Array.from({ length: 2000 }, (_, i) => `r2.seg.${i}`)])]) {
    const mayHold = sieveOf(['N14228', 'p_ab12'], true, predictions);
    for (const text of ['seen: N14228', '{"x":"p_ab12"}', '{"id":"r1.seg.1"}', 'a,r1.seg.1\n', '{"row_key":"1"}', '{"x":"\\u004e14228"}'])
      assert.equal(mayHold(text), true, text);
    for (const text of ['seen: N14229', '{"id":"r1.seg.1000"}']) assert.equal(mayHold(text), false, text);
  }
});

test('a number has many forms, and so has a text with marks that JSON escapes: every text may hold it', () => {
  for (const value of ['42', '1e5', 'a"b', 'Zoë']) assert.equal(sieveOf([value], false, new Set())('nothing'), true, value);
  assert.equal(sieveOf(['N14228'], false, new Set(['a b']))('nothing'), true);
});
