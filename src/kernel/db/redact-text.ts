// Texts that a record holds, without what has to go from them. The caller says which of its own tables and
// columns; rows that do not hold the text at all are not read.
import { sql } from 'kysely';
import type { Db } from './database.ts';

export interface TextColumns {
  readonly table: string;
  /** Its primary key, without `workspace_id`. */
  readonly key: readonly string[];
  /** Columns with text in JSON, and with plain text. */
  readonly json?: readonly string[];
  readonly text?: readonly string[];
}

/** Rewrites texts that hold one of the needles, whatever the case of their letters; `redact` answers undefined for one that may stay. Returns how many rows changed. */
export async function redactText(
  db: Db,
  workspace: string,
  { table, key, json = [], text = [] }: TextColumns,
  needles: readonly string[],
  dialect: 'sqlite' | 'postgres',
  redact: (text: string, json: boolean, row: Readonly<Record<string, unknown>>) => string | undefined,
): Promise<number> {
  const columns = [...json, ...text];
  // In JSON some characters are written otherwise.
  const written = [...new Set(needles.flatMap((n) => [n, JSON.stringify(n).slice(1, -1)]))];
  const place = sql.raw(dialect === 'sqlite' ? 'instr' : 'strpos');
  const any = sql.join(
    columns.flatMap((c) => written.map((n) => sql`${place}(lower(${sql.ref(c)}), lower(${n})) > 0`)),
    sql` or `,
  );
  const { rows } = await sql<Record<string, string | number | null>>`select ${sql.join([...key, ...columns].map((c) => sql.ref(c)))}
    from ${sql.table(table)} where workspace_id = ${workspace} and (${any})`.execute(db);
  let changed = 0;
  for (const row of rows) {
    const next = columns.flatMap((c) => {
      const before = row[c];
      const after = typeof before === 'string' ? redact(before, json.includes(c), row) : undefined;
      return after === undefined ? [] : [[c, after] as const];
    });
    if (next.length === 0) continue;
    changed += 1;
    await sql`update ${sql.table(table)} set ${sql.join(next.map(([c, v]) => sql`${sql.ref(c)} = ${v}`))}
      where workspace_id = ${workspace} and ${sql.join(
        key.map((k) => sql`${sql.ref(k)} = ${row[k]}`),
        sql` and `,
      )}`.execute(db);
  }
  return changed;
}
