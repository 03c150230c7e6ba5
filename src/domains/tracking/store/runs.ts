import type { Db } from '../../../kernel/db/database.ts';
import { insertMany } from '../../../kernel/db/insert-many.ts';
import { command, statement } from '../../../kernel/db/statement.ts';
import type { Lifecycle, Metric, Pair, TrackingRun } from '../model.ts';
import { entryColumns, overwrittenEntry, toEntry } from './entries.ts';
import { toMetric } from './metrics.ts';
import { byRun, ofRuns } from './of-runs.ts';
import { trackingIn, type EntryRow, type LinkRow, type MetricRow, type RunRow } from './tables.ts';

export { addMetrics, metricHistory } from './metrics.ts';

export const toRun = (r: RunRow): TrackingRun => ({
  id: r.id,
  experimentId: r.experiment_id,
  name: r.name,
  userId: r.user_id,
  status: r.status,
  startMs: r.start_ms,
  endMs: r.end_ms,
  artifactUri: r.artifact_uri,
  lifecycle: r.lifecycle,
});

const runById = statement<RunRow>('select * from tracking_runs where workspace_id = ? and id = ?', 'prepared');

export async function getRun(db: Db, workspace: string, id: string): Promise<TrackingRun | undefined> {
  const [row] = await runById(db, workspace, id);
  return row && toRun(row);
}

const insertedRun = command(
  `insert into tracking_runs (workspace_id, id, experiment_id, name, user_id, status, start_ms, end_ms, artifact_uri, lifecycle, deleted_ms)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, null)`,
);

export const insertRun = (db: Db, workspace: string, r: TrackingRun): Promise<unknown> =>
  insertedRun(db, workspace, r.id, r.experimentId, r.name, r.userId, r.status, r.startMs, r.endMs, r.artifactUri, r.lifecycle);

export const updateRun = (
  db: Db,
  workspace: string,
  id: string,
  change: Partial<Pick<RunRow, 'name' | 'status' | 'end_ms' | 'lifecycle' | 'deleted_ms'>>,
) => trackingIn(db).updateTable('tracking_runs').set(change).where('workspace_id', '=', workspace).where('id', '=', id).execute();

export const setLifecycleOfRuns = (db: Db, workspace: string, experimentId: string, lifecycle: Lifecycle, nowMs: number) =>
  trackingIn(db)
    .updateTable('tracking_runs')
    .set({ lifecycle, deleted_ms: lifecycle === 'deleted' ? nowMs : null })
    .where('workspace_id', '=', workspace)
    .where('experiment_id', '=', experimentId)
    .execute();

export interface RunData {
  readonly metrics: readonly Metric[];
  readonly params: readonly Pair[];
  readonly tags: readonly Pair[];
}

const latestOf = ofRuns<MetricRow>('select run_id, key, timestamp_ms, step, value, is_nan from latest_metrics', 'key');
const paramsOf = ofRuns<EntryRow>('select run_id, key, value from tracking_params', 'key');
const tagsOf = ofRuns<EntryRow>('select run_id, key, value from tracking_tags', 'key');

/**
 * Latest metrics, params and tags of many runs. A handle that is not a transaction's may look for all `atOnce`: PostgreSQL
 * finds some while others are taken in here.
 */
export async function dataOf(
  db: Db,
  workspace: string,
  ids: readonly string[],
  atOnce = false,
): Promise<Map<string, { metrics: Metric[]; params: Pair[]; tags: Pair[] }>> {
  const data = new Map(ids.map((id) => [id, { metrics: [] as Metric[], params: [] as Pair[], tags: [] as Pair[] }]));
  const [metrics, params, tags] = atOnce
    ? await Promise.all([latestOf(db, workspace, ids), paramsOf(db, workspace, ids), tagsOf(db, workspace, ids)])
    : [await latestOf(db, workspace, ids), await paramsOf(db, workspace, ids), await tagsOf(db, workspace, ids)];
  for (const r of metrics) data.get(r.run_id)!.metrics.push(toMetric(r));
  for (const r of params) data.get(r.run_id)!.params.push({ key: r.key, value: r.value });
  for (const r of tags) data.get(r.run_id)!.tags.push({ key: r.key, value: r.value });
  return data;
}

export const findParams = (db: Db, workspace: string, runId: string, keys: readonly string[]): Promise<Pair[]> =>
  trackingIn(db)
    .selectFrom('tracking_params')
    .select(['key', 'value'])
    .where('workspace_id', '=', workspace)
    .where('run_id', '=', runId)
    .where('key', 'in', [...keys])
    .execute();

const insertedParams = insertMany({ table: 'tracking_params', columns: entryColumns });
const putAllTags = insertMany({
  table: 'tracking_tags',
  columns: entryColumns,
  then: overwrittenEntry,
});
const entries = (workspace: string, runId: string, pairs: readonly Pair[]) => pairs.map((p) => toEntry(workspace, runId, p));

export const insertParams = (db: Db, workspace: string, runId: string, params: readonly Pair[]): Promise<void> =>
  insertedParams(db, entries(workspace, runId, params));

/** The keys are all different. */
export const putTags = (db: Db, workspace: string, runId: string, tags: readonly Pair[]): Promise<void> =>
  putAllTags(
    db,
    entries(
      workspace,
      runId,
      // In one order, so that two who write the same ones never wait for each other.
      [...tags].sort((a, b) => (a.key < b.key ? -1 : 1)),
    ),
  );

export async function findTag(db: Db, workspace: string, runId: string, key: string): Promise<string | undefined> {
  const row = await trackingIn(db)
    .selectFrom('tracking_tags')
    .select('value')
    .where('workspace_id', '=', workspace)
    .where('run_id', '=', runId)
    .where('key', '=', key)
    .executeTakeFirst();
  return row?.value;
}

export async function deleteTag(db: Db, workspace: string, runId: string, key: string): Promise<boolean> {
  const result = await trackingIn(db)
    .deleteFrom('tracking_tags')
    .where('workspace_id', '=', workspace)
    .where('run_id', '=', runId)
    .where('key', '=', key)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

export interface RunInput {
  readonly run_id: string;
  readonly name: string;
  readonly digest: string;
  readonly source_type: string;
  readonly source: string;
  readonly schema: string | null;
  readonly profile: string | null;
  /** Tags of the input as JSON: `[{"key", "value"}]`. */
  readonly tags: string;
}

const inputs = ofRuns<RunInput>(
  `select i.run_id, d.name, d.digest, d.source_type, d.source, d."schema", d.profile, i.tags from tracking_inputs i
    join tracking_datasets d
      on d.workspace_id = i.workspace_id and d.experiment_id = i.experiment_id and d.name = i.name and d.digest = i.digest`,
  'd.name, d.digest',
  'i.',
);
const links = ofRuns<LinkRow>('select * from model_links', 'step, model_id');

/** Input datasets of many runs at once. */
export const inputsOf = async (db: Db, workspace: string, ids: readonly string[]): Promise<Map<string, RunInput[]>> =>
  byRun(await inputs(db, workspace, ids));

export const addLinks = (db: Db, links: readonly LinkRow[]) =>
  trackingIn(db)
    .insertInto('model_links')
    .values([...links])
    .onConflict((c) => c.doNothing())
    .execute();

/** Logged models that runs read and wrote, of many runs at once. */
export const linksOf = async (db: Db, workspace: string, ids: readonly string[]): Promise<Map<string, LinkRow[]>> =>
  byRun(await links(db, workspace, ids));
