// SQLite by node:sqlite with group commit: transactions are parts of one outer transaction, each a savepoint from
// the second on, that is committed when no more are waiting, or after 2 ms. One fsync then serves all of a group, and each
// promise resolves only after it.
import { DatabaseSync } from 'node:sqlite';
import { failpoint } from '../failpoints.ts';
import { handleOver, runEffects, untilEnded, type Database, type Db } from './database.ts';
import { sqliteDialect } from './dialect.ts';
import { openScanner } from './scans/scanner.ts';
import { connectionOver, openForReading } from './sqlite-statements.ts';

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
  const readOnly = openForReading(path);
  const writer = connectionOver(file);
  const inGroup = handleOver(sqliteDialect, writer);
  const reader = handleOver(sqliteDialect, connectionOver(readOnly));
  const scans = openScanner(path);
  const [begin, commit, savepoint, release] = ['begin immediate', 'commit', 'savepoint body', 'release body'].map((sql) =>
    file.prepare(sql),
  );
  const waiting: Waiting[] = [];
  let beforeCommit: (db: Db) => Promise<void> = async () => undefined;
  let pumping: Promise<void> | undefined;
  let closed = false;

  /** `first`: nothing of others is in the outer transaction yet, so it is taken back as a whole. A savepoint copies what changes. */
  const runOne = async (item: Waiting, first: boolean, settled: (() => void)[]): Promise<boolean> => {
    const effects: (() => void)[] = [];
    const own = untilEnded(writer);
    if (!first) savepoint!.run();
    try {
      const value = await withinMacrotask(item.body(handleOver(sqliteDialect, own), (effect) => effects.push(effect)));
      if (!first) release!.run();
      settled.push(() => {
        runEffects(effects);
        item.resolve(value);
      });
      return true;
    } catch (error) {
      // A full disk can end the outer transaction by itself; then there is nothing to go back to.
      if (!file.isTransaction) throw error;
      file.exec(first ? 'rollback; begin immediate' : 'rollback to body; release body');
      settled.push(() => item.reject(error));
      return false;
    } finally {
      own.end();
    }
  };

  const runGroup = async (): Promise<void> => {
    const group: Waiting[] = [];
    const settled: (() => void)[] = [];
    let first = true;
    try {
      begin!.run();
      const deadline = performance.now() + GROUP_MS;
      do {
        while (waiting.length > 0 && performance.now() < deadline) {
          const item = waiting.shift()!;
          group.push(item);
          if (await runOne(item, first, settled)) first = false;
        }
        // One turn of the event loop lets requests that have already arrived join this group.
        await new Promise(setImmediate);
      } while (waiting.length > 0 && performance.now() < deadline);
      await beforeCommit(inGroup);
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
    scanner: handleOver(sqliteDialect, scans),
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
      await scans.close();
      readOnly.close();
      file.close();
    },
  };
}

// Database calls resolve within the current macrotask. A body still pending after two turns awaits
// something else (a timer, the network) and would hold everybody's transaction open.
function withinMacrotask<T>(body: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const watch = setImmediate(() => reject(new Error('a transaction awaited something other than the database')));
    body.then(resolve, reject).finally(() => clearImmediate(watch));
  });
}
