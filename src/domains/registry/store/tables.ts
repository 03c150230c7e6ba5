// Rows of the tables of the registry.
import type { Db } from '../../../kernel/db/database.ts';
import type { Decision, VersionStage, VersionState } from '../model.ts';

export type ModelRow = {
  workspace_id: string;
  name: string;
  description: string;
  managed_by: 'file' | 'api';
  project: string | null;
  created_ms: number;
  updated_ms: number;
  last_number: number;
};
export type VersionRow = {
  workspace_id: string;
  id: string;
  model: string;
  number: number;
  state: VersionState;
  stage: VersionStage;
  source: string;
  location: string | null;
  description: string | null;
  tracking_run_id: string | null;
  logged_model_id: string | null;
  run_link: string | null;
  /** Why it is not sealed; null once it is. */
  unsealed_because: string | null;
  /** Why nothing here can serve it, though it may be sealed. */
  unservable_because: string | null;
  manifest: string | null;
  scan: string | null;
  signature: string | null;
  evidence: string;
  baseline: string | null;
  digest: string | null;
  created_ms: number;
  updated_ms: number;
  version: number;
};
export type VersionFileRow = { workspace_id: string; version_id: string; path: string; digest: string; size_bytes: number };
/** A version that somebody serves now, so that nobody deletes it. */
export type HoldRow = { workspace_id: string; holder: string; version_id: string };
export type AliasRow = { workspace_id: string; model: string; alias: string; number: number };
export type TagRow = { workspace_id: string; model: string; number: number; key: string; value: string };
export type EvaluationRow = {
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
  input_digest: string;
  input_bytes: number;
  score: string;
  window: string;
  created_ms: number;
};
export type ConversionRow = {
  workspace_id: string;
  id: string;
  model: string;
  version_id: string;
  version_number: number;
  state: 'running' | 'succeeded' | 'failed';
  doing: string;
  tolerance: number;
  rows_of: string | null;
  environment: string | null;
  sameness: string | null;
  logged_model_id: string | null;
  made_version: number | null;
  error: string | null;
  created_ms: number;
  finished_ms: number | null;
};
export type DecisionRow = {
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

export const registryIn = (db: Db) =>
  db.withTables<{
    models: ModelRow;
    model_versions: VersionRow;
    model_version_files: VersionFileRow;
    model_version_holds: HoldRow;
    model_aliases: AliasRow;
    model_tags: TagRow;
    evaluations: EvaluationRow;
    decisions: DecisionRow;
    model_conversions: ConversionRow;
  }>();
