import { sql } from 'kysely';
import type { Db } from '../../../kernel/db/database.ts';
import { isLater, storedValue, type Lifecycle, type Metric, type Pair, type TrackingRun } from '../model.ts';
import { chunks, trackingIn, type DatasetRow, type InputRow, type LinkRow, type MetricRow, type RunRow } from './tables.ts';

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

export const toMetric = (r: MetricRow): Metric => ({
  key: r.key,
  value: r.is_nan ? Number.NaN : r.value,
  timestampMs: r.timestamp_ms,
  step: r.step,
});

export async function getRun(db: Db, workspace: string, id: string): Promise<TrackingRun | undefined> {
  const row = await trackingIn(db)
    .selectFrom('tracking_runs')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toRun(row);
}

export const insertRun = (db: Db, workspace: string, r: TrackingRun) =>
  trackingIn(db)
    .insertInto('tracking_runs')
    .values({
      workspace_id: workspace,
      id: r.id,
      experiment_id: r.experimentId,
      name: r.name,
      user_id: r.userId,
      status: r.status,
      start_ms: r.startMs,
      end_ms: r.endMs,
      artifact_uri: r.artifactUri,
      lifecycle: r.lifecycle,
      deleted_ms: null,
    })
    .execute();

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

function append<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const held = lists.get(key);
  if (held) held.push(item);
  else lists.set(key, [item]);
}

/** Latest metrics, params and tags of many runs at once. */
export async function dataOf(
  db: Db,
  workspace: string,
  ids: readonly string[],
): Promise<Map<string, { metrics: Metric[]; params: Pair[]; tags: Pair[] }>> {
  const data = new Map(ids.map((id) => [id, { metrics: [] as Metric[], params: [] as Pair[], tags: [] as Pair[] }]));
  for (const some of chunks(ids)) {
    const t = trackingIn(db);
    for (const r of await t
      .selectFrom('latest_metrics')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .where('run_id', 'in', some)
      .orderBy('key')
      .execute())
      data.get(r.run_id)!.metrics.push(toMetric(r));
    for (const r of await t
      .selectFrom('tracking_params')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .where('run_id', 'in', some)
      .orderBy('key')
      .execute())
      data.get(r.run_id)!.params.push({ key: r.key, value: r.value });
    for (const r of await t
      .selectFrom('tracking_tags')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .where('run_id', 'in', some)
      .orderBy('key')
      .execute())
      data.get(r.run_id)!.tags.push({ key: r.key, value: r.value });
  }
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

export const insertParams = (db: Db, workspace: string, runId: string, params: readonly Pair[]) =>
  trackingIn(db)
    .insertInto('tracking_params')
    .values(params.map(({ key, value }) => ({ workspace_id: workspace, run_id: runId, key, value })))
    .execute();

export const putTags = (db: Db, workspace: string, runId: string, tags: readonly Pair[]) =>
  trackingIn(db)
    .insertInto('tracking_tags')
    .values(tags.map(({ key, value }) => ({ workspace_id: workspace, run_id: runId, key, value })))
    .onConflict((c) => c.columns(['workspace_id', 'run_id', 'key']).doUpdateSet((eb) => ({ value: eb.ref('excluded.value') })))
    .execute();

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

/** Adds points (an exact duplicate is nothing new) and moves the latest values. */
export async function addMetrics(db: Db, workspace: string, runId: string, metrics: readonly Metric[]): Promise<void> {
  const rows: MetricRow[] = metrics.map((m) => {
    const { value, isNan } = storedValue(m.value);
    return { workspace_id: workspace, run_id: runId, key: m.key, timestamp_ms: m.timestampMs, step: m.step, value, is_nan: isNan ? 1 : 0 };
  });
  await trackingIn(db)
    .insertInto('tracking_metrics')
    .values(rows)
    .onConflict((c) => c.doNothing())
    .execute();
  const latest = new Map<string, MetricRow>();
  for (const row of rows) {
    const held = latest.get(row.key);
    if (!held || isLater({ ...row, timestampMs: row.timestamp_ms }, { ...held, timestampMs: held.timestamp_ms })) latest.set(row.key, row);
  }
  await trackingIn(db)
    .insertInto('latest_metrics')
    .values([...latest.values()])
    .onConflict((c) =>
      c
        .columns(['workspace_id', 'run_id', 'key'])
        .doUpdateSet((eb) => ({
          timestamp_ms: eb.ref('excluded.timestamp_ms'),
          step: eb.ref('excluded.step'),
          value: eb.ref('excluded.value'),
          is_nan: eb.ref('excluded.is_nan'),
        }))
        .where(
          sql<boolean>`(excluded.step, excluded.timestamp_ms, excluded.value) > (latest_metrics.step, latest_metrics.timestamp_ms, latest_metrics.value)`,
        ),
    )
    .execute();
}

export async function metricHistory(
  db: Db,
  workspace: string,
  runId: string,
  key: string,
  offset: number,
  limit: number,
): Promise<Metric[]> {
  const rows = await trackingIn(db)
    .selectFrom('tracking_metrics')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('run_id', '=', runId)
    .where('key', '=', key)
    .orderBy('timestamp_ms')
    .orderBy('step')
    .orderBy('value')
    .offset(offset)
    .limit(limit)
    .execute();
  return rows.map(toMetric);
}

export async function addInput(db: Db, dataset: DatasetRow, input: InputRow): Promise<void> {
  await trackingIn(db)
    .insertInto('tracking_datasets')
    .values(dataset)
    .onConflict((c) => c.doNothing())
    .execute();
  await trackingIn(db)
    .insertInto('tracking_inputs')
    .values(input)
    .onConflict((c) => c.doNothing())
    .execute();
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

/** Input datasets of many runs at once. */
export async function inputsOf(db: Db, workspace: string, ids: readonly string[]): Promise<Map<string, RunInput[]>> {
  const found = new Map<string, RunInput[]>();
  for (const some of chunks(ids))
    for (const row of await trackingIn(db)
      .selectFrom('tracking_inputs as i')
      .innerJoin('tracking_datasets as d', (j) =>
        j
          .onRef('d.workspace_id', '=', 'i.workspace_id')
          .onRef('d.experiment_id', '=', 'i.experiment_id')
          .onRef('d.name', '=', 'i.name')
          .onRef('d.digest', '=', 'i.digest'),
      )
      .select(['i.run_id', 'd.name', 'd.digest', 'd.source_type', 'd.source', 'd.schema', 'd.profile', 'i.tags'])
      .where('i.workspace_id', '=', workspace)
      .where('i.run_id', 'in', some)
      .orderBy('i.run_id')
      .orderBy('d.name')
      .orderBy('d.digest')
      .execute())
      append(found, row.run_id, row);
  return found;
}

export const addLinks = (db: Db, links: readonly LinkRow[]) =>
  trackingIn(db)
    .insertInto('model_links')
    .values([...links])
    .onConflict((c) => c.doNothing())
    .execute();

/** Logged models that runs read and wrote, of many runs at once. */
export async function linksOf(db: Db, workspace: string, ids: readonly string[]): Promise<Map<string, LinkRow[]>> {
  const found = new Map<string, LinkRow[]>();
  for (const some of chunks(ids))
    for (const row of await trackingIn(db)
      .selectFrom('model_links')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .where('run_id', 'in', some)
      .orderBy('run_id')
      .orderBy('step')
      .orderBy('model_id')
      .execute())
      append(found, row.run_id, row);
  return found;
}
