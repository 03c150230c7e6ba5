import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { openSqlite } from './sqlite.ts';
import type { Db } from './database.ts';

function open(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-sqlite-'));
  const path = join(folder, 'gyre.db');
  const database = openSqlite(path, 'process');
  t.after(async () => {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { database };
}

const prepare = async (t: TestContext) => {
  const opened = open(t);
  await opened.database.tx(async (db) => void (await sql`create table words (word text primary key) strict`.execute(db)));
  return opened;
};
const write = async (db: Db, word: string) => void (await sql`insert into words values (${word})`.execute(db));
const count = async (db: Db): Promise<number> => (await sql<{ n: number }>`select count(*) as n from words`.execute(db)).rows[0]!.n;

test('transactions that arrive together share one commit', async (t) => {
  const { database } = await prepare(t);
  let commits = 0;
  database.onBeforeCommit(async () => void (commits += 1));
  await Promise.all(Array.from({ length: 200 }, (_, i) => database.tx((db) => write(db, `w${i}`))));
  assert.equal(await count(database.reader), 200);
  assert.ok(commits >= 1 && commits < 50, `${commits} commits for 200 transactions`);
});

test('a transaction resolves only after the commit that holds it', async (t) => {
  const { database } = await prepare(t);
  const order: string[] = [];
  database.onBeforeCommit(async () => void order.push('commit'));
  await Promise.all(['a', 'b'].map((w) => database.tx((db) => write(db, w)).then(() => order.push(w))));
  assert.deepEqual(order, ['commit', 'a', 'b']);
});

test('a body that awaits something other than the database fails, and the next one is served', async (t) => {
  const { database } = await prepare(t);
  const late: unknown[] = [];
  const slow = database.tx(async (db) => {
    await write(db, 'before');
    await delay(20);
    await write(db, 'after').catch((error: unknown) => late.push(error));
  });
  const next = database.tx((db) => write(db, 'next'));
  await assert.rejects(slow, /awaited something other than the database/);
  await next;
  await delay(40);
  assert.equal(late.length, 1);
  assert.deepEqual((await sql<{ word: string }>`select word from words`.execute(database.reader)).rows, [{ word: 'next' }]);
});

test('a body may await many database calls', async (t) => {
  const { database } = await prepare(t);
  await database.tx(async (db) => {
    for (let i = 0; i < 2000; i++) await write(db, `w${i}`);
  });
  assert.equal(await count(database.reader), 2000);
});

test('a transaction begun at any moment around the end of another is served', async (t) => {
  const { database } = await prepare(t);
  for (let turns = 0; turns < 30; turns++) {
    await database.tx((db) => write(db, `a${turns}`));
    for (let i = 0; i < turns; i++) await Promise.resolve();
    const served = database.tx((db) => write(db, `b${turns}`)).then(() => true);
    assert.ok(await Promise.race([served, delay(1000, false, { ref: false })]), `stuck after ${turns} turns`);
  }
});

test('a transaction inside a transaction is an error, not a deadlock', async (t) => {
  const { database } = await prepare(t);
  const inner: Promise<unknown>[] = [];
  await assert.rejects(
    database.tx(async () => {
      inner.push(database.tx((db) => write(db, 'inner')));
      await inner[0];
    }),
    /awaited something other than the database/,
  );
  await inner[0];
  assert.equal(await count(database.reader), 1);
});

test('when the commit fails, everybody in the group hears of it and nothing is stored', async (t) => {
  const { database } = await prepare(t);
  database.onBeforeCommit(async () => {
    throw new Error('the disk said no');
  });
  const outcomes = await Promise.allSettled(['a', 'b', 'c'].map((w) => database.tx((db) => write(db, w))));
  assert.deepEqual(
    outcomes.map((o) => (o.status === 'rejected' ? (o.reason as Error).message : 'stored')),
    ['the disk said no', 'the disk said no', 'the disk said no'],
  );
  assert.equal(await count(database.reader), 0);
  database.onBeforeCommit(async () => undefined);
  await database.tx((db) => write(db, 'a'));
  assert.equal(await count(database.reader), 1);
});

test('a closed database refuses transactions', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-sqlite-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const database = openSqlite(join(folder, 'gyre.db'), 'process');
  const last = database.tx(async (db) => void (await sql`create table words (word text)`.execute(db)));
  await database.close();
  await last;
  await assert.rejects(
    database.tx(async () => undefined),
    /closed/,
  );
});

test('the file is kept as the durability setting says', async (t) => {
  for (const [durability, synchronous] of [
    ['power', 2],
    ['process', 1],
  ] as const) {
    const folder = mkdtempSync(join(tmpdir(), 'gyre-sqlite-'));
    const database = openSqlite(join(folder, 'gyre.db'), durability);
    t.after(async () => {
      await database.close();
      rmSync(folder, { recursive: true, force: true });
    });
    const pragma = (name: string) => database.tx(async (db) => (await sql.raw(`pragma ${name}`).execute(db)).rows[0]);
    assert.deepEqual(await pragma('synchronous'), { synchronous });
    assert.deepEqual(await pragma('journal_mode'), { journal_mode: 'wal' });
    assert.deepEqual(await pragma('secure_delete'), { secure_delete: 1 });
  }
});

test('a long scan on its thread holds up neither readers nor writers, and sees what is committed', async (t) => {
  const { database } = await prepare(t);
  await database.tx((db) => write(db, 'a'));
  assert.equal(await count(database.scanner), 1);
  const order: string[] = [];
  const long = sql`with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000000) select count(*) as n from n`;
  const scan = long.execute(database.scanner).then(() => order.push('scan'));
  for (const w of ['b', 'c', 'd']) await database.tx((db) => write(db, w)).then(() => order.push(w));
  await scan;
  assert.deepEqual(order, ['b', 'c', 'd', 'scan']);
  assert.equal(await count(database.scanner), 4);
});

test('a scan that fails says why, writes nothing, and the next one is served', async (t) => {
  const { database } = await prepare(t);
  await assert.rejects(sql`select no_such_column from words`.execute(database.scanner), /no such column/);
  await assert.rejects(write(database.scanner, 'a'), /readonly/);
  assert.equal(await count(database.scanner), 0);
});

test('a database that is closed cuts off the scan that is under way', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-sqlite-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const database = openSqlite(join(folder, 'gyre.db'), 'process');
  const long = sql`with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000000) select count(*) as n from n`;
  const cut = assert.rejects(long.execute(database.scanner), /the database is closed/);
  await database.close();
  await cut;
  await assert.rejects(sql`select 1`.execute(database.scanner), /the database is closed/);
});
