// Prepared statements of one SQLite connection.
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { QueryResult } from 'kysely';
import type { Connection } from './database.ts';

interface Cached {
  readonly statement: StatementSync;
  /** Names of what it answers; empty if it changes rows and answers none. */
  readonly names: readonly string[];
}

const MOST_STATEMENTS = 500;

/** A second connection to a file, so that no reader sees an open group. */
export function openForReading(path: string): DatabaseSync {
  const file = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  // The pages are in the system's cache; mapped, they are read where they are.
  file.exec('pragma cache_size = -16384; pragma mmap_size = 8589934592; pragma temp_store = memory');
  return file;
}

/** Gives the statement of a text, and prepares it once. */
export function preparedIn(file: DatabaseSync): (sql: string) => Cached {
  const statements = new Map<string, Cached>();
  return (sql) => {
    const held = statements.get(sql);
    if (held) return held;
    const statement = file.prepare(sql);
    const cached = { statement, names: statement.columns().map((c) => c.name) };
    // Rows as lists cost a quarter of rows as objects without a prototype, which would have to be copied as well.
    if (cached.names.length > 0) statement.setReturnArrays(true);
    if (statements.size >= MOST_STATEMENTS) statements.delete(statements.keys().next().value!);
    statements.set(sql, cached);
    return cached;
  };
}

export const listsOf = (statement: StatementSync, binds: readonly unknown[]): unknown[][] =>
  statement.all(...(binds as SQLInputValue[])) as unknown as unknown[][];

export function connectionOver(file: DatabaseSync): Connection {
  const prepared = preparedIn(file);
  return {
    execute: async (sql, binds): Promise<QueryResult<unknown>> => {
      const { statement, names } = prepared(sql);
      if (names.length > 0) return { rows: listsOf(statement, binds).map((list) => named(names, list)) };
      const { changes } = statement.run(...(binds as SQLInputValue[]));
      return { rows: [], numAffectedRows: BigInt(changes) };
    },
    executeMany: async (sql, lists) => {
      const { statement } = prepared(sql);
      for (const list of lists) statement.run(...(list as SQLInputValue[]));
    },
  };
}

export function named(names: readonly string[], list: readonly unknown[]): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  for (let i = 0; i < names.length; i++) row[names[i]!] = list[i];
  return row;
}
