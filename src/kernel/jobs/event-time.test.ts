import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachDatabase, openTestDatabase } from '../../../test/support/databases.ts';
import { kernelSchema, openSmallPlatform } from '../../../test/support/small-platform.ts';
import { establishTimeline, moveTimeline } from '../timeline/timeline.ts';
import { enqueue, get, jobOf, until } from './fixtures/work.ts';
import { defineJob } from './jobs.ts';

const S = 1_000_000;

eachDatabase('a job due at a moment of event time waits for the timeline of its project', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { job, runs } = jobOf();
  const { ctx, worker, clock } = await openSmallPlatform(t, database, { jobs: [job] });
  await ctx().tx((tx) => establishTimeline(tx, 'flights', 'replay', 100 * S));
  for (const at of [100, 200, 300]) await enqueue(ctx(), job, `replay ${at}`, { project: 'flights', dueUs: at * S });
  const liveUs = clock.now() * 1000;
  await enqueue(ctx(), job, 'live now', { project: 'unheard-of', dueUs: liveUs });
  await enqueue(ctx(), job, 'live later', { project: 'unheard-of', dueUs: liveUs + S });
  await enqueue(ctx('other'), job, 'other workspace', { project: 'flights', dueUs: liveUs });
  await worker.drain();
  assert.deepEqual(runs.toSorted(), ['live now', 'other workspace', 'replay 100']);
  await moveTimeline(ctx(), 'flights', 250 * S);
  await worker.drain();
  assert.deepEqual(runs.slice(3), ['replay 200']);
  clock.advance(1000);
  await worker.drain();
  assert.deepEqual(runs.slice(4), ['live later']);
});

eachDatabase('the barrier of a project waits for its due work with all attempts, and not for other projects', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  let failures = 1;
  let letGo: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  const { job, runs } = jobOf(async (_ctx, { id }) => {
    if (id === 'mine' && failures-- > 0) throw new Error('once');
    if (id === 'theirs') await gate;
  });
  const { ctx, worker, clock } = await openSmallPlatform(t, database, { jobs: [job] });
  await ctx().tx((tx) => establishTimeline(tx, 'mine', 'replay', 100 * S));
  await enqueue(ctx(), job, 'theirs', { project: 'theirs' });
  await until(() => runs.length === 1);
  const id = await enqueue(ctx(), job, 'mine', { project: 'mine', dueUs: 100 * S });
  const barrier = worker.drain({ workspace: 'default', project: 'mine' });
  await until(async () => (await get(ctx(), id)).error !== null);
  clock.advance(1000);
  await barrier;
  assert.equal((await get(ctx(), id)).state, 'succeeded');
  assert.deepEqual(runs, ['theirs', 'mine', 'mine']);
  letGo();
  await worker.drain();
});

eachDatabase('the barrier of a project does not wait for what another project has queued behind a slot', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  let letGo: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  const { job, runs } = jobOf(() => gate, { ownSlots: 1 });
  const { ctx, worker } = await openSmallPlatform(t, database, { jobs: [job] });
  await enqueue(ctx(), job, 'first', { project: 'theirs' });
  await enqueue(ctx(), job, 'second', { project: 'theirs' });
  await until(() => runs.length === 1);
  await worker.drain({ workspace: 'default', project: 'mine' }, AbortSignal.timeout(10_000));
  assert.deepEqual(runs, ['first']);
  letGo();
  await worker.drain();
  assert.deepEqual(runs, ['first', 'second']);
});

test('who waits for work that does not come to rest stops waiting when nobody hears the answer', async (t) => {
  const restless = defineJob<object>({
    name: 'test.restless',
    timeoutMs: 1000,
    retry: { limit: 0, backoffMs: 1 },
    run: async (ctx) => void (await ctx.tx((tx) => tx.enqueue({ job: restless, payload: {} }))),
  });
  const { ctx, worker } = await openSmallPlatform(t, await openTestDatabase(t, 'sqlite'), { jobs: [restless] });
  await ctx().tx((tx) => tx.enqueue({ job: restless, payload: {} }));
  await assert.rejects(worker.drain(undefined, AbortSignal.timeout(50)), { name: 'TimeoutError' });
});
