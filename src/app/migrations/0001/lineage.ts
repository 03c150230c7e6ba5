import type { Table } from '../../../kernel/db/tables.ts';

export const lineageTables: readonly Table[] = [
  {
    name: 'lineage_nodes',
    columns: { workspace_id: 'id', kind: 'text', id: 'text', label: 'text', project: 'text?', first_ms: 'int', payload: 'json' },
    primary: ['workspace_id', 'kind', 'id'],
  },
  {
    name: 'lineage_edges',
    columns: { workspace_id: 'id', from_kind: 'text', from_id: 'text', relation: 'text', to_kind: 'text', to_id: 'text' },
    primary: ['workspace_id', 'from_kind', 'from_id', 'relation', 'to_kind', 'to_id'],
    clustered: true,
    // All of an edge, so that a walk against the edges reads the index alone, in its order.
    indexes: [['workspace_id', 'to_kind', 'to_id', 'from_kind', 'from_id', 'relation']],
  },
];
