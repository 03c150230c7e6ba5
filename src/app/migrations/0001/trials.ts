import type { Table } from '../../../kernel/db/tables.ts';

export const trialTables: readonly Table[] = [
  {
    name: 'trials',
    columns: {
      workspace_id: 'id',
      id: 'id',
      project: 'text',
      endpoint: 'text',
      name: 'text',
      state: 'text',
      plan: 'json',
      started: 'json?',
      settled: 'bool',
      standing: 'text',
      decision: 'json?',
      release_id: 'id?',
      ended_us: 'int?',
      created_ms: 'int',
      version: 'int',
    },
    primary: ['workspace_id', 'id'],
    unique: [['workspace_id', 'project', 'endpoint', 'name']],
    oneOf: { state: ['planned', 'running', 'stopped', 'decided'] },
  },
];
