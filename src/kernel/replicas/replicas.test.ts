import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { openTestDatabase } from '../../../test/support/databases.ts';
import type { Database } from '../db/database.ts';
import { isProblem } from '../errors.ts';
import { joinReplicas, listReplicas, replicaTables, type ReplicaFacts, type Replicas } from './replicas.ts';

const open = (t: TestContext): Promise<Database> =>
  openTestDatabase(t, 'postgres', [{ number: 1, name: 'replicas', tables: replicaTables }]);

const join = async (t: TestContext, database: Database, id: string, facts: Partial<ReplicaFacts> = {}): Promise<Replicas> => {
  const joined = await joinReplicas(
    database,
    { id, place: `place of ${id}`, store: 's3://b', keys: 'k', meets: () => true, dataPlane: false, ...facts },
    () => undefined,
  );
  t.after(() => joined.stop());
  return joined;
};

/** One that said so long ago that it lives, and says no more. */
const note = (database: Database, id: string, agoMs: number, { dataPlane = true, leads = true } = {}) =>
  database.tx(async (db) => {
    const at = sql`(extract(epoch from clock_timestamp()) * 1000)::bigint - ${agoMs}::bigint`;
    await sql`insert into replicas (id, place, url, store, keys, data_plane, started_ms, beat_ms)
      values (${id}, ${`place of ${id}`}, '', 's3://b', 'k', ${dataPlane ? 1 : 0}, 1, ${at})`.execute(db);
    if (!leads) return;
    await sql`insert into leases (name, holder, fence, until_ms) values ('lead', ${id}, 1, ${at} + 6000)
      on conflict (name) do update set holder = excluded.holder, until_ms = excluded.until_ms`.execute(db);
  });
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(20);
}

test('one leads, and when it ends in good order the next who comes does', async (t) => {
  const database = await open(t);
  const one = await join(t, database, 'a');
  const other = await join(t, database, 'b');
  assert.deepEqual([one.leads(), other.leads()], [true, false]);
  assert.deepEqual(
    (await listReplicas(database.reader)).map((r) => [r.id, r.leads]),
    [
      ['a', true],
      ['b', false],
    ],
  );
  await one.stop();
  await until(() => other.leads());
  assert.deepEqual(
    (await listReplicas(database.reader)).map((r) => r.id),
    ['b'],
  );
});

test('whoever does not fit one that lives is refused; one that is dead refuses nobody', async (t) => {
  const database = await open(t);
  await note(database, 'a', 0);
  const differs = (error: unknown): boolean => isProblem(error, 'replica-differs') && error.message.startsWith('place of a');
  await assert.rejects(join(t, database, 'b', { store: 's3://other' }), differs);
  await assert.rejects(join(t, database, 'b', { meets: (other) => other !== 'a' }), differs);
  await assert.rejects(join(t, database, 'b', { keys: 'others' }), differs);
  await assert.rejects(join(t, database, 'b', { dataPlane: true }), differs);
  const later = await open(t);
  await note(later, 'a', 7000);
  const joined = await join(t, later, 'b', { store: 's3://other', dataPlane: true });
  assert.deepEqual([joined.leads(), joined.mayServe()], [true, true]);
});

test('one with a data plane keeps what belongs to it, also over a restart, unless another one took its place', async (t) => {
  const database = await open(t);
  const plain = await join(t, database, 'plain');
  const late = await join(t, database, 'late', { dataPlane: true });
  assert.deepEqual([plain.leads(), late.leads(), late.mayServe()], [true, false, true]);
  await until(() => !plain.mayServe());
  // It ends and comes back under another name.
  await late.stop();
  const further = await join(t, database, 'further');
  assert.equal(further.mayServe(), false);
  const again = await join(t, database, 'again', { dataPlane: true });
  assert.equal(again.mayServe(), true);
  // It stands still, is taken for dead, and another one has taken its place when it beats again.
  await note(database, 'next', 0, { leads: false });
  await database.tx((db) => sql`update leases set holder = 'next' where name = 'data-plane'`.execute(db));
  await until(() => !again.mayServe());
});
