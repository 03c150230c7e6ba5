// What ends or renames models and versions, and who holds on to them.
import type { Db } from '../../../kernel/db/database.ts';
import type { ModelVersion, Stage } from '../model.ts';
import { registryIn } from './tables.ts';
import { toVersion } from './versions.ts';

/** Words that stand for what a deleted version said of itself; MLflow's. */
export const REDACTED = { source: 'REDACTED-SOURCE-PATH', runLink: 'REDACTED-RUN-LINK' } as const;

/** Marks a version deleted: its number stays taken, what was served once keeps its digest and evidence. */
export const redactVersion = (db: Db, workspace: string, id: string, nowMs: number) =>
  registryIn(db)
    .updateTable('model_versions')
    .set((eb) => ({
      stage: 'Deleted_Internal',
      description: null,
      source: REDACTED.source,
      location: null,
      tracking_run_id: null,
      run_link: REDACTED.runLink,
      updated_ms: nowMs,
      version: eb('version', '+', 1),
    }))
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .execute();

export const deleteAliasesOf = (db: Db, workspace: string, model: string, number: number) =>
  registryIn(db)
    .deleteFrom('model_aliases')
    .where('workspace_id', '=', workspace)
    .where('model', '=', model)
    .where('number', '=', number)
    .execute();

export const setStage = (db: Db, workspace: string, id: string, stage: Stage, nowMs: number) =>
  registryIn(db)
    .updateTable('model_versions')
    .set((eb) => ({ stage, updated_ms: nowMs, version: eb('version', '+', 1) }))
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .execute();

/** Every other version of the model in this stage goes to "Archived". */
export const archiveOthers = (db: Db, workspace: string, of: ModelVersion, stage: Stage, nowMs: number) =>
  registryIn(db)
    .updateTable('model_versions')
    .set((eb) => ({ stage: 'Archived', updated_ms: nowMs, version: eb('version', '+', 1) }))
    .where('workspace_id', '=', workspace)
    .where('model', '=', of.model)
    .where('number', '!=', of.number)
    .where('stage', '=', stage)
    .execute();

export const touchModel = (db: Db, workspace: string, name: string, nowMs: number) =>
  registryIn(db).updateTable('models').set({ updated_ms: nowMs }).where('workspace_id', '=', workspace).where('name', '=', name).execute();

/** A model that a client made before its project registered one becomes the project's. */
export const adoptModel = (db: Db, workspace: string, name: string, project: string) =>
  registryIn(db)
    .updateTable('models')
    .set({ project, managed_by: 'file' })
    .where('workspace_id', '=', workspace)
    .where('name', '=', name)
    .where('project', 'is', null)
    .execute();

export async function renameModel(db: Db, workspace: string, name: string, to: string, nowMs: number): Promise<void> {
  const tables = registryIn(db);
  await tables
    .updateTable('models')
    .set({ name: to, updated_ms: nowMs })
    .where('workspace_id', '=', workspace)
    .where('name', '=', name)
    .execute();
  await tables
    .updateTable('model_versions')
    .set({ model: to, updated_ms: nowMs })
    .where('workspace_id', '=', workspace)
    .where('model', '=', name)
    .execute();
  await tables.updateTable('model_aliases').set({ model: to }).where('workspace_id', '=', workspace).where('model', '=', name).execute();
  await tables.updateTable('model_tags').set({ model: to }).where('workspace_id', '=', workspace).where('model', '=', name).execute();
  await tables.updateTable('decisions').set({ model: to }).where('workspace_id', '=', workspace).where('model', '=', name).execute();
}

/** The model with its versions, aliases and tags; a new one of its name begins at 1. */
export async function deleteModel(db: Db, workspace: string, name: string): Promise<void> {
  const tables = registryIn(db);
  const versions = tables.selectFrom('model_versions').select('id').where('workspace_id', '=', workspace).where('model', '=', name);
  await tables.deleteFrom('model_version_files').where('workspace_id', '=', workspace).where('version_id', 'in', versions).execute();
  await tables.deleteFrom('model_versions').where('workspace_id', '=', workspace).where('model', '=', name).execute();
  await tables.deleteFrom('model_aliases').where('workspace_id', '=', workspace).where('model', '=', name).execute();
  await tables.deleteFrom('model_tags').where('workspace_id', '=', workspace).where('model', '=', name).execute();
  await tables.deleteFrom('models').where('workspace_id', '=', workspace).where('name', '=', name).execute();
}

/** Versions of a model that somebody holds, with their holders. */
export async function listHolds(db: Db, workspace: string, model: string): Promise<{ holder: string; number: number }[]> {
  return registryIn(db)
    .selectFrom('model_version_holds as h')
    .innerJoin('model_versions as v', (j) => j.onRef('v.workspace_id', '=', 'h.workspace_id').onRef('v.id', '=', 'h.version_id'))
    .select(['h.holder', 'v.number'])
    .where('h.workspace_id', '=', workspace)
    .where('v.model', '=', model)
    .orderBy('h.holder')
    .orderBy('v.number')
    .execute();
}

export async function addHolds(db: Db, workspace: string, holder: string, versionIds: readonly string[]): Promise<void> {
  for (const id of new Set(versionIds))
    await registryIn(db)
      .insertInto('model_version_holds')
      .values({ workspace_id: workspace, holder, version_id: id })
      .onConflict((c) => c.doNothing())
      .execute();
}

export const dropHolds = (db: Db, workspace: string, holder: string, except: readonly string[]) =>
  registryIn(db)
    .deleteFrom('model_version_holds')
    .where('workspace_id', '=', workspace)
    .where('holder', '=', holder)
    .$if(except.length > 0, (q) => q.where('version_id', 'not in', [...except]))
    .execute();

/** Versions of a logged model that wait for their files. */
export async function listUnsealedOf(db: Db, workspace: string, loggedModelId: string): Promise<ModelVersion[]> {
  const rows = await registryIn(db)
    .selectFrom('model_versions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('logged_model_id', '=', loggedModelId)
    .where('state', '=', 'unsealed')
    .where('stage', '!=', 'Deleted_Internal')
    .orderBy('number')
    .execute();
  return rows.map(toVersion);
}

/** The next version gets a number above this one. */
export const raiseNumber = (db: Db, workspace: string, name: string, number: number) =>
  registryIn(db)
    .updateTable('models')
    .set({ last_number: number })
    .where('workspace_id', '=', workspace)
    .where('name', '=', name)
    .where('last_number', '<', number)
    .execute();
