import type { Table } from '../../../kernel/db/tables.ts';

export const environmentTables: readonly Table[] = [
  {
    name: 'environments',
    columns: {
      workspace_id: 'id',
      digest: 'text',
      lock_digest: 'text',
      lock_file: 'text',
      packages: 'json',
      python: 'text',
      platform: 'text',
      created_ms: 'int',
    },
    primary: ['workspace_id', 'digest'],
  },
];
