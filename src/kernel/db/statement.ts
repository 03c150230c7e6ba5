// Statements as text, for what runs on every request: a query built anew costs more than the database needs to answer it.
import { boundTo, toBind, type Db } from './database.ts';

export type Bind = string | number | bigint | boolean | null | Uint8Array;

export interface Statement<Row> {
  (db: Db, ...binds: readonly Bind[]): Promise<readonly Row[]>;
}

/**
 * A statement with `?` for each bind, the same words on both databases.
 *
 *     const userByName = statement<UserRow>('select * from users where name = ?');
 *     const [user] = await userByName(db, name);
 */
export function statement<Row = never>(text: string): Statement<Row> {
  const numbered = numberBinds(text);
  return async (db, ...binds) => {
    const { dialect, connection } = boundTo(db);
    const { rows } = await connection.execute(dialect.name === 'sqlite' ? text : numbered, binds.map(toBind));
    return rows as Row[];
  };
}

/** PostgreSQL counts its binds. */
export function numberBinds(text: string): string {
  let count = 0;
  return text.replaceAll('?', () => `$${++count}`);
}
