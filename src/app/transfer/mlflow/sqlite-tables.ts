// MLflow's database in a file of SQLite.
import { DatabaseSync } from 'node:sqlite';
import { plainInteger, tablesOf, type Tables } from './sql-tables.ts';

/** Opened for reading; nothing is written, and no lock is held between two questions. */
export function openSqliteTables(file: string): Tables {
  const db = new DatabaseSync(file, { readOnly: true });
  db.exec('pragma busy_timeout = 10000');
  return tablesOf({
    columns: async (table) =>
      db
        .prepare('select name from pragma_table_info(?)')
        .all(table)
        .map((r) => String(r.name)),
    placeholder: () => '?',
    all: async (sql, values) => {
      const statement = db.prepare(sql);
      statement.setReadBigInts(true);
      // Numbers of more digits than a number here has come as text.
      const bound = values.map((v) => (typeof v === 'string' && /^\d{16,18}$/.test(v) ? BigInt(v) : v));
      return statement.all(...bound).map((row) => Object.fromEntries(Object.entries(row).map(([k, v]) => [k, plain(v)])));
    },
    close: async () => db.close(),
  });
}

const plain = (value: unknown): string | number | null =>
  typeof value === 'bigint'
    ? plainInteger(value)
    : typeof value === 'string' || typeof value === 'number' || value === null
      ? value
      : Buffer.from(value as Uint8Array).toString('utf8');
