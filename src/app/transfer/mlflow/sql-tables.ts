// Tables of MLflow's database as they are there: its versions have had different columns, so only those are asked for that
// exist.
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';

export type Row = Readonly<Record<string, string | number | null>>;

export interface Tables {
  has(table: string, column?: string): boolean;
  /** The columns that the table has of these; the others are null. */
  rows(table: string, columns: readonly string[], where?: Readonly<Record<string, string | number>>, order?: string): Iterable<Row>;
  count(table: string, where?: Readonly<Record<string, string | number>>): number;
  close(): void;
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Opened for reading; nothing is written, and no lock is held between two questions. */
export function openTables(file: string): Tables {
  const db = new DatabaseSync(file, { readOnly: true });
  db.exec('pragma busy_timeout = 10000');
  const columnsOf = new Map<string, Set<string>>();
  const columns = (table: string): Set<string> => {
    let found = columnsOf.get(table);
    if (!found) {
      found = new Set(
        db
          .prepare(`pragma table_info(${quoted(table)})`)
          .all()
          .map((r) => String(r.name)),
      );
      columnsOf.set(table, found);
    }
    return found;
  };
  const conditions = (table: string, where: Readonly<Record<string, string | number>>): { sql: string; values: SQLInputValue[] } => {
    const asked = Object.entries(where).filter(([column]) => columns(table).has(column));
    return {
      sql: asked.length === 0 ? '' : ` where ${asked.map(([c]) => `${quoted(c)} = ?`).join(' and ')}`,
      // Numbers of more digits than a number here has come as text.
      values: asked.map(([, v]) => (typeof v === 'string' && /^\d{16,18}$/.test(v) ? BigInt(v) : v)),
    };
  };
  return {
    has: (table, column) => (column === undefined ? columns(table).size > 0 : columns(table).has(column)),
    *rows(table, wanted, where = {}, order = '') {
      if (columns(table).size === 0) return;
      const list = wanted.map((c) => (columns(table).has(c) ? quoted(c) : `null as ${quoted(c)}`)).join(', ');
      const { sql, values } = conditions(table, where);
      const statement = db.prepare(`select ${list} from ${quoted(table)}${sql}${order === '' ? '' : ` order by ${order}`}`);
      statement.setReadBigInts(true);
      for (const row of statement.iterate(...values)) yield Object.fromEntries(Object.entries(row).map(([k, v]) => [k, plain(v)]));
    },
    count: (table, where = {}) => {
      if (columns(table).size === 0) return 0;
      const { sql, values } = conditions(table, where);
      return Number(db.prepare(`select count(*) as n from ${quoted(table)}${sql}`).get(...values)!.n);
    },
    close: () => db.close(),
  };
}

// What a number cannot hold exactly stays a text: the ids of experiments have up to 18 digits.
const plain = (value: unknown): string | number | null =>
  typeof value === 'bigint'
    ? Number.isSafeInteger(Number(value))
      ? Number(value)
      : String(value)
    : typeof value === 'string' || typeof value === 'number' || value === null
      ? value
      : Buffer.from(value as Uint8Array).toString('utf8');
