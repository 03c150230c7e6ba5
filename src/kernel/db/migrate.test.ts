import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'kysely';
import { accounts } from '../../../test/support/accounts-table.ts';
import { eachDatabase, openTestDatabase } from '../../../test/support/databases.ts';
import { isProblem } from '../errors.ts';
import { migrate, readSchema, requireSchema, type Migration } from './migrate.ts';

const more: readonly Migration[] = [
  ...accounts,
  {
    number: 2,
    name: 'notes',
    tables: [{ name: 'notes', columns: { id: 'id', text: 'text' }, primary: ['id'], indexes: [{ on: ['text'], where: "text <> ''" }] }],
  },
];

eachDatabase('a migration is applied once and what was there stays', async (t, kind) => {
  const database = await openTestDatabase(t, kind, []);
  assert.deepEqual(await migrate(database, accounts), ['accounts']);
  await database.tx(async (db) => void (await sql`insert into accounts (id, amount, open) values ('a', 1, 1)`.execute(db)));
  assert.deepEqual(await migrate(database, accounts), []);
  assert.deepEqual(await migrate(database, more), ['notes']);
  assert.deepEqual((await sql`select id from accounts`.execute(database.reader)).rows, [{ id: 'a' }]);
  assert.deepEqual((await sql`select number, name from schema_migrations order by number`.execute(database.reader)).rows, [
    { number: 1, name: 'accounts' },
    { number: 2, name: 'notes' },
  ]);
});

eachDatabase('a database newer than the program is refused and not touched', async (t, kind) => {
  const database = await openTestDatabase(t, kind, more);
  await assert.rejects(
    migrate(database, accounts),
    (error) => isProblem(error, 'schema-newer') && /schema 2 .* up to 1/.test(error.message),
  );
  assert.deepEqual((await sql`select max(number) as n from schema_migrations`.execute(database.reader)).rows, [{ n: 2 }]);
});

eachDatabase('a migration that fails half-way leaves nothing behind', async (t, kind) => {
  const database = await openTestDatabase(t, kind, []);
  const broken: readonly Migration[] = [
    {
      number: 1,
      name: 'broken',
      tables: [...accounts[0]!.tables, { name: 'broken', columns: { id: 'id' }, primary: ['id'], indexes: [['no_such_column']] }],
    },
  ];
  await assert.rejects(migrate(database, broken));
  await assert.rejects(sql`select 1 from accounts`.execute(database.reader));
  assert.deepEqual(await migrate(database, accounts), ['accounts']);
});

eachDatabase('several servers that start at once migrate once', async (t, kind) => {
  const database = await openTestDatabase(t, kind, []);
  const applied = await Promise.all(Array.from({ length: 4 }, () => migrate(database, more)));
  assert.deepEqual(applied.flat().toSorted(), ['accounts', 'notes']);
});

eachDatabase('what is applied and what waits is told, and a server that may not migrate says so', async (t, kind) => {
  const database = await openTestDatabase(t, kind, []);
  await migrate(database, accounts);
  await assert.rejects(
    requireSchema(database, more),
    (error) => isProblem(error, 'schema-older') && /^notes .*gyre migrate/.test(error.message),
  );
  const state = await readSchema(database.reader, database.dialect, more);
  assert.deepEqual([state.applied.map((m) => m.name), state.pending], [['accounts'], ['notes']]);
  await migrate(database, more);
  await requireSchema(database, more);
});

test('a migration gives up where another session holds a table, and is whole afterwards', async (t) => {
  const database = await openTestDatabase(t, 'postgres', accounts);
  const held = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const holding = database.tx(async (db) => {
    await sql`lock table schema_migrations in exclusive mode`.execute(db);
    held.resolve();
    await release.promise;
  });
  await held.promise;
  await assert.rejects(migrate(database, more, { lockTimeoutMs: 50 }), (error) => isProblem(error, 'migration-blocked'));
  release.resolve();
  await holding;
  assert.deepEqual(await migrate(database, more), ['notes']);
});
