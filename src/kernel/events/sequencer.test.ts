import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'kysely';
import { eachDatabase, openTestDatabase } from '../../../test/support/databases.ts';
import { kernelSchema, openSmallPlatform } from '../../../test/support/small-platform.ts';
import type { Ctx } from '../ctx.ts';
import { eventsIn, type EventRow } from './events.ts';
import { CHAIN_START, chainHash, verifyChain } from './sequencer.ts';

const emit = (ctx: Ctx, id: string) => ctx.tx((tx) => tx.emit({ type: 'thing.made', subject: { kind: 'thing', id } }));

const chain = (ctx: Ctx): Promise<EventRow[]> => eventsIn(ctx.db).selectFrom('events').selectAll().orderBy('seq').execute();

const tamper = (ctx: Ctx, statement: string) => ctx.tx(async ({ db }) => void (await sql.raw(statement).execute(db)));

eachDatabase('events written at the same time, some rolled back, get dense numbers and one chain', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { ctx, headSeq } = await openSmallPlatform(t, database);
  await Promise.allSettled(
    Array.from({ length: 90 }, (_, i) =>
      ctx().tx(async (tx) => {
        await tx.emit({ type: 'thing.made', subject: { kind: 'thing', id: String(i) } });
        if (i % 3 === 0) throw new Error('changed my mind');
      }),
    ),
  );
  assert.equal(await headSeq(), 60);
  const rows = await chain(ctx());
  assert.deepEqual(
    rows.map((row) => row.seq),
    rows.map((_, i) => i + 1),
  );
  let hash = CHAIN_START;
  for (const row of rows) assert.equal(row.hash, (hash = chainHash(hash, row.seq!, row)));
  assert.deepEqual(await verifyChain(ctx().db), { ok: true, events: 60, head: hash, faults: [] });
});

eachDatabase('an event outside a transaction is refused', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { ctx } = await openSmallPlatform(t, database);
  assert.throws(() => ctx().emit({ type: 'thing.made', subject: { kind: 'thing', id: '1' } }), /inside ctx.tx/);
});

test('replicas that sequence at the same time give each number once', async (t) => {
  const database = await openTestDatabase(t, 'postgres', kernelSchema);
  const replicas = await Promise.all(['a', 'b', 'c'].map((replica) => openSmallPlatform(t, database, { replica })));
  await Promise.all(replicas.flatMap(({ ctx }, r) => Array.from({ length: 15 }, (_, i) => emit(ctx(), `${r}-${i}`))));
  // Each one's own events are numbered when it has settled, whoever numbered them.
  assert.deepEqual(await Promise.all(replicas.map((r) => r.headSeq())), [45, 45, 45]);
  assert.equal((await verifyChain(replicas[0]!.ctx().db)).ok, true);
});

// Each kind of tampering, and the number of the event at which it must show.
const attacks: Readonly<Record<string, { statement: string; at: number }>> = {
  'a changed payload': { statement: `update events set payload = '{"x":1}' where seq = 4`, at: 4 },
  'a changed actor': { statement: `update events set actor_id = 'nobody' where seq = 4`, at: 4 },
  'a changed time': { statement: `update events set recorded_ms = recorded_ms + 1 where seq = 4`, at: 4 },
  'a changed hash': { statement: `update events set hash = '${'1'.repeat(64)}' where seq = 4`, at: 4 },
  'a removed event': { statement: `delete from events where seq = 4`, at: 5 },
  'a removed first event': { statement: `delete from events where seq = 1`, at: 2 },
  'two swapped events': {
    statement: `update events set subject_id = case subject_id when '3' then '4' else '3' end where subject_id in ('3', '4')`,
    at: 4,
  },
  'an inserted event at the end': {
    statement: `insert into events select 'evt_x', workspace_id, type, subject_kind, 'x', label, project, actor_kind, actor_id, payload, edges, recorded_ms, occurred_us, 9, hash from events where seq = 8`,
    at: 9,
  },
  'an inserted event before the first': {
    statement: `insert into events select 'evt_x', workspace_id, type, subject_kind, 'x', label, project, actor_kind, actor_id, payload, edges, recorded_ms, occurred_us, 0, hash from events where seq = 8`,
    at: 0,
  },
};

eachDatabase('verification finds what was changed, removed or inserted, and where', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { ctx, headSeq } = await openSmallPlatform(t, database);
  for (let i = 0; i < 8; i++) await emit(ctx(), String(i));
  await headSeq();
  for (const [name, { statement, at }] of Object.entries(attacks)) {
    const undo = new Error('undo');
    const attempt = ctx().tx(async ({ db }) => {
      await sql.raw(statement).execute(db);
      const { ok, faults } = await verifyChain(db);
      assert.equal(ok, false, name);
      assert.ok(
        faults.some((fault) => fault.seq === at),
        `${name}: ${JSON.stringify(faults)}`,
      );
      throw undo;
    });
    await assert.rejects(attempt, (error) => {
      if (error !== undo) throw error;
      return true;
    });
  }
  assert.equal((await verifyChain(ctx().db)).ok, true);
});

eachDatabase('a cut tail, or a tail written anew, shows only against a head exported before', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { ctx, headSeq } = await openSmallPlatform(t, database);
  for (let i = 0; i < 6; i++) await emit(ctx(), String(i));
  const head = { seq: await headSeq(), hash: (await verifyChain(ctx().db)).head };
  assert.equal((await verifyChain(ctx().db, head)).ok, true);

  await tamper(ctx(), 'delete from events where seq >= 5');
  assert.equal((await verifyChain(ctx().db)).ok, true);
  assert.deepEqual((await verifyChain(ctx().db, head)).faults, [{ seq: 6, what: 'the exported head is not there: the tail was cut off' }]);

  for (let i = 0; i < 2; i++) await emit(ctx(), `other ${i}`);
  await headSeq();
  assert.equal((await verifyChain(ctx().db)).ok, true);
  assert.deepEqual((await verifyChain(ctx().db, head)).faults, [{ seq: 6, what: 'differs from the exported head' }]);
});
