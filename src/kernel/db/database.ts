// The database port. Everything that writes goes through `tx`; everything else reads committed state.
import {
  DefaultQueryExecutor,
  Kysely,
  PostgresAdapter,
  PostgresQueryCompiler,
  SqliteAdapter,
  SqliteQueryCompiler,
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect as KyselyDialect,
  type Driver,
  type QueryResult,
} from 'kysely';
import { defineErrors } from '../errors.ts';
import type { Dialect } from './dialect.ts';

/**
 * A handle for queries: the read-only one, or the transaction's. It is always an argument and never kept
 * in a field. A store gives it its own tables: `db.withTables<RunTables>()`.
 */
export type Db = Kysely<object>;

export interface Database {
  readonly dialect: Dialect;
  /** Committed state, read only. On SQLite a second connection, so that no reader sees an open group. */
  readonly reader: Db;
  /** The same for what may look at very many rows. On SQLite a thread of its own, so that nobody waits for it. */
  readonly scanner: Db;
  /**
   * Runs `body` as one transaction and resolves after it is durable. The body may await database calls
   * only and may run again after a serialization failure, so it has no other effect. `onCommit` runs
   * once, after the commit.
   */
  tx<T>(body: (db: Db, onCommit: (effect: () => void) => void) => Promise<T>, kind?: TransactionKind): Promise<T>;
  /** Words to and from the other replicas of this database; absent where there is one process only. */
  readonly signals?: Signals;
  /** Leaves nothing on disk of rows that were deleted or overwritten, as far as the database can. False if a reader is in the way. */
  scrub(): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * For what locks before it reads; it makes no difference on SQLite. `latest`: each statement sees what was committed before it.
 * `patient`: the same, and no statement is given up for the time it takes.
 */
export type TransactionKind = 'serializable' | 'latest' | 'patient';

export interface Signals {
  /** Says to the others that there is something to do; best effort, and soon rather than at once. */
  send(topic: string): void;
  /** Calls `hearer` with what others say, and with "all" when some of it may have been missed. */
  hear(hearer: (topic: string) => void): void;
}

/** The handle for a scan: the reader's thread, or the transaction that it is part of. */
export const scannerOf = ({ db, database }: { readonly db: Db; readonly database: Database }): Db =>
  db === database.reader ? database.scanner : db;

/** How the server comes to the way it performs a prepared statement. `kept`: for one that looks for nothing in a table. */
export type Plan = 'kept' | 'new';

export interface Connection {
  /** `name`: the server may keep the statement prepared under it. */
  execute(sql: string, binds: readonly unknown[], name?: string): Promise<QueryResult<unknown>>;
  /** Sends what answers no rows and waits for nothing: that it failed shows at the next `execute`, or at the commit. */
  send?(sql: string, binds: readonly unknown[], name?: string, plan?: Plan): Promise<void>;
  /** The same statement for each list of binds, one after the other; where the database is in this process. */
  executeMany?(sql: string, lists: readonly (readonly unknown[])[]): Promise<void>;
}

/** The connection behind a handle, for statements that are not built anew each time (statement.ts, insert-many.ts). */
const bound = new WeakMap<object, { readonly dialect: Dialect; readonly connection: Connection }>();
export const boundTo = (db: Db): { readonly dialect: Dialect; readonly connection: Connection } => bound.get(db.getExecutor())!;

const { fail } = defineErrors({
  'text-not-storable': {
    status: 400,
    title: 'A text cannot be stored',
    detail: (_: object) => 'A text holds the character U+0000, which no database text can hold. Remove it and repeat the request.',
  },
});

const unusable = (): never => {
  throw new Error('a handle is bound to one connection; begin transactions with Database.tx');
};

/** A Kysely over one connection; cheap enough to be made for each transaction. */
export function handleOver(dialect: Dialect, connection: Connection): Db {
  const own: DatabaseConnection = {
    executeQuery: <R>(query: CompiledQuery) => connection.execute(query.sql, query.parameters.map(toBind)) as Promise<QueryResult<R>>,
    streamQuery: unusable,
  };
  const compiler = dialect.name === 'sqlite' ? sqliteCompiler : postgresCompiler;
  const adapter = dialect.name === 'sqlite' ? sqliteAdapter : postgresAdapter;
  const executor = new DefaultQueryExecutor(compiler, adapter, { provideConnection: (use) => use(own) });
  bound.set(executor, { dialect, connection });
  return new Kysely<object>({ config: { dialect: noDialect }, driver: noDriver, dialect: noDialect, executor });
}

const sqliteCompiler = new SqliteQueryCompiler();
const postgresCompiler = new PostgresQueryCompiler();
const sqliteAdapter = new SqliteAdapter();
const postgresAdapter = new PostgresAdapter();
const noDialect: KyselyDialect = {
  createAdapter: unusable,
  createDriver: unusable,
  createIntrospector: unusable,
  createQueryCompiler: unusable,
};
const noDriver: Driver = {
  init: async () => undefined,
  acquireConnection: unusable,
  beginTransaction: unusable,
  commitTransaction: unusable,
  rollbackTransaction: unusable,
  releaseConnection: unusable,
  destroy: async () => undefined,
};

// node:sqlite stores a bound Date or NaN as NULL, takes undefined silently and cannot read back an integer
// beyond 2^53; all are defects of the caller, and the same ones on both databases.
export function toBind(value: unknown): unknown {
  if (typeof value === 'string') return value.includes('\0') ? fail('text-not-storable', {}) : value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value === undefined || value instanceof Date) throw new TypeError('undefined and Date cannot be bound; use null and integer times');
  if (Number.isNaN(value)) throw new TypeError('NaN cannot be bound; use null, or a column that says so');
  if (typeof value === 'bigint' && !Number.isSafeInteger(Number(value))) throw new RangeError(`the integer ${value} is beyond 2^53`);
  return value;
}

const ended = (): Promise<never> => Promise.reject(new Error('this transaction has ended'));

/** A body that goes on after its transaction ended must not write into somebody else's. */
export function untilEnded(connection: Connection): Connection & { end(): void } {
  let open = true;
  return {
    execute: (sql, binds) => (open ? connection.execute(sql, binds) : ended()),
    ...(connection.executeMany ? { executeMany: (sql, lists) => (open ? connection.executeMany!(sql, lists) : ended()) } : {}),
    end: () => void (open = false),
  };
}

/** After a commit nothing may fail any more: what an effect throws is a defect that changes no answer. */
export function runEffects(effects: readonly (() => void)[]): void {
  for (const effect of effects) {
    try {
      effect();
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error));
    }
  }
}
