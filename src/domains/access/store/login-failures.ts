import type { Db } from '../../../kernel/db/database.ts';

export interface FailureRow {
  key: string;
  failures: number;
  last_ms: number;
  until_ms: number;
}

const failuresIn = (db: Db) => db.withTables<{ login_failures: FailureRow }>();

export const listFailures = (db: Db, keys: readonly string[]): Promise<FailureRow[]> =>
  failuresIn(db).selectFrom('login_failures').selectAll().where('key', 'in', keys).orderBy('key').execute();

export const setFailures = (db: Db, row: FailureRow) =>
  failuresIn(db)
    .insertInto('login_failures')
    .values(row)
    .onConflict((c) => c.column('key').doUpdateSet({ failures: row.failures, last_ms: row.last_ms, until_ms: row.until_ms }))
    .execute();

export const deleteFailures = (db: Db, keys: readonly string[]) =>
  failuresIn(db).deleteFrom('login_failures').where('key', 'in', keys).execute();

export const deleteFailuresBefore = (db: Db, ms: number) => failuresIn(db).deleteFrom('login_failures').where('last_ms', '<', ms).execute();
