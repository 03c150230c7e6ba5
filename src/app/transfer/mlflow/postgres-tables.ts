// MLflow's database on PostgreSQL.
import { plainInteger, tablesOf, type Row, type Tables } from './sql-tables.ts';

const CONNECT_MS = 10_000;

/** MLflow names the driver of Python in the scheme. */
export const plainUrl = (url: string): string => url.replace(/^postgres(?:ql)?(?:\+[a-z0-9]+)?:/i, 'postgresql:');

/** The address as it may be shown: without who logs in, and how. */
export function placeOfDatabase(url: string): string {
  const { host, pathname } = new URL(plainUrl(url));
  return `postgresql://${host}${pathname}`;
}

/** One connection on which the server itself refuses to write. */
export async function openPostgresTables(url: string): Promise<Tables> {
  const { default: driver } = await import('pg');
  const { builtins } = driver.types;
  const client = new driver.Client({
    connectionString: plainUrl(url),
    application_name: 'gyre import',
    connectionTimeoutMillis: CONNECT_MS,
    options: '-c default_transaction_read_only=on',
    types: {
      getTypeParser: ((type: number, format: 'text' | 'binary') => {
        if (type === builtins.INT8) return (text: string) => plainInteger(BigInt(text));
        if (type === builtins.BOOL) return (text: string) => (text === 't' ? 1 : 0);
        if (type === builtins.NUMERIC) return Number;
        // What is not a number is taken as it is written.
        return [builtins.INT2, builtins.INT4, builtins.FLOAT4, builtins.FLOAT8].includes(type)
          ? (driver.types.getTypeParser(type, format as 'text') as unknown)
          : (text: string) => text;
      }) as typeof driver.types.getTypeParser,
    },
  });
  // A server that goes away is met by the next question.
  client.on('error', () => {});
  await client.connect();
  return tablesOf({
    columns: async (table) => {
      const { rows } = await client.query<{ column_name: string }>(
        'select column_name from information_schema.columns where table_name = $1 and table_schema = any(current_schemas(false))',
        [table],
      );
      return rows.map((r) => r.column_name);
    },
    placeholder: (n) => `$${n}`,
    all: async (sql, values) => (await client.query<Row>(sql, [...values])).rows,
    close: () => client.end(),
  });
}
