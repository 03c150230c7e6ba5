import type { Db } from '../../../kernel/db/database.ts';
import type { StepDefinition } from '../../projects/public.ts';
import type { RunState } from '../model.ts';
import { parsed, toText } from './columns.ts';

export interface Run {
  readonly id: string;
  readonly project: string;
  readonly pipeline: string;
  readonly number: number;
  readonly revisionId: string;
  /** Steps of a run that was asked for by itself and is of no pipeline of the project; null = those of its pipeline. */
  readonly ownSteps: readonly StepDefinition[] | null;
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

type RunRow = {
  workspace_id: string;
  id: string;
  project: string;
  pipeline: string;
  number: number;
  revision_id: string;
  own_steps: string | null;
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
const tablesIn = (db: Db) => db.withTables<{ pipeline_runs: RunRow }>();

/** How runs of any workspace ended. */
export const endsOf = (db: Db, ids: readonly string[]): Promise<Pick<RunRow, 'id' | 'state' | 'finished_ms'>[]> =>
  tablesIn(db)
    .selectFrom('pipeline_runs')
    .select(['id', 'state', 'finished_ms'])
    .where('id', 'in', [...ids])
    .execute();

const toRun = (r: RunRow): Run => ({
  id: r.id,
  project: r.project,
  pipeline: r.pipeline,
  number: r.number,
  revisionId: r.revision_id,
  ownSteps: parsed<StepDefinition[]>(r.own_steps),
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
      own_steps: toText(r.ownSteps),
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

/** Lets a run that failed or was cancelled go on; false if it is in another state. */
export async function reopenRun(db: Db, workspace: string, id: string): Promise<boolean> {
  const result = await tablesIn(db)
    .updateTable('pipeline_runs')
    .set((eb) => ({ state: 'running', error: null, finished_ms: null, version: eb('version', '+', 1) }))
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .where('state', 'in', ['failed', 'cancelled'])
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}
