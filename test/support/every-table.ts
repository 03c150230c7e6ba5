// Rows in every table there is, with values of every kind, for what has to take all of them along.
import { sql } from 'kysely';
import { migrations } from '../../src/app/migrations/migrations.ts';
import type { Database } from '../../src/kernel/db/database.ts';

const words = ['plain', 'ünïcödé 漢字 🙂', 'a "quoted" \\ text\nin two lines', "it's", '{"json": [1, 2.5, null]}', ''];

/** The value of a column in row `n`: different in each row wherever it must be. */
function valueOf(type: string, oneOf: readonly string[] | undefined, n: number): unknown {
  if (oneOf) return oneOf[n % oneOf.length];
  if (type.endsWith('?') && n % 3 === 0) return null;
  switch (type.replace('?', '')) {
    case 'int':
      return n % 2 === 0 ? n + 1 : 9_007_199_254_740_000 - n;
    case 'real':
      return [0.1 + n, -1e-300 * (n + 1), 1.7976931348623157e308 / (n + 1), n][n % 4];
    case 'bool':
      return n % 2;
    case 'bytes':
      return Buffer.from([n % 256, 0, 255, 128]);
    case 'json':
      return JSON.stringify({ n, words });
    default:
      return `${n} ${words[n % words.length]}`;
  }
}

/** Puts `count` rows into every table. Returns the names of the tables. */
export async function fillEveryTable(database: Database, count = 7, except: readonly string[] = []): Promise<string[]> {
  const tables = migrations.flatMap((m) => m.tables).filter((t) => !except.includes(t.name));
  for (const table of tables)
    await database.tx(async (db) => {
      for (let n = 0; n < count; n++) {
        const columns = Object.keys(table.columns);
        const values = columns.map((c) => sql`${valueOf(table.columns[c]!, table.oneOf?.[c], n)}`);
        await sql`insert into ${sql.table(table.name)} (${sql.join(columns.map((c) => sql.ref(c)))}) values (${sql.join(values)})`.execute(
          db,
        );
      }
    });
  return tables.map((t) => t.name);
}
