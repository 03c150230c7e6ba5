// Rows of the tables of tracking.
import type { Db } from '../../../kernel/db/database.ts';
import type { Lifecycle, ModelStatus, RunStatus } from '../model.ts';

export type ExperimentRow = {
  workspace_id: string;
  id: string;
  number: number;
  name: string;
  artifact_location: string;
  lifecycle: Lifecycle;
  created_ms: number;
  updated_ms: number;
};
export type RunRow = {
  workspace_id: string;
  id: string;
  experiment_id: string;
  name: string;
  user_id: string;
  status: RunStatus;
  start_ms: number | null;
  end_ms: number | null;
  artifact_uri: string;
  lifecycle: Lifecycle;
  deleted_ms: number | null;
};
export type EntryRow = { workspace_id: string; run_id: string; key: string; value: string };
export type MetricRow = {
  workspace_id: string;
  run_id: string;
  key: string;
  timestamp_ms: number;
  step: number;
  value: number;
  is_nan: number;
};
/** See blocks.ts and points.ts. */
export type BlockRow = {
  workspace_id: string;
  run_id: string;
  key: string;
  number: number;
  count: number;
  in_order: number;
  least_step: number;
  greatest_step: number;
  least_ms: number;
  greatest_ms: number;
  least: number | null;
  greatest: number | null;
  sample: Uint8Array;
  points: Uint8Array;
};
export type DatasetRow = {
  workspace_id: string;
  experiment_id: string;
  name: string;
  digest: string;
  source_type: string;
  source: string;
  schema: string | null;
  profile: string | null;
};
export type InputRow = {
  workspace_id: string;
  run_id: string;
  experiment_id: string;
  name: string;
  digest: string;
  context: string | null;
  tags: string;
};
export type LinkRow = { workspace_id: string; run_id: string; model_id: string; role: 'input' | 'output'; step: number };
export type LoggedModelRow = {
  workspace_id: string;
  id: string;
  experiment_id: string;
  name: string;
  model_type: string;
  source_run_id: string | null;
  status: ModelStatus;
  status_message: string;
  artifact_uri: string;
  created_ms: number;
  updated_ms: number;
  lifecycle: Lifecycle;
};
export type ModelEntryRow = { workspace_id: string; model_id: string; kind: 'param' | 'tag'; key: string; value: string };
export type ModelMetricRow = MetricRow & { model_id: string; dataset_name: string | null; dataset_digest: string | null };
export type ModelFileRow = { workspace_id: string; model_id: string; path: string; digest: string; size_bytes: number };

export type PurgeRow = {
  workspace_id: string;
  id: string;
  state: 'running' | 'done';
  dry_run: number;
  scope: string;
  result: string;
  actor_kind: string;
  actor_id: string;
  created_ms: number;
  finished_ms: number | null;
};
export type RemovalRow = {
  workspace_id: string;
  kind: 'run' | 'logged-model' | 'experiment';
  id: string;
  purge_id: string;
  experiment_id: string;
  artifact_uri: string | null;
  number: number | null;
  state: 'pending' | 'counted' | 'gone';
};

export type TrackingTables = {
  experiments: ExperimentRow;
  experiment_tags: { workspace_id: string; experiment_id: string; key: string; value: string };
  tracking_runs: RunRow;
  tracking_params: EntryRow & { short_value: string };
  tracking_tags: EntryRow & { short_value: string };
  latest_metrics: MetricRow & { points: number; blocks: number; in_last: number };
  metric_blocks: BlockRow;
  tracking_datasets: DatasetRow;
  tracking_inputs: InputRow;
  model_links: LinkRow;
  logged_models: LoggedModelRow;
  logged_model_entries: ModelEntryRow;
  logged_model_metrics: ModelMetricRow;
  logged_model_files: ModelFileRow;
  tracking_purges: PurgeRow;
  tracking_removals: RemovalRow;
};

export const trackingIn = (db: Db) => db.withTables<TrackingTables>();

/** Lists for IN, each well below the number of values a statement can bind. */
export const chunks = (ids: readonly string[]): string[][] =>
  Array.from({ length: Math.ceil(ids.length / 1000) }, (_, i) => ids.slice(i * 1000, (i + 1) * 1000));
