import { triggerStates } from '../../../domains/retraining/model.ts';
import type { Table } from '../../../kernel/db/tables.ts';

export const retrainingTables: readonly Table[] = [
  {
    name: 'triggers',
    columns: {
      workspace_id: 'id',
      id: 'id',
      project: 'text',
      policy: 'text',
      cause: 'text',
      cause_key: 'text',
      subject_kind: 'text?',
      subject_id: 'text?',
      fingerprint: 'text',
      reason: 'text',
      state: 'text',
      guard: 'text?',
      outcome: 'text?',
      figures: 'json',
      params: 'json?',
      forced: 'bool',
      actor_kind: 'text',
      actor_id: 'text',
      occurred_us: 'int',
      accepted_us: 'int?',
      expires_us: 'int?',
      ended_us: 'int?',
      run_id: 'id?',
      version_id: 'id?',
      decision_id: 'id?',
      release_id: 'id?',
      version: 'int',
    },
    primary: ['workspace_id', 'id'],
    unique: [['workspace_id', 'project', 'policy', 'cause_key']],
    oneOf: { state: triggerStates },
    indexes: [
      ['workspace_id', 'project', 'id'],
      ['workspace_id', 'project', 'policy', 'accepted_us'],
      ['workspace_id', 'project', 'state'],
    ],
  },
  // Where a policy stands: its tries in a row that did not help, and the tick of its schedule seen last.
  {
    name: 'retraining_states',
    columns: { workspace_id: 'id', project: 'text', policy: 'text', useless: 'int', halted: 'bool', cron_seen_us: 'int', version: 'int' },
    primary: ['workspace_id', 'project', 'policy'],
  },
  // Break-glass. An empty policy is the whole project, an empty project the whole workspace.
  {
    name: 'retraining_stops',
    columns: { workspace_id: 'id', project: 'text', policy: 'text', reason: 'text', actor_id: 'text' },
    primary: ['workspace_id', 'project', 'policy'],
  },
];
