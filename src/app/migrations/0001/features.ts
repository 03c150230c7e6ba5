import type { Table } from '../../../kernel/db/tables.ts';

export const featureTables: readonly Table[] = [
  {
    name: 'view_tables',
    columns: {
      workspace_id: 'id',
      view_key: 'text',
      project: 'text',
      view: 'text',
      digest: 'text',
      row_count: 'int',
      columns: 'json',
      entity_columns: 'json',
      dataset_version: 'id',
      created_ms: 'int',
    },
    primary: ['workspace_id', 'view_key'],
  },
  {
    name: 'online_views',
    columns: { workspace_id: 'id', project: 'text', view: 'text', view_key: 'text', digest: 'text', updated_ms: 'int' },
    primary: ['workspace_id', 'project', 'view'],
  },
];
