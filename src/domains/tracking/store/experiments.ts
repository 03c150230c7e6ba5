import type { Db } from '../../../kernel/db/database.ts';
import type { Experiment, Lifecycle, Pair } from '../model.ts';
import { chunks, trackingIn, type ExperimentRow } from './tables.ts';

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
  return rows.map((r) => ({
    id: r.id,
    name: r.name,
    artifactLocation: r.artifact_location,
    lifecycle: r.lifecycle,
    createdMs: r.created_ms,
    updatedMs: r.updated_ms,
    tags: tags.get(r.id)!,
  }));
}

export async function getExperiment(db: Db, workspace: string, id: string): Promise<Experiment | undefined> {
  const rows = await trackingIn(db)
    .selectFrom('experiments')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .execute();
  return (await withTags(db, workspace, rows))[0];
}

export async function findExperiment(db: Db, workspace: string, name: string): Promise<Experiment | undefined> {
  const rows = await trackingIn(db)
    .selectFrom('experiments')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('name', '=', name)
    .execute();
  return (await withTags(db, workspace, rows))[0];
}

export async function nextExperimentNumber(db: Db, workspace: string): Promise<number> {
  const row = await trackingIn(db)
    .selectFrom('experiments')
    .select((eb) => eb.fn.max('number').as('last'))
    .where('workspace_id', '=', workspace)
    .executeTakeFirst();
  return (row?.last ?? -1) + 1;
}

export async function insertExperiment(db: Db, workspace: string, e: Experiment): Promise<void> {
  await trackingIn(db)
    .insertInto('experiments')
    .values({
      workspace_id: workspace,
      id: e.id,
      number: Number(e.id),
      name: e.name,
      artifact_location: e.artifactLocation,
      lifecycle: e.lifecycle,
      created_ms: e.createdMs,
      updated_ms: e.updatedMs,
    })
    .execute();
  await setExperimentTags(db, workspace, e.id, e.tags);
}

export async function setExperimentTags(db: Db, workspace: string, id: string, tags: readonly Pair[]): Promise<void> {
  for (const { key, value } of tags)
    await trackingIn(db)
      .insertInto('experiment_tags')
      .values({ workspace_id: workspace, experiment_id: id, key, value })
      .onConflict((c) => c.columns(['workspace_id', 'experiment_id', 'key']).doUpdateSet({ value }))
      .execute();
}

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
