import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { sql } from 'kysely';
import { eachDatabase, openTestDatabase } from '../../../test/support/databases.ts';
import { migrations } from './migrations.ts';
import { schemaDumps } from './schema-dumps.ts';

const tables = migrations.flatMap((m) => m.tables);

test('the committed dump of each schema is fresh (npm run generate rewrites it)', () => {
  for (const { path, text } of schemaDumps()) assert.equal(readFileSync(path, 'utf8'), text, `${path} is stale`);
});

test('names fit into 63 bytes, where PostgreSQL cuts them off, and none is given twice', () => {
  for (const { text } of schemaDumps()) {
    const names = [...text.matchAll(/^create (?:table|index) (\S+)/gm)].map((match) => match[1]!);
    assert.deepEqual(
      names.filter((name) => Buffer.byteLength(name) > 63),
      [],
    );
    assert.equal(new Set(names).size, names.length);
  }
});

test('every key and index speaks of columns that its table has', () => {
  for (const table of tables) {
    const indexed = (table.indexes ?? [])
      .flatMap((index) => ('on' in index ? index.on : index))
      // Of an order the column, and of an expression its first argument.
      .map((column) => column.replace(/^\w+\((\w+),.*/, '$1').replace(/ .*/, ''));
    const named = [...table.primary, ...(table.unique ?? []).flat(), ...indexed, ...Object.keys(table.oneOf ?? {})];
    assert.deepEqual(
      named.filter((column) => !(column in table.columns)),
      [],
      table.name,
    );
  }
});

eachDatabase('all migrations apply to an empty database', async (t, kind) => {
  const database = await openTestDatabase(t, kind);
  for (const table of tables) {
    const { rows } = await sql<{ n: number }>`select count(*) as n from ${sql.table(table.name)}`.execute(database.reader);
    assert.deepEqual(rows, [{ n: 0 }], table.name);
  }
});
