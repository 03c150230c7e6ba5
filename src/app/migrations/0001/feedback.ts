import type { Table } from '../../../kernel/db/tables.ts';

export const feedbackTables: readonly Table[] = [];
