import type { Db } from '../../kernel/db/database.ts';
import type { ViewColumn } from './model.ts';

export interface ViewTable {
  readonly project: string;
  readonly view: string;
  /** Digest of the definition, its SQL and the rows it reads. */
  readonly key: string;
  readonly digest: string;
  readonly rows: number;
  readonly columns: readonly ViewColumn[];
  readonly entityColumns: readonly ViewColumn[];
  readonly datasetVersion: string;
}

type ViewTableRow = {
  workspace_id: string;
  project: string;
  view: string;
  view_key: string;
  digest: string;
  row_count: number;
  columns: string;
  entity_columns: string;
  dataset_version: string;
  created_ms: number;
};
type OnlineRow = { workspace_id: string; project: string; view: string; view_key: string; digest: string; updated_ms: number };

const tablesIn = (db: Db) => db.withTables<{ view_tables: ViewTableRow; online_views: OnlineRow }>();

export async function findViewTable(db: Db, workspace: string, key: string): Promise<ViewTable | undefined> {
  const row = await tablesIn(db)
    .selectFrom('view_tables')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('view_key', '=', key)
    .executeTakeFirst();
  return (
    row && {
      project: row.project,
      view: row.view,
      key: row.view_key,
      digest: row.digest,
      rows: row.row_count,
      columns: JSON.parse(row.columns) as ViewColumn[],
      entityColumns: JSON.parse(row.entity_columns) as ViewColumn[],
      datasetVersion: row.dataset_version,
    }
  );
}

export const insertViewTable = (db: Db, workspace: string, t: ViewTable, nowMs: number) =>
  tablesIn(db)
    .insertInto('view_tables')
    .values({
      workspace_id: workspace,
      project: t.project,
      view: t.view,
      view_key: t.key,
      digest: t.digest,
      row_count: t.rows,
      columns: JSON.stringify(t.columns),
      entity_columns: JSON.stringify(t.entityColumns),
      dataset_version: t.datasetVersion,
      created_ms: nowMs,
    })
    .onConflict((c) => c.columns(['workspace_id', 'view_key']).doNothing())
    .execute();

/** What the online store holds of a view: the key and blob of the table it was filled from. */
export async function findOnline(
  db: Db,
  workspace: string,
  project: string,
  view: string,
): Promise<{ key: string; digest: string } | undefined> {
  const row = await tablesIn(db)
    .selectFrom('online_views')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('view', '=', view)
    .executeTakeFirst();
  return row && { key: row.view_key, digest: row.digest };
}

export const putOnline = (
  db: Db,
  workspace: string,
  project: string,
  view: string,
  held: { key: string; digest: string },
  nowMs: number,
) => {
  const values = { view_key: held.key, digest: held.digest, updated_ms: nowMs };
  return tablesIn(db)
    .insertInto('online_views')
    .values({ workspace_id: workspace, project, view, ...values })
    .onConflict((c) => c.columns(['workspace_id', 'project', 'view']).doUpdateSet(values))
    .execute();
};

/** Tables of every view, with the project each is of. */
export const listViewTables = (db: Db, workspace: string) =>
  tablesIn(db)
    .selectFrom('view_tables')
    .select(['project', 'view', 'view_key', 'digest', 'row_count'])
    .where('workspace_id', '=', workspace)
    .execute();

/** Another file takes the place of a view's table, and of the note of what the online store was filled from. */
export async function replaceViewTable(
  db: Db,
  workspace: string,
  project: string,
  digest: string,
  by: { digest: string; rows: number },
): Promise<void> {
  await tablesIn(db)
    .updateTable('view_tables')
    .set({ digest: by.digest, row_count: by.rows })
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('digest', '=', digest)
    .execute();
  await tablesIn(db)
    .updateTable('online_views')
    .set({ digest: by.digest })
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('digest', '=', digest)
    .execute();
}
