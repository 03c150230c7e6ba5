import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertSame, openLoops, type Loops } from './loop-campaign.ts';

/** One of each stretch of the loop, in the order in which it comes by; deliveries wait for nobody, so theirs is the last. */
const PLACES = [
  'alerts.after-judged@5',
  'retraining.after-run',
  'retraining.before-release',
  'releases.after-plan',
  'releases.after-judged',
  'alerts.before-delivered',
] as const;

/** What stands still is ended; how long a loop takes is the machine's, and each has this long. */
const timeout = 300_000;

test('a loop whose server dies on the way comes to the same: nothing is lost, and nothing happens twice', async (t) => {
  let loops: Loops | undefined;
  await t.test('without a death', { timeout }, async () => {
    loops = await openLoops(t);
    assert.deepEqual([loops.reference.runs.length, loops.reference.deliveries.length], [2, 3], JSON.stringify(loops.reference));
  });
  await t.test('with six', { timeout }, async () => {
    const { outcome, notReached } = await loops!.dyingAt(PLACES);
    assert.deepEqual(notReached, [], 'every place is on the way');
    assertSame(outcome, loops!.reference, 'after six deaths');
  });
});
