// Commands are sent with what is asked next, or with the commit: what that must not change.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'kysely';
import { accounts } from '../../../../test/support/accounts-table.ts';
import { eachDatabase, openTestDatabase } from '../../../../test/support/databases.ts';
import type { Database, Db } from '../database.ts';
import { insertMany } from '../insert-many.ts';
import { command, statement } from '../statement.ts';

const put = command('insert into accounts (id, amount, open, note) values (?, ?, 1, ?)');
const setAmount = command('update accounts set amount = ? where id = ?');
const allOf = statement<Record<string, unknown>>('select * from accounts where id = ?', 'prepared');
const idsIn = async (db: Db): Promise<string[]> =>
  (await sql<{ id: string }>`select id from accounts order by id`.execute(db)).rows.map((row) => row.id);

const CHECK_VIOLATION = '23514';
const OUT_OF_RANGE = '22003';
const hasCode = (code: string) => (error: unknown) => (error as { code?: string }).code === code;

eachDatabase('commands are seen by what the transaction asks next, and stored in their order', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  const seen = await database.tx(async (db) => {
    await put(db, 'a', 1, null);
    await setAmount(db, 2, 'a');
    const [row] = await allOf(db, 'a');
    await setAmount(db, 3, 'a');
    return row!.amount;
  });
  assert.deepEqual([seen, (await allOf(database.reader, 'a'))[0]!.amount], [2, 3]);
});

test('a command that fails raises its own error at the commit, and nothing is stored', async (t) => {
  const database = await openTestDatabase(t, 'postgres', accounts);
  let sent = 0;
  const attempt = database.tx(async (db) => {
    for (const [id, note] of [
      ['a', 'good'],
      ['b', 'neither'],
      ['c', 'good'],
    ] as const) {
      await put(db, id, 0, note);
      sent += 1;
    }
  });
  await assert.rejects(attempt, hasCode(CHECK_VIOLATION));
  assert.deepEqual([sent, await idsIn(database.reader)], [3, []]);
});

test('of several that fail the first one counts, whatever the body makes of it', async (t) => {
  const database = await openTestDatabase(t, 'postgres', accounts);
  const caught: unknown[] = [];
  const note = (error: unknown): void => void caught.push(error);
  const attempt = database.tx(async (db) => {
    await put(db, 'a', 0, 'neither');
    await put(db, 'b', 0, 'good');
    await setAmount(db, 2 ** 52, 'a');
    await sql`select 10::smallint * 10000::smallint as much`.execute(db).catch(note);
    await put(db, 'c', 0, 'good').catch(note);
    await sql`select 1`.execute(db).catch(note);
    throw new Error('the body is of another opinion');
  });
  await assert.rejects(attempt, hasCode(CHECK_VIOLATION));
  assert.deepEqual(
    caught.map((e) => (e as { code?: string }).code),
    [CHECK_VIOLATION, CHECK_VIOLATION, CHECK_VIOLATION],
  );
  assert.deepEqual(await idsIn(database.reader), []);
});

test('a question that fails is for its asker to judge; what comes after it says that it was too late', async (t) => {
  const database = await openTestDatabase(t, 'postgres', accounts);
  let asked: unknown;
  const attempt = database.tx(async (db) => {
    await put(db, 'a', 0, 'good');
    await sql`select (2 ^ 40)::int`.execute(db).catch((error: unknown) => (asked = error));
    await put(db, 'b', 0, 'good');
  });
  await assert.rejects(attempt, /rolled back/);
  assert.ok(hasCode(OUT_OF_RANGE)(asked));
  assert.deepEqual(await idsIn(database.reader), []);
});

test('a race that a command lost is run again from the start', async (t) => {
  const database = await openTestDatabase(t, 'postgres', accounts);
  await database.tx(async (db) => {
    await sql`create sequence tries`.execute(db);
    await sql`create function lose() returns trigger language plpgsql as $$ begin
      if nextval('tries') < 3 then raise exception 'lost' using errcode = '40001'; end if; return new; end $$`.execute(db);
    await sql`create trigger lose before insert on accounts for each row execute function lose()`.execute(db);
  });
  let [bodies, effects] = [0, 0];
  await database.tx(async (db, onCommit) => {
    bodies += 1;
    onCommit(() => void (effects += 1));
    await put(db, 'a', bodies, null);
  });
  assert.deepEqual([bodies, effects, (await allOf(database.reader, 'a'))[0]!.amount], [3, 1, 3]);
});

test('nothing is lost among those who read and then write the same by a command', async (t) => {
  const database = await openTestDatabase(t, 'postgres', accounts);
  await database.tx((db) => put(db, 'a', 0, null));
  const raise = () => database.tx(async (db) => setAmount(db, Number((await allOf(db, 'a'))[0]!.amount) + 1, 'a'));
  await Promise.all(Array.from({ length: 12 }, raise));
  assert.equal((await allOf(database.reader, 'a'))[0]!.amount, 12);
});

eachDatabase('a body that fails stores none of its commands, and one that goes on after the end is refused', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  let left: Db | undefined;
  const changed = database.tx(async (db) => {
    left = db;
    await put(db, 'a', 0, null);
    throw new Error('changed my mind');
  });
  await assert.rejects(changed, /changed my mind/);
  await assert.rejects(put(left!, 'b', 0, null), /has ended/);
  await database.tx(async (db) => {
    left = db;
    await put(db, 'c', 0, null);
  });
  await assert.rejects(put(left!, 'd', 0, null), /has ended/);
  assert.deepEqual(await idsIn(database.reader), ['c']);
});

test('what was prepared before a table was changed is prepared anew, in a transaction and outside', async (t) => {
  const database = await openTestDatabase(t, 'postgres', accounts);
  await database.tx((db) => put(db, 'a', 0, null));
  const both = async (): Promise<unknown[]> => [
    (await allOf(database.reader, 'a'))[0]!.more,
    (await database.tx((db) => allOf(db, 'a')))[0]!.more,
  ];
  // Every connection has it.
  await Promise.all(Array.from({ length: 8 }, both));
  await database.tx(async (db) => void (await sql`alter table accounts add column more text default 'more'`.execute(db)));
  assert.deepEqual(
    await Promise.all(Array.from({ length: 8 }, both)),
    Array.from({ length: 8 }, () => ['more', 'more']),
  );
});

const putRows = insertMany({
  table: 'accounts',
  columns: { id: 'id', amount: 'int', rate: 'real', open: 'bool', note: 'text', raw: 'bytes' },
});
const rowsOf = async ({ reader }: Database) =>
  (await sql<Record<string, unknown>>`select id, amount, rate, open, raw from accounts order by id`.execute(reader)).rows;

eachDatabase('values of every kind come back as they were, alone and among others', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  const ids = ['', ' ', '"', "'", '\\', '{a,b}', 'NULL', 'a\nb', 'ü 火', '\\x41'];
  const rows = ids.map((id, i) => [
    id,
    i % 2 ? -i : 2 ** 52 + i,
    i === 3 ? null : i / 7,
    i % 2 === 0,
    null,
    i === 4 ? null : Buffer.from([0, 92, 34, i]),
  ]);
  await database.tx((db) => putRows(db, rows));
  await database.tx((db) => putRows(db, [['~', 1, null, true, 'good', Buffer.from('"\\')]]));
  const stored = new Map((await rowsOf(database)).map((r) => [r.id, [r.amount, r.rate, r.open, r.raw && [...(r.raw as Uint8Array)]]]));
  for (const [id, amount, rate, open, , raw] of [...rows, ['~', 1, null, true, 'good', Buffer.from('"\\')]])
    assert.deepEqual(stored.get(id as string), [amount, rate, open ? 1 : 0, raw && [...(raw as Uint8Array)]], String(id));
  assert.equal(stored.size, ids.length + 1);
});

test('so many commands that they go on the way before the commit are stored all, or none', async (t) => {
  const database = await openTestDatabase(t, 'postgres', accounts);
  const add = (last: string) =>
    database.tx(async (db) => {
      for (let i = 0; i < 250; i++) await put(db, `${last} ${i}`, i, null);
      await put(db, last, 0, last);
    });
  await assert.rejects(add('neither'), hasCode(CHECK_VIOLATION));
  await add('good');
  assert.equal((await idsIn(database.reader)).length, 251);
});

test('only what inserts given values keeps its plan: what looks for rows is planned by what the tables hold', async (t) => {
  const database = await openTestDatabase(t, 'postgres', accounts);
  const modeOf = async (db: Db): Promise<string> =>
    (await sql<{ plan_cache_mode: string }>`show plan_cache_mode`.execute(db)).rows[0]!.plan_cache_mode;
  const plans = await database.tx(async (db) => {
    for (let i = 0; i < 3; i++) await put(db, `a${i}`, i, null);
    await setAmount(db, 7, 'a1');
    await put(db, 'b', 1, null);
    const asked = await modeOf(db);
    const { rows } = await sql<{ statement: string; kept: boolean; made: boolean }>`
      select split_part(statement, ' ', 1) as statement, generic_plans > 0 as kept, custom_plans > 0 as made
      from pg_prepared_statements where name ~ '^tx s[0-9]' order by 1`.execute(db);
    return { asked, rows };
  });
  assert.deepEqual(plans, {
    asked: 'force_custom_plan',
    rows: [
      { statement: 'insert', kept: true, made: false },
      { statement: 'update', kept: false, made: true },
    ],
  });
  assert.equal((await allOf(database.reader, 'a1'))[0]!.amount, 7);
});
