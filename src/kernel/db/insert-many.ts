// Many rows into one table by one statement, however many they are: a list of binds for each row would be built and parsed anew.
import { boundTo, toBind, type Db } from './database.ts';
import type { ColumnType } from './dialect.ts';
import { nextName, numberBinds, type Bind } from './statement.ts';

export interface Insert {
  readonly table: string;
  readonly columns: Readonly<Record<string, ColumnType>>;
  /** What follows the values, for example `on conflict do nothing`. */
  readonly then?: string;
  /**
   * Where not the lists themselves are put there: the columns of the table, and a query of `given`, which has the lists
   * under the names of `columns`, and of what `also` adds to it: `, name as (…)`.
   */
  readonly select?: { readonly into: string; readonly query: string; readonly also?: string };
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

/**
 * A way to put lists of values, in the order of the columns, into a table. Where `then` changes a row that is
 * there, no two of the lists may be of the same one. A failure shows as a `command`'s does.
 */
export function insertMany({ table, columns, then = '', select }: Insert): (db: Db, lists: readonly (readonly Bind[])[]) => Promise<void> {
  const names = Object.keys(columns);
  const list = names.map((n) => `"${n}"`).join(', ');
  // SQLite would read "on conflict" as the condition of a join.
  const text = (rows: string): string =>
    select
      ? `with given (${list}) as (${rows})${select.also ?? ''} insert into ${table} (${select.into}) ${select.query} where true ${then}`
      : `insert into ${table} (${list}) ${rows} ${then}`;
  const values = `(${names.map(() => '?').join(', ')})`;
  const one = text(`values ${values}`);
  // Where a statement is a call, not a message: a few rows by each save most of the calls, and more of them save no more.
  const some = text(`values ${Array.from({ length: ROWS }, () => values).join(', ')}`);
  const types = Object.values(columns).map((type) => listTypes[type]);
  const whole = numberBinds(text(`select * from unnest(${types.map((type) => `?::${type}[]`).join(', ')})`));
  const oneNumbered = numberBinds(text(`values (${types.map((type) => `?::${type}`).join(', ')})`));
  const [oneName, wholeName] = [nextName(), nextName()];
  return async (db, lists) => {
    if (lists.length === 0) return;
    const { connection } = boundTo(db);
    const checked = lists.map((list) => list.map(toBind));
    if (connection.executeMany) {
      const whole = checked.length - (checked.length % ROWS);
      const groups = Array.from({ length: whole / ROWS }, (_, i) => checked.slice(i * ROWS, (i + 1) * ROWS).flat());
      if (groups.length > 0) await connection.executeMany(some, groups);
      if (whole < checked.length) await connection.executeMany(one, checked.slice(whole));
      return;
    }
    const put = connection.send ?? connection.execute;
    if (checked.length === 1) return void (await put(oneNumbered, checked[0]!, oneName, 'kept'));
    await put(
      whole,
      names.map((_, i) => checked.map((list) => list[i])),
      wholeName,
      // How many lists there are decides how they are joined with anything.
      select ? 'new' : 'kept',
    );
  };
}
