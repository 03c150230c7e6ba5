import type { Db } from '../../../kernel/db/database.ts';
import { storedValue, type LoggedModel, type Metric, type Pair } from '../model.ts';
import { toMetric } from './metrics.ts';
import { chunks, trackingIn, type LoggedModelRow, type ModelFileRow } from './tables.ts';

/** The models of these rows with their params and tags. */
export async function withEntries(db: Db, workspace: string, rows: readonly LoggedModelRow[]): Promise<LoggedModel[]> {
  if (rows.length === 0) return [];
  const entries = new Map(rows.map((r) => [r.id, { param: [] as Pair[], tag: [] as Pair[] }]));
  for (const ids of chunks(rows.map((r) => r.id)))
    for (const { model_id, kind, key, value } of await trackingIn(db)
      .selectFrom('logged_model_entries')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .where('model_id', 'in', ids)
      .orderBy('key')
      .execute())
      entries.get(model_id)![kind].push({ key, value });
  return rows.map((r) => {
    const own = entries.get(r.id)!;
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
      params: own.param,
      tags: own.tag,
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

export interface LoggedModelsOf {
  readonly experimentIds: readonly string[];
  readonly name?: string;
  readonly sourceRunId?: string;
  readonly offset: number;
  readonly limit: number;
}

/** The newest first. */
export async function listLoggedModels(db: Db, workspace: string, q: LoggedModelsOf): Promise<LoggedModel[]> {
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

export async function deleteEntry(db: Db, workspace: string, id: string, kind: 'param' | 'tag', key: string): Promise<boolean> {
  const result = await trackingIn(db)
    .deleteFrom('logged_model_entries')
    .where('workspace_id', '=', workspace)
    .where('model_id', '=', id)
    .where('kind', '=', kind)
    .where('key', '=', key)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** The experiments that logged models are of; nothing for those that are not there. */
export const experimentsOfModels = async (db: Db, workspace: string, ids: readonly string[]): Promise<string[]> =>
  (
    await trackingIn(db)
      .selectFrom('logged_models')
      .select('experiment_id')
      .distinct()
      .where('workspace_id', '=', workspace)
      .where('id', 'in', ids)
      .execute()
  ).map((row) => row.experiment_id);

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

export type ModelMetric = Metric & { readonly runId: string };

/** Metrics of many models at once. */
export async function modelMetricsOf(db: Db, workspace: string, ids: readonly string[]): Promise<Map<string, ModelMetric[]>> {
  const found = new Map<string, ModelMetric[]>(ids.map((id) => [id, []]));
  for (const some of chunks(ids))
    for (const r of await trackingIn(db)
      .selectFrom('logged_model_metrics')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .where('model_id', 'in', some)
      .orderBy('key')
      .orderBy('timestamp_ms')
      .orderBy('step')
      .execute())
      found.get(r.model_id)!.push({
        ...toMetric(r),
        runId: r.run_id,
        modelId: r.model_id,
        ...(r.dataset_name === null ? {} : { datasetName: r.dataset_name }),
        ...(r.dataset_digest === null ? {} : { datasetDigest: r.dataset_digest }),
      });
  return found;
}

export async function insertModelFiles(
  db: Db,
  workspace: string,
  id: string,
  files: readonly { path: string; digest: string; sizeBytes: number }[],
): Promise<void> {
  for (let i = 0; i < files.length; i += 1000)
    await trackingIn(db)
      .insertInto('logged_model_files')
      .values(
        files
          .slice(i, i + 1000)
          .map((f) => ({ workspace_id: workspace, model_id: id, path: f.path, digest: f.digest, size_bytes: f.sizeBytes })),
      )
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

/** Another file takes the place of a logged model's. */
export const putLoggedModelFile = (
  db: Db,
  workspace: string,
  modelId: string,
  path: string,
  by: { readonly digest: string; readonly sizeBytes: number },
) =>
  trackingIn(db)
    .updateTable('logged_model_files')
    .set({ digest: by.digest, size_bytes: by.sizeBytes })
    .where('workspace_id', '=', workspace)
    .where('model_id', '=', modelId)
    .where('path', '=', path)
    .execute();
