import type { Table } from '../../../kernel/db/tables.ts';

export const monitoringTables: readonly Table[] = [];
