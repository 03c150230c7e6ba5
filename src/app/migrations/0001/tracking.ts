import type { Table } from '../../../kernel/db/tables.ts';

export const trackingTables: readonly Table[] = [
  {
    name: 'experiments',
    columns: { workspace_id: 'id', id: 'id', number: 'int', name: 'text', artifact_location: 'text', lifecycle: 'text', created_ms: 'int', updated_ms: 'int' },
    primary: ['workspace_id', 'id'],
    unique: [['workspace_id', 'name']],
    oneOf: { lifecycle: ['active', 'deleted'] },
  },
  { name: 'experiment_tags', columns: { workspace_id: 'id', experiment_id: 'id', key: 'text', value: 'text' }, primary: ['workspace_id', 'experiment_id', 'key'] },
  {
    name: 'tracking_runs',
    columns: {
      workspace_id: 'id', id: 'id', experiment_id: 'id', name: 'text', user_id: 'text', status: 'text', start_ms: 'int?', end_ms: 'int?', artifact_uri: 'text', lifecycle: 'text', deleted_ms: 'int?',
    },
    primary: ['workspace_id', 'id'],
    oneOf: { lifecycle: ['active', 'deleted'], status: ['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'] },
    indexes: [['workspace_id', 'experiment_id', 'start_ms', 'id']],
  },
  { name: 'tracking_params', columns: { workspace_id: 'id', run_id: 'id', key: 'text', value: 'text' }, primary: ['workspace_id', 'run_id', 'key'] },
  { name: 'tracking_tags', columns: { workspace_id: 'id', run_id: 'id', key: 'text', value: 'text' }, primary: ['workspace_id', 'run_id', 'key'] },
  {
    name: 'tracking_metrics',
    columns: { workspace_id: 'id', run_id: 'id', key: 'text', timestamp_ms: 'int', step: 'int', value: 'real', is_nan: 'bool' },
    primary: ['workspace_id', 'run_id', 'key', 'timestamp_ms', 'step', 'value', 'is_nan'],
  },
  {
    name: 'latest_metrics',
    columns: { workspace_id: 'id', run_id: 'id', key: 'text', timestamp_ms: 'int', step: 'int', value: 'real', is_nan: 'bool' },
    primary: ['workspace_id', 'run_id', 'key'],
  },
  {
    name: 'tracking_datasets',
    columns: { workspace_id: 'id', experiment_id: 'id', name: 'text', digest: 'text', source_type: 'text', source: 'text', schema: 'text?', profile: 'text?' },
    primary: ['workspace_id', 'experiment_id', 'name', 'digest'],
  },
  {
    name: 'tracking_inputs',
    columns: { workspace_id: 'id', run_id: 'id', experiment_id: 'id', name: 'text', digest: 'text', tags: 'json' },
    primary: ['workspace_id', 'run_id', 'name', 'digest'],
  },
  { name: 'model_links', columns: { workspace_id: 'id', run_id: 'id', model_id: 'id', role: 'text', step: 'int' }, primary: ['workspace_id', 'run_id', 'model_id', 'role'], oneOf: { role: ['input', 'output'] } },
  {
    name: 'logged_models',
    columns: {
      workspace_id: 'id', id: 'id', experiment_id: 'id', name: 'text', model_type: 'text', source_run_id: 'id?', status: 'text', status_message: 'text', artifact_uri: 'text',
      created_ms: 'int', updated_ms: 'int', lifecycle: 'text',
    },
    primary: ['workspace_id', 'id'],
    indexes: [['workspace_id', 'experiment_id', 'created_ms', 'id'], ['workspace_id', 'source_run_id']],
  },
  { name: 'logged_model_entries', columns: { workspace_id: 'id', model_id: 'id', kind: 'text', key: 'text', value: 'text' }, primary: ['workspace_id', 'model_id', 'kind', 'key'], oneOf: { kind: ['param', 'tag'] } },
  {
    name: 'logged_model_metrics',
    columns: { workspace_id: 'id', model_id: 'id', run_id: 'id', key: 'text', timestamp_ms: 'int', step: 'int', value: 'real', is_nan: 'bool', dataset_name: 'text?', dataset_digest: 'text?' },
    primary: ['workspace_id', 'model_id', 'key', 'timestamp_ms', 'step', 'run_id'],
  },
  { name: 'logged_model_files', columns: { workspace_id: 'id', model_id: 'id', path: 'text', digest: 'text', size_bytes: 'int' }, primary: ['workspace_id', 'model_id', 'path'] },
];
