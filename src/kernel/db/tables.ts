// Tables as data: one source for both databases. Portable column types only; times are integers
// (`_ms` for records, `_us` for data). A "?" makes a column nullable.
import { hash } from 'node:crypto';
import type { ColumnType, Dialect } from './dialect.ts';

export type ColumnSpec = ColumnType | `${ColumnType}?`;

export interface Table {
  readonly name: string;
  readonly columns: Readonly<Record<string, ColumnSpec>>;
  readonly primary: readonly string[];
  readonly unique?: readonly (readonly string[])[];
  /** Plain indexes; `where` makes one partial (the same words on both databases). */
  readonly indexes?: readonly (readonly string[] | { readonly on: readonly string[]; readonly where: string })[];
  /**
   * Rows are short and lie in the primary key itself, so that a write touches half as many pages: on SQLite
   * WITHOUT ROWID. For tables that take many rows; rows beyond some 200 bytes are better off without it.
   */
  readonly clustered?: true;
  /** Columns restricted to a list of words, for example a state. */
  readonly oneOf?: Readonly<Record<string, readonly string[]>>;
}

// Quoted, as queries quote them, because one database reserves words that the other does not ("window").
// An index may order a column (`seq desc`) and hold an expression (`substr(value, 1, 200)`).
const quoted = (column: string): string => (column.includes('(') ? column : column.replace(/^\w+/, '"$&"'));
const list = (columns: readonly string[]): string => columns.map(quoted).join(', ');

/** The statements that create a table and its indexes on the given database. */
export function createTableSql(table: Table, dialect: Dialect): string[] {
  const lines = Object.entries(table.columns).map(([name, spec]) => {
    const nullable = spec.endsWith('?');
    const type = (nullable ? spec.slice(0, -1) : spec) as ColumnType;
    const allowed = table.oneOf?.[name];
    const check = allowed ? ` check (${quoted(name)} in (${allowed.map((w) => `'${w}'`).join(', ')}))` : '';
    return `  ${quoted(name)} ${dialect.columnTypes[type]}${nullable ? '' : ' not null'}${check}`;
  });
  lines.push(`  primary key (${list(table.primary)})`);
  for (const unique of table.unique ?? []) lines.push(`  unique (${list(unique)})`);
  const statements = [
    `create table ${table.name} (\n${lines.join(',\n')}\n)${table.clustered ? dialect.clusteredSuffix : dialect.tableSuffix}`,
  ];
  for (const index of table.indexes ?? []) {
    const on = 'on' in index ? index.on : index;
    const where = 'on' in index ? ` where ${index.where}` : '';
    const name = shortName(`${table.name}__${on.map((c) => c.replace(/\W.*/, '')).join('__')}`);
    statements.push(`create index ${name} on ${table.name} (${list(on)})${where}`);
  }
  return statements;
}

/** PostgreSQL cuts names off at 63 bytes; of a longer one its beginning stays, and a digest keeps it apart from others. */
const shortName = (name: string): string => (name.length <= 63 ? name : `${name.slice(0, 53)}__${hash('sha256', name).slice(0, 8)}`);
