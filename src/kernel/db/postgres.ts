// PostgreSQL by node-postgres. Transactions are serializable, as SQLite's are by nature, and repeated
// when the database says that two of them could not both be, or the line broke before they were to be stored.
import { setTimeout as delay } from 'node:timers/promises';
import { handleOver, runEffects, type Connection, type Database, type Db, type TransactionKind } from './database.ts';
import { postgresDialect } from './dialect.ts';
import { fail, isAway, isCrash, isLasting, isMadeMeanwhile, isOutdated, isRace, placeOf, raise } from './postgres/faults.ts';
import { openPipeline, type Known } from './postgres/pipeline.ts';
import { openSignals } from './postgres/signals.ts';
import type pg from 'pg';

const ATTEMPTS = 12;
const LONGEST_PAUSE_MS = 200;
const MADE_ATTEMPTS = 5;
// A server that restarts, and connections of before it, cost nobody a request.
const AWAY_ATTEMPTS = 4;
const AWAY_PAUSE_MS = 150;
const FATE_MS = 10_000;
// A pool that has no connection to give for so long, or a server that does not greet.
const CONNECT_MS = 10_000;
// Nothing but the database is awaited inside a transaction, so whoever stands still in one is stopped or cut off; it
// must hold up the others no longer than this, and finds its transaction gone when it comes back.
const STANDSTILL_MS = 8000;
const LOCK_MS = 10_000;
// The answer may be under way when the server gives up by itself.
const ANSWER_MS = 5000;

export interface PostgresOptions {
  /** Puts all tables into one schema, so that tests share a server. */
  readonly schema?: string;
  readonly poolSize?: number;
  /** Gives a statement up; absent: never. */
  readonly statementTimeoutMs?: number;
  /** How long a commit whose answer was lost is asked after. */
  readonly fateMs?: number;
}

const BEGIN: Readonly<Record<TransactionKind, readonly string[]>> = {
  serializable: ['begin isolation level serializable'],
  latest: ['begin isolation level read committed'],
  patient: ['begin isolation level read committed', 'set local statement_timeout = 0'],
};
const NO_TIMEOUT_MS = 2 ** 31 - 1;

class LostBefore extends Error {}

/** Connects lazily. */
export async function openPostgres(url: string, options: PostgresOptions = {}): Promise<Database> {
  const { default: driver } = await import('pg');
  driver.types.setTypeParser(driver.types.builtins.INT8, toInteger);
  // The sum of integers is numeric here and an integer on SQLite.
  driver.types.setTypeParser(driver.types.builtins.NUMERIC, Number);
  const { schema, poolSize = 10, statementTimeoutMs, fateMs = FATE_MS } = options;
  const patienceMs = statementTimeoutMs ? statementTimeoutMs + ANSWER_MS : 0;
  const config: pg.PoolConfig = {
    connectionString: url,
    application_name: 'gyre',
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: CONNECT_MS,
    // A plan that is kept would be that of a table as small as it was when the program began.
    options: `-c plan_cache_mode=force_custom_plan${schema ? ` -c search_path=${schema}` : ''}`,
    ...(statementTimeoutMs
      ? {
          statement_timeout: statementTimeoutMs,
          lock_timeout: LOCK_MS,
          idle_in_transaction_session_timeout: STANDSTILL_MS,
          query_timeout: patienceMs,
        }
      : {}),
  };
  const pool = new driver.Pool({ ...config, max: poolSize });
  // An idle client that loses its server is replaced by the pool; the next query reports what matters.
  pool.on('error', () => undefined);
  // So is one that loses it while a transaction has it: its next statement fails.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const signals = openSignals(() => new driver.Client({ ...config, query_timeout: undefined } as pg.ClientConfig), pool);

  // A table that another version of the program changed makes what was prepared before useless: it is prepared anew.
  let prepared = 0;
  const nameOf = (name: string): string => `${name} ${prepared}`;

  /** What became of a commit that was not answered. Raises `commit-unknown`. */
  const fateOf = async ({ xid, began }: Known, error: unknown): Promise<'committed' | 'aborted'> => {
    for (const deadline = performance.now() + fateMs; performance.now() < deadline; await delay(50)) {
      try {
        // A server that crashed may give a number again that was lost with the end of its log. That it did not crash is
        // shown by a session older than the transaction.
        const { rows } = await pool.query<{ fate: string | null; same: boolean }>(
          `select pg_xact_status($1::xid8) as fate,
            exists(select 1 from pg_stat_activity where backend_start < $2::timestamptz) as same`,
          [xid, began],
        );
        const { fate, same } = rows[0]!;
        if (fate === 'aborted') return fate;
        if (fate === 'committed' && same && !isCrash(error)) return fate;
        if (fate !== 'in progress') break;
      } catch (e) {
        // invalid_parameter_value: a number that the server has not given yet, so ours went with its log.
        if ((e as { code?: string }).code === '22023') return 'aborted';
        if (!isAway(e)) throw e;
      }
    }
    return fail('commit-unknown', { where: placeOf(url), retryAfterS: 1 });
  };

  const once = async <T>(body: (db: Db, onCommit: (effect: () => void) => void) => Promise<T>, kind: TransactionKind): Promise<T> => {
    const client = await pool.connect().catch((error: unknown) => {
      throw isAway(error) && !isLasting(error) ? new LostBefore('', { cause: error }) : error;
    });
    const pipeline = openPipeline({
      client,
      begin: BEGIN[kind],
      nameOf: (name) => nameOf(`tx ${name}`),
      typeParser: driver.types.getTypeParser,
      patienceMs: kind === 'patient' ? NO_TIMEOUT_MS : patienceMs,
    });
    const effects: (() => void)[] = [];
    let committing = false;
    let broken: Error | undefined;
    let value!: T;
    try {
      value = await body(handleOver(postgresDialect, pipeline), (effect) => effects.push(effect));
      committing = true;
      await pipeline.commit();
    } catch (error) {
      pipeline.end();
      if (isAway(error)) broken = error as Error;
      else if (pipeline.begun) await client.query('rollback').catch((e: Error) => (broken = e));
      // Whatever the body made of it, a command that failed before is why there is nothing to commit.
      const first = pipeline.failure ?? error;
      if (!isAway(first)) throw first;
      broken ??= first as Error;
      if (!committing || !pipeline.known || (await fateOf(pipeline.known, first)) === 'aborted') throw new LostBefore('', { cause: first });
    } finally {
      client.release(broken);
    }
    runEffects(effects);
    return value;
  };

  const read = async (statement: string, binds: readonly unknown[], name?: string) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await connectionOver(pool, undefined, nameOf).execute(statement, binds, name);
      } catch (error) {
        if (isOutdated(error) && attempt < AWAY_ATTEMPTS) prepared += 1;
        else if (!isAway(error) || isLasting(error) || attempt === AWAY_ATTEMPTS) return raise(error, url);
        await delay(Math.random() * AWAY_PAUSE_MS * attempt);
      }
    }
  };

  const reader = handleOver(postgresDialect, { execute: read });
  return {
    dialect: postgresDialect,
    reader,
    scanner: reader,
    signals,
    tx: async (body, kind = 'serializable') => {
      let madeMeanwhile = 0;
      let away = 0;
      for (let attempt = 1; ; attempt++) {
        try {
          return await once(body, kind);
        } catch (error) {
          if (error instanceof LostBefore) {
            if (++away === AWAY_ATTEMPTS) return raise(error.cause, url);
            await delay(Math.random() * AWAY_PAUSE_MS * away);
            continue;
          }
          if (isOutdated(error)) prepared += 1;
          else if (!isRace(error) && !(isMadeMeanwhile(error) && ++madeMeanwhile < MADE_ATTEMPTS)) {
            // Whoever sets bounds of his own knows what they mean.
            if (kind === 'patient' && !isAway(error)) throw error;
            return raise(error, url);
          }
          if (attempt === ATTEMPTS) fail('transaction-conflict', { attempts: ATTEMPTS, retryAfterS: 1 });
          await delay(Math.random() * Math.min(LONGEST_PAUSE_MS, 2 ** attempt));
        }
      }
    },
    // Dead rows go with a vacuum; what the server's own log still holds of them is out of reach from here.
    scrub: async () => {
      const { rows } = await pool.query<{ name: string }>(
        `select quote_ident(schemaname) || '.' || quote_ident(tablename) as name from pg_tables where schemaname = current_schema()`,
      );
      if (rows.length === 0) return true;
      const client = await pool.connect();
      try {
        const patient = connectionOver(client, NO_TIMEOUT_MS);
        await patient.execute('set statement_timeout = 0', []);
        await patient.execute(`vacuum ${rows.map((r) => r.name).join(', ')}`, []);
        await patient.execute('reset statement_timeout', []);
      } finally {
        client.release();
      }
      return true;
    },
    close: async () => {
      await signals.close();
      await pool.end();
    },
  };
}

// SQLite's adapter refuses what a number cannot hold; digits are never lost silently here either.
function toInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`the integer ${text} is beyond 2^53`);
  return value;
}

const connectionOver = (client: pg.Pool | pg.PoolClient, timeoutMs?: number, nameOf = (name: string) => name): Connection => ({
  execute: async (text, values, name) => {
    const prepared = name === undefined ? {} : { name: nameOf(name) };
    const patience = timeoutMs === undefined ? {} : { query_timeout: timeoutMs };
    const result = await client.query({ text, values, ...prepared, ...patience } as pg.QueryConfig);
    return { rows: result.rows, ...(result.rowCount === null ? {} : { numAffectedRows: BigInt(result.rowCount) }) };
  },
});
