import type { Table } from '../../../kernel/db/tables.ts';

export const governanceTables: readonly Table[] = [];
