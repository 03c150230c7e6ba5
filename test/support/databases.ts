// Every store test runs on both databases. Each test gets an empty database of its own: a SQLite file in
// a temporary folder, or a schema of the shared PostgreSQL server.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { sql } from 'kysely';
import { migrations } from '../../src/app/migrations/migrations.ts';
import type { Database } from '../../src/kernel/db/database.ts';
import { migrate, type Migration } from '../../src/kernel/db/migrate.ts';
import { openPostgres } from '../../src/kernel/db/postgres.ts';
import { openSqlite } from '../../src/kernel/db/sqlite.ts';
import { postgresUrl } from './postgres.ts';

export type DatabaseKind = 'sqlite' | 'postgres';

/** Registers the test once per database; its name ends with the database's. */
export function eachDatabase(name: string, body: (t: TestContext, kind: DatabaseKind) => Promise<void>): void {
  for (const kind of ['sqlite', 'postgres'] as const) test(`${name} (${kind})`, (t) => body(t, kind));
}

/** A migrated, empty database that is removed when the test ends; with a schema of the test's own if it gives one. */
export async function openTestDatabase(t: TestContext, kind: DatabaseKind, schemaOf: readonly Migration[] = migrations): Promise<Database> {
  if (kind === 'sqlite') {
    const folder = mkdtempSync(join(tmpdir(), 'gyre-db-'));
    const database = openSqlite(join(folder, 'gyre.db'), 'process');
    t.after(async () => {
      await database.close();
      rmSync(folder, { recursive: true, force: true });
    });
    await migrate(database, schemaOf);
    return database;
  }
  const schema = `t${randomBytes(8).toString('hex')}`;
  const url = await postgresUrl();
  const administer = async (statement: string): Promise<void> => {
    const admin = await openPostgres(url, { poolSize: 1 });
    // A transaction is repeated if it gets into the way of another one.
    await admin.tx((db) => sql.raw(statement).execute(db)).finally(() => admin.close());
  };
  await administer(`create schema ${schema}`);
  const database = await openPostgres(url, { schema, poolSize: 4 });
  t.after(async () => {
    // What still runs in it comes to its end first.
    await database.close();
    await administer(`drop schema ${schema} cascade`);
  });
  await migrate(database, schemaOf);
  return database;
}
