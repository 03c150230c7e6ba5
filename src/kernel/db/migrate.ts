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
});

export interface Migration {
  readonly number: number;
  readonly name: string;
  /** Statements for the given database. */
  readonly tables: readonly Table[];
}

const exec = (db: Db, statement: string) => sql.raw(statement).execute(db);

/** Brings the schema up to date in one transaction. Raises `schema-newer`. Returns what was applied. */
export async function migrate(database: Database, migrations: readonly Migration[]): Promise<string[]> {
  const history = createTableSql(
    { name: 'schema_migrations', columns: { number: 'int', name: 'text', applied_ms: 'int' }, primary: ['number'] },
    database.dialect,
  );
  return database.tx(async (db) => {
    await exec(db, history[0]!.replace('create table', 'create table if not exists'));
    const { rows } = await sql<{ found: number | null }>`select max(number) as found from schema_migrations`.execute(db);
    const found = rows[0]?.found ?? 0;
    const known = Math.max(0, ...migrations.map((m) => m.number));
    if (found > known) fail('schema-newer', { found, known });
    const applied: string[] = [];
    for (const migration of migrations.filter((m) => m.number > found)) {
      for (const table of migration.tables) for (const statement of createTableSql(table, database.dialect)) await exec(db, statement);
      await sql`insert into schema_migrations (number, name, applied_ms) values (${migration.number}, ${migration.name}, ${Date.now()})`.execute(
        db,
      );
      applied.push(migration.name);
    }
    return applied;
  });
}

/** All statements of all migrations, for the committed dump of each schema. */
export const dumpSchema = (migrations: readonly Migration[], database: Pick<Database, 'dialect'>): string =>
  migrations
    .flatMap((m) => m.tables)
    .flatMap((table) => createTableSql(table, database.dialect))
    .map((statement) => `${statement};\n`)
    .join('\n');
