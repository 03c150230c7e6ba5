import type { Db } from '../../../kernel/db/database.ts';
import type { Experiment, Lifecycle, Pair } from '../model.ts';
import { trackingIn, type ExperimentRow } from './tables.ts';

async function withTags(db: Db, workspace: string, rows: readonly ExperimentRow[]): Promise<Experiment[]> {
  if (rows.length === 0) return [];
  const tags = await trackingIn(db)
    .selectFrom('experiment_tags')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where(
      'experiment_id',
      'in',
      rows.map((r) => r.id),
    )
    .orderBy('key')
    .execute();
  return rows.map((r) => ({
    id: r.id,
    name: r.name,
    artifactLocation: r.artifact_location,
    lifecycle: r.lifecycle,
    createdMs: r.created_ms,
    updatedMs: r.updated_ms,
    tags: tags.filter((t) => t.experiment_id === r.id).map(({ key, value }) => ({ key, value })),
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

export async function listExperiments(
  db: Db,
  workspace: string,
  lifecycles: readonly Lifecycle[],
  offset: number,
  limit: number,
): Promise<Experiment[]> {
  const rows = await trackingIn(db)
    .selectFrom('experiments')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('lifecycle', 'in', [...lifecycles])
    .orderBy('created_ms', 'desc')
    .orderBy('number')
    .offset(offset)
    .limit(limit)
    .execute();
  return withTags(db, workspace, rows);
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

export const updateExperiment = (db: Db, workspace: string, id: string, change: { name?: string; lifecycle?: Lifecycle }, nowMs: number) =>
  trackingIn(db)
    .updateTable('experiments')
    .set({ ...change, updated_ms: nowMs })
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .execute();
