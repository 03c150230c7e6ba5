import type { Db } from '../../kernel/db/database.ts';
import type { Decision, Plan, Trial, TrialState } from './model.ts';

type TrialRow = {
  workspace_id: string;
  id: string;
  project: string;
  endpoint: string;
  name: string;
  state: TrialState;
  plan: string;
  started: string | null;
  settled: number;
  standing: string;
  decision: string | null;
  release_id: string | null;
  ended_us: number | null;
  created_ms: number;
  version: number;
};
const tablesIn = (db: Db) => db.withTables<{ trials: TrialRow }>();

const toTrial = (r: TrialRow): Trial => ({
  id: r.id,
  project: r.project,
  endpoint: r.endpoint,
  name: r.name,
  state: r.state,
  plan: JSON.parse(r.plan) as Plan,
  started: r.started === null ? null : (JSON.parse(r.started) as Trial['started']),
  settled: r.settled === 1,
  standing: r.standing,
  decision: r.decision === null ? null : (JSON.parse(r.decision) as Decision),
  release: r.release_id,
  endedUs: r.ended_us,
  createdMs: r.created_ms,
  version: r.version,
});

const toRow = (workspace: string, t: Trial): TrialRow => ({
  workspace_id: workspace,
  id: t.id,
  project: t.project,
  endpoint: t.endpoint,
  name: t.name,
  state: t.state,
  plan: JSON.stringify(t.plan),
  started: t.started === null ? null : JSON.stringify(t.started),
  settled: t.settled ? 1 : 0,
  standing: t.standing,
  decision: t.decision === null ? null : JSON.stringify(t.decision),
  release_id: t.release,
  ended_us: t.endedUs,
  created_ms: t.createdMs,
  version: t.version,
});

/** False if the endpoint has a trial of this name. */
export async function insertTrial(db: Db, workspace: string, trial: Trial): Promise<boolean> {
  const result = await tablesIn(db)
    .insertInto('trials')
    .values(toRow(workspace, trial))
    .onConflict((c) => c.columns(['workspace_id', 'project', 'endpoint', 'name']).doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

/** Writes a trial that still is what it was read as; false if another process has moved it on. */
export async function updateTrial(db: Db, workspace: string, { version, ...next }: Trial): Promise<boolean> {
  const result = await tablesIn(db)
    .updateTable('trials')
    .set(toRow(workspace, { ...next, version: version + 1 }))
    .where('workspace_id', '=', workspace)
    .where('id', '=', next.id)
    .where('version', '=', version)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

export async function findTrial(db: Db, workspace: string, id: string): Promise<Trial | undefined> {
  const row = await tablesIn(db)
    .selectFrom('trials')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toTrial(row);
}

export async function findByName(
  db: Db,
  workspace: string,
  of: { project: string; endpoint: string },
  name: string,
): Promise<Trial | undefined> {
  const row = await tablesIn(db)
    .selectFrom('trials')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', of.project)
    .where('endpoint', '=', of.endpoint)
    .where('name', '=', name)
    .executeTakeFirst();
  return row && toTrial(row);
}

/** Newest first. */
export async function listTrials(
  db: Db,
  workspace: string,
  of: { project: string; endpoint: string },
  before: string,
  limit: number,
): Promise<Trial[]> {
  const rows = await tablesIn(db)
    .selectFrom('trials')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', of.project)
    .where('endpoint', '=', of.endpoint)
    .where('id', '<', before)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return rows.map(toTrial);
}
