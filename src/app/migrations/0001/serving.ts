import type { Table } from '../../../kernel/db/tables.ts';

export const servingTables: readonly Table[] = [
  // What is shipped as a whole; of no workspace, for a segment may hold the records of several.
  {
    name: 'inference_segments',
    columns: { workspace_id: 'id', replica: 'text', segment: 'text', records: 'int', shipped_ms: 'int' },
    primary: ['workspace_id', 'replica', 'segment'],
  },
  {
    name: 'inference_files',
    columns: {
      workspace_id: 'id',
      replica: 'text',
      segment: 'text',
      project: 'text',
      endpoint: 'text',
      part: 'text',
      digest: 'text',
      records: 'int',
      from_us: 'int',
      to_us: 'int',
      columns: 'json',
      shipped_ms: 'int',
    },
    primary: ['workspace_id', 'replica', 'segment', 'project', 'endpoint', 'part'],
    // Who asks mostly asks for the newest, which is few by its end and all that came before by its beginning.
    indexes: [['workspace_id', 'project', 'endpoint', 'to_us', 'from_us']],
  },
];
