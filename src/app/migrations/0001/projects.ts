import type { Table } from '../../../kernel/db/tables.ts';

export const projectTables: readonly Table[] = [
  {
    name: 'projects',
    columns: { workspace_id: 'id', name: 'text', revision: 'int', created_ms: 'int' },
    primary: ['workspace_id', 'name'],
  },
  {
    name: 'project_revisions',
    columns: {
      workspace_id: 'id',
      id: 'id',
      project: 'text',
      number: 'int',
      definition: 'json',
      digest: 'text',
      snapshot: 'text',
      commit_hash: 'text?',
      dirty_digest: 'text?',
      actor_id: 'text',
      recorded_ms: 'int',
    },
    primary: ['workspace_id', 'id'],
    unique: [['workspace_id', 'project', 'number']],
  },
  { name: 'code_snapshots', columns: { workspace_id: 'id', id: 'id', files: 'json', created_ms: 'int' }, primary: ['workspace_id', 'id'] },
];
