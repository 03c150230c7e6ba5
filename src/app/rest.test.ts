import assert from 'node:assert/strict';
import { test } from 'node:test';
import { restWatch } from './rest.ts';

const MB = 1024 * 1024;

test('garbage is collected once a process rests, and not again before it has grown', () => {
  const watch = restWatch();
  assert.equal(watch.look({ cpuMs: 900, heapBytes: 100 * MB }), false, 'one look tells nothing about rest');
  assert.equal(watch.look({ cpuMs: 1900, heapBytes: 120 * MB }), false, 'it is at work');
  assert.equal(watch.look({ cpuMs: 1910, heapBytes: 120 * MB }), true);
  watch.collected(50 * MB);
  assert.equal(watch.look({ cpuMs: 1920, heapBytes: 55 * MB }), false, 'nothing to win');
  assert.equal(watch.look({ cpuMs: 2920, heapBytes: 90 * MB }), false, 'at work again');
  assert.equal(watch.look({ cpuMs: 2930, heapBytes: 90 * MB }), true);
});
