// Many rows into one table by one statement, however many they are: a list of binds for each row would be built and parsed anew.
import { boundTo, toBind, type Db } from './database.ts';
import type { ColumnType } from './dialect.ts';
import { nextName, numberBinds, type Bind } from './statement.ts';

export interface Insert {
  readonly table: string;
  readonly columns: Readonly<Record<string, ColumnType>>;
  /** What follows the values, for example `on conflict do nothing`. */
  readonly then?: string;
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
export function insertMany({ table, columns, then = '' }: Insert): (db: Db, lists: readonly (readonly Bind[])[]) => Promise<void> {
  const names = Object.keys(columns);
  const into = `insert into ${table} (${names.map((n) => `"${n}"`).join(', ')})`;
  const values = `(${names.map(() => '?').join(', ')})`;
  const one = `${into} values ${values} ${then}`;
  // Where a statement is a call, not a message: a few rows by each save most of the calls, and more of them save no more.
  const some = `${into} values ${Array.from({ length: ROWS }, () => values).join(', ')} ${then}`;
  const whole = numberBinds(
    `${into} select * from unnest(${Object.values(columns)
      .map((type) => `?::${listTypes[type]}[]`)
      .join(', ')}) ${then}`,
  );
  const [oneNumbered, oneName, wholeName] = [numberBinds(one), nextName(), nextName()];
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
    if (checked.length === 1) return void (await put(oneNumbered, checked[0]!, oneName));
    await put(
      whole,
      names.map((_, i) => checked.map((list) => list[i])),
      wholeName,
    );
  };
}
