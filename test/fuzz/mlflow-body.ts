// Bodies as MLflow's routes read them: members of its messages, with what exists, what is wanted and what is neither.
import { nasty, type Random } from './hostile.ts';

const MLFLOW_NAMES =
  'alias allow_deleted archive_existing_versions artifact_location ascending current_password dataset dataset_digest dataset_name datasets default_artifact_root description digest end_step end_time etag event events experiment_id experiment_ids experiment_name expiration field_name filter is_admin key max_results metric_key metrics model_id model_json model_type models name new_name num_parts order_by page_token params parts password path permission profile resource_id resource_pattern resource_type role_id role_permission_id run_id run_ids run_link run_name run_uuid schema secret source source_run_id source_type stage stages start_step start_time status status_message step tags timestamp upload_id url user_id username value version view_type webhook_id workspace runId experimentId'.split(
    ' ',
  );

// Of the kind that some request wants; a message of the wire is tried under both spellings of its members.
const wanted: readonly unknown[] = [
  1,
  '1',
  'true',
  'READ',
  'MANAGE',
  'experiment',
  'registered_model',
  'FINISHED',
  'Production',
  'LOGGED_MODEL_READY',
  'ACTIVE_ONLY',
  'metrics.a > 1',
  "attributes.run_id IN ('a', 'b')",
  "tags.`a b` LIKE '%%%_%'",
  'name ASC',
  'metrics.`a` DESC',
  'http://127.0.0.1:1/x',
  'correct horse battery',
  'models:/flat/1',
  'models:/flat@champion',
  'mlflow-artifacts:/0/made',
  'eyJvZmZzZXQiOiAtMX0=',
  'eyJvZmZzZXQiOiA5OTk5OTk5OTk5OTk5OTk5OTk5OTl9',
  [{ key: 'a', value: 1, timestamp: 1, step: 1 }],
  [{ key: 'a', value: 'NaN', timestamp: 'x' }],
  [{ key: 'a', value: 'b' }],
  [{ entity: 'MODEL_VERSION', action: 'CREATED' }],
  [{ part_number: -1, etag: 'x' }],
  [{ dataset: { name: 'd', digest: 'x', source_type: 's', source: '{}' }, tags: [{ key: '', value: null }] }],
  [{ model_id: 'm', step: 2 ** 53 }],
  ['0'],
  ['flat'],
];

export const mlflowBody = (random: Random, known: readonly string[]): unknown =>
  Object.fromEntries(
    MLFLOW_NAMES.filter(() => random.chance(0.4)).map((name) => [
      name,
      random.chance(0.4) ? random.pick(known) : random.pick(random.chance(0.8) ? wanted : nasty),
    ]),
  );
