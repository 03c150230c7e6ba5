// What erasure reads and writes of steps: their outputs, and the cache entries made from removed rows.
import type { Db } from '../../../kernel/db/database.ts';
import type { StepDefinition } from '../../projects/public.ts';
import type { KeyParts, Outputs } from '../model.ts';
import { parsed } from './columns.ts';

type StepRow = {
  workspace_id: string;
  run_id: string;
  name: string;
  kind: string;
  cache_key: string | null;
  key_parts: string | null;
  outputs: string | null;
  version: number;
};
type RunRow = {
  workspace_id: string;
  id: string;
  project: string;
  pipeline: string;
  number: number;
  revision_id: string;
  own_steps: string | null;
  state: string;
};
type CacheRow = { workspace_id: string; cache_key: string; run_id: string; step: string; outputs: string };
type AttemptRow = { workspace_id: string; id: string; run_id: string; state: string; dir: string };

const tablesIn = (db: Db) => db.withTables<{ steps: StepRow; pipeline_runs: RunRow; cache_entries: CacheRow; attempts: AttemptRow }>();

export interface MadeStep {
  readonly runId: string;
  readonly step: string;
  readonly kind: string;
  readonly project: string;
  readonly pipeline: string;
  readonly runNumber: number;
  readonly revisionId: string;
  readonly ownSteps: readonly StepDefinition[] | null;
  readonly cacheKey: string | null;
  readonly inputs: readonly string[];
  readonly outputs: Outputs;
}

/** Steps that made something, of all runs. */
export async function listMadeSteps(db: Db, workspace: string): Promise<MadeStep[]> {
  const rows = await tablesIn(db)
    .selectFrom('steps')
    .innerJoin('pipeline_runs', (j) =>
      j.onRef('pipeline_runs.id', '=', 'steps.run_id').onRef('pipeline_runs.workspace_id', '=', 'steps.workspace_id'),
    )
    .select([
      'steps.run_id',
      'steps.name',
      'steps.kind',
      'steps.cache_key',
      'steps.key_parts',
      'steps.outputs',
      'pipeline_runs.project',
      'pipeline_runs.pipeline',
      'pipeline_runs.number',
      'pipeline_runs.revision_id',
      'pipeline_runs.own_steps',
    ])
    .where('steps.workspace_id', '=', workspace)
    .where('steps.outputs', 'is not', null)
    .orderBy('steps.run_id')
    .execute();
  return rows.map((r) => ({
    runId: r.run_id,
    step: r.name,
    kind: r.kind,
    project: r.project,
    pipeline: r.pipeline,
    runNumber: r.number,
    revisionId: r.revision_id,
    ownSteps: parsed<StepDefinition[]>(r.own_steps),
    cacheKey: r.cache_key,
    inputs: Object.values(parsed<KeyParts>(r.key_parts)?.inputs ?? {}),
    outputs: parsed<Outputs>(r.outputs)!,
  }));
}

export const putOutputs = (db: Db, workspace: string, runId: string, step: string, outputs: Outputs) =>
  tablesIn(db)
    .updateTable('steps')
    .set((eb) => ({ outputs: JSON.stringify(outputs), version: eb('version', '+', 1) }))
    .where('workspace_id', '=', workspace)
    .where('run_id', '=', runId)
    .where('name', '=', step)
    .execute();

/** Drops entries, each by its key. Returns how many there were. */
export async function dropCached(db: Db, workspace: string, keys: readonly string[]): Promise<number> {
  let dropped = 0;
  for (let i = 0; i < keys.length; i += 500) {
    const { numDeletedRows } = await tablesIn(db)
      .deleteFrom('cache_entries')
      .where('workspace_id', '=', workspace)
      .where('cache_key', 'in', keys.slice(i, i + 500))
      .executeTakeFirstOrThrow();
    dropped += Number(numDeletedRows);
  }
  return dropped;
}

/** Runs of a project that have not ended. */
export async function listOpenRuns(db: Db, workspace: string, project: string): Promise<string[]> {
  const rows = await tablesIn(db)
    .selectFrom('pipeline_runs')
    .select('id')
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('state', '=', 'running')
    .execute();
  return rows.map((r) => r.id);
}

/** Folders of attempts that have ended. */
export async function listEndedFolders(db: Db, workspace: string, project: string): Promise<string[]> {
  const rows = await tablesIn(db)
    .selectFrom('attempts')
    .innerJoin('pipeline_runs', (j) =>
      j.onRef('pipeline_runs.id', '=', 'attempts.run_id').onRef('pipeline_runs.workspace_id', '=', 'attempts.workspace_id'),
    )
    .select('attempts.dir')
    .where('attempts.workspace_id', '=', workspace)
    .where('pipeline_runs.project', '=', project)
    .where('attempts.state', '<>', 'running')
    .execute();
  return rows.map((r) => r.dir);
}
