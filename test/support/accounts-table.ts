// A small schema for tests of the database itself: one column of each type.
import type { Migration } from '../../src/kernel/db/migrate.ts';

export const accounts: readonly Migration[] = [
  {
    number: 1,
    name: 'accounts',
    tables: [
      {
        name: 'accounts',
        columns: { id: 'id', amount: 'int', rate: 'real?', open: 'bool', note: 'text?', raw: 'bytes?' },
        primary: ['id'],
        oneOf: { note: ['good', 'bad'] },
      },
    ],
  },
];
