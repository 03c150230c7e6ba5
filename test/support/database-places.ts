// Databases of a test by their addresses, as a command line is given them: a folder, or a schema of the shared server.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { sql } from 'kysely';
import type { Database } from '../../src/kernel/db/database.ts';
import { openPostgres } from '../../src/kernel/db/postgres.ts';
import { openSqlite } from '../../src/kernel/db/sqlite.ts';
import type { DatabaseKind } from './databases.ts';
import { postgresUrl } from './postgres.ts';

/** A folder that is removed when the test ends. */
export function testFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-place-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The address of a new and empty schema. */
export async function emptyPostgres(t: TestContext): Promise<string> {
  const schema = `p${randomBytes(8).toString('hex')}`;
  const admin = await openPostgres(await postgresUrl(), { poolSize: 1 });
  await sql.raw(`create schema ${schema}`).execute(admin.reader);
  t.after(async () => {
    await sql.raw(`drop schema ${schema} cascade`).execute(admin.reader);
    await admin.close();
  });
  const url = new URL(await postgresUrl());
  url.searchParams.set('options', `-c search_path=${schema}`);
  return url.href.replaceAll('+', '%20');
}

/** The address of an empty database: of a file in a folder of its own, or of a schema. */
export const emptyPlace = async (t: TestContext, kind: DatabaseKind): Promise<string> =>
  kind === 'sqlite' ? `sqlite:///${join(testFolder(t), 'gyre.db').slice(1)}` : emptyPostgres(t);

/** Opens what is at an address until the test ends, or until it is closed. */
export async function openPlace(t: TestContext, address: string): Promise<Database> {
  const database = address.startsWith('postgres')
    ? await openPostgres(address, { poolSize: 4 })
    : openSqlite(address.replace('sqlite:///', '/'), 'process');
  let ended: Promise<void> | undefined;
  const close = (): Promise<void> => (ended ??= database.close());
  t.after(close);
  return Object.assign(Object.create(database) as Database, database, { close });
}

/** The address of a database that a test was given open. */
export async function addressOf(database: Database): Promise<string> {
  if (database.dialect.name === 'sqlite') {
    const { rows } = await sql<{ file: string }>`pragma database_list`.execute(database.reader);
    return `sqlite:///${rows[0]!.file}`;
  }
  const { rows } = await sql<{ schema: string }>`select current_schema() as schema`.execute(database.reader);
  const url = new URL(await postgresUrl());
  url.searchParams.set('options', `-c search_path=${rows[0]!.schema}`);
  return url.href.replaceAll('+', '%20');
}
