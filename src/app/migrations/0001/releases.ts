import type { Table } from '../../../kernel/db/tables.ts';

export const releaseTables: readonly Table[] = [
  {
    name: 'endpoints',
    columns: { workspace_id: 'id', name: 'text', project: 'text', current_revision: 'id?', last_number: 'int' },
    primary: ['workspace_id', 'name'],
  },
  {
    name: 'endpoint_revisions',
    columns: {
      workspace_id: 'id',
      id: 'id',
      project: 'text',
      endpoint: 'text',
      number: 'int',
      variants: 'json',
      project_revision: 'id',
      decision: 'id',
      created_ms: 'int',
    },
    primary: ['workspace_id', 'id'],
    unique: [['workspace_id', 'endpoint', 'number']],
  },
  {
    name: 'releases',
    columns: {
      workspace_id: 'id',
      id: 'id',
      project: 'text',
      endpoint: 'text',
      revision: 'id',
      previous: 'id?',
      state: 'text',
      reason: 'text',
      plan_number: 'int',
      created_ms: 'int',
      finished_ms: 'int?',
    },
    primary: ['workspace_id', 'id'],
    oneOf: { state: ['started', 'promoted', 'failed'] },
    indexes: [['workspace_id', 'endpoint', 'id']],
  },
  // Break-glass: what is frozen begins no release and takes no step of one.
  {
    name: 'endpoint_freezes',
    columns: { workspace_id: 'id', project: 'text', endpoint: 'text', reason: 'text', actor_id: 'text', since_us: 'int' },
    primary: ['workspace_id', 'project', 'endpoint'],
  },
  // The plan is the server's, not a workspace's.
  { name: 'serving_plans', columns: { id: 'id', number: 'int' }, primary: ['id'] },
];
