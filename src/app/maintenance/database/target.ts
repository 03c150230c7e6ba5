// A database on its way in: nothing of it is there before `commit`, and a process that dies leaves none of it.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { handleOver, type Db } from '../../../kernel/db/database.ts';
import { postgresDialect, sqliteDialect } from '../../../kernel/db/dialect.ts';
import { createTableSql, type Table } from '../../../kernel/db/tables.ts';
import { syncFolder } from '../../../kernel/blobs/sync-folder.ts';
import { migrations } from '../../migrations/migrations.ts';
import { fail } from '../errors.ts';
import { connect, placeOf, selectOf, type Location } from './snapshot.ts';
import { columnsOf, tablesOf, type Row } from './tables.ts';

export interface TargetDatabase {
  readonly tables: readonly Table[];
  /** For what reads it by queries before it is there for others. */
  readonly db: Db;
  insert(table: Table, rows: readonly Row[]): Promise<void>;
  /** Sets columns of the rows with these keys. */
  update(table: Table, keys: readonly string[], set: readonly string[], rows: readonly Row[]): Promise<void>;
  /** Rows of a table as they are in it now. */
  rows(table: Table): AsyncIterable<readonly Row[]>;
  /** Makes the indexes; then all of it is there and durable. */
  commit(): Promise<void>;
  abort(): Promise<void>;
}

const HISTORY: Table = { name: 'schema_migrations', columns: { number: 'int', name: 'text', applied_ms: 'int' }, primary: ['number'] };

/** An empty database of a schema. Raises `target-not-empty`, `database-unreachable`. */
export async function openTarget(at: Location, schema: number): Promise<TargetDatabase> {
  const target = at.kind === 'sqlite' ? openFile(at.file, schema) : await openServer(at, schema);
  const applied = migrations.filter((m) => m.number <= schema).map((m): Row => [m.number, m.name, Date.now()]);
  await target.insert(HISTORY, applied);
  return target;
}

const statementsOf = (schema: number, dialect: typeof sqliteDialect): { tables: string[]; indexes: string[] } => {
  const all = [HISTORY, ...tablesOf(schema)].map((table) => createTableSql(table, dialect));
  return { tables: all.map((s) => s[0]!), indexes: all.flatMap((s) => s.slice(1)) };
};

const list = (columns: readonly string[]): string => columns.map((c) => `"${c}"`).join(', ');

function openFile(file: string, schema: number): TargetDatabase {
  if (existsSync(file)) return fail('target-not-empty', { where: file, what: 'a database' });
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const fresh = `${file}.incoming`;
  const remove = (): void => {
    for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(fresh + suffix, { force: true });
  };
  // What a process that died left behind.
  remove();
  const db = new DatabaseSync(fresh, { enableForeignKeyConstraints: true });
  // Nobody reads it before it has its name, and what fails is thrown away, so nothing is journalled.
  db.exec('pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -65536; begin');
  const { tables, indexes } = statementsOf(schema, sqliteDialect);
  for (const statement of tables) db.exec(statement);
  return {
    tables: tablesOf(schema),
    db: handleOver(sqliteDialect, {
      execute: async (text, binds) => ({
        rows: db
          .prepare(text)
          .all(...(binds as SQLInputValue[]))
          .map((row) => ({ ...row })),
      }),
    }),
    insert: async (table, rows) => {
      const columns = columnsOf(table);
      const statement = db.prepare(`insert into "${table.name}" (${list(columns)}) values (${columns.map(() => '?').join(', ')})`);
      for (const row of rows) statement.run(...(row as SQLInputValue[]));
    },
    update: async (table, keys, set, rows) => {
      const assign = (columns: readonly string[]): string[] => columns.map((c) => `"${c}" = ?`);
      const statement = db.prepare(`update "${table.name}" set ${assign(set).join(', ')} where ${assign(keys).join(' and ')}`);
      for (const row of rows) statement.run(...([...row.slice(keys.length), ...row.slice(0, keys.length)] as SQLInputValue[]));
    },
    rows: async function* (table) {
      const statement = db.prepare(selectOf(table));
      statement.setReturnArrays(true);
      for (const row of statement.iterate()) yield [row as unknown as Row];
    },
    commit: async () => {
      for (const statement of indexes) db.exec(statement);
      db.exec('commit; pragma journal_mode = wal');
      db.close();
      for (const suffix of ['-wal', '-shm']) rmSync(fresh + suffix, { force: true });
      const handle = openSync(fresh, 'r+');
      fsyncSync(handle);
      closeSync(handle);
      renameSync(fresh, file);
      await syncFolder(dirname(file));
    },
    abort: async () => {
      if (db.isOpen) db.close();
      remove();
    },
  };
}

async function openServer(at: Extract<Location, { kind: 'postgres' }>, schema: number): Promise<TargetDatabase> {
  const client = await connect(at.url);
  const types = postgresDialect.columnTypes;
  const arrayOf = (table: Table, column: string): string => {
    const type = table.columns[column]!.replace('?', '') as keyof typeof types;
    return `${types[type].replace(/ collate.*/, '')}[]`;
  };
  const columnwise = (rows: readonly Row[], width: number): unknown[][] =>
    Array.from({ length: width }, (_, i) => rows.map((row) => (row[i] instanceof Uint8Array ? Buffer.from(row[i]) : row[i])));
  const { tables, indexes } = statementsOf(schema, postgresDialect);
  try {
    await client.query('begin');
    await client.query(`set local lock_timeout = '10s'`);
    const known = new Set([HISTORY, ...tablesOf(schema)].map((t) => t.name));
    const { rows } = await client.query<{ tablename: string }>('select tablename from pg_tables where schemaname = current_schema()');
    for (const name of rows.map((r) => r.tablename).filter((n) => known.has(n))) {
      // Tables that a server made and never used are no more than an empty database.
      const some = name === 'schema_migrations' ? [] : (await client.query(`select 1 from "${name}" limit 1`)).rows;
      if (some.length > 0) fail('target-not-empty', { where: placeOf(at), what: `rows in ${name}` });
    }
    for (const name of rows.map((r) => r.tablename).filter((n) => known.has(n))) await client.query(`drop table "${name}"`);
    for (const statement of tables) await client.query(statement);
  } catch (error) {
    await client.end();
    throw error;
  }
  return {
    tables: tablesOf(schema),
    db: handleOver(postgresDialect, { execute: async (text, binds) => ({ rows: (await client.query(text, binds as unknown[])).rows }) }),
    insert: async (table, batch) => {
      if (batch.length === 0) return;
      const columns = columnsOf(table);
      await client.query(
        `insert into "${table.name}" (${list(columns)}) select * from unnest(${columns.map((c, i) => `$${i + 1}::${arrayOf(table, c)}`).join(', ')})`,
        columnwise(batch, columns.length),
      );
    },
    update: async (table, keys, set, batch) => {
      if (batch.length === 0) return;
      const columns = [...keys, ...set];
      await client.query(
        `update "${table.name}" t set ${set.map((c) => `"${c}" = u."${c}"`).join(', ')}
          from unnest(${columns.map((c, i) => `$${i + 1}::${arrayOf(table, c)}`).join(', ')}) u (${list(columns)})
          where ${keys.map((c) => `t."${c}" = u."${c}"`).join(' and ')}`,
        columnwise(batch, columns.length),
      );
    },
    rows: async function* (table) {
      const name = `read_${table.name}`;
      await client.query(`declare ${name} no scroll cursor for ${selectOf(table)}`);
      for (;;) {
        const { rows } = await client.query({ text: `fetch 1000 from ${name}`, rowMode: 'array' });
        if (rows.length === 0) break;
        yield rows as unknown as Row[];
      }
      await client.query(`close ${name}`);
    },
    commit: async () => {
      for (const statement of indexes) await client.query(statement);
      await client.query('commit');
      await client.query('analyze');
      await client.end();
    },
    abort: () => client.end(),
  };
}
