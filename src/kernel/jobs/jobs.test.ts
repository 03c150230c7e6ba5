import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../db/database.ts';
import { sql } from 'kysely';
import { eachDatabase, openTestDatabase } from '../../../test/support/databases.ts';
import { kernelSchema, openSmallPlatform } from '../../../test/support/small-platform.ts';
import type { Ctx } from '../ctx.ts';
import { fail, isProblem } from '../errors.ts';
import { establishTimeline, moveTimeline } from '../timeline/timeline.ts';
import { cancelJob, defineJob, jobsIn, type Enqueue, type Job, type JobRow, type JobRun } from './jobs.ts';
import { claim, findClaimable, keepLease, settle } from './queue.ts';

const S = 1_000_000;

/** A job that does what the test says, and notes each run. */
function jobOf(
  run: (ctx: Ctx, payload: { id: string }, job: JobRun) => Promise<void> = async () => undefined,
  more: Partial<Job<{ id: string }>> = {},
) {
  const runs: string[] = [];
  const job = defineJob<{ id: string }>({
    name: 'test.work',
    timeoutMs: 60_000,
    retry: { limit: 2, backoffMs: 1000 },
    ...more,
    run: async (ctx, payload, self) => {
      runs.push(payload.id);
      await run(ctx, payload, self);
    },
  });
  return { job, runs };
}

const enqueue = (ctx: Ctx, job: Job<{ id: string }>, id: string, more: Partial<Enqueue<{ id: string }>> = {}) =>
  ctx.tx((tx) => tx.enqueue({ job, payload: { id }, ...more }));

const get = (ctx: Ctx, id: string): Promise<JobRow> =>
  jobsIn(ctx.db).selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirstOrThrow();

/** Resolves when the condition holds; the conditions here follow from what has been done, not from time. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await condition()) return;
    await delay(5);
  }
  throw new Error('it never came to that');
}

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

eachDatabase('a dead worker’s job is taken over under a higher fence, and the dead one can change nothing any more', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { job, runs } = jobOf();
  const { ctx, worker, clock } = await openSmallPlatform(t, database, { jobs: [job] });
  const id = await enqueue(ctx(), job, 'a', { runAtMs: clock.now() + 1 });
  await worker.drain();
  clock.advance(1);
  // Another process claims it and is not heard of again.
  const dead = (await claim(database, (await findClaimable(database.reader, clock.now(), []))!, clock.now()))!;
  await worker.drain();
  assert.deepEqual(runs, []);
  clock.advance(9_000);
  assert.equal(await keepLease(database, dead, clock.now()), true);
  clock.advance(9_000);
  await worker.drain();
  assert.deepEqual(runs, []);
  clock.advance(1001);
  await worker.drain();
  assert.deepEqual(runs, ['a']);
  await settle(database, dead, { state: 'failed', error: 'late' }, clock.now());
  assert.equal(await keepLease(database, dead, clock.now()), false);
  const row = await get(ctx(), id);
  assert.deepEqual([row.state, row.fence, row.attempt, row.error], ['succeeded', 2, 1, null]);
});

test('a replica that was stopped beyond its lease writes nothing beside the one that took its job over', async (t) => {
  const database = await openTestDatabase(t, 'postgres', kernelSchema);
  const stopped = Promise.withResolvers<void>();
  const wrote: string[] = [];
  const write = (ctx: Ctx, by: string) =>
    ctx.tx(async (tx) => {
      await tx.emit({ type: 'test.written', subject: { kind: 'test', id: by } });
    });
  const slow = jobOf(async (ctx) => {
    await stopped.promise;
    await write(ctx, 'the late one');
    wrote.push('the late one');
  });
  const one = await openSmallPlatform(t, database, { jobs: [slow.job] });
  const id = await enqueue(one.ctx(), slow.job, 'a');
  await until(() => slow.runs.length === 1);
  // Its lease has ended by the clock of the other one, and it does not keep it.
  await database.tx((db) => jobsIn(db).updateTable('jobs').set({ lease_until_ms: 0 }).where('id', '=', id).execute());
  const quick = jobOf(async (ctx) => {
    await write(ctx, 'the other one');
    wrote.push('the other one');
  });
  const two = await openSmallPlatform(t, database, { jobs: [quick.job], replica: 'two' });
  await two.worker.drain();
  stopped.resolve();
  await one.worker.drain();
  await one.end();
  assert.deepEqual(wrote, ['the other one']);
  const { rows } = await sql<{ id: string }>`select subject_id as id from events where type = 'test.written'`.execute(database.reader);
  assert.deepEqual(rows, [{ id: 'the other one' }]);
  const row = await get(two.ctx(), id);
  assert.deepEqual([row.state, row.fence, row.attempt], ['succeeded', 2, 1]);
});

eachDatabase('when a server stops, what ran goes on elsewhere at once', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { job, runs } = jobOf(async ({ signal }) => {
    await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  });
  const one = await openSmallPlatform(t, database, { jobs: [job] });
  const id = await enqueue(one.ctx(), job, 'a');
  await until(() => runs.length === 1);
  await one.worker.stop(10);
  const other = jobOf();
  const two = await openSmallPlatform(t, database, { jobs: [other.job], replica: 'two' });
  await two.worker.drain();
  assert.deepEqual(other.runs, ['a']);
  assert.equal((await get(two.ctx(), id)).state, 'succeeded');
});

eachDatabase('a scheduled job is queued for its next moment, once, and again after it', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { job, runs } = jobOf(undefined, { cron: '*/10 * * * *' });
  const { ctx, worker, clock } = await openSmallPlatform(t, database, { jobs: [job] });
  const list = () => jobsIn(ctx().db).selectFrom('jobs').select(['run_at_ms', 'state']).orderBy('run_at_ms').execute();
  await worker.drain();
  await worker.drain();
  const tenMinutes = 600_000;
  const first = Math.ceil(clock.now() / tenMinutes) * tenMinutes;
  assert.deepEqual(await list(), [{ run_at_ms: first, state: 'queued' }]);
  clock.advance(first - clock.now());
  await worker.drain();
  assert.equal(runs.length, 1);
  assert.deepEqual(await list(), [
    { run_at_ms: first, state: 'succeeded' },
    { run_at_ms: first + tenMinutes, state: 'queued' },
  ]);
  // A server that was away does what it missed once, not once for each moment.
  clock.advance(5 * tenMinutes);
  await worker.drain();
  assert.equal(runs.length, 2);
  // What ended well is not kept for ever.
  for (let i = 0; i < 10; i++) {
    clock.advance(tenMinutes);
    await worker.drain();
  }
  assert.equal(runs.length, 12);
  assert.equal((await list()).filter(({ run_at_ms }) => run_at_ms < clock.now() - 2 * 3_600_000).length, 0);
});

test('two workers never run one job at once, and each job once', async (t) => {
  const database = await openTestDatabase(t, 'postgres', kernelSchema);
  const at = new Map<string, number>();
  let most = 0;
  const make = () =>
    jobOf(async (_ctx, { id }) => {
      at.set(id, (at.get(id) ?? 0) + 1);
      most = Math.max(most, at.get(id)!);
      await delay(1);
      at.set(id, at.get(id)! - 1);
    });
  const [one, two] = [make(), make()];
  const replicas = await Promise.all([one, two].map(({ job }, i) => openSmallPlatform(t, database, { jobs: [job], replica: String(i) })));
  await replicas[0]!.ctx().tx(async (tx) => {
    for (let i = 0; i < 30; i++) await tx.enqueue({ job: one.job, payload: { id: `j${i}` } });
  });
  while ((await jobsIn(database.reader).selectFrom('jobs').select('id').where('finished_ms', 'is', null).execute()).length > 0)
    await Promise.all(replicas.map((r) => r.worker.drain()));
  assert.equal(most, 1);
  assert.deepEqual([...one.runs, ...two.runs].toSorted(), Array.from({ length: 30 }, (_, i) => `j${i}`).toSorted());
  assert.ok(one.runs.length > 0 && two.runs.length > 0);
});

test('of two that claim the same job, one gets it', async (t) => {
  const database = await openTestDatabase(t, 'postgres', kernelSchema);
  const { ctx, clock, worker } = await openSmallPlatform(t, database);
  await worker.stop(0);
  await enqueue(ctx(), jobOf().job, 'a');
  const seen = (await findClaimable(database.reader, clock.now(), []))!;
  const claims = await Promise.all(Array.from({ length: 4 }, () => claim(database, seen, clock.now())));
  assert.deepEqual(
    claims.filter((c) => c !== undefined).map((c) => c.fence),
    [1],
  );
});

async function listens({ reader }: Database): Promise<boolean> {
  const { rows } = await sql`select 1 from pg_stat_activity where query = 'listen "gyre_' || current_schema() || '"'`.execute(reader);
  return rows.length > 0;
}

eachDatabase('with nothing due the worker sleeps, however much waits for event time', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { job } = jobOf();
  const { ctx, worker, clock } = await openSmallPlatform(t, database, { jobs: [job] });
  await ctx().tx((tx) => establishTimeline(tx, 'flights', 'replay', 0));
  await enqueue(ctx(), job, 'a', { project: 'flights', dueUs: S });
  await enqueue(ctx(), job, 'b', { runAtMs: clock.now() + 3_600_000 });
  // Who begins to listen to other replicas looks once, for what was said before.
  while (kind === 'postgres' && !(await listens(database))) await delay(5);
  await worker.drain();
  // Each look at the queue reads the clock; a second of sleep leaves it alone.
  let looks = 0;
  const now = clock.now;
  t.mock.method(clock, 'now', () => (looks++, now()));
  await delay(300);
  assert.equal(looks, 0);
  assert.equal((await sql<{ n: number }>`select count(*) as n from jobs where state = 'queued'`.execute(database.reader)).rows[0]!.n, 2);
});
