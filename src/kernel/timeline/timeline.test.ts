import assert from 'node:assert/strict';
import { eachDatabase, openTestDatabase } from '../../../test/support/databases.ts';
import { kernelSchema, openSmallPlatform } from '../../../test/support/small-platform.ts';
import { isProblem } from '../errors.ts';
import { eventsIn } from '../events/events.ts';
import { establishTimeline, moveTimeline } from './timeline.ts';

const S = 1_000_000;

eachDatabase('a live timeline is the wall clock and cannot be moved', async (t, kind) => {
  const { ctx, clock, platform } = await openSmallPlatform(t, await openTestDatabase(t, kind, kernelSchema));
  await ctx().tx((tx) => establishTimeline(tx, 'live', 'live', 0));
  const read = (project: string) => platform.timeline.read(ctx().db, 'default', project);
  for (const project of ['live', 'never set up']) {
    assert.deepEqual(await read(project), { mode: 'live', nowUs: clock.now() * 1000 });
    clock.advance(5);
    assert.deepEqual(await read(project), { mode: 'live', nowUs: clock.now() * 1000 });
    await assert.rejects(moveTimeline(ctx(), project, clock.now() * 1000 + S), (error) => isProblem(error, 'timeline-not-replay'));
  }
});

eachDatabase('a replay stands still until it is moved, forwards only, and each move is an event', async (t, kind) => {
  const { ctx, clock, platform, headSeq } = await openSmallPlatform(t, await openTestDatabase(t, kind, kernelSchema));
  await ctx().tx((tx) => establishTimeline(tx, 'p', 'replay', 100 * S));
  const now = async () => (await platform.timeline.read(ctx().db, 'default', 'p')).nowUs;
  clock.advance(3_600_000);
  assert.equal(await now(), 100 * S);
  assert.deepEqual(await moveTimeline(ctx(), 'p', 200 * S), { mode: 'replay', nowUs: 200 * S });
  assert.equal(await now(), 200 * S);
  await assert.rejects(
    moveTimeline(ctx(), 'p', 150 * S),
    (error) => isProblem(error, 'timeline-backwards') && /1970-01-01T00:03:20/.test(error.message),
  );
  assert.equal(await now(), 200 * S);
  await headSeq();
  const events = await eventsIn(ctx().db).selectFrom('events').select(['type', 'payload', 'occurred_us']).execute();
  assert.deepEqual(
    events.map((e) => [e.type, JSON.parse(e.payload), e.occurred_us]),
    [['timeline.advanced', { fromUs: 100 * S, toUs: 200 * S }, 200 * S]],
  );
});

eachDatabase('a timeline is set up once, and each workspace has its own', async (t, kind) => {
  const { ctx, platform } = await openSmallPlatform(t, await openTestDatabase(t, kind, kernelSchema));
  await ctx().tx((tx) => establishTimeline(tx, 'p', 'replay', 100 * S));
  await moveTimeline(ctx(), 'p', 150 * S);
  await ctx().tx((tx) => establishTimeline(tx, 'p', 'replay', 0));
  await ctx('other').tx((tx) => establishTimeline(tx, 'p', 'replay', 7 * S));
  assert.equal((await platform.timeline.read(ctx().db, 'default', 'p')).nowUs, 150 * S);
  assert.equal((await platform.timeline.read(ctx().db, 'other', 'p')).nowUs, 7 * S);
});
