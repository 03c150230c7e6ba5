import type { Table } from '../../../kernel/db/tables.ts';

export const pipelineTables: readonly Table[] = [
  {
    name: 'pipeline_runs',
    columns: {
      workspace_id: 'id', id: 'id', project: 'text', pipeline: 'text', number: 'int', revision_id: 'id', snapshot: 'text', params: 'json', datasets: 'json', state: 'text',
      trigger_kind: 'text', trigger_reason: 'text', no_cache: 'bool', error: 'json?', created_ms: 'int', finished_ms: 'int?', occurred_us: 'int', version: 'int',
    },
    primary: ['workspace_id', 'id'],
    unique: [['workspace_id', 'project', 'pipeline', 'number']],
    oneOf: { state: ['running', 'succeeded', 'failed', 'cancelled'] },
  },
  {
    name: 'steps',
    columns: {
      workspace_id: 'id', run_id: 'id', name: 'text', position: 'int', kind: 'text', needs: 'json', state: 'text', cached_from: 'text?', cache_key: 'text?', key_parts: 'json?',
      explanation: 'json?', outputs: 'json?', tracking_run_id: 'id?', error: 'json?', started_ms: 'int?', finished_ms: 'int?', version: 'int',
    },
    primary: ['workspace_id', 'run_id', 'name'],
    oneOf: { state: ['waiting', 'running', 'succeeded', 'failed', 'skipped', 'cancelled'] },
    indexes: [['workspace_id', 'cache_key']],
  },
  {
    name: 'attempts',
    columns: { workspace_id: 'id', id: 'id', run_id: 'id', step: 'text', number: 'int', fence: 'int', state: 'text', dir: 'text', outcome: 'json?', started_ms: 'int', finished_ms: 'int?' },
    primary: ['workspace_id', 'id'],
    unique: [['workspace_id', 'run_id', 'step', 'number']],
    oneOf: { state: ['running', 'succeeded', 'failed', 'lost'] },
  },
  {
    name: 'cache_entries',
    columns: { workspace_id: 'id', cache_key: 'text', run_id: 'id', step: 'text', outputs: 'json', tracking_run_id: 'id?', created_ms: 'int' },
    primary: ['workspace_id', 'cache_key'],
  },
  {
    // The newest key of each step of a pipeline: what a miss is compared with.
    name: 'step_history',
    columns: { workspace_id: 'id', project: 'text', pipeline: 'text', step: 'text', run_id: 'id', key_parts: 'json' },
    primary: ['workspace_id', 'project', 'pipeline', 'step'],
  },
];
