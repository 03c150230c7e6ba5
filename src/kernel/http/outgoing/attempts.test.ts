import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterAttempt, backoffMs, faultOf, type Attempt } from './attempts.ts';
import { Refused } from './reach.ts';

test('waits double up to ten minutes, never all at the same moment', () => {
  assert.deepEqual([backoffMs(1, 1), backoffMs(2, 1), backoffMs(5, 1), backoffMs(40, 1)], [1000, 2000, 16_000, 600_000]);
  assert.deepEqual([backoffMs(1, 0), backoffMs(40, 0)], [500, 300_000]);
});

const failed: Attempt = { outcome: 'failed', status: 503, error: 'the receiver answered with status 503', retryAfterMs: null };

test('a receiver is asked again after what it wants, within bounds, and given up after a day', () => {
  const before = { attempts: 4, createdMs: 0 };
  const nextMs = (retryAfterMs: number | null) => afterAttempt(before, { ...failed, retryAfterMs }, 1000, 1).nextMs;
  assert.deepEqual([nextMs(null), nextMs(5000), nextMs(60_000), nextMs(7_200_000)], [17_000, 17_000, 61_000, 3_601_000]);
  const late = afterAttempt(before, failed, 24 * 3_600_000, 1);
  assert.deepEqual([late.state, late.nextMs, late.attempts], ['dead', null, 5]);
  assert.match(late.lastError, /given up after 24 h: the receiver answered with status 503/);
});

test('an answer of success ends it, and an address that may not be asked does, too', () => {
  const delivered = afterAttempt({ attempts: 0, createdMs: 0 }, { outcome: 'delivered', status: 204, error: '', retryAfterMs: null }, 7, 0);
  assert.deepEqual(delivered, { state: 'delivered', attempts: 1, lastStatus: 204, lastError: '', nextMs: null, deliveredMs: 7 });
  assert.deepEqual(
    faultOf(new Refused('no: s3cret'), (words) => words.replace('s3cret', '***')),
    {
      outcome: 'dead',
      status: null,
      error: 'no: ***',
      retryAfterMs: null,
    },
  );
});
