import type { Db } from '../../kernel/db/database.ts';
import type { AttemptState, Difference, KeyParts, Outputs, RunState, StepState } from './model.ts';

export interface Run {
  readonly id: string;
  readonly project: string;
  readonly pipeline: string;
  readonly number: number;
  readonly revisionId: string;
  readonly snapshot: string;
  readonly params: Readonly<Record<string, string | number | boolean>>;
  /** Dataset name -> version that this run reads, pinned at its start. */
  readonly datasets: Readonly<Record<string, string>>;
  readonly state: RunState;
  readonly trigger: { readonly kind: string; readonly reason: string };
  readonly noCache: boolean;
  readonly error: unknown;
  readonly createdMs: number;
  readonly finishedMs: number | null;
  /** Event time of the project when it started, in microseconds. */
  readonly occurredUs: number;
  readonly version: number;
}

export interface Step {
  readonly runId: string;
  readonly name: string;
  readonly position: number;
  readonly kind: string;
  readonly needs: readonly string[];
  readonly state: StepState;
  readonly cachedFrom: string | null;
  readonly cacheKey: string | null;
  readonly keyParts: KeyParts | null;
  readonly explanation: readonly Difference[] | null;
  readonly outputs: Outputs | null;
  readonly trackingRunId: string | null;
  readonly error: unknown;
  readonly startedMs: number | null;
  readonly finishedMs: number | null;
  readonly version: number;
}

export interface Attempt {
  readonly id: string;
  readonly runId: string;
  readonly step: string;
  readonly number: number;
  readonly fence: number;
  readonly state: AttemptState;
  readonly dir: string;
  readonly startedMs: number;
}

type RunRow = {
  workspace_id: string;
  id: string;
  project: string;
  pipeline: string;
  number: number;
  revision_id: string;
  snapshot: string;
  params: string;
  datasets: string;
  state: RunState;
  trigger_kind: string;
  trigger_reason: string;
  no_cache: number;
  error: string | null;
  created_ms: number;
  finished_ms: number | null;
  occurred_us: number;
  version: number;
};
type StepRow = {
  workspace_id: string;
  run_id: string;
  name: string;
  position: number;
  kind: string;
  needs: string;
  state: StepState;
  cached_from: string | null;
  cache_key: string | null;
  key_parts: string | null;
  explanation: string | null;
  outputs: string | null;
  tracking_run_id: string | null;
  error: string | null;
  started_ms: number | null;
  finished_ms: number | null;
  version: number;
};
type AttemptRow = {
  workspace_id: string;
  id: string;
  run_id: string;
  step: string;
  number: number;
  fence: number;
  state: AttemptState;
  dir: string;
  outcome: string | null;
  started_ms: number;
  finished_ms: number | null;
};
type CacheRow = {
  workspace_id: string;
  cache_key: string;
  run_id: string;
  step: string;
  outputs: string;
  tracking_run_id: string | null;
  created_ms: number;
};
type HistoryRow = { workspace_id: string; project: string; pipeline: string; step: string; run_id: string; key_parts: string };

const tablesIn = (db: Db) =>
  db.withTables<{ pipeline_runs: RunRow; steps: StepRow; attempts: AttemptRow; cache_entries: CacheRow; step_history: HistoryRow }>();

const parsed = <T>(text: string | null): T | null => (text === null ? null : (JSON.parse(text) as T));
const toText = (value: unknown): string | null => (value === null || value === undefined ? null : JSON.stringify(value));

const toRun = (r: RunRow): Run => ({
  id: r.id,
  project: r.project,
  pipeline: r.pipeline,
  number: r.number,
  revisionId: r.revision_id,
  snapshot: r.snapshot,
  params: JSON.parse(r.params) as Run['params'],
  datasets: JSON.parse(r.datasets) as Run['datasets'],
  state: r.state,
  trigger: { kind: r.trigger_kind, reason: r.trigger_reason },
  noCache: r.no_cache === 1,
  error: parsed(r.error),
  createdMs: r.created_ms,
  finishedMs: r.finished_ms,
  occurredUs: r.occurred_us,
  version: r.version,
});
const toStep = (r: StepRow): Step => ({
  runId: r.run_id,
  name: r.name,
  position: r.position,
  kind: r.kind,
  needs: JSON.parse(r.needs) as string[],
  state: r.state,
  cachedFrom: r.cached_from,
  cacheKey: r.cache_key,
  keyParts: parsed<KeyParts>(r.key_parts),
  explanation: parsed<Difference[]>(r.explanation),
  outputs: parsed<Outputs>(r.outputs),
  trackingRunId: r.tracking_run_id,
  error: parsed(r.error),
  startedMs: r.started_ms,
  finishedMs: r.finished_ms,
  version: r.version,
});
const toAttempt = (r: AttemptRow): Attempt => ({
  id: r.id,
  runId: r.run_id,
  step: r.step,
  number: r.number,
  fence: r.fence,
  state: r.state,
  dir: r.dir,
  startedMs: r.started_ms,
});

export async function getRun(db: Db, workspace: string, id: string): Promise<Run | undefined> {
  const row = await tablesIn(db)
    .selectFrom('pipeline_runs')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toRun(row);
}

export async function listRuns(db: Db, workspace: string, project: string, before: string, limit: number): Promise<Run[]> {
  const rows = await tablesIn(db)
    .selectFrom('pipeline_runs')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('id', '<', before)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return rows.map(toRun);
}

export async function nextRunNumber(db: Db, workspace: string, project: string, pipeline: string): Promise<number> {
  const row = await tablesIn(db)
    .selectFrom('pipeline_runs')
    .select((eb) => eb.fn.max('number').as('last'))
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('pipeline', '=', pipeline)
    .executeTakeFirst();
  return (row?.last ?? 0) + 1;
}

export const insertRun = (db: Db, workspace: string, r: Run) =>
  tablesIn(db)
    .insertInto('pipeline_runs')
    .values({
      workspace_id: workspace,
      id: r.id,
      project: r.project,
      pipeline: r.pipeline,
      number: r.number,
      revision_id: r.revisionId,
      snapshot: r.snapshot,
      params: JSON.stringify(r.params),
      datasets: JSON.stringify(r.datasets),
      state: r.state,
      trigger_kind: r.trigger.kind,
      trigger_reason: r.trigger.reason,
      no_cache: r.noCache ? 1 : 0,
      error: toText(r.error),
      created_ms: r.createdMs,
      finished_ms: r.finishedMs,
      occurred_us: r.occurredUs,
      version: r.version,
    })
    .execute();

/** Ends a running run; false if it has ended already. */
export async function finishRun(db: Db, workspace: string, id: string, state: RunState, error: unknown, nowMs: number): Promise<boolean> {
  const result = await tablesIn(db)
    .updateTable('pipeline_runs')
    .set((eb) => ({ state, error: toText(error), finished_ms: nowMs, version: eb('version', '+', 1) }))
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .where('state', '=', 'running')
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

export const insertSteps = (db: Db, workspace: string, steps: readonly Step[]) =>
  tablesIn(db)
    .insertInto('steps')
    .values(
      steps.map((s) => ({
        workspace_id: workspace,
        run_id: s.runId,
        name: s.name,
        position: s.position,
        kind: s.kind,
        needs: JSON.stringify(s.needs),
        state: s.state,
        cached_from: null,
        cache_key: null,
        key_parts: null,
        explanation: null,
        outputs: null,
        tracking_run_id: null,
        error: null,
        started_ms: null,
        finished_ms: null,
        version: 1,
      })),
    )
    .execute();

export async function listSteps(db: Db, workspace: string, runId: string): Promise<Step[]> {
  const rows = await tablesIn(db)
    .selectFrom('steps')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('run_id', '=', runId)
    .orderBy('position')
    .execute();
  return rows.map(toStep);
}

export async function getStep(db: Db, workspace: string, runId: string, name: string): Promise<Step | undefined> {
  const row = await tablesIn(db)
    .selectFrom('steps')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('run_id', '=', runId)
    .where('name', '=', name)
    .executeTakeFirst();
  return row && toStep(row);
}

export type StepChange = Partial<
  Pick<
    Step,
    'state' | 'cachedFrom' | 'cacheKey' | 'keyParts' | 'explanation' | 'outputs' | 'trackingRunId' | 'error' | 'startedMs' | 'finishedMs'
  >
>;

/** Changes a step that is in one of the given states; false if it is not. */
export async function updateStep(
  db: Db,
  workspace: string,
  runId: string,
  name: string,
  from: readonly StepState[],
  c: StepChange,
): Promise<boolean> {
  const result = await tablesIn(db)
    .updateTable('steps')
    .set((eb) => ({
      version: eb('version', '+', 1),
      ...(c.state === undefined ? {} : { state: c.state }),
      ...(c.cachedFrom === undefined ? {} : { cached_from: c.cachedFrom }),
      ...(c.cacheKey === undefined ? {} : { cache_key: c.cacheKey }),
      ...(c.keyParts === undefined ? {} : { key_parts: toText(c.keyParts) }),
      ...(c.explanation === undefined ? {} : { explanation: toText(c.explanation) }),
      ...(c.outputs === undefined ? {} : { outputs: toText(c.outputs) }),
      ...(c.trackingRunId === undefined ? {} : { tracking_run_id: c.trackingRunId }),
      ...(c.error === undefined ? {} : { error: toText(c.error) }),
      ...(c.startedMs === undefined ? {} : { started_ms: c.startedMs }),
      ...(c.finishedMs === undefined ? {} : { finished_ms: c.finishedMs }),
    }))
    .where('workspace_id', '=', workspace)
    .where('run_id', '=', runId)
    .where('name', '=', name)
    .where('state', 'in', [...from])
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

export async function findCached(
  db: Db,
  workspace: string,
  key: string,
): Promise<{ runId: string; step: string; outputs: Outputs; trackingRunId: string | null } | undefined> {
  const row = await tablesIn(db)
    .selectFrom('cache_entries')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('cache_key', '=', key)
    .executeTakeFirst();
  return row && { runId: row.run_id, step: row.step, outputs: JSON.parse(row.outputs) as Outputs, trackingRunId: row.tracking_run_id };
}

export const putCached = (
  db: Db,
  workspace: string,
  key: string,
  entry: { runId: string; step: string; outputs: Outputs; trackingRunId: string | null },
  nowMs: number,
) => {
  const values = {
    run_id: entry.runId,
    step: entry.step,
    outputs: JSON.stringify(entry.outputs),
    tracking_run_id: entry.trackingRunId,
    created_ms: nowMs,
  };
  return tablesIn(db)
    .insertInto('cache_entries')
    .values({ workspace_id: workspace, cache_key: key, ...values })
    .onConflict((c) => c.columns(['workspace_id', 'cache_key']).doUpdateSet(values))
    .execute();
};

/** A step with this key that runs now, in another run. */
export async function findRunning(db: Db, workspace: string, key: string, runId: string): Promise<string | undefined> {
  const row = await tablesIn(db)
    .selectFrom('steps')
    .select('run_id')
    .where('workspace_id', '=', workspace)
    .where('cache_key', '=', key)
    .where('state', '=', 'running')
    .where('run_id', '!=', runId)
    .executeTakeFirst();
  return row?.run_id;
}

/** Other runs with a waiting step that has this key: they wait for the one that runs. */
export async function listWaitingFor(db: Db, workspace: string, key: string): Promise<string[]> {
  const rows = await tablesIn(db)
    .selectFrom('steps')
    .select('run_id')
    .distinct()
    .where('workspace_id', '=', workspace)
    .where('cache_key', '=', key)
    .where('state', '=', 'waiting')
    .execute();
  return rows.map((r) => r.run_id);
}

export async function findHistory(db: Db, workspace: string, run: Run, step: string): Promise<KeyParts | undefined> {
  const row = await tablesIn(db)
    .selectFrom('step_history')
    .select('key_parts')
    .where('workspace_id', '=', workspace)
    .where('project', '=', run.project)
    .where('pipeline', '=', run.pipeline)
    .where('step', '=', step)
    .executeTakeFirst();
  return row && (JSON.parse(row.key_parts) as KeyParts);
}

export const putHistory = (db: Db, workspace: string, run: Run, step: string, parts: KeyParts) => {
  const values = { run_id: run.id, key_parts: JSON.stringify(parts) };
  return tablesIn(db)
    .insertInto('step_history')
    .values({ workspace_id: workspace, project: run.project, pipeline: run.pipeline, step, ...values })
    .onConflict((c) => c.columns(['workspace_id', 'project', 'pipeline', 'step']).doUpdateSet(values))
    .execute();
};

export async function listAttempts(db: Db, workspace: string, runId: string, step: string): Promise<Attempt[]> {
  const rows = await tablesIn(db)
    .selectFrom('attempts')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('run_id', '=', runId)
    .where('step', '=', step)
    .orderBy('number')
    .execute();
  return rows.map(toAttempt);
}

export const insertAttempt = (db: Db, workspace: string, a: Attempt) =>
  tablesIn(db)
    .insertInto('attempts')
    .values({
      workspace_id: workspace,
      id: a.id,
      run_id: a.runId,
      step: a.step,
      number: a.number,
      fence: a.fence,
      state: a.state,
      dir: a.dir,
      outcome: null,
      started_ms: a.startedMs,
      finished_ms: null,
    })
    .execute();

export const finishAttempt = (db: Db, workspace: string, id: string, state: AttemptState, outcome: unknown, nowMs: number) =>
  tablesIn(db)
    .updateTable('attempts')
    .set({ state, outcome: toText(outcome), finished_ms: nowMs })
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .where('state', '=', 'running')
    .execute();
