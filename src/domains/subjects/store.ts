// Who is suppressed, and which projects an erasure holds.
import type { Db } from '../../kernel/db/database.ts';

type SuppressionRow = {
  workspace_id: string;
  project: string;
  hmac: string;
  id: string;
  number: number;
  columns: string;
  erasure_id: string;
  created_ms: number;
};
type HoldRow = { workspace_id: string; project: string; erasure_id: string; created_ms: number };

const tablesIn = (db: Db) => db.withTables<{ suppressions: SuppressionRow; erasure_holds: HoldRow }>();

export interface Suppression {
  readonly id: string;
  readonly project: string;
  readonly number: number;
  readonly columns: readonly string[];
  readonly hmac: string;
  readonly erasureId: string;
  readonly createdMs: number;
}

const toSuppression = (r: SuppressionRow): Suppression => ({
  id: r.id,
  project: r.project,
  number: r.number,
  columns: JSON.parse(r.columns) as string[],
  hmac: r.hmac,
  erasureId: r.erasure_id,
  createdMs: r.created_ms,
});

export async function listSuppressions(db: Db, workspace: string, project: string): Promise<Suppression[]> {
  const rows = await tablesIn(db)
    .selectFrom('suppressions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .orderBy('number')
    .execute();
  return rows.map(toSuppression);
}

/** Of all projects and workspaces: the number of suppressions, for the serving plan. */
export async function countAll(db: Db): Promise<number> {
  const row = await tablesIn(db)
    .selectFrom('suppressions')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .executeTakeFirst();
  return Number(row?.n ?? 0);
}

export const insertSuppression = (db: Db, workspace: string, s: Suppression) => {
  const columns = JSON.stringify(s.columns);
  return tablesIn(db)
    .insertInto('suppressions')
    .values({
      workspace_id: workspace,
      project: s.project,
      hmac: s.hmac,
      id: s.id,
      number: s.number,
      columns,
      erasure_id: s.erasureId,
      created_ms: s.createdMs,
    })
    .onConflict((c) => c.columns(['workspace_id', 'project', 'hmac']).doUpdateSet({ columns, number: s.number }))
    .execute();
};

export async function findHold(db: Db, workspace: string, project: string): Promise<string | undefined> {
  const row = await tablesIn(db)
    .selectFrom('erasure_holds')
    .select('erasure_id')
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .executeTakeFirst();
  return row?.erasure_id;
}

/** False if another erasure holds the project. */
export async function insertHold(db: Db, workspace: string, project: string, erasureId: string, nowMs: number): Promise<boolean> {
  await tablesIn(db)
    .insertInto('erasure_holds')
    .values({ workspace_id: workspace, project, erasure_id: erasureId, created_ms: nowMs })
    .onConflict((c) => c.columns(['workspace_id', 'project']).doNothing())
    .execute();
  return (await findHold(db, workspace, project)) === erasureId;
}

export const deleteHold = (db: Db, workspace: string, project: string, erasureId: string) =>
  tablesIn(db)
    .deleteFrom('erasure_holds')
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('erasure_id', '=', erasureId)
    .execute();
