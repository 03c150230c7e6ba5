import assert from 'node:assert/strict';
import { eachDatabase, openTestDatabase } from '../../../test/support/databases.ts';
import { kernelSchema, openSmallPlatform } from '../../../test/support/small-platform.ts';
import { fail, isProblem } from '../errors.ts';
import { enqueue, get, jobOf, until } from './fixtures/work.ts';
import { cancelJob, jobsIn } from './jobs.ts';

eachDatabase('a job runs after the commit that queued it, and not at all after a rollback', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { job, runs } = jobOf();
  const { ctx, worker } = await openSmallPlatform(t, database, { jobs: [job] });
  await assert.rejects(
    ctx().tx(async (tx) => {
      await tx.enqueue({ job, payload: { id: 'undone' } });
      throw new Error('no');
    }),
  );
  const id = await enqueue(ctx(), job, 'done');
  await worker.drain();
  assert.deepEqual(runs, ['done']);
  const row = await get(ctx(), id);
  assert.deepEqual([row.state, row.attempt, row.fence, row.lease_until_ms, row.error], ['succeeded', 1, 1, null, null]);
});

eachDatabase('a job runs in its own workspace and not before its time', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const workspaces: string[] = [];
  const { job } = jobOf(async (ctx) => void workspaces.push(ctx.workspace));
  const { ctx, worker, clock } = await openSmallPlatform(t, database, { jobs: [job] });
  await enqueue(ctx('red'), job, 'now');
  await enqueue(ctx('blue'), job, 'later', { runAtMs: clock.now() + 5000 });
  await worker.drain();
  assert.deepEqual(workspaces, ['red']);
  clock.advance(4999);
  await worker.drain();
  assert.deepEqual(workspaces, ['red']);
  clock.advance(1);
  await worker.drain();
  assert.deepEqual(workspaces, ['red', 'blue']);
});

eachDatabase('a failure is tried again with growing pauses, up to the limit, and keeps its error', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { job, runs } = jobOf(async () => {
    throw new Error('the network is down');
  });
  const { ctx, worker, clock } = await openSmallPlatform(t, database, { jobs: [job] });
  const id = await enqueue(ctx(), job, 'a');
  const pauses: number[] = [];
  for (let attempt = 1; attempt <= 3; attempt++) {
    await worker.drain();
    assert.equal(runs.length, attempt);
    const row = await get(ctx(), id);
    if (row.state !== 'queued') break;
    pauses.push(row.run_at_ms - clock.now());
    clock.advance(row.run_at_ms - clock.now());
  }
  assert.deepEqual(pauses, [1000, 2000]);
  const row = await get(ctx(), id);
  assert.deepEqual([row.state, row.attempt, row.finished_ms], ['failed', 3, clock.now()]);
  assert.match(row.error!, /the network is down/);
});

eachDatabase('a problem that a user caused is final at once, one of the machine is tried again', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { job, runs } = jobOf(async (_ctx, { id }) =>
    id === 'user' ? fail('not-found', { kind: 'dataset', id: 'x' }) : fail('storage-full', { what: 'it' }),
  );
  const { ctx, worker } = await openSmallPlatform(t, database, { jobs: [job] });
  const [user, disk] = [await enqueue(ctx(), job, 'user'), await enqueue(ctx(), job, 'disk')];
  await worker.drain();
  assert.deepEqual(runs.toSorted(), ['disk', 'user']);
  assert.equal((await get(ctx(), user)).state, 'failed');
  assert.equal((JSON.parse((await get(ctx(), user)).error!) as { code: string }).code, 'not-found');
  assert.equal((await get(ctx(), disk)).state, 'queued');
});

eachDatabase('a job whose name nobody knows fails and says so', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { ctx, worker } = await openSmallPlatform(t, database);
  const id = await enqueue(ctx(), jobOf().job, 'a');
  await worker.drain();
  assert.match((await get(ctx(), id)).error!, /no job named test.work/);
});

eachDatabase('a unique key makes one job of many requests, until it has ended', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { job, runs } = jobOf();
  const { ctx, worker, clock } = await openSmallPlatform(t, database, { jobs: [job] });
  const later = { uniqueKey: 'k', runAtMs: clock.now() + 1000 };
  const ids = await Promise.all(['a', 'b', 'c'].map((id) => enqueue(ctx(), job, id, later)));
  assert.equal(new Set(ids).size, 1);
  const elsewhere = await enqueue(ctx('other'), job, 'd', later);
  assert.notEqual(elsewhere, ids[0]);
  clock.advance(1000);
  await worker.drain();
  assert.equal(runs.length, 2);
  assert.notEqual(await enqueue(ctx(), job, 'e', { uniqueKey: 'k' }), ids[0]);
  await worker.drain();
  assert.equal(runs.length, 3);
});

eachDatabase('a job asked for again while it runs, runs once more with what was asked last', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const asked: string[] = [];
  const { job, runs } = jobOf(async (ctx, { id }) => {
    if (id !== 'first') return;
    for (const again of ['second', 'third']) asked.push(await enqueue(ctx, job, again, { uniqueKey: 'k' }));
  });
  const { ctx, worker } = await openSmallPlatform(t, database, { jobs: [job] });
  const id = await enqueue(ctx(), job, 'first', { uniqueKey: 'k' });
  await worker.drain();
  assert.deepEqual(asked, [id, id]);
  assert.deepEqual(runs, ['first', 'third']);
  const row = await get(ctx(), id);
  assert.deepEqual([row.state, row.attempt, row.unique_key, row.rerun], ['succeeded', 1, null, 0]);
});

eachDatabase('a queued job is cancelled at once; a running one hears it and ends as cancelled', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { job, runs } = jobOf(async ({ signal }) => {
    await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  });
  const { ctx, worker, clock } = await openSmallPlatform(t, database, { jobs: [job] });
  const queued = await enqueue(ctx(), job, 'queued', { runAtMs: clock.now() + 1000 });
  const running = await enqueue(ctx(), job, 'running', { uniqueKey: 'k' });
  await until(() => runs.length === 1);
  await cancelJob(ctx(), queued);
  assert.equal((await get(ctx(), queued)).state, 'cancelled');
  await cancelJob(ctx(), running);
  await worker.drain();
  const row = await get(ctx(), running);
  assert.deepEqual([row.state, row.unique_key], ['cancelled', null]);
  assert.deepEqual(runs, ['running']);
  await assert.rejects(cancelJob(ctx('other'), running), (error) => isProblem(error, 'job-not-found'));
});

eachDatabase('a job asked for after its cancellation runs anew when the old run has ended', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { job, runs } = jobOf(async ({ signal }, { id }) => {
    if (id === 'old') await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  });
  const { ctx, worker } = await openSmallPlatform(t, database, { jobs: [job] });
  const id = await enqueue(ctx(), job, 'old', { uniqueKey: 'k' });
  await until(() => runs.length === 1);
  await ctx().tx(async (tx) => {
    await cancelJob(tx, id);
    await tx.enqueue({ job, payload: { id: 'new' }, uniqueKey: 'k' });
  });
  await worker.drain();
  assert.deepEqual(runs, ['old', 'new']);
  assert.equal((await get(ctx(), id)).state, 'succeeded');
});

eachDatabase('a job to be cancelled whose worker died is cancelled, not run again', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { job, runs } = jobOf();
  const { ctx, worker, clock } = await openSmallPlatform(t, database, { jobs: [job] });
  const id = await enqueue(ctx(), job, 'a', { runAtMs: clock.now() + 1000 });
  await worker.drain();
  await ctx().tx(({ db }) => jobsIn(db).updateTable('jobs').set({ state: 'running', cancel_requested: 1, lease_until_ms: 1 }).execute());
  clock.advance(1000);
  await worker.drain();
  assert.deepEqual([runs, (await get(ctx(), id)).state], [[], 'cancelled']);
});

eachDatabase('a job that takes too long hears it and is tried again', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { job, runs } = jobOf(
    async ({ signal }) => {
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    },
    { timeoutMs: 20 },
  );
  const { ctx, worker } = await openSmallPlatform(t, database, { jobs: [job] });
  const id = await enqueue(ctx(), job, 'a');
  await worker.drain();
  const row = await get(ctx(), id);
  assert.deepEqual([runs.length, row.state], [1, 'queued']);
  assert.match(row.error!, /took longer than 20 ms/);
});

eachDatabase('progress that a job reports is stored', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { job } = jobOf(async (_ctx, _payload, { report }) => {
    report({ what: 'copying', done: 1, total: 3 });
    report({ what: 'copying', done: 3, total: 3, unit: 'files' });
  });
  const { ctx, worker } = await openSmallPlatform(t, database, { jobs: [job] });
  const id = await enqueue(ctx(), job, 'a');
  await worker.drain();
  assert.deepEqual(JSON.parse((await get(ctx(), id)).progress!), { what: 'copying', done: 3, total: 3, unit: 'files' });
});
