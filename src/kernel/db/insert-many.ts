// Many rows into one table by one statement, however many they are: a list of binds for each row would be built and parsed anew.
import { boundTo, toBind, type Db } from './database.ts';
import type { ColumnType, Dialect } from './dialect.ts';
import { numberBinds, type Bind } from './statement.ts';

export interface Insert {
  readonly table: string;
  readonly columns: Readonly<Record<string, ColumnType>>;
  /** What follows the values, for example `on conflict do nothing`; in the words of each database where they differ. */
  readonly then?: string | Readonly<Record<Dialect['name'], string>>;
}

const ROWS = 20;

/** PostgreSQL's types of whole columns; as in dialect.ts. */
const listTypes: Readonly<Record<ColumnType, string>> = {
  id: 'text',
  text: 'text',
  int: 'bigint',
  real: 'double precision',
  bool: 'smallint',
  json: 'text',
  bytes: 'bytea',
};

/** Statements for one row, for as many as go by one call, and for all of them as lists of columns. */
function statementsOf({ table, columns, then = '' }: Insert, returning = '') {
  const names = Object.keys(columns);
  const into = `insert into ${table} (${names.map((n) => `"${n}"`).join(', ')})`;
  const values = `(${names.map(() => '?').join(', ')})`;
  const end = (dialect: Dialect['name']) => `${typeof then === 'string' ? then : then[dialect]} ${returning}`;
  const lists = Object.values(columns).map((type) => `?::${listTypes[type]}[]`);
  return {
    width: names.length,
    one: `${into} values ${values} ${end('sqlite')}`,
    // Where a statement is a call, not a message: a few rows by each save most of the calls, and more of them save no more.
    some: `${into} values ${Array.from({ length: ROWS }, () => values).join(', ')} ${end('sqlite')}`,
    whole: numberBinds(`${into} select * from unnest(${lists.join(', ')}) ${end('postgres')}`),
  };
}

type Lists = readonly (readonly Bind[])[];

const inGroups = (checked: readonly (readonly unknown[])[]): { groups: unknown[][]; rest: readonly (readonly unknown[])[] } => {
  const whole = checked.length - (checked.length % ROWS);
  const groups = Array.from({ length: whole / ROWS }, (_, i) => checked.slice(i * ROWS, (i + 1) * ROWS).flat());
  return { groups, rest: checked.slice(whole) };
};
const byColumn = (checked: readonly (readonly unknown[])[], width: number): unknown[][] =>
  Array.from({ length: width }, (_, i) => checked.map((list) => list[i]));

/**
 * A way to put lists of values, in the order of the columns, into a table. Where `then` changes a row that is
 * there, no two of the lists may be of the same one.
 */
export function insertMany(insert: Insert): (db: Db, lists: Lists) => Promise<void> {
  const { width, one, some, whole } = statementsOf(insert);
  return async (db, lists) => {
    if (lists.length === 0) return;
    const { connection } = boundTo(db);
    const checked = lists.map((list) => list.map(toBind));
    if (!connection.executeMany) return void (await connection.execute(whole, byColumn(checked, width)));
    const { groups, rest } = inGroups(checked);
    if (groups.length > 0) await connection.executeMany(some, groups);
    if (rest.length > 0) await connection.executeMany(one, rest);
  };
}

/** The same, and answers the columns `returning` of each row that it put there or changed, in no order. */
export function insertReturning<Row>(insert: Insert & { readonly returning: string }): (db: Db, lists: Lists) => Promise<Row[]> {
  const { width, one, some, whole } = statementsOf(insert, `returning ${insert.returning}`);
  return async (db, lists) => {
    if (lists.length === 0) return [];
    const { connection } = boundTo(db);
    const checked = lists.map((list) => list.map(toBind));
    if (!connection.executeMany) return (await connection.execute(whole, byColumn(checked, width))).rows as Row[];
    const { groups, rest } = inGroups(checked);
    const rows: Row[] = [];
    for (const group of groups) rows.push(...((await connection.execute(some, group)).rows as Row[]));
    for (const list of rest) rows.push(...((await connection.execute(one, list)).rows as Row[]));
    return rows;
  };
}
