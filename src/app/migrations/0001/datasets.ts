import type { Table } from '../../../kernel/db/tables.ts';

export const datasetTables: readonly Table[] = [
  {
    name: 'datasets',
    columns: { workspace_id: 'id', project: 'text', name: 'text', current_version: 'id?', last_number: 'int' },
    primary: ['workspace_id', 'project', 'name'],
  },
  {
    name: 'dataset_versions',
    columns: {
      workspace_id: 'id',
      id: 'id',
      project: 'text',
      dataset: 'text',
      number: 'int',
      state: 'text',
      columns: 'json',
      row_count: 'int',
      logical_digest: 'text',
      profile: 'json',
      violations: 'json',
      build_key: 'text',
      inputs: 'json',
      generation: 'int',
      actor_id: 'text',
      recorded_ms: 'int',
    },
    primary: ['workspace_id', 'id'],
    unique: [['workspace_id', 'project', 'dataset', 'number']],
    oneOf: { state: ['current', 'superseded', 'quarantined'] },
  },
  {
    name: 'dataset_files',
    columns: { workspace_id: 'id', version_id: 'id', generation: 'int', path: 'text', digest: 'text', size_bytes: 'int' },
    primary: ['workspace_id', 'version_id', 'generation', 'path'],
    indexes: [['workspace_id', 'digest']],
  },
];
