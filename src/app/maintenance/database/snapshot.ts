// One consistent view of a whole database, read without holding up anybody who writes: a read transaction of
// SQLite's write-ahead log, or a repeatable-read one of PostgreSQL.
import { existsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type pg from 'pg';
import { postgresDialect, sqliteDialect, type Dialect } from '../../../kernel/db/dialect.ts';
import type { Table } from '../../../kernel/db/tables.ts';
import { fail } from '../errors.ts';
import { columnsOf, tablesOf, type Row } from './tables.ts';
import { migrations } from '../../migrations/migrations.ts';

const BATCH_ROWS = 1000;

/** Where a database is: a file, or the address of a server. */
export type Location = { readonly kind: 'sqlite'; readonly file: string } | { readonly kind: 'postgres'; readonly url: string };

/** Reads sqlite:///path, postgres://…, or a folder or file. Raises `database-address`. */
export function locate(given: string): Location {
  if (/^postgres(ql)?:\/\//.test(given)) return { kind: 'postgres', url: given };
  const path = /^sqlite:\/\/\/?(.*)$/.exec(given)?.[1] ?? given;
  if (path === '' || /^[a-z][a-z0-9+]*:\/\//.test(path)) return fail('database-address', { given: named(given) });
  // As SQLAlchemy and MLflow write it, sqlite:///gyre.db is in this folder and sqlite:////var/gyre.db is absolute. Where
  // three slashes lead into no folder here and a path from the root does, that one was meant.
  const rooted = given.startsWith('sqlite:') && !existsSync(dirname(resolve(path))) && existsSync(dirname(`/${path}`));
  const file = rooted ? `/${path}` : resolve(path);
  const isFolder = statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? !file.endsWith('.db');
  return { kind: 'sqlite', file: isFolder ? join(file, 'gyre.db') : file };
}

/** The address without what must not be shown. */
export function named(given: string): string {
  if (!URL.canParse(given)) return given;
  const url = new URL(given);
  if (url.password !== '') url.password = '***';
  return url.href;
}

export const placeOf = (at: Location): string => (at.kind === 'sqlite' ? at.file : named(at.url));

export interface Snapshot {
  readonly dialect: Dialect;
  /** The number of the newest migration. */
  readonly schema: number;
  readonly tables: readonly Table[];
  /** All rows of a table, in no particular order. */
  rows(table: Table): AsyncIterable<readonly Row[]>;
  /** What a query answers, in batches. */
  query<T extends Record<string, unknown>>(text: string): AsyncIterable<readonly T[]>;
  close(): Promise<void>;
}

/** Raises `database-missing`, `schema-differs`. */
export async function openSnapshot(at: Location): Promise<Snapshot> {
  const bare = at.kind === 'sqlite' ? openFile(at.file) : await openServer(at.url);
  try {
    if (!(await bare.hasHistory())) fail('database-missing', { where: placeOf(at) });
    const [found] = await collect(bare.query<{ n: number | null }>('select max(number) as n from schema_migrations'));
    const schema = Number(found?.n ?? 0);
    if (schema > Math.max(...migrations.map((m) => m.number)))
      fail('schema-differs', { what: `${placeOf(at)} has schema ${schema}, which is newer than this program.` });
    const tables = tablesOf(schema);
    await checkColumns(bare, at, tables);
    return { ...bare, schema, tables };
  } catch (error) {
    await bare.close();
    throw error;
  }
}

// A database of a program between two releases may have the same number and other columns.
async function checkColumns(bare: Bare, at: Location, tables: readonly Table[]): Promise<void> {
  const rows = await collect(
    bare.query<{ t: string; c: string }>(
      bare.dialect.name === 'sqlite'
        ? `select m.name as t, p.name as c from sqlite_master m, pragma_table_info(m.name) p where m.type = 'table'`
        : 'select table_name::text as t, column_name::text as c from information_schema.columns where table_schema = current_schema()',
    ),
  );
  const found = Map.groupBy(rows, (r) => r.t);
  for (const table of tables) {
    const has = (found.get(table.name) ?? []).map((r) => r.c).sort();
    if (has.join() !== columnsOf(table).sort().join())
      fail('schema-differs', {
        what: `The table ${table.name} of ${placeOf(at)} ${has.length === 0 ? 'is missing' : 'has other columns than here'}.`,
      });
  }
}

export async function collect<T>(batches: AsyncIterable<readonly T[]>): Promise<T[]> {
  const all: T[] = [];
  for await (const batch of batches) all.push(...batch);
  return all;
}

export const selectOf = (table: Table): string =>
  `select ${columnsOf(table)
    .map((c) => `"${c}"`)
    .join(', ')} from "${table.name}"`;

type Bare = Omit<Snapshot, 'schema' | 'tables'> & { hasHistory(): Promise<boolean> };

function openFile(file: string): Bare {
  if (!existsSync(file)) return fail('database-missing', { where: file });
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
  db.exec('begin');
  // The view is fixed by the first read.
  db.prepare('select count(*) from sqlite_master').get();
  async function* batches<T>(text: string, arrays: boolean): AsyncGenerator<readonly T[]> {
    const statement = db.prepare(text);
    statement.setReturnArrays(arrays);
    let batch: T[] = [];
    for (const row of statement.iterate()) {
      batch.push(row as T);
      if (batch.length < BATCH_ROWS) continue;
      yield batch;
      batch = [];
    }
    if (batch.length > 0) yield batch;
  }
  return {
    dialect: sqliteDialect,
    hasHistory: async () =>
      db.prepare(`select 1 from sqlite_master where type = 'table' and name = 'schema_migrations'`).get() !== undefined,
    rows: (table) => batches<Row>(selectOf(table), true),
    query: (text) => batches(text, false),
    close: async () => db.close(),
  };
}

/** A connection of its own, with numbers as numbers. */
export async function connect(url: string): Promise<pg.Client> {
  const { default: driver } = await import('pg');
  const { builtins } = driver.types;
  const parsers: Record<number, (text: string) => unknown> = { [builtins.INT8]: Number, [builtins.NUMERIC]: Number };
  const client = new driver.Client({
    connectionString: url,
    types: { getTypeParser: ((oid: number, format: 'text') => parsers[oid] ?? driver.types.getTypeParser(oid, format)) as never },
  });
  // A server that goes away is told of by the query under way.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    const { openPostgres } = await import('../../../kernel/db/postgres.ts');
    // The same words as everywhere, if it is merely away.
    const database = await openPostgres(url, { poolSize: 1 });
    await database.tx(async () => undefined).finally(() => database.close());
    throw error;
  }
  return client;
}

async function openServer(url: string): Promise<Bare> {
  const client = await connect(url);
  await client.query('begin isolation level repeatable read read only');
  await client.query('select 1 from pg_class limit 1');
  let cursors = 0;
  async function* batches<T>(text: string, arrays: boolean): AsyncGenerator<readonly T[]> {
    const name = `c${++cursors}`;
    await client.query(`declare ${name} no scroll cursor for ${text}`);
    for (;;) {
      const { rows } = await client.query(
        (arrays ? { text: `fetch ${BATCH_ROWS} from ${name}`, rowMode: 'array' } : `fetch ${BATCH_ROWS} from ${name}`) as string,
      );
      if (rows.length === 0) break;
      yield rows as T[];
    }
    await client.query(`close ${name}`);
  }
  return {
    dialect: postgresDialect,
    hasHistory: async () => (await client.query(`select to_regclass('schema_migrations') is not null as there`)).rows[0].there as boolean,
    rows: (table) => batches<Row>(selectOf(table), true),
    query: (text) => batches(text, false),
    close: () => client.end(),
  };
}
