import type { Db } from '../../../kernel/db/database.ts';

/** Nothing of this endpoint moves forward until a person lifts it. */
export interface Freeze {
  readonly project: string;
  readonly endpoint: string;
  readonly reason: string;
  readonly actor: string;
  /** Event time (microseconds). */
  readonly sinceUs: number;
}

type FreezeRow = { workspace_id: string; project: string; endpoint: string; reason: string; actor_id: string; since_us: number };
const tablesIn = (db: Db) => db.withTables<{ endpoint_freezes: FreezeRow }>();

const toFreeze = (r: FreezeRow): Freeze => ({
  project: r.project,
  endpoint: r.endpoint,
  reason: r.reason,
  actor: r.actor_id,
  sinceUs: r.since_us,
});

export async function findFreeze(db: Db, workspace: string, project: string, endpoint: string): Promise<Freeze | undefined> {
  const row = await tablesIn(db)
    .selectFrom('endpoint_freezes')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('endpoint', '=', endpoint)
    .executeTakeFirst();
  return row && toFreeze(row);
}

export const putFreeze = (db: Db, workspace: string, f: Freeze) =>
  tablesIn(db)
    .insertInto('endpoint_freezes')
    .values({
      workspace_id: workspace,
      project: f.project,
      endpoint: f.endpoint,
      reason: f.reason,
      actor_id: f.actor,
      since_us: f.sinceUs,
    })
    .onConflict((c) => c.columns(['workspace_id', 'project', 'endpoint']).doUpdateSet({ reason: f.reason, actor_id: f.actor }))
    .execute();

/** False if it was not frozen. */
export async function deleteFreeze(db: Db, workspace: string, project: string, endpoint: string): Promise<boolean> {
  const result = await tablesIn(db)
    .deleteFrom('endpoint_freezes')
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('endpoint', '=', endpoint)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}
