import type { Table } from '../../../kernel/db/tables.ts';

export const alertTables: readonly Table[] = [];
