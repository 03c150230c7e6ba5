import type { Db } from '../../../kernel/db/database.ts';
import { storedValue, type LoggedModel, type Metric, type Pair } from '../model.ts';
import { toMetric } from './runs.ts';
import { trackingIn, type LoggedModelRow, type ModelFileRow } from './tables.ts';

async function withEntries(db: Db, workspace: string, rows: readonly LoggedModelRow[]): Promise<LoggedModel[]> {
  if (rows.length === 0) return [];
  const entries = await trackingIn(db)
    .selectFrom('logged_model_entries')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where(
      'model_id',
      'in',
      rows.map((r) => r.id),
    )
    .orderBy('key')
    .execute();
  return rows.map((r) => {
    const own = (kind: 'param' | 'tag'): Pair[] =>
      entries.filter((e) => e.model_id === r.id && e.kind === kind).map(({ key, value }) => ({ key, value }));
    return {
      id: r.id,
      experimentId: r.experiment_id,
      name: r.name,
      modelType: r.model_type,
      sourceRunId: r.source_run_id,
      status: r.status,
      statusMessage: r.status_message,
      artifactUri: r.artifact_uri,
      createdMs: r.created_ms,
      updatedMs: r.updated_ms,
      lifecycle: r.lifecycle,
      params: own('param'),
      tags: own('tag'),
    };
  });
}

export async function getLoggedModel(db: Db, workspace: string, id: string): Promise<LoggedModel | undefined> {
  const rows = await trackingIn(db)
    .selectFrom('logged_models')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .execute();
  return (await withEntries(db, workspace, rows))[0];
}

export interface LoggedModelQuery {
  readonly experimentIds: readonly string[];
  readonly name?: string;
  readonly sourceRunId?: string;
  readonly offset: number;
  readonly limit: number;
}

export async function listLoggedModels(db: Db, workspace: string, q: LoggedModelQuery): Promise<LoggedModel[]> {
  let query = trackingIn(db)
    .selectFrom('logged_models')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('lifecycle', '=', 'active');
  if (q.experimentIds.length > 0) query = query.where('experiment_id', 'in', [...q.experimentIds]);
  if (q.name !== undefined) query = query.where('name', '=', q.name);
  if (q.sourceRunId !== undefined) query = query.where('source_run_id', '=', q.sourceRunId);
  return withEntries(db, workspace, await query.orderBy('created_ms', 'desc').orderBy('id').offset(q.offset).limit(q.limit).execute());
}

export async function insertLoggedModel(db: Db, workspace: string, m: LoggedModel): Promise<void> {
  await trackingIn(db)
    .insertInto('logged_models')
    .values({
      workspace_id: workspace,
      id: m.id,
      experiment_id: m.experimentId,
      name: m.name,
      model_type: m.modelType,
      source_run_id: m.sourceRunId,
      status: m.status,
      status_message: m.statusMessage,
      artifact_uri: m.artifactUri,
      created_ms: m.createdMs,
      updated_ms: m.updatedMs,
      lifecycle: m.lifecycle,
    })
    .execute();
  await putEntries(db, workspace, m.id, 'param', m.params);
  await putEntries(db, workspace, m.id, 'tag', m.tags);
}

export const updateLoggedModel = (
  db: Db,
  workspace: string,
  id: string,
  change: Partial<Pick<LoggedModelRow, 'status' | 'status_message' | 'lifecycle'>>,
  nowMs: number,
) =>
  trackingIn(db)
    .updateTable('logged_models')
    .set({ ...change, updated_ms: nowMs })
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .execute();

export async function putEntries(db: Db, workspace: string, id: string, kind: 'param' | 'tag', pairs: readonly Pair[]): Promise<void> {
  if (pairs.length === 0) return;
  await trackingIn(db)
    .insertInto('logged_model_entries')
    .values(pairs.map(({ key, value }) => ({ workspace_id: workspace, model_id: id, kind, key, value })))
    .onConflict((c) => c.columns(['workspace_id', 'model_id', 'kind', 'key']).doUpdateSet((eb) => ({ value: eb.ref('excluded.value') })))
    .execute();
}

export const deleteEntry = (db: Db, workspace: string, id: string, kind: 'param' | 'tag', key: string) =>
  trackingIn(db)
    .deleteFrom('logged_model_entries')
    .where('workspace_id', '=', workspace)
    .where('model_id', '=', id)
    .where('kind', '=', kind)
    .where('key', '=', key)
    .execute();

export async function addModelMetrics(db: Db, workspace: string, runId: string, metrics: readonly Metric[]): Promise<void> {
  const rows = metrics.flatMap((m) => {
    if (m.modelId === undefined) return [];
    const { value, isNan } = storedValue(m.value);
    return [
      {
        workspace_id: workspace,
        model_id: m.modelId,
        run_id: runId,
        key: m.key,
        timestamp_ms: m.timestampMs,
        step: m.step,
        value,
        is_nan: isNan ? 1 : 0,
        dataset_name: m.datasetName ?? null,
        dataset_digest: m.datasetDigest ?? null,
      },
    ];
  });
  if (rows.length > 0)
    await trackingIn(db)
      .insertInto('logged_model_metrics')
      .values(rows)
      .onConflict((c) => c.doNothing())
      .execute();
}

export async function listModelMetrics(db: Db, workspace: string, id: string): Promise<(Metric & { runId: string })[]> {
  const rows = await trackingIn(db)
    .selectFrom('logged_model_metrics')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('model_id', '=', id)
    .orderBy('key')
    .execute();
  return rows.map((r) => ({
    ...toMetric(r),
    runId: r.run_id,
    modelId: id,
    ...(r.dataset_name === null ? {} : { datasetName: r.dataset_name }),
    ...(r.dataset_digest === null ? {} : { datasetDigest: r.dataset_digest }),
  }));
}

export async function putModelFiles(db: Db, workspace: string, id: string, files: readonly ModelFileRow[]): Promise<void> {
  await trackingIn(db).deleteFrom('logged_model_files').where('workspace_id', '=', workspace).where('model_id', '=', id).execute();
  for (let i = 0; i < files.length; i += 1000)
    await trackingIn(db)
      .insertInto('logged_model_files')
      .values(files.slice(i, i + 1000))
      .execute();
}

export const listModelFiles = (db: Db, workspace: string, id: string): Promise<ModelFileRow[]> =>
  trackingIn(db)
    .selectFrom('logged_model_files')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('model_id', '=', id)
    .orderBy('path')
    .execute();
