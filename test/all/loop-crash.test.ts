// A loop from a finding to a promoted successor, killed at every place of every arrow, each time in a loop of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrows } from '../crash/arrows.ts';
import { seeded } from '../crash/campaign.ts';
import { assertSame, openLoops } from '../crash/loop-campaign.ts';

const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 1e9));
const KILLED_ANYWHERE = 5;

test('wherever a server dies, the loop comes to what it comes to without a death', { timeout: 5_400_000 }, async (t) => {
  t.diagnostic(`TEST_SEED=${seed}`);
  const loops = await openLoops(t);
  assert.equal(loops.reference.runs.length, 2, JSON.stringify(loops.reference));
  const outcomes: string[] = [];
  const loop = (arrow: string, place: string, go: () => Promise<void>): Promise<void> =>
    t.test(`${arrow}: ${place}`, async () => {
      const at = outcomes.push(`${arrow.padEnd(34)} ${place.padEnd(34)} differs`) - 1;
      await go();
      outcomes[at] = outcomes[at]!.replace(/differs$/, 'the same');
    });
  for (const { arrow, places } of arrows)
    for (const place of places)
      await loop(arrow, place, async () => {
        const { outcome, notReached } = await loops.dyingAt([place]);
        assert.deepEqual(notReached, [], 'it is on the way');
        assertSame(outcome, loops.reference, place);
      });
  const random = seeded(seed);
  for (let i = 1; i <= KILLED_ANYWHERE; i++)
    await loop('anywhere, once each day', `kill -9 of processes, ${i}`, async () =>
      assertSame(await loops.dyingAnywhere(random), loops.reference, `TEST_SEED=${seed}`),
    );
  for (const line of outcomes) t.diagnostic(line);
});
