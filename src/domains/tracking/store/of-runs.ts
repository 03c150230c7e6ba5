// Rows that belong to runs, for many runs at once: a list of ids is one bind, so that one statement serves every number of them.
import { boundTo, toBind, type Db } from '../../../kernel/db/database.ts';
import { statement } from '../../../kernel/db/statement.ts';

/**
 * `select` without its condition, for one run or for a list; in the order of the runs' ids and then of `order`.
 * `alias` stands before the columns `workspace_id` and `run_id`; the table of the runs calls the latter `id`.
 */
export function ofRuns<Row>(
  select: string,
  order: string,
  alias = '',
  id = 'run_id',
): (db: Db, workspace: string, ids: readonly string[]) => Promise<readonly Row[]> {
  const of = `${select} where ${alias}workspace_id = `;
  const one = statement<Row>(`${of}? and ${alias}${id} = ? order by ${order}`);
  const sorted = `order by ${alias}${id}, ${order}`;
  const sqlite = `${of}? and ${alias}${id} in (select value from json_each(?)) ${sorted}`;
  const postgres = `${of}$1 and ${alias}${id} = any($2) ${sorted}`;
  return async (db, workspace, ids) => {
    if (ids.length === 0) return [];
    if (ids.length === 1) return one(db, workspace, ids[0]!);
    const { dialect, connection } = boundTo(db);
    const list = dialect.name === 'sqlite' ? JSON.stringify(ids) : ids.map(toBind);
    const { rows } = await connection.execute(dialect.name === 'sqlite' ? sqlite : postgres, [toBind(workspace), list]);
    return rows as Row[];
  };
}

export function byRun<Row extends { readonly run_id: string }>(rows: readonly Row[]): Map<string, Row[]> {
  const found = new Map<string, Row[]>();
  for (const row of rows) {
    const held = found.get(row.run_id);
    if (held) held.push(row);
    else found.set(row.run_id, [row]);
  }
  return found;
}
