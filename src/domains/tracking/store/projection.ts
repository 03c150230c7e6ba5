// Only those entries of runs that somebody asked for.
import { sql, type RawBuilder } from 'kysely';
import { boundTo, type Db } from '../../../kernel/db/database.ts';

/** Keys by name and by what they begin with; `''` is a beginning of all. */
export interface Keys {
  readonly names: readonly string[];
  readonly beginnings: readonly string[];
}

export interface SelectedEntry {
  readonly run_id: string;
  readonly key: string;
  readonly value: string;
}
export interface SelectedMetric extends Omit<SelectedEntry, 'value'> {
  readonly value: number;
  readonly is_nan: number;
  readonly timestamp_ms: number;
  readonly step: number;
}

const isOne = (keys: Keys): RawBuilder<unknown> => {
  if (keys.beginnings.includes('')) return sql`1 = 1`;
  const named = keys.names.length === 0 ? [] : [sql`e.key in (${sql.join(keys.names.map((k) => sql`${k}`))})`];
  // Both databases keep keys in the order of their bytes, and no text begins with more than the last character.
  const begun = keys.beginnings.map((k) => sql`(e.key >= ${k} and substr(e.key, 1, ${[...k].length}) = ${k})`);
  return sql`(${sql.join([...named, ...begun], sql` or `)})`;
};

async function selected<Row>(
  db: Db,
  table: string,
  columns: string,
  workspace: string,
  ids: readonly string[],
  keys: Keys,
): Promise<readonly Row[]> {
  if (ids.length === 0 || keys.names.length + keys.beginnings.length === 0) return [];
  const list =
    boundTo(db).dialect.name === 'sqlite'
      ? sql`e.run_id in (select value from json_each(${JSON.stringify(ids)}))`
      : sql`e.run_id in (select json_array_elements_text(${JSON.stringify(ids)}::json))`;
  const { rows } = await sql<Row>`select ${sql.raw(columns)} from ${sql.table(table)} e
    where e.workspace_id = ${workspace} and ${list} and ${isOne(keys)} order by e.run_id, e.key`.execute(db);
  return rows;
}

export const selectedMetrics = (db: Db, workspace: string, ids: readonly string[], keys: Keys): Promise<readonly SelectedMetric[]> =>
  selected(db, 'latest_metrics', 'e.run_id, e.key, e.value, e.is_nan, e.timestamp_ms, e.step', workspace, ids, keys);

export const selectedEntries = (
  db: Db,
  table: 'tracking_params' | 'tracking_tags',
  workspace: string,
  ids: readonly string[],
  keys: Keys,
): Promise<readonly SelectedEntry[]> => selected(db, table, 'e.run_id, e.key, e.value', workspace, ids, keys);
