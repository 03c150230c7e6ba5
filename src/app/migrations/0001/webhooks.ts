import type { Table } from '../../../kernel/db/tables.ts';

export const webhookTables: readonly Table[] = [];
