// SQLite by node:sqlite with group commit: transactions are savepoints of one outer transaction that is
// committed when no more are waiting, or after 2 ms. One fsync then serves all of a group, and each
// promise resolves only after it.
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { QueryResult } from 'kysely';
import { failpoint } from '../failpoints.ts';
import { handleOver, runEffects, untilEnded, type Connection, type Database, type Db } from './database.ts';
import { sqliteDialect } from './dialect.ts';

const GROUP_MS = 2;
/** 16 MiB of log before it goes into the file: pages that many commits write go there once. */
const CHECKPOINT_PAGES = 4000;

interface Waiting {
  readonly body: (db: Db, onCommit: (effect: () => void) => void) => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface BeforeCommit {
  /** Called with the open transaction just before each commit of a group (the sequencer of events). */
  onBeforeCommit(hook: (db: Db) => Promise<void>): void;
}

/** Opens (and creates) the database file. `durability: 'process'` leaves the disk's own cache unflushed. */
export function openSqlite(path: string, durability: 'power' | 'process' = 'power'): Database & BeforeCommit {
  const file = new DatabaseSync(path, { timeout: 5000, enableForeignKeyConstraints: true });
  file.exec(`pragma journal_mode = wal; pragma synchronous = ${durability === 'power' ? 'full' : 'normal'};
    pragma secure_delete = on; pragma cache_size = -65536; pragma temp_store = memory; pragma journal_size_limit = 67108864;
    pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  const readOnly = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  // The pages are in the system's cache; mapped, they are read where they are.
  readOnly.exec('pragma cache_size = -16384; pragma mmap_size = 8589934592; pragma temp_store = memory');
  const writer = statementCache(file);
  const reader = handleOver(sqliteDialect, statementCache(readOnly));
  const [begin, commit, savepoint, release] = ['begin immediate', 'commit', 'savepoint body', 'release body'].map((sql) =>
    file.prepare(sql),
  );
  const waiting: Waiting[] = [];
  let beforeCommit: (db: Db) => Promise<void> = async () => undefined;
  let pumping: Promise<void> | undefined;
  let closed = false;

  const runOne = async (item: Waiting, settled: (() => void)[]): Promise<void> => {
    const effects: (() => void)[] = [];
    const own = untilEnded(writer);
    savepoint!.run();
    try {
      const value = await withinMacrotask(item.body(handleOver(sqliteDialect, own), (effect) => effects.push(effect)));
      release!.run();
      settled.push(() => {
        runEffects(effects);
        item.resolve(value);
      });
    } catch (error) {
      // A full disk can end the outer transaction by itself; then there is no savepoint to go back to.
      if (file.isTransaction) file.exec('rollback to body; release body');
      settled.push(() => item.reject(error));
      if (!file.isTransaction) throw error;
    } finally {
      own.end();
    }
  };

  const runGroup = async (): Promise<void> => {
    const group: Waiting[] = [];
    const settled: (() => void)[] = [];
    try {
      begin!.run();
      const deadline = performance.now() + GROUP_MS;
      do {
        while (waiting.length > 0 && performance.now() < deadline) {
          const item = waiting.shift()!;
          group.push(item);
          await runOne(item, settled);
        }
        // One turn of the event loop lets requests that have already arrived join this group.
        await new Promise(setImmediate);
      } while (waiting.length > 0 && performance.now() < deadline);
      await beforeCommit(handleOver(sqliteDialect, writer));
      failpoint('db.before-commit');
      commit!.run();
      failpoint('db.after-commit');
    } catch (error) {
      try {
        if (file.isTransaction) file.exec('rollback');
      } catch {
        // What broke the transaction may break its end too; "error" is the cause.
      }
      // `begin` itself failed: nobody was taken in, so the whole queue hears of it.
      for (const item of group.length > 0 ? group : waiting.splice(0)) item.reject(error);
      return;
    }
    for (const settle of settled) settle();
  };

  const pump = async (): Promise<void> => {
    // `pumping` is set before the first body runs, so that a transaction begun inside one finds it.
    await Promise.resolve();
    while (waiting.length > 0) await runGroup();
    // In the same step as the last look at the queue: a transaction that comes later starts a pump of its own.
    pumping = undefined;
  };

  return {
    dialect: sqliteDialect,
    reader,
    tx: <T>(body: (db: Db, onCommit: (effect: () => void) => void) => Promise<T>) =>
      new Promise<T>((resolve, reject) => {
        if (closed) return reject(new Error('the database is closed'));
        waiting.push({ body, resolve: resolve as (value: unknown) => void, reject });
        pumping ??= pump();
      }),
    onBeforeCommit: (hook) => void (beforeCommit = hook),
    // Deleted rows are overwritten in their pages (`secure_delete`); what the log still holds of them goes with it.
    scrub: async () => {
      while (pumping) await pumping;
      const row = file.prepare('pragma wal_checkpoint(truncate)').get() as { busy: number };
      return row.busy === 0;
    },
    close: async () => {
      closed = true;
      while (pumping) await pumping;
      readOnly.close();
      file.close();
    },
  };
}

interface Cached {
  readonly statement: StatementSync;
  /** Names of what it answers; empty if it changes rows and answers none. */
  readonly names: readonly string[];
}

const MOST_STATEMENTS = 500;

function statementCache(file: DatabaseSync): Connection {
  const statements = new Map<string, Cached>();
  const prepared = (sql: string): Cached => {
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
  return {
    execute: async (sql, binds): Promise<QueryResult<unknown>> => {
      const { statement, names } = prepared(sql);
      const values = binds as SQLInputValue[];
      if (names.length > 0) return { rows: (statement.all(...values) as unknown as unknown[][]).map((list) => named(names, list)) };
      const { changes } = statement.run(...values);
      return { rows: [], numAffectedRows: BigInt(changes) };
    },
    executeMany: async (sql, lists) => {
      const { statement } = prepared(sql);
      for (const list of lists) statement.run(...(list as SQLInputValue[]));
    },
  };
}

function named(names: readonly string[], list: readonly unknown[]): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  for (let i = 0; i < names.length; i++) row[names[i]!] = list[i];
  return row;
}

// Database calls resolve within the current macrotask. A body still pending after two turns awaits
// something else (a timer, the network) and would hold everybody's transaction open.
function withinMacrotask<T>(body: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const watch = setImmediate(() => reject(new Error('a transaction awaited something other than the database')));
    body.then(resolve, reject).finally(() => clearImmediate(watch));
  });
}
