import type { Db } from '../../../kernel/db/database.ts';
import { insertMany } from '../../../kernel/db/insert-many.ts';
import { statement } from '../../../kernel/db/statement.ts';
import type { Experiment, Lifecycle, Pair } from '../model.ts';
import { chunks, trackingIn, type ExperimentRow } from './tables.ts';

const tagsOf = statement<Pair>('select key, value from experiment_tags where workspace_id = ? and experiment_id = ? order by key');

const toExperiment = (r: ExperimentRow, tags: readonly Pair[]): Experiment => ({
  id: r.id,
  name: r.name,
  artifactLocation: r.artifact_location,
  lifecycle: r.lifecycle,
  createdMs: r.created_ms,
  updatedMs: r.updated_ms,
  tags,
});

/** The experiments of these rows with their tags. */
export async function withTags(db: Db, workspace: string, rows: readonly ExperimentRow[]): Promise<Experiment[]> {
  const tags = new Map(rows.map((r) => [r.id, [] as Pair[]]));
  for (const ids of chunks(rows.map((r) => r.id)))
    for (const { experiment_id, key, value } of await trackingIn(db)
      .selectFrom('experiment_tags')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .where('experiment_id', 'in', ids)
      .orderBy('key')
      .execute())
      tags.get(experiment_id)!.push({ key, value });
  return rows.map((r) => toExperiment(r, tags.get(r.id)!));
}

const byId = statement<ExperimentRow>('select * from experiments where workspace_id = ? and id = ?', 'prepared');
const byName = statement<ExperimentRow>('select * from experiments where workspace_id = ? and name = ?');

const withItsTags = async (db: Db, workspace: string, row: ExperimentRow | undefined): Promise<Experiment | undefined> =>
  row && toExperiment(row, await tagsOf(db, workspace, row.id));

export const getExperiment = async (db: Db, workspace: string, id: string): Promise<Experiment | undefined> =>
  withItsTags(db, workspace, (await byId(db, workspace, id))[0]);

/** Without its tags. */
export async function experimentOnly(db: Db, workspace: string, id: string): Promise<Omit<Experiment, 'tags'> | undefined> {
  const [row] = await byId(db, workspace, id);
  return row && toExperiment(row, []);
}

export const findExperiment = async (db: Db, workspace: string, name: string): Promise<Experiment | undefined> =>
  withItsTags(db, workspace, (await byName(db, workspace, name))[0]);

/** Experiments whose location is spelled one of these ways, or may lie anywhere: with the name of a host. */
export const findLocations = (db: Db, workspace: string, spelled: readonly string[]): Promise<{ id: string; location: string }[]> =>
  trackingIn(db)
    .selectFrom('experiments')
    .select(['id', 'artifact_location as location'])
    .where('workspace_id', '=', workspace)
    .where((eb) =>
      eb.or([
        eb('artifact_location', 'in', [...spelled]),
        eb('artifact_location', 'like', 'mlflow-artifacts://%'),
        eb('artifact_location', 'like', 'http%'),
      ]),
    )
    .execute();

export async function nextExperimentNumber(db: Db, workspace: string): Promise<number> {
  const row = await trackingIn(db)
    .selectFrom('experiments')
    .select((eb) => eb.fn.max('number').as('last'))
    .where('workspace_id', '=', workspace)
    .executeTakeFirst();
  // One that was purged keeps its number: what was said of it is never taken for another's.
  const gone = await trackingIn(db)
    .selectFrom('tracking_removals')
    .select((eb) => eb.fn.max('number').as('last'))
    .where('workspace_id', '=', workspace)
    .where('kind', '=', 'experiment')
    .executeTakeFirst();
  return Math.max(row?.last ?? -1, gone?.last ?? -1) + 1;
}

export async function insertExperiment(db: Db, workspace: string, e: Experiment): Promise<void> {
  await trackingIn(db)
    .insertInto('experiments')
    .values({
      workspace_id: workspace,
      id: e.id,
      // An id that another installation gave may have more digits than a number here; then it only has a place in the order.
      number: Number.isSafeInteger(Number(e.id)) ? Number(e.id) : await nextExperimentNumber(db, workspace),
      name: e.name,
      artifact_location: e.artifactLocation,
      lifecycle: e.lifecycle,
      created_ms: e.createdMs,
      updated_ms: e.updatedMs,
    })
    .execute();
  await setExperimentTags(db, workspace, e.id, e.tags);
}

const putTags = insertMany({
  table: 'experiment_tags',
  columns: { workspace_id: 'id', experiment_id: 'id', key: 'text', value: 'text' },
  then: 'on conflict (workspace_id, experiment_id, key) do update set value = excluded.value',
});

/** Of two with one key the last one counts. */
export const setExperimentTags = (db: Db, workspace: string, id: string, tags: readonly Pair[]): Promise<void> =>
  putTags(
    db,
    [...new Map(tags.map((t) => [t.key, t.value]))].map(([key, value]) => [workspace, id, key, value]),
  );

export async function deleteExperimentTag(db: Db, workspace: string, id: string, key: string): Promise<boolean> {
  const result = await trackingIn(db)
    .deleteFrom('experiment_tags')
    .where('workspace_id', '=', workspace)
    .where('experiment_id', '=', id)
    .where('key', '=', key)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

export const updateExperiment = (db: Db, workspace: string, id: string, change: { name?: string; lifecycle?: Lifecycle }, nowMs: number) =>
  trackingIn(db)
    .updateTable('experiments')
    .set({ ...change, updated_ms: nowMs })
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .execute();
