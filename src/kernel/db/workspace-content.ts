// What a workspace holds, asked of the catalog of the database: every table has `workspace_id` first in its key, so
// nothing has to be listed by hand and nothing new can be forgotten.
import { sql } from 'kysely';
import type { Db } from './database.ts';
import type { Dialect } from './dialect.ts';

async function tablesOfWorkspaces(db: Db, dialect: Dialect): Promise<string[]> {
  const query =
    dialect.name === 'sqlite'
      ? sql<{ name: string }>`select m.name as name from sqlite_master m where m.type = 'table'
          and exists (select 1 from pragma_table_info(m.name) c where c.name = 'workspace_id') order by m.name`
      : sql<{ name: string }>`select table_name::text as name from information_schema.columns
          where table_schema = current_schema() and column_name = 'workspace_id' order by table_name`;
  return (await query.execute(db)).rows.map((row) => row.name);
}

/**
 * The first table with a row of the workspace, or undefined if it is empty. `passedOver` names tables that do not count, and
 * rows that do not, by their id.
 */
export async function contentOfWorkspace(
  db: Db,
  dialect: Dialect,
  workspace: string,
  passedOver: Readonly<Record<string, 'all' | string>>,
): Promise<string | undefined> {
  for (const table of await tablesOfWorkspaces(db, dialect)) {
    const over = passedOver[table];
    if (over === 'all') continue;
    const but = over === undefined ? sql`` : sql`and id <> ${over}`;
    const { rows } = await sql`select 1 from ${sql.table(table)} where workspace_id = ${workspace} ${but} limit 1`.execute(db);
    if (rows.length > 0) return table;
  }
  return undefined;
}
