import type { Table } from '../../../kernel/db/tables.ts';

export const governanceTables: readonly Table[] = [
  {
    name: 'erasures',
    columns: {
      workspace_id: 'id',
      id: 'id',
      project: 'text',
      subject_kind: 'text',
      subject_hmac: 'text',
      sealed_subject: 'text?',
      reason: 'text',
      dry_run: 'bool',
      state: 'text',
      findings: 'json',
      certificate: 'json?',
      error: 'text?',
      actor_kind: 'text',
      actor_id: 'text',
      created_ms: 'int',
      finished_ms: 'int?',
      version: 'int',
    },
    primary: ['workspace_id', 'id'],
    oneOf: { state: ['waiting', 'linking', 'rewriting', 'clearing', 'verifying', 'completed', 'failed'] },
    indexes: [['workspace_id', 'project', 'id']],
  },
  // What was made for an erasure, file by file, so that one that was interrupted goes on where it stood.
  {
    name: 'erasure_files',
    columns: {
      workspace_id: 'id',
      erasure_id: 'id',
      digest: 'text',
      new_digest: 'text',
      size_bytes: 'int',
      place: 'text',
      rows_before: 'int?',
      rows_removed: 'int',
      kept_digest: 'text?',
      applied: 'bool',
    },
    primary: ['workspace_id', 'erasure_id', 'digest'],
  },
  // Who looked for, or erased, what is held of a subject. By HMAC: who is meant can only be told from the value.
  {
    name: 'subject_accesses',
    columns: {
      workspace_id: 'id',
      id: 'id',
      project: 'text',
      subject_hmac: 'text',
      kind: 'text',
      ref: 'text',
      reason: 'text',
      actor_kind: 'text',
      actor_id: 'text',
      recorded_ms: 'int',
    },
    primary: ['workspace_id', 'id'],
    indexes: [['workspace_id', 'project', 'subject_hmac', 'id']],
  },
];
