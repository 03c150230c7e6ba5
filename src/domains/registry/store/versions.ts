import type { Db } from '../../../kernel/db/database.ts';
import type { ModelVersion } from '../model.ts';
import { registryIn, type VersionFileRow, type VersionRow } from './tables.ts';

export const toVersion = (row: VersionRow): ModelVersion => ({
  id: row.id,
  model: row.model,
  number: row.number,
  state: row.state,
  stage: row.stage,
  source: row.source,
  location: row.location,
  description: row.description,
  trackingRunId: row.tracking_run_id,
  loggedModelId: row.logged_model_id,
  runLink: row.run_link,
  unsealedBecause: row.unsealed_because,
  unservableBecause: row.unservable_because,
  manifest: row.manifest === null ? null : (JSON.parse(row.manifest) as ModelVersion['manifest']),
  scan: row.scan === null ? null : (JSON.parse(row.scan) as ModelVersion['scan']),
  signature: row.signature === null ? null : (JSON.parse(row.signature) as ModelVersion['signature']),
  evidence: JSON.parse(row.evidence) as ModelVersion['evidence'],
  baseline: row.baseline === null ? null : JSON.parse(row.baseline),
  digest: row.digest,
  createdMs: row.created_ms,
  updatedMs: row.updated_ms,
  version: row.version,
});

const jsonOrNull = (value: unknown): string | null => (value === null || value === undefined ? null : JSON.stringify(value));

export const insertVersion = (db: Db, workspace: string, v: ModelVersion) =>
  registryIn(db)
    .insertInto('model_versions')
    .values({
      workspace_id: workspace,
      id: v.id,
      model: v.model,
      number: v.number,
      state: v.state,
      stage: v.stage,
      source: v.source,
      location: v.location,
      description: v.description,
      tracking_run_id: v.trackingRunId,
      logged_model_id: v.loggedModelId,
      run_link: v.runLink,
      unsealed_because: v.unsealedBecause,
      unservable_because: v.unservableBecause,
      manifest: jsonOrNull(v.manifest),
      scan: jsonOrNull(v.scan),
      signature: jsonOrNull(v.signature),
      evidence: JSON.stringify(v.evidence),
      baseline: jsonOrNull(v.baseline),
      digest: v.digest,
      created_ms: v.createdMs,
      updated_ms: v.updatedMs,
      version: v.version,
    })
    .execute();

/** Fills in what sealing found; only an unsealed version of the same row version takes it. */
export async function sealVersion(db: Db, workspace: string, v: ModelVersion): Promise<boolean> {
  const result = await registryIn(db)
    .updateTable('model_versions')
    .set({
      state: 'sealed',
      unsealed_because: null,
      unservable_because: v.unservableBecause,
      manifest: jsonOrNull(v.manifest),
      scan: jsonOrNull(v.scan),
      signature: jsonOrNull(v.signature),
      digest: v.digest,
      baseline: jsonOrNull(v.baseline),
      updated_ms: v.updatedMs,
      version: v.version + 1,
    })
    .where('workspace_id', '=', workspace)
    .where('id', '=', v.id)
    .where('state', '=', 'unsealed')
    .where('version', '=', v.version)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

export async function insertVersionFiles(
  db: Db,
  workspace: string,
  versionId: string,
  files: readonly { path: string; digest: string; sizeBytes: number }[],
): Promise<void> {
  for (let i = 0; i < files.length; i += 1000)
    await registryIn(db)
      .insertInto('model_version_files')
      .values(
        files
          .slice(i, i + 1000)
          .map((f) => ({ workspace_id: workspace, version_id: versionId, path: f.path, digest: f.digest, size_bytes: f.sizeBytes })),
      )
      .execute();
}

export const listVersionFiles = (db: Db, workspace: string, versionId: string): Promise<VersionFileRow[]> =>
  registryIn(db)
    .selectFrom('model_version_files')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('version_id', '=', versionId)
    .orderBy('path')
    .execute();

/** By its id, deleted or not: what was served once is still spoken of. */
export async function getVersion(db: Db, workspace: string, id: string): Promise<ModelVersion | undefined> {
  const row = await registryIn(db)
    .selectFrom('model_versions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toVersion(row);
}

export async function findVersion(db: Db, workspace: string, model: string, number: number): Promise<ModelVersion | undefined> {
  const row = await registryIn(db)
    .selectFrom('model_versions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('model', '=', model)
    .where('number', '=', number)
    .where('stage', '!=', 'Deleted_Internal')
    .executeTakeFirst();
  return row && toVersion(row);
}

/** The version that a pipeline run has registered of a logged model, if it has. */
/** The version of a model that was made of a logged model, the first one if there are several. */
export async function findVersionOfLogged(
  db: Db,
  workspace: string,
  model: string,
  loggedModelId: string,
): Promise<ModelVersion | undefined> {
  const row = await registryIn(db)
    .selectFrom('model_versions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('model', '=', model)
    .where('logged_model_id', '=', loggedModelId)
    .where('stage', '!=', 'Deleted_Internal')
    .orderBy('number')
    .limit(1)
    .executeTakeFirst();
  return row && toVersion(row);
}

export async function findVersionOfRun(
  db: Db,
  workspace: string,
  model: string,
  loggedModelId: string,
  pipelineRun: string,
): Promise<ModelVersion | undefined> {
  const rows = await registryIn(db)
    .selectFrom('model_versions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('model', '=', model)
    .where('logged_model_id', '=', loggedModelId)
    .where('stage', '!=', 'Deleted_Internal')
    .orderBy('number')
    .execute();
  return rows.map(toVersion).find((v) => v.evidence.pipelineRun === pipelineRun);
}

export async function listVersions(db: Db, workspace: string, model: string, before: number, limit: number): Promise<ModelVersion[]> {
  const rows = await registryIn(db)
    .selectFrom('model_versions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('model', '=', model)
    .where('number', '<', before)
    .where('stage', '!=', 'Deleted_Internal')
    .orderBy('number', 'desc')
    .limit(limit)
    .execute();
  return rows.map(toVersion);
}

export const updateVersionDescription = (db: Db, workspace: string, id: string, description: string | null, nowMs: number) =>
  registryIn(db)
    .updateTable('model_versions')
    .set({ description, updated_ms: nowMs })
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .execute();

/** The version with the highest number in each stage of each model, by model and number. */
export async function latestOf(db: Db, workspace: string, models: readonly string[]): Promise<ModelVersion[]> {
  const found: ModelVersion[] = [];
  for (let i = 0; i < models.length; i += 1000) {
    const rows = await registryIn(db)
      .selectFrom('model_versions as v')
      .selectAll('v')
      .innerJoin(
        (eb) =>
          eb
            .selectFrom('model_versions')
            .select((e) => ['model', 'stage', e.fn.max('number').as('last')])
            .where('workspace_id', '=', workspace)
            .where('model', 'in', models.slice(i, i + 1000))
            .where('stage', '!=', 'Deleted_Internal')
            .groupBy(['model', 'stage'])
            .as('n'),
        (j) => j.onRef('n.model', '=', 'v.model').onRef('n.last', '=', 'v.number'),
      )
      .where('v.workspace_id', '=', workspace)
      .orderBy('v.model')
      .orderBy('v.number')
      .execute();
    found.push(...rows.map(toVersion));
  }
  return found;
}

/** Which models these versions are of, by their ids. */
export async function modelsOfVersions(db: Db, workspace: string, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await registryIn(db)
    .selectFrom('model_versions')
    .select(['id', 'model'])
    .where('workspace_id', '=', workspace)
    .where('id', 'in', [...ids])
    .execute();
  return new Map(rows.map((r) => [r.id, r.model]));
}
