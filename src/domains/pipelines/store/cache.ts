// What steps made, by key; and the newest key of each step, which a miss is compared with.
import type { Db } from '../../../kernel/db/database.ts';
import type { KeyParts, Outputs } from '../model.ts';
import type { Run } from './runs.ts';

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

const tablesIn = (db: Db) => db.withTables<{ cache_entries: CacheRow; step_history: HistoryRow }>();

export interface CacheEntry {
  readonly runId: string;
  readonly step: string;
  readonly outputs: Outputs;
  readonly trackingRunId: string | null;
}

export async function findCached(db: Db, workspace: string, key: string): Promise<CacheEntry | undefined> {
  const row = await tablesIn(db)
    .selectFrom('cache_entries')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('cache_key', '=', key)
    .executeTakeFirst();
  return row && { runId: row.run_id, step: row.step, outputs: JSON.parse(row.outputs) as Outputs, trackingRunId: row.tracking_run_id };
}

export const putCached = (db: Db, workspace: string, key: string, entry: CacheEntry, nowMs: number) => {
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

/** Keeps the newest key of each step. */
export async function putHistory(
  db: Db,
  workspace: string,
  run: Run,
  keys: readonly { readonly step: string; readonly parts: KeyParts }[],
): Promise<void> {
  for (let i = 0; i < keys.length; i += 500)
    await tablesIn(db)
      .insertInto('step_history')
      .values(
        keys.slice(i, i + 500).map(({ step, parts }) => ({
          workspace_id: workspace,
          project: run.project,
          pipeline: run.pipeline,
          step,
          run_id: run.id,
          key_parts: JSON.stringify(parts),
        })),
      )
      .onConflict((c) =>
        c
          .columns(['workspace_id', 'project', 'pipeline', 'step'])
          .doUpdateSet((eb) => ({ run_id: eb.ref('excluded.run_id'), key_parts: eb.ref('excluded.key_parts') })),
      )
      .execute();
}
