// Every text of a workspace, whatever table it is in: for what has to go from all of them. The tables are asked
// of the database itself, so none can be forgotten.
import { sql } from 'kysely';
import type { Ctx } from '../ctx.ts';
import type { Db } from './database.ts';
import { redactText, type TextColumns } from './redact-text.ts';

/** Events are chained and never hold a value; the index of blobs has digests only. */
const NOT_TEXTS = ['events', 'event_cursors', 'blobs', 'blob_tombstones'];

/** Tables with a workspace, their keys, and their columns of text. */
export async function textTables(db: Db, dialect: 'sqlite' | 'postgres'): Promise<TextColumns[]> {
  const query =
    dialect === 'sqlite'
      ? sql<Found>`select m.name as "table", p.name as "column", lower(p.type) as type, p.pk as key
          from sqlite_master m, pragma_table_info(m.name) p where m.type = 'table' order by m.name, p.cid`
      : sql<Found>`select c.table_name as "table", c.column_name as "column", lower(c.data_type) as type,
            coalesce((select 1 from information_schema.key_column_usage k join information_schema.table_constraints t
              on t.constraint_name = k.constraint_name and t.table_schema = k.table_schema
              where t.constraint_type = 'PRIMARY KEY' and k.table_schema = c.table_schema and k.table_name = c.table_name
              and k.column_name = c.column_name limit 1), 0) as key
          from information_schema.columns c where c.table_schema = current_schema() order by c.table_name, c.ordinal_position`;
  const { rows } = await query.execute(db);
  const tables = new Map<string, Found[]>();
  for (const row of rows) tables.set(row.table, [...(tables.get(row.table) ?? []), row]);
  return [...tables].flatMap(([table, columns]): TextColumns[] => {
    const text = columns.filter((c) => /text|char|json/.test(c.type) && c.column !== 'workspace_id').map((c) => c.column);
    const key = columns.filter((c) => Number(c.key) > 0 && c.column !== 'workspace_id').map((c) => c.column);
    const own = columns.some((c) => c.column === 'workspace_id');
    return own && text.length > 0 && key.length > 0 && !NOT_TEXTS.includes(table) ? [{ table, key, json: text }] : [];
  });
}
interface Found {
  table: string;
  column: string;
  type: string;
  key: number;
}

export interface Swept {
  readonly table: string;
  readonly rows: number;
}

/** Rewrites every text that holds one of the needles, table by table, each in a transaction of its own. */
export async function sweepTexts(
  ctx: Ctx,
  needles: readonly string[],
  redact: (text: string, json: boolean, row: Readonly<Record<string, unknown>>) => string | undefined,
  except: readonly string[] = [],
  only?: readonly string[],
): Promise<Swept[]> {
  const swept: Swept[] = [];
  for (const table of await textTables(ctx.db, ctx.database.dialect.name)) {
    if (except.includes(table.table) || (only && !only.includes(table.table))) continue;
    ctx.signal.throwIfAborted();
    const rows = await ctx.tx((tx) => redactText(tx.db, tx.workspace, table, needles, ctx.database.dialect.name, redact));
    if (rows > 0) swept.push({ table: table.table, rows });
  }
  return swept;
}

/** How many events hold one of these texts; they cannot be changed. */
export async function eventsWith(db: Db, workspace: string, needles: readonly string[]): Promise<number> {
  const like = sql.join(
    needles.flatMap((n) => {
      const pattern = `%${JSON.stringify(n)
        .slice(1, -1)
        .replace(/[\\%_]/g, '\\$&')}%`;
      return ['payload', 'label', 'subject_id', 'edges'].map((c) => sql`${sql.ref(c)} like ${pattern} escape '\\'`);
    }),
    sql` or `,
  );
  const { rows } = await sql<{ n: number }>`select count(*) as n from events where workspace_id = ${workspace} and (${like})`.execute(db);
  return Number(rows[0]?.n ?? 0);
}
