import type { Table } from '../../../kernel/db/tables.ts';

export const webhookTables: readonly Table[] = [
  {
    name: 'webhooks',
    columns: {
      workspace_id: 'id',
      id: 'id',
      name: 'text',
      url: 'text',
      events: 'json',
      description: 'text',
      // Encrypted; null = deliveries are not signed.
      secret: 'text?',
      status: 'text',
      created_ms: 'int',
      updated_ms: 'int',
      version: 'int',
    },
    primary: ['workspace_id', 'id'],
    oneOf: { status: ['ACTIVE', 'DISABLED'] },
    indexes: [['workspace_id', 'created_ms', 'id']],
  },
  {
    name: 'webhook_deliveries',
    columns: {
      workspace_id: 'id',
      id: 'id',
      webhook_id: 'id',
      event: 'text',
      // Empty once there is nothing more to send.
      body: 'text',
      state: 'text',
      attempts: 'int',
      last_status: 'int?',
      last_error: 'text',
      next_ms: 'int?',
      created_ms: 'int',
      delivered_ms: 'int?',
      version: 'int',
    },
    primary: ['workspace_id', 'id'],
    oneOf: { state: ['queued', 'delivered', 'failed', 'dead'] },
    indexes: [
      ['workspace_id', 'webhook_id', 'created_ms', 'id'],
      ['created_ms'],
      { on: ['workspace_id', 'next_ms'], where: "state in ('queued', 'failed')" },
    ],
  },
];
