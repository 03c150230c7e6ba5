import type { Table } from '../../../kernel/db/tables.ts';

export const retrainingTables: readonly Table[] = [];
