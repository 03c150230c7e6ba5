import type { Table } from '../../../kernel/db/tables.ts';

export const transferTables: readonly Table[] = [
  {
    name: 'imports',
    columns: {
      workspace_id: 'id',
      id: 'id',
      source: 'text',
      origin: 'text',
      place: 'text',
      state: 'text',
      counts: 'json',
      started_ms: 'int',
      ended_ms: 'int?',
    },
    primary: ['workspace_id', 'id'],
    oneOf: { state: ['running', 'verified', 'differs'] },
    indexes: [['workspace_id', 'source', 'started_ms']],
  },
  {
    name: 'import_ids',
    columns: { workspace_id: 'id', source: 'text', kind: 'text', source_id: 'text', target_id: 'text', fingerprint: 'text?' },
    primary: ['workspace_id', 'source', 'kind', 'source_id'],
    oneOf: { kind: ['experiment', 'run', 'logged-model', 'model'] },
    indexes: [['workspace_id', 'kind', 'target_id']],
  },
];
