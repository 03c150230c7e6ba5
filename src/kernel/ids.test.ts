import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base32, newHexId, newId, seededIds, systemIds, uuidv7, type IdSource } from './ids.ts';

test('ids of one source sort in the order they were made, also within a millisecond and when the clock goes back', () => {
  let ms = 1_700_000_000_000;
  const source: IdSource = { nowMs: () => ms, random: systemIds.random };
  const ids: string[] = [];
  for (let i = 0; i < 10_000; i++) ids.push(newId('evt', source));
  ms -= 60_000;
  for (let i = 0; i < 100; i++) ids.push(newId('evt', source));
  ms += 3_600_000;
  ids.push(newId('evt', source));
  assert.deepEqual(ids, ids.toSorted());
  assert.equal(new Set(ids).size, ids.length);
});

test('an id says its kind, its time, and is a UUID of version 7', () => {
  const id = newId('job', { nowMs: () => 1_700_000_000_000, random: (n) => new Uint8Array(n).fill(255) });
  assert.match(id, /^job_[0-9a-hjkmnp-tv-z]{26}$/);
  const bytes = uuidv7({ nowMs: () => 0x0123456789ab, random: (n) => new Uint8Array(n).fill(255) });
  const hex = Buffer.from(bytes).toString('hex');
  assert.equal(hex, '0123456789ab7000bfffffffffffffff');
});

test('the order of the text is the order of the bytes', () => {
  const samples = [new Uint8Array(16), new Uint8Array(16).fill(255), Uint8Array.from({ length: 16 }, (_, i) => i)];
  assert.equal(base32(samples[0]!), '0'.repeat(26));
  // 128 bits in 26 characters of five: the first one holds three.
  assert.equal(base32(samples[1]!), `7${'z'.repeat(25)}`);
  const byBytes = samples.toSorted((a, b) => Buffer.compare(a, b)).map(base32);
  assert.deepEqual(byBytes, samples.map(base32).toSorted());
});

test('a seed repeats its ids, another seed gives others', () => {
  const three = (seed: string) => {
    const source = seededIds(seed);
    return [newId('a', source), newId('b', source), newHexId(source)];
  };
  assert.deepEqual(three('one'), three('one'));
  const other = three('two');
  assert.ok(three('one').every((id, i) => id !== other[i]));
});

test('MLflow’s ids are 32 hexadecimal digits', () => {
  assert.match(newHexId(), /^[0-9a-f]{32}$/);
  assert.notEqual(newHexId(), newHexId());
});
