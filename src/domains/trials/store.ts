import type { Db } from '../../kernel/db/database.ts';
import type { Actor, Decision, GuardFigures, ManagedBy, Plan, Steering, Step, StepKind, Trial, TrialState, Update } from './model.ts';

type TrialRow = {
  workspace_id: string;
  id: string;
  project: string;
  endpoint: string;
  name: string;
  state: TrialState;
  plan: string;
  started: string | null;
  steering: string | null;
  settled: number;
  standing: string;
  judged_us: number;
  guards: string;
  managed_by: ManagedBy;
  declared_by: string | null;
  decision: string | null;
  release_id: string | null;
  ended_us: number | null;
  created_ms: number;
  version: number;
};
type StepRow = {
  workspace_id: string;
  trial_id: string;
  number: number;
  kind: StepKind;
  revision: number | null;
  weights: string | null;
  why: string;
  figures: string | null;
  actor: string;
  at_us: number;
  at_ms: number;
};
const tablesIn = (db: Db) => db.withTables<{ trials: TrialRow; trial_steps: StepRow }>();

const toTrial = (r: TrialRow): Trial => ({
  id: r.id,
  project: r.project,
  endpoint: r.endpoint,
  name: r.name,
  state: r.state,
  plan: JSON.parse(r.plan) as Plan,
  started: r.started === null ? null : (JSON.parse(r.started) as Trial['started']),
  steering: r.steering === null ? null : (JSON.parse(r.steering) as Steering),
  settled: r.settled === 1,
  standing: r.standing,
  judgedUs: r.judged_us,
  guards: JSON.parse(r.guards) as GuardFigures[],
  managedBy: r.managed_by,
  declaredBy: r.declared_by,
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
  steering: t.steering === null ? null : JSON.stringify(t.steering),
  settled: t.settled ? 1 : 0,
  standing: t.standing,
  judged_us: t.judgedUs,
  guards: JSON.stringify(t.guards),
  managed_by: t.managedBy,
  declared_by: t.declaredBy,
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

/** Trials of every workspace in some states; with a project, those of that one in a workspace. */
export async function listInStates(
  db: Db,
  states: readonly TrialState[],
  of?: { readonly workspace: string; readonly project: string },
): Promise<{ workspace: string; trial: Trial }[]> {
  const rows = await tablesIn(db)
    .selectFrom('trials')
    .selectAll()
    .where('state', 'in', [...states])
    .$if(of !== undefined, (q) => q.where('workspace_id', '=', of!.workspace).where('project', '=', of!.project))
    .orderBy('workspace_id')
    .orderBy('id')
    .execute();
  return rows.map((row) => ({ workspace: row.workspace_id, trial: toTrial(row) }));
}

/** Inside the transaction that changes the trial, whose version keeps two from taking one number. */
export async function insertStep(db: Db, workspace: string, trial: string, step: Omit<Step, 'number'>): Promise<void> {
  const last = await tablesIn(db)
    .selectFrom('trial_steps')
    .select((eb) => eb.fn.max('number').as('n'))
    .where('workspace_id', '=', workspace)
    .where('trial_id', '=', trial)
    .executeTakeFirst();
  await tablesIn(db)
    .insertInto('trial_steps')
    .values({
      workspace_id: workspace,
      trial_id: trial,
      number: Number(last?.n ?? 0) + 1,
      kind: step.kind,
      revision: step.revision,
      weights: step.weights === null ? null : JSON.stringify(step.weights),
      why: step.why,
      figures: step.update === null ? null : JSON.stringify(step.update),
      actor: JSON.stringify(step.actor),
      at_us: step.atUs,
      at_ms: step.atMs,
    })
    .execute();
}

/** Oldest first. */
export async function listSteps(db: Db, workspace: string, trial: string, after: number, limit: number): Promise<Step[]> {
  const rows = await tablesIn(db)
    .selectFrom('trial_steps')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('trial_id', '=', trial)
    .where('number', '>', after)
    .orderBy('number')
    .limit(limit)
    .execute();
  return rows.map((r) => ({
    number: r.number,
    kind: r.kind,
    revision: r.revision,
    weights: r.weights === null ? null : (JSON.parse(r.weights) as number[]),
    why: r.why,
    update: r.figures === null ? null : (JSON.parse(r.figures) as Update),
    actor: JSON.parse(r.actor) as Actor,
    atUs: r.at_us,
    atMs: r.at_ms,
  }));
}

/** Weights by revision of the endpoint, of all steps that have one. */
export async function listWeights(db: Db, workspace: string, trial: string): Promise<Map<number, readonly number[]>> {
  const rows = await tablesIn(db)
    .selectFrom('trial_steps')
    .select(['revision', 'weights'])
    .where('workspace_id', '=', workspace)
    .where('trial_id', '=', trial)
    .where('revision', 'is not', null)
    .where('weights', 'is not', null)
    .orderBy('number')
    .execute();
  return new Map(rows.map((r) => [r.revision!, JSON.parse(r.weights!) as number[]]));
}

/** Those that gyre.yaml declared last. */
export async function listManaged(db: Db, of: { readonly workspace: string; readonly project: string }): Promise<{ trial: Trial }[]> {
  const rows = await tablesIn(db)
    .selectFrom('trials')
    .selectAll()
    .where('workspace_id', '=', of.workspace)
    .where('project', '=', of.project)
    .where('managed_by', '=', 'file')
    .orderBy('id')
    .execute();
  return rows.map((row) => ({ trial: toTrial(row) }));
}
