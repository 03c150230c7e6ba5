import type { Db } from '../../../kernel/db/database.ts';
import type { Decision, Evaluation } from '../model.ts';
import { registryIn, type DecisionRow, type EvaluationRow } from './tables.ts';

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
  input: { digest: row.input_digest, sizeBytes: row.input_bytes },
  score: row.score,
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

export const insertEvaluation = (db: Db, workspace: string, e: Evaluation) =>
  registryIn(db)
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
      input_digest: e.input.digest,
      input_bytes: e.input.sizeBytes,
      score: e.score,
      window: JSON.stringify(e.window),
      created_ms: e.createdMs,
    })
    .execute();

export async function getEvaluation(db: Db, workspace: string, id: string): Promise<Evaluation | undefined> {
  const row = await registryIn(db)
    .selectFrom('evaluations')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toEvaluation(row);
}

/** The newest evaluation of a logged model on exactly these rows. */
export async function findEvaluationOn(
  db: Db,
  workspace: string,
  loggedModelId: string,
  inputDigest: string,
): Promise<Evaluation | undefined> {
  const row = await registryIn(db)
    .selectFrom('evaluations')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('logged_model_id', '=', loggedModelId)
    .where('input_digest', '=', inputDigest)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row && toEvaluation(row);
}

export const insertDecision = (db: Db, workspace: string, d: Decision) =>
  registryIn(db)
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
  const row = await registryIn(db)
    .selectFrom('decisions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('version_id', '=', versionId)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row && toDecision(row);
}

export async function getDecision(db: Db, workspace: string, id: string): Promise<Decision | undefined> {
  const row = await registryIn(db)
    .selectFrom('decisions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toDecision(row);
}

export async function listDecisions(db: Db, workspace: string, model: string, before: string, limit: number): Promise<Decision[]> {
  const rows = await registryIn(db)
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
