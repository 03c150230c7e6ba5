import type { Db } from '../../kernel/db/database.ts';
import type { Decision, Evaluation, Model, ModelVersion, VersionState } from './model.ts';

type ModelRow = {
  workspace_id: string;
  name: string;
  description: string;
  managed_by: 'file' | 'api';
  project: string | null;
  created_ms: number;
  updated_ms: number;
  last_number: number;
};
type VersionRow = {
  workspace_id: string;
  id: string;
  model: string;
  number: number;
  state: VersionState;
  source: string;
  description: string;
  tracking_run_id: string | null;
  logged_model_id: string | null;
  signature: string | null;
  evidence: string;
  baseline: string | null;
  digest: string | null;
  created_ms: number;
  updated_ms: number;
  version: number;
};
export type VersionFileRow = { workspace_id: string; version_id: string; path: string; digest: string; size_bytes: number };
type AliasRow = { workspace_id: string; model: string; alias: string; number: number };
type TagRow = { workspace_id: string; model: string; number: number; key: string; value: string };
type EvaluationRow = {
  workspace_id: string;
  id: string;
  logged_model_id: string;
  dataset_version: string;
  task: 'binary' | 'regression';
  row_count: number;
  metrics: string;
  slices: string;
  curves: string;
  score_table: string;
  window: string;
  created_ms: number;
};
type DecisionRow = {
  workspace_id: string;
  id: string;
  model: string;
  version_id: string;
  evaluation_id: string | null;
  champion_id: string | null;
  gate_digest: string;
  outcome: Decision['outcome'];
  results: string;
  reason: string;
  actor_kind: string;
  actor_id: string;
  recorded_ms: number;
};

const tablesIn = (db: Db) =>
  db.withTables<{
    models: ModelRow;
    model_versions: VersionRow;
    model_version_files: VersionFileRow;
    model_aliases: AliasRow;
    model_tags: TagRow;
    evaluations: EvaluationRow;
    decisions: DecisionRow;
  }>();

const toModel = (row: ModelRow): Model => ({
  name: row.name,
  description: row.description,
  managedBy: row.managed_by,
  project: row.project,
  createdMs: row.created_ms,
  updatedMs: row.updated_ms,
});

const toVersion = (row: VersionRow): ModelVersion => ({
  id: row.id,
  model: row.model,
  number: row.number,
  state: row.state,
  source: row.source,
  description: row.description,
  trackingRunId: row.tracking_run_id,
  loggedModelId: row.logged_model_id,
  signature: row.signature === null ? null : (JSON.parse(row.signature) as ModelVersion['signature']),
  evidence: JSON.parse(row.evidence) as ModelVersion['evidence'],
  baseline: row.baseline === null ? null : JSON.parse(row.baseline),
  digest: row.digest,
  createdMs: row.created_ms,
  updatedMs: row.updated_ms,
  version: row.version,
});

const toEvaluation = (row: EvaluationRow): Evaluation => ({
  id: row.id,
  loggedModelId: row.logged_model_id,
  datasetVersion: row.dataset_version,
  task: row.task,
  rows: row.row_count,
  metrics: JSON.parse(row.metrics) as Evaluation['metrics'],
  slices: JSON.parse(row.slices) as Evaluation['slices'],
  curves: JSON.parse(row.curves) as Evaluation['curves'],
  scoreTable: JSON.parse(row.score_table) as Evaluation['scoreTable'],
  window: JSON.parse(row.window) as Evaluation['window'],
  createdMs: row.created_ms,
});

const toDecision = (row: DecisionRow): Decision => ({
  id: row.id,
  model: row.model,
  versionId: row.version_id,
  evaluationId: row.evaluation_id,
  championId: row.champion_id,
  gateDigest: row.gate_digest,
  outcome: row.outcome,
  results: JSON.parse(row.results) as Decision['results'],
  reason: row.reason,
  actor: { kind: row.actor_kind, id: row.actor_id },
  recordedMs: row.recorded_ms,
});

export async function findModel(db: Db, workspace: string, name: string): Promise<Model | undefined> {
  const row = await tablesIn(db)
    .selectFrom('models')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('name', '=', name)
    .executeTakeFirst();
  return row && toModel(row);
}

export async function listModels(db: Db, workspace: string, after: string, limit: number): Promise<Model[]> {
  const rows = await tablesIn(db)
    .selectFrom('models')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('name', '>', after)
    .orderBy('name')
    .limit(limit)
    .execute();
  return rows.map(toModel);
}

export const insertModel = (db: Db, workspace: string, model: Model) =>
  tablesIn(db)
    .insertInto('models')
    .values({
      workspace_id: workspace,
      name: model.name,
      description: model.description,
      managed_by: model.managedBy,
      project: model.project,
      created_ms: model.createdMs,
      updated_ms: model.updatedMs,
      last_number: 0,
    })
    .execute();

/** Takes the next version number; deleted ones are not given again. */
export async function takeNumber(db: Db, workspace: string, name: string, nowMs: number): Promise<number> {
  const row = await tablesIn(db)
    .updateTable('models')
    .set((eb) => ({ last_number: eb('last_number', '+', 1), updated_ms: nowMs }))
    .where('workspace_id', '=', workspace)
    .where('name', '=', name)
    .returning('last_number')
    .executeTakeFirstOrThrow();
  return row.last_number;
}

export const insertVersion = (db: Db, workspace: string, v: ModelVersion) =>
  tablesIn(db)
    .insertInto('model_versions')
    .values({
      workspace_id: workspace,
      id: v.id,
      model: v.model,
      number: v.number,
      state: v.state,
      source: v.source,
      description: v.description,
      tracking_run_id: v.trackingRunId,
      logged_model_id: v.loggedModelId,
      signature: v.signature === null ? null : JSON.stringify(v.signature),
      evidence: JSON.stringify(v.evidence),
      baseline: v.baseline === null ? null : JSON.stringify(v.baseline),
      digest: v.digest,
      created_ms: v.createdMs,
      updated_ms: v.updatedMs,
      version: v.version,
    })
    .execute();

/** Fills in what sealing found; only an unsealed version of the same row version takes it. */
export async function sealVersion(db: Db, workspace: string, v: ModelVersion): Promise<boolean> {
  const result = await tablesIn(db)
    .updateTable('model_versions')
    .set({
      state: 'sealed',
      signature: JSON.stringify(v.signature),
      digest: v.digest,
      baseline: v.baseline === null ? null : JSON.stringify(v.baseline),
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

export async function insertVersionFiles(db: Db, files: readonly VersionFileRow[]): Promise<void> {
  for (let i = 0; i < files.length; i += 1000)
    await tablesIn(db)
      .insertInto('model_version_files')
      .values(files.slice(i, i + 1000))
      .execute();
}

export const listVersionFiles = (db: Db, workspace: string, versionId: string): Promise<VersionFileRow[]> =>
  tablesIn(db)
    .selectFrom('model_version_files')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('version_id', '=', versionId)
    .orderBy('path')
    .execute();

export async function getVersion(db: Db, workspace: string, id: string): Promise<ModelVersion | undefined> {
  const row = await tablesIn(db)
    .selectFrom('model_versions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toVersion(row);
}

export async function findVersion(db: Db, workspace: string, model: string, number: number): Promise<ModelVersion | undefined> {
  const row = await tablesIn(db)
    .selectFrom('model_versions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('model', '=', model)
    .where('number', '=', number)
    .executeTakeFirst();
  return row && toVersion(row);
}

export async function listVersions(db: Db, workspace: string, model: string, before: number, limit: number): Promise<ModelVersion[]> {
  const rows = await tablesIn(db)
    .selectFrom('model_versions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('model', '=', model)
    .where('number', '<', before)
    .orderBy('number', 'desc')
    .limit(limit)
    .execute();
  return rows.map(toVersion);
}

export const listAliases = (db: Db, workspace: string, model: string): Promise<AliasRow[]> =>
  tablesIn(db)
    .selectFrom('model_aliases')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('model', '=', model)
    .orderBy('alias')
    .execute();

export async function findAlias(db: Db, workspace: string, model: string, alias: string): Promise<number | undefined> {
  const row = await tablesIn(db)
    .selectFrom('model_aliases')
    .select('number')
    .where('workspace_id', '=', workspace)
    .where('model', '=', model)
    .where('alias', '=', alias)
    .executeTakeFirst();
  return row?.number;
}

export const setAlias = (db: Db, row: AliasRow) =>
  tablesIn(db)
    .insertInto('model_aliases')
    .values(row)
    .onConflict((c) => c.columns(['workspace_id', 'model', 'alias']).doUpdateSet({ number: row.number }))
    .execute();

export const deleteAlias = (db: Db, workspace: string, model: string, alias: string) =>
  tablesIn(db)
    .deleteFrom('model_aliases')
    .where('workspace_id', '=', workspace)
    .where('model', '=', model)
    .where('alias', '=', alias)
    .execute();

/** Tags of a model (`number` 0) or of one version. */
export const listTags = (db: Db, workspace: string, model: string, number: number): Promise<TagRow[]> =>
  tablesIn(db)
    .selectFrom('model_tags')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('model', '=', model)
    .where('number', '=', number)
    .orderBy('key')
    .execute();

export const setTag = (db: Db, row: TagRow) =>
  tablesIn(db)
    .insertInto('model_tags')
    .values(row)
    .onConflict((c) => c.columns(['workspace_id', 'model', 'number', 'key']).doUpdateSet({ value: row.value }))
    .execute();

export const insertEvaluation = (db: Db, workspace: string, e: Evaluation) =>
  tablesIn(db)
    .insertInto('evaluations')
    .values({
      workspace_id: workspace,
      id: e.id,
      logged_model_id: e.loggedModelId,
      dataset_version: e.datasetVersion,
      task: e.task,
      row_count: e.rows,
      metrics: JSON.stringify(e.metrics),
      slices: JSON.stringify(e.slices),
      curves: JSON.stringify(e.curves),
      score_table: JSON.stringify(e.scoreTable),
      window: JSON.stringify(e.window),
      created_ms: e.createdMs,
    })
    .execute();

export async function getEvaluation(db: Db, workspace: string, id: string): Promise<Evaluation | undefined> {
  const row = await tablesIn(db)
    .selectFrom('evaluations')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toEvaluation(row);
}

export const insertDecision = (db: Db, workspace: string, d: Decision) =>
  tablesIn(db)
    .insertInto('decisions')
    .values({
      workspace_id: workspace,
      id: d.id,
      model: d.model,
      version_id: d.versionId,
      evaluation_id: d.evaluationId,
      champion_id: d.championId,
      gate_digest: d.gateDigest,
      outcome: d.outcome,
      results: JSON.stringify(d.results),
      reason: d.reason,
      actor_kind: d.actor.kind,
      actor_id: d.actor.id,
      recorded_ms: d.recordedMs,
    })
    .execute();

export async function findLatestDecision(db: Db, workspace: string, versionId: string): Promise<Decision | undefined> {
  const row = await tablesIn(db)
    .selectFrom('decisions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('version_id', '=', versionId)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row && toDecision(row);
}

export async function listDecisions(db: Db, workspace: string, model: string, before: string, limit: number): Promise<Decision[]> {
  const rows = await tablesIn(db)
    .selectFrom('decisions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('model', '=', model)
    .where('id', '<', before)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return rows.map(toDecision);
}
