// Statements as text, for what runs on every request: a query built anew costs more than the database needs to answer it.
import { boundTo, toBind, type Db } from './database.ts';

export type Bind = string | number | bigint | boolean | null | Uint8Array;

export interface Statement<Row> {
  (db: Db, ...binds: readonly Bind[]): Promise<readonly Row[]>;
}

let names = 0;
/** For a statement that PostgreSQL keeps prepared on each connection: of those there is a fixed number in the program. */
export const nextName = (): string => `s${++names}`;

/**
 * A statement with `?` for each bind, the same words on both databases. `prepared`: PostgreSQL keeps it on
 * each connection and does not parse it anew, which is for what nearly every request asks.
 *
 *     const userByName = statement<UserRow>('select * from users where name = ?');
 *     const [user] = await userByName(db, name);
 */
export function statement<Row = never>(text: string, prepared?: 'prepared'): Statement<Row> {
  const numbered = numberBinds(text);
  const name = prepared && nextName();
  return async (db, ...binds) => {
    const { dialect, connection } = boundTo(db);
    const { rows } = await connection.execute(dialect.name === 'sqlite' ? text : numbered, binds.map(toBind), name);
    return rows as Row[];
  };
}

/**
 * A statement that answers no rows. In a transaction on PostgreSQL it is sent and not waited for: that it failed shows,
 * as its own error, at the next statement that is waited for or at the commit. So nobody may catch its error to go on.
 */
export function command(text: string): (db: Db, ...binds: readonly Bind[]) => Promise<void> {
  const numbered = numberBinds(text);
  const name = nextName();
  const plan = /^insert into [^;]*?\bvalues \(/.test(text) ? 'kept' : 'new';
  return async (db, ...binds) => {
    const { dialect, connection } = boundTo(db);
    if (connection.send) await connection.send(numbered, binds.map(toBind), name, plan);
    else await connection.execute(dialect.name === 'sqlite' ? text : numbered, binds.map(toBind), name);
  };
}

/** PostgreSQL counts its binds. */
export function numberBinds(text: string): string {
  let count = 0;
  return text.replaceAll('?', () => `$${++count}`);
}
