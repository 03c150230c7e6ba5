import type { Db } from '../../../kernel/db/database.ts';
import type { Difference, KeyParts, Outputs, StepState } from '../model.ts';
import { parsed, toText } from './columns.ts';

export interface StepSummary {
  readonly runId: string;
  readonly name: string;
  readonly position: number;
  readonly kind: string;
  readonly needs: readonly string[];
  readonly state: StepState;
  readonly cachedFrom: string | null;
  readonly cacheKey: string | null;
  readonly outputs: Outputs | null;
  readonly trackingRunId: string | null;
  readonly error: unknown;
  /** Attempts that were made before the run was resumed last. */
  readonly earlierAttempts: number;
  readonly startedMs: number | null;
  readonly finishedMs: number | null;
  readonly version: number;
}

export interface Step extends StepSummary {
  readonly keyParts: KeyParts | null;
  readonly explanation: readonly Difference[] | null;
}

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
  earlier_attempts: number;
  started_ms: number | null;
  finished_ms: number | null;
  version: number;
};
const tablesIn = (db: Db) => db.withTables<{ steps: StepRow }>();

const toSummary = (r: Omit<StepRow, 'key_parts' | 'explanation'>): StepSummary => ({
  runId: r.run_id,
  name: r.name,
  position: r.position,
  kind: r.kind,
  needs: JSON.parse(r.needs) as string[],
  state: r.state,
  cachedFrom: r.cached_from,
  cacheKey: r.cache_key,
  outputs: parsed<Outputs>(r.outputs),
  trackingRunId: r.tracking_run_id,
  error: parsed(r.error),
  earlierAttempts: r.earlier_attempts,
  startedMs: r.started_ms,
  finishedMs: r.finished_ms,
  version: r.version,
});
const toStep = (r: StepRow): Step => ({
  ...toSummary(r),
  keyParts: parsed<KeyParts>(r.key_parts),
  explanation: parsed<Difference[]>(r.explanation),
});

const summary = [
  'workspace_id',
  'run_id',
  'name',
  'position',
  'kind',
  'needs',
  'state',
  'cached_from',
  'cache_key',
  'outputs',
  'tracking_run_id',
  'error',
  'earlier_attempts',
  'started_ms',
  'finished_ms',
  'version',
] as const;

/** Inserts steps that wait. */
export async function insertSteps(
  db: Db,
  workspace: string,
  steps: readonly Pick<Step, 'runId' | 'name' | 'position' | 'kind' | 'needs'>[],
): Promise<void> {
  for (let i = 0; i < steps.length; i += 500)
    await tablesIn(db)
      .insertInto('steps')
      .values(
        steps.slice(i, i + 500).map((s) => ({
          workspace_id: workspace,
          run_id: s.runId,
          name: s.name,
          position: s.position,
          kind: s.kind,
          needs: JSON.stringify(s.needs),
          state: 'waiting' as const,
          cached_from: null,
          cache_key: null,
          key_parts: null,
          explanation: null,
          outputs: null,
          tracking_run_id: null,
          error: null,
          earlier_attempts: 0,
          started_ms: null,
          finished_ms: null,
          version: 1,
        })),
      )
      .execute();
}

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

/** Without what only explains them. */
export async function listSummaries(db: Db, workspace: string, runId: string): Promise<StepSummary[]> {
  const rows = await tablesIn(db)
    .selectFrom('steps')
    .select(summary)
    .where('workspace_id', '=', workspace)
    .where('run_id', '=', runId)
    .orderBy('position')
    .execute();
  return rows.map(toSummary);
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
    | 'state'
    | 'cachedFrom'
    | 'cacheKey'
    | 'keyParts'
    | 'explanation'
    | 'outputs'
    | 'trackingRunId'
    | 'error'
    | 'earlierAttempts'
    | 'startedMs'
    | 'finishedMs'
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
      ...(c.earlierAttempts === undefined ? {} : { earlier_attempts: c.earlierAttempts }),
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
