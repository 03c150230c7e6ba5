import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { sql } from 'kysely';
import { emptyPlace, emptyPostgres, openPlace, testFolder } from '../../../../test/support/database-places.ts';
import { fillEveryTable } from '../../../../test/support/every-table.ts';
import { migrate } from '../../../kernel/db/migrate.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { processStart } from '../../../kernel/process/process-start.ts';
import { migrations } from '../../migrations/migrations.ts';
import { compareCopy, copyDatabase } from './copy.ts';
import { locate, named, openSnapshot } from './snapshot.ts';
import { NOT_KEPT, rowCodec, tableDigest, tablesOf, type Row } from './tables.ts';

const quiet = (): void => undefined;

/** Every table's rows and digest, as a reader of its own sees them. */
async function digests(address: string): Promise<Record<string, string>> {
  const snapshot = await openSnapshot(locate(address));
  const found: Record<string, string> = {};
  for (const table of snapshot.tables) {
    const digest = tableDigest();
    const { encode } = rowCodec(table);
    for await (const batch of snapshot.rows(table)) for (const row of batch) digest.add(encode(row));
    if (!NOT_KEPT.includes(table.name)) found[table.name] = `${digest.result().rows} ${digest.result().digest}`;
  }
  await snapshot.close();
  return found;
}

for (const [from, to] of [
  ['sqlite', 'postgres'],
  ['postgres', 'sqlite'],
  ['sqlite', 'sqlite'],
  ['postgres', 'postgres'],
] as const)
  test(`every row of every table arrives as it was (${from} to ${to})`, async (t) => {
    const source = await emptyPlace(t, from);
    const database = await openPlace(t, source);
    await migrate(database, migrations);
    const tables = await fillEveryTable(database);
    await database.close();
    const target = await emptyPlace(t, to);
    const copied = await copyDatabase(locate(source), locate(target), quiet);
    assert.deepEqual(
      copied.tables.map((c) => c.table),
      tables.filter((name) => !NOT_KEPT.includes(name)),
    );
    assert.ok(copied.tables.every((c) => c.rows === 7));
    assert.deepEqual(await digests(target), await digests(source));
    // What comes out is a database that a server takes as its own, with indexes and all.
    const opened = await openPlace(t, target);
    assert.deepEqual(await migrate(opened, migrations), []);
    const indexes =
      to === 'sqlite'
        ? sql<{ n: number }>`select count(*) as n from sqlite_master where type = 'index' and name like 'jobs\_\_%' escape '\\'`
        : sql<{
            n: number;
          }>`select count(*)::int as n from pg_indexes where schemaname = current_schema() and indexname like 'jobs\\_\\_%'`;
    assert.ok((await indexes.execute(opened.reader)).rows[0]!.n >= 2);
  });

test('a target with rows is refused and keeps them; one that a server made and never used is taken', async (t) => {
  const source = await emptyPlace(t, 'sqlite');
  const database = await openPlace(t, source);
  await migrate(database, migrations);
  await fillEveryTable(database, 2);
  const target = await emptyPostgres(t);
  const there = await openPlace(t, target);
  await migrate(there, migrations);
  await copyDatabase(locate(source), locate(target), quiet);
  const before = await digests(target);
  await assert.rejects(copyDatabase(locate(source), locate(target), quiet), (e) => isProblem(e, 'target-not-empty'));
  assert.deepEqual(await digests(target), before);
  await assert.rejects(copyDatabase(locate(target), locate(source), quiet), (e) => isProblem(e, 'target-not-empty'));
});

test('a copy that ends in the middle leaves the target empty, and is started again', async (t) => {
  for (const kind of ['sqlite', 'postgres'] as const) {
    const source = await emptyPlace(t, 'sqlite');
    const database = await openPlace(t, source);
    await migrate(database, migrations);
    await fillEveryTable(database, 3);
    const target = await emptyPlace(t, kind);
    const stop = (_table: string, _rows: number, all: number): void => {
      if (all > 40) throw new Error('enough');
    };
    await assert.rejects(copyDatabase(locate(source), locate(target), stop), /enough/);
    await assert.rejects(openSnapshot(locate(target)), (e) => isProblem(e, 'database-missing'));
    await copyDatabase(locate(source), locate(target), quiet);
    assert.deepEqual(await digests(target), await digests(source));
  }
});

test('the copy is of one moment, whatever is written meanwhile', async (t) => {
  for (const kind of ['sqlite', 'postgres'] as const) {
    const source = await emptyPlace(t, kind);
    const database = await openPlace(t, source);
    await migrate(database, migrations);
    const target = await emptyPlace(t, 'sqlite');
    let written = 0;
    const pending: Promise<unknown>[] = [];
    await fillEveryTable(database, 5);
    const copied = await copyDatabase(locate(source), locate(target), () => {
      const n = ++written;
      if (n > 5) return;
      const late = sql`insert into event_cursors (subscriber, seq) values (${`late ${n}`}, 1)`;
      pending.push(database.tx(async (db) => void (await late.execute(db))));
    });
    await Promise.all(pending);
    assert.equal(copied.tables.find((c) => c.table === 'event_cursors')?.rows, 5);
    assert.equal((await sql<{ n: number }>`select count(*) as n from event_cursors`.execute(database.reader)).rows[0]!.n, 10);
  }
});

test('a folder in which a server runs is not copied', async (t) => {
  const source = await emptyPlace(t, 'sqlite');
  const database = await openPlace(t, source);
  await migrate(database, migrations);
  const dir = dirname(locate(source).kind === 'sqlite' ? source.replace('sqlite:///', '/') : '');
  mkdirSync(join(dir, 'run'));
  writeFileSync(join(dir, 'run', 'up.pid'), `${process.pid} ${processStart(process.pid)}`);
  const target = join(testFolder(t), 'copy');
  await assert.rejects(copyDatabase(locate(dir), locate(target), quiet), (e) => isProblem(e, 'server-running'));
  assert.equal(existsSync(target), false);
  // The lock of a process that is gone holds nobody up.
  writeFileSync(join(dir, 'run', 'up.pid'), '999999999 1');
  await copyDatabase(locate(dir), locate(target), quiet);
  assert.ok(existsSync(join(target, 'gyre.db')));
});

test('addresses are read, told without their password, and refused where they are none', async (t) => {
  const dir = testFolder(t);
  assert.deepEqual(locate(dir), { kind: 'sqlite', file: join(dir, 'gyre.db') });
  assert.deepEqual(locate('sqlite:////var/x.db'), { kind: 'sqlite', file: '/var/x.db' });
  assert.equal(named('postgres://me:secret@host/db'), 'postgres://me:***@host/db');
  assert.throws(
    () => locate('mysql://me:secret@host/db'),
    (e) => isProblem(e, 'database-address') && !e.message.includes('secret'),
  );
  await assert.rejects(openSnapshot(locate(dir)), (e) => isProblem(e, 'database-missing'));
});

test('a row that is lost, added or changed on the way is noticed, whatever the order of rows', async () => {
  const tables = tablesOf(1).filter((t) => t.name === 'event_cursors');
  const { encode } = rowCodec(tables[0]!);
  const sent: Row[] = [
    ['a', 1],
    ['b', 2],
  ];
  const digest = tableDigest();
  for (const row of sent) digest.add(encode(row));
  const compare = (rows: readonly Row[]) =>
    compareCopy(
      {
        tables,
        rows: async function* () {
          yield rows;
        },
      },
      [{ table: 'event_cursors', ...digest.result() }],
    );
  await compare(sent.toReversed());
  for (const wrong of [[sent[0]!], [...sent, sent[1]!], [sent[0]!, ['b', 3]], [sent[0]!, sent[0]!]] as Row[][])
    await assert.rejects(compare(wrong), (e) => isProblem(e, 'copy-differs') && e.message.includes('event_cursors'));
});

test('a database with other tables than this program is refused by the name of the table', async (t) => {
  for (const kind of ['sqlite', 'postgres'] as const) {
    const source = await emptyPlace(t, kind);
    const database = await openPlace(t, source);
    await migrate(database, migrations);
    await database.tx(async (db) => void (await sql`alter table jobs add column more integer`.execute(db)));
    await assert.rejects(openSnapshot(locate(source)), (e) => isProblem(e, 'schema-differs') && e.message.includes('jobs'));
    await database.tx(async (db) => void (await sql`drop table jobs`.execute(db)));
    await assert.rejects(openSnapshot(locate(source)), (e) => isProblem(e, 'schema-differs') && e.message.includes('missing'));
  }
});
