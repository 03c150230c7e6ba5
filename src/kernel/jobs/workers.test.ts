import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../db/database.ts';
import { sql } from 'kysely';
import { eachDatabase, openTestDatabase } from '../../../test/support/databases.ts';
import { kernelSchema, openSmallPlatform } from '../../../test/support/small-platform.ts';
import type { Ctx } from '../ctx.ts';
import { establishTimeline } from '../timeline/timeline.ts';
import { enqueue, get, jobOf, until } from './fixtures/work.ts';
import { jobsIn } from './jobs.ts';
import { claim, findClaimable, keepLease, settle } from './queue.ts';

const S = 1_000_000;

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

test('a queued job that is asked for again begins after what asked for it is there, and once', async (t) => {
  const database = await openTestDatabase(t, 'postgres', kernelSchema);
  const { ctx, clock, worker } = await openSmallPlatform(t, database);
  await worker.stop(0);
  const { job } = jobOf();
  const id = await enqueue(ctx(), job, 'a', { uniqueKey: 'k' });
  const seen = (await findClaimable(database.reader, clock.now(), []))!;
  const order: string[] = [];
  let claiming: Promise<unknown> | undefined;
  await ctx().tx(async (tx) => {
    assert.equal(await tx.enqueue({ job, payload: { id: 'b' }, uniqueKey: 'k' }), id);
    claiming ??= claim(database, seen, clock.now()).then((row) => order.push(row ? 'begun' : 'not begun'));
    await delay(200);
    order.push('asked');
  });
  await claiming;
  assert.deepEqual(order, ['asked', 'begun']);
  assert.equal((await get(ctx(), id)).payload, seen.payload, 'what was asked first is what it does');
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
