import type { Table } from '../../../kernel/db/tables.ts';

export const subjectTables: readonly Table[] = [
  {
    name: 'suppressions',
    columns: {
      workspace_id: 'id',
      project: 'text',
      hmac: 'text',
      id: 'id',
      number: 'int',
      columns: 'json',
      erasure_id: 'id',
      created_ms: 'int',
    },
    primary: ['workspace_id', 'project', 'hmac'],
  },
  {
    name: 'erasure_holds',
    columns: { workspace_id: 'id', project: 'text', erasure_id: 'id', created_ms: 'int' },
    primary: ['workspace_id', 'project'],
  },
];
