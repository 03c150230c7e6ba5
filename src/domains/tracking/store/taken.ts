// Rows that come from another installation, many at a time: written as they were there, with their ids and times.
import type { Db } from '../../../kernel/db/database.ts';
import { insertMany } from '../../../kernel/db/insert-many.ts';
import { statement } from '../../../kernel/db/statement.ts';
import { DATASET_CONTEXT_TAG, type Pair, type TrackingRun } from '../model.ts';
import { entryColumns, overwrittenEntry, toEntry } from './entries.ts';
import { findHeads, groupsOf, inTime } from './blocks.ts';
import { countOf, stepAt, timeAt, valueAt } from './points.ts';
import { chunks, trackingIn, type DatasetRow, type InputRow } from './tables.ts';

export interface TakenInput {
  readonly name: string;
  readonly digest: string;
  readonly sourceType: string;
  readonly source: string;
  readonly schema: string | null;
  readonly profile: string | null;
  readonly tags: readonly Pair[];
}
export interface TakenLink {
  readonly id: string;
  readonly role: 'input' | 'output';
  readonly step: number;
}
/** A run with everything it records but its metrics and files. */
export interface TakenRun extends Omit<TrackingRun, 'artifactUri'> {
  readonly deletedMs: number | null;
  /** null = where the artifacts of new runs go. */
  readonly artifactUri: string | null;
  readonly params: readonly Pair[];
  readonly tags: readonly Pair[];
  readonly inputs: readonly TakenInput[];
  readonly models: readonly TakenLink[];
}

const putRuns = insertMany({
  table: 'tracking_runs',
  columns: {
    workspace_id: 'id',
    id: 'id',
    experiment_id: 'id',
    name: 'text',
    user_id: 'text',
    status: 'text',
    start_ms: 'int',
    end_ms: 'int',
    artifact_uri: 'text',
    lifecycle: 'text',
    deleted_ms: 'int',
  },
  then: `on conflict (workspace_id, id) do update set name = excluded.name, user_id = excluded.user_id, status = excluded.status,
    start_ms = excluded.start_ms, end_ms = excluded.end_ms, lifecycle = excluded.lifecycle, deleted_ms = excluded.deleted_ms`,
});
const putParams = insertMany({ table: 'tracking_params', columns: entryColumns, then: overwrittenEntry });
const putTags = insertMany({ table: 'tracking_tags', columns: entryColumns, then: overwrittenEntry });
const putDatasets = insertMany({
  table: 'tracking_datasets',
  columns: {
    workspace_id: 'id',
    experiment_id: 'id',
    name: 'text',
    digest: 'text',
    source_type: 'text',
    source: 'text',
    schema: 'text',
    profile: 'text',
  },
  then: 'on conflict do nothing',
});
const putInputs = insertMany({
  table: 'tracking_inputs',
  columns: { workspace_id: 'id', run_id: 'id', experiment_id: 'id', name: 'text', digest: 'text', context: 'text', tags: 'json' },
  then: 'on conflict do nothing',
});
const putLinks = insertMany({
  table: 'model_links',
  columns: { workspace_id: 'id', run_id: 'id', model_id: 'id', role: 'text', step: 'int' },
  then: 'on conflict do nothing',
});

/** Datasets with their use by a run; what is there already stays as it is. */
export async function addInputs(db: Db, datasets: readonly DatasetRow[], inputs: readonly InputRow[]): Promise<void> {
  await putDatasets(
    db,
    datasets.map((d) => [d.workspace_id, d.experiment_id, d.name, d.digest, d.source_type, d.source, d.schema, d.profile]),
  );
  await putInputs(
    db,
    inputs.map((i) => [i.workspace_id, i.run_id, i.experiment_id, i.name, i.digest, i.context, i.tags]),
  );
}

const byKey = (list: readonly Pair[]): [string, string][] => [...new Map(list.map((p) => [p.key, p.value]))];

export async function putTakenRuns(
  db: Db,
  workspace: string,
  runs: readonly (TakenRun & { readonly artifactUri: string })[],
): Promise<void> {
  await putRuns(
    db,
    runs.map((r) => [
      workspace,
      r.id,
      r.experimentId,
      r.name,
      r.userId,
      r.status,
      r.startMs,
      r.endMs,
      r.artifactUri,
      r.lifecycle,
      r.deletedMs,
    ]),
  );
  const entries = (of: 'params' | 'tags') =>
    runs.flatMap((r) => byKey(r[of]).map(([key, value]) => toEntry(workspace, r.id, { key, value })));
  await putParams(db, entries('params'));
  await putTags(db, entries('tags'));
  const inputs = runs.flatMap((r) => r.inputs.map((i) => ({ ...i, run: r })));
  await putDatasets(
    db,
    inputs.map((i) => [workspace, i.run.experimentId, i.name, i.digest, i.sourceType, i.source, i.schema, i.profile]),
  );
  await putInputs(
    db,
    inputs.map((i) => [
      workspace,
      i.run.id,
      i.run.experimentId,
      i.name,
      i.digest,
      i.tags.find((t) => t.key === DATASET_CONTEXT_TAG)?.value ?? null,
      JSON.stringify(i.tags),
    ]),
  );
  await putLinks(
    db,
    runs.flatMap((r) => r.models.map((m) => [workspace, r.id, m.id, m.role, m.step])),
  );
}

/** All points of one metric in the order of time, step and value. */
export async function* pointsInOrder(
  db: Db,
  workspace: string,
  runId: string,
  key: string,
): AsyncGenerator<(readonly [number, number, number])[]> {
  const groups = groupsOf(await findHeads(db, workspace, [runId], key));
  for await (const points of inTime(db, workspace, runId, key, groups))
    yield Array.from({ length: countOf(points) }, (_, i) => [timeAt(points, i), stepAt(points, i), valueAt(points, i)] as const);
}

const keys = statement<{ key: string }>('select key from latest_metrics where workspace_id = ? and run_id = ?');
export const metricKeys = async (db: Db, workspace: string, runId: string): Promise<string[]> =>
  (await keys(db, workspace, runId)).map((r) => r.key);

/** The ids among these that are taken. */
export async function takenIds(
  db: Db,
  workspace: string,
  table: 'tracking_runs' | 'logged_models' | 'experiments',
  ids: readonly string[],
): Promise<Set<string>> {
  const found = new Set<string>();
  for (let i = 0; i < ids.length; i += 1000)
    for (const { id } of await trackingIn(db)
      .selectFrom(table)
      .select('id')
      .where('workspace_id', '=', workspace)
      .where('id', 'in', ids.slice(i, i + 1000))
      .execute())
      found.add(id);
  return found;
}

export async function experimentIds(
  db: Db,
  workspace: string,
  table: 'tracking_runs' | 'logged_models',
  ids: readonly string[],
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const part of chunks(ids))
    for (const row of await trackingIn(db)
      .selectFrom(table)
      .select(['id', 'experiment_id'])
      .where('workspace_id', '=', workspace)
      .where('id', 'in', part)
      .execute())
      found.set(row.id, row.experiment_id);
  return found;
}

export const findTakenRuns = async (db: Db, workspace: string, ids: readonly string[]) =>
  ids.length === 0
    ? []
    : trackingIn(db)
        .selectFrom('tracking_runs')
        .selectAll()
        .where('workspace_id', '=', workspace)
        .where('id', 'in', [...ids])
        .execute();
