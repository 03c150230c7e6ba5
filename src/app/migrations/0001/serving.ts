import type { Table } from '../../../kernel/db/tables.ts';

export const servingTables: readonly Table[] = [
  {
    name: 'inference_segments',
    columns: {
      workspace_id: 'id',
      replica: 'text',
      segment: 'text',
      digest: 'text',
      records: 'int',
      from_us: 'int',
      to_us: 'int',
      shipped_ms: 'int',
    },
    primary: ['workspace_id', 'replica', 'segment'],
    indexes: [['replica', 'segment']],
  },
];
