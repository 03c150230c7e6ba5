import type { Table } from '../../../kernel/db/tables.ts';

export const accessTables: readonly Table[] = [
  { name: 'workspaces', columns: { id: 'id', created_ms: 'int' }, primary: ['id'] },
  // People are the server's; what they may do is granted per workspace.
  { name: 'users', columns: { id: 'id', name: 'text', password_hash: 'text', created_ms: 'int' }, primary: ['id'], unique: [['name']] },
  {
    name: 'grants',
    columns: { workspace_id: 'id', user_id: 'id', role: 'text' },
    primary: ['workspace_id', 'user_id'],
    oneOf: { role: ['admin', 'editor', 'viewer', 'service'] },
  },
  {
    name: 'tokens',
    columns: {
      workspace_id: 'id',
      id: 'id',
      name: 'text',
      owner_id: 'id',
      digest: 'text',
      role: 'text',
      scope: 'json',
      expires_ms: 'int?',
      revoked_ms: 'int?',
      created_ms: 'int',
    },
    primary: ['workspace_id', 'id'],
    unique: [['digest']],
    indexes: [['owner_id']],
  },
];
