// Migrations: forward only, one source for both databases.
import { sql } from 'kysely';
import { defineErrors } from '../errors.ts';
import type { Database, Db } from './database.ts';
import { createTableSql, type Table } from './tables.ts';

const { fail } = defineErrors({
  'schema-newer': {
    status: 500,
    title: 'The database is newer than this program',
    detail: (p: { found: number; known: number }) =>
      `The database has schema ${p.found} and this program knows up to ${p.known}. Start the newer program; nothing was changed.`,
  },
  'schema-older': {
    status: 503,
    title: 'The database waits for a migration',
    detail: (p: { pending: string[] }) =>
      `${p.pending.join(', ')} ${p.pending.length === 1 ? 'is' : 'are'} not applied yet, and GYRE_AUTO_MIGRATE=0 says not to apply it at the start. Run "gyre migrate" with the same GYRE_DIR and GYRE_DATABASE_URL, then start again.`,
  },
  'migration-blocked': {
    status: 503,
    title: 'A migration waits for others',
    detail: (_: object) =>
      'Another session holds a table for longer than 10 s, so nothing was migrated and nobody else was kept waiting. End what runs long in the database and repeat it.',
  },
});

export interface Migration {
  readonly number: number;
  readonly name: string;
  /** Statements for the given database. */
  readonly tables: readonly Table[];
}

/** One replica at a time migrates; the others wait here and then find nothing to do. */
const ADVISORY_LOCK = 7_400_002;
const LOCK_NOT_AVAILABLE = '55P03';
const LOCK_TIMEOUT_MS = 10_000;

const exec = (db: Db, statement: string) => sql.raw(statement).execute(db);

export interface SchemaState {
  /** The number of the newest migration that was applied; 0 = an empty database. */
  readonly found: number;
  readonly known: number;
  readonly applied: readonly { readonly number: number; readonly name: string; readonly appliedMs: number }[];
  readonly pending: readonly string[];
}

/** What was applied to a database and what waits. Raises `schema-newer`. */
export async function readSchema(
  db: Db,
  dialect: Pick<Database, 'dialect'>['dialect'],
  migrations: readonly Migration[],
): Promise<SchemaState> {
  const there =
    dialect.name === 'sqlite'
      ? sql<{ n: number }>`select count(*) as n from sqlite_master where type = 'table' and name = 'schema_migrations'`
      : sql<{
          n: number;
        }>`select count(*)::int as n from pg_tables where schemaname = current_schema() and tablename = 'schema_migrations'`;
  const has = (await there.execute(db)).rows[0]!.n > 0;
  const { rows } = has
    ? await sql<{ number: number; name: string; appliedMs: number }>`
        select number, name, applied_ms as "appliedMs" from schema_migrations order by number`.execute(db)
    : { rows: [] };
  const found = Math.max(0, ...rows.map((r) => r.number));
  const known = Math.max(0, ...migrations.map((m) => m.number));
  if (found > known) fail('schema-newer', { found, known });
  return { found, known, applied: rows, pending: migrations.filter((m) => m.number > found).map((m) => m.name) };
}

/** Raises `schema-newer`, and `schema-older` if a migration waits. */
export async function requireSchema(database: Database, migrations: readonly Migration[]): Promise<void> {
  const { pending } = await readSchema(database.reader, database.dialect, migrations);
  if (pending.length > 0) fail('schema-older', { pending: [...pending] });
}

/**
 * Brings the schema up to date in one transaction. Several may call it at once. Returns what was applied.
 * Raises `schema-newer`, `migration-blocked`.
 */
export async function migrate(
  database: Database,
  migrations: readonly Migration[],
  { lockTimeoutMs = LOCK_TIMEOUT_MS } = {},
): Promise<string[]> {
  const history = createTableSql(
    { name: 'schema_migrations', columns: { number: 'int', name: 'text', applied_ms: 'int' }, primary: ['number'] },
    database.dialect,
  );
  try {
    return await database.tx(async (db) => {
      // Whoever waited for the lock then sees what the other one made.
      if (database.dialect.name === 'postgres') {
        await exec(db, 'set local lock_timeout = 0');
        await exec(db, `select pg_advisory_xact_lock(${ADVISORY_LOCK})`);
        // A migration that waits for a table makes everybody wait who comes after it.
        await exec(db, `set local lock_timeout = ${lockTimeoutMs}`);
      }
      const { found } = await readSchema(db, database.dialect, migrations);
      await exec(db, history[0]!.replace('create table', 'create table if not exists'));
      const applied: string[] = [];
      for (const migration of migrations.filter((m) => m.number > found)) {
        for (const table of migration.tables) for (const statement of createTableSql(table, database.dialect)) await exec(db, statement);
        await sql`insert into schema_migrations (number, name, applied_ms) values (${migration.number}, ${migration.name}, ${Date.now()})`.execute(
          db,
        );
        applied.push(migration.name);
      }
      return applied;
    }, 'patient');
  } catch (error) {
    if ((error as { code?: string }).code === LOCK_NOT_AVAILABLE) fail('migration-blocked', {});
    throw error;
  }
}

/** All statements of all migrations, for the committed dump of each schema. */
export const dumpSchema = (migrations: readonly Migration[], database: Pick<Database, 'dialect'>): string =>
  migrations
    .flatMap((m) => m.tables)
    .flatMap((table) => createTableSql(table, database.dialect))
    .map((statement) => `${statement};\n`)
    .join('\n');
