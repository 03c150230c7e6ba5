import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { sql } from 'kysely';
import { accounts } from '../../../test/support/accounts-table.ts';
import { openTestDatabase } from '../../../test/support/databases.ts';
import { postgresUrl } from '../../../test/support/postgres.ts';
import { isDiskFull, isProblem } from '../errors.ts';
import { openPostgres } from './postgres.ts';

test('a transaction that lost a race is run again from the start', async (t) => {
  const database = await openTestDatabase(t, 'postgres', accounts);
  let bodies = 0;
  await database.tx(async (db) => {
    bodies += 1;
    await sql`insert into accounts (id, amount, open) values ('a', 0, 1)`.execute(db);
    if (bodies < 3) await sql`do $$ begin raise exception 'lost' using errcode = '40001'; end $$`.execute(db);
  });
  assert.equal(bodies, 3);
  assert.deepEqual((await sql`select id from accounts`.execute(database.reader)).rows, [{ id: 'a' }]);
});

test('write skew is prevented: of two that each rely on what the other changes, the second sees the first', async (t) => {
  const database = await openTestDatabase(t, 'postgres', accounts);
  await database.tx(async (db) => void (await sql`insert into accounts (id, amount, open) values ('a', 1, 1), ('b', 1, 1)`.execute(db)));
  // Each may close its account only while the other stays open.
  const close = (id: string) =>
    database.tx(async (db) => {
      const { rows } = await sql<{ n: number }>`select count(*) as n from accounts where open = 1`.execute(db);
      if (rows[0]!.n < 2) return false;
      await sql`update accounts set open = 0 where id = ${id}`.execute(db);
      return true;
    });
  const outcomes = await Promise.all([close('a'), close('b')]);
  assert.deepEqual(outcomes.toSorted(), [false, true]);
});

test('races without end become a conflict that says so', async (t) => {
  const database = await openTestDatabase(t, 'postgres', accounts);
  await assert.rejects(
    database.tx(async (db) => void (await sql`do $$ begin raise exception 'lost' using errcode = '40001'; end $$`.execute(db))),
    (error) => isProblem(error, 'transaction-conflict') && error.status === 503,
  );
});

test('a full disk of the database is known as one, and nothing of the transaction stays', async (t) => {
  const database = await openTestDatabase(t, 'postgres', accounts);
  await assert.rejects(
    database.tx(async (db) => {
      await sql`insert into accounts (id, amount, open) values ('a', 0, 1)`.execute(db);
      await sql`do $$ begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$`.execute(db);
    }),
    isDiskFull,
  );
  assert.deepEqual((await sql`select id from accounts`.execute(database.reader)).rows, []);
});

test('a body that swallows a failed statement is not told that it was stored', async (t) => {
  const database = await openTestDatabase(t, 'postgres', accounts);
  await assert.rejects(
    database.tx(async (db) => {
      await sql`insert into accounts (id, amount, open) values ('a', 0, 1)`.execute(db);
      await sql`select no_such_column from accounts`.execute(db).catch(() => undefined);
    }),
    /rolled back/,
  );
  assert.deepEqual((await sql`select id from accounts`.execute(database.reader)).rows, []);
});

test('a database that does not answer, or refuses the login, is a problem that names it and no password', async (t) => {
  const { port } = await new Promise<AddressInfo>((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address() as AddressInfo;
      probe.close(() => resolve(address));
    });
  });
  const unreachable = (where: string) => (error: unknown) =>
    isProblem(error, 'database-unreachable') && error.status === 503 && error.message.includes(where) && !error.message.includes('secret');
  const away = await openPostgres(`postgres://someone:secret@127.0.0.1:${port}/gyre`);
  t.after(() => away.close());
  await assert.rejects(
    away.tx(async () => undefined),
    unreachable(`127.0.0.1:${port}/gyre`),
  );
  await assert.rejects(sql`select 1`.execute(away.reader), unreachable('ECONNREFUSED'));
  const other = new URL(await postgresUrl());
  other.pathname = '/no-such-database';
  const missing = await openPostgres(other.href);
  t.after(() => missing.close());
  await assert.rejects(sql`select 1`.execute(missing.reader), unreachable('no-such-database'));
});
