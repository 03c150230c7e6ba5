import type { Table } from '../../../kernel/db/tables.ts';

export const registryTables: readonly Table[] = [
  {
    name: 'models',
    columns: { workspace_id: 'id', name: 'text', description: 'text', managed_by: 'text', project: 'text?', created_ms: 'int', updated_ms: 'int', last_number: 'int' },
    primary: ['workspace_id', 'name'],
    oneOf: { managed_by: ['file', 'api'] },
  },
  {
    name: 'model_versions',
    columns: {
      workspace_id: 'id', id: 'id', model: 'text', number: 'int', state: 'text', source: 'text', description: 'text', tracking_run_id: 'id?', logged_model_id: 'id?',
      signature: 'json?', evidence: 'json', baseline: 'json?', digest: 'text?', created_ms: 'int', updated_ms: 'int', version: 'int',
    },
    primary: ['workspace_id', 'id'],
    unique: [['workspace_id', 'model', 'number']],
    oneOf: { state: ['unsealed', 'sealed'] },
  },
  {
    name: 'model_version_files',
    columns: { workspace_id: 'id', version_id: 'id', path: 'text', digest: 'text', size_bytes: 'int' },
    primary: ['workspace_id', 'version_id', 'path'],
  },
  { name: 'model_aliases', columns: { workspace_id: 'id', model: 'text', alias: 'text', number: 'int' }, primary: ['workspace_id', 'model', 'alias'] },
  { name: 'model_tags', columns: { workspace_id: 'id', model: 'text', number: 'int', key: 'text', value: 'text' }, primary: ['workspace_id', 'model', 'number', 'key'] },
  {
    name: 'evaluations',
    columns: {
      workspace_id: 'id', id: 'id', logged_model_id: 'id', dataset_version: 'id', task: 'text', row_count: 'int', metrics: 'json', slices: 'json', curves: 'json',
      score_table: 'json', window: 'json', created_ms: 'int',
    },
    primary: ['workspace_id', 'id'],
    indexes: [['workspace_id', 'logged_model_id', 'id']],
  },
  {
    name: 'decisions',
    columns: {
      workspace_id: 'id', id: 'id', model: 'text', version_id: 'id', evaluation_id: 'id?', champion_id: 'id?', gate_digest: 'text', outcome: 'text', results: 'json',
      reason: 'text', actor_kind: 'text', actor_id: 'text', recorded_ms: 'int',
    },
    primary: ['workspace_id', 'id'],
    oneOf: { outcome: ['passed', 'failed', 'overridden'] },
    indexes: [['workspace_id', 'version_id', 'id'], ['workspace_id', 'model', 'id']],
  },
];
