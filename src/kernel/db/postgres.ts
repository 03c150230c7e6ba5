// PostgreSQL by node-postgres. Transactions are serializable, as SQLite's are by nature, and repeated
// when the database says that two of them could not both be.
import { setTimeout as delay } from 'node:timers/promises';
import { defineErrors } from '../errors.ts';
import { handleOver, runEffects, untilEnded, type Connection, type Database, type Db } from './database.ts';
import { postgresDialect } from './dialect.ts';
import type pg from 'pg';

const ATTEMPTS = 12;
const LONGEST_PAUSE_MS = 200;
// SQLSTATE: serialization_failure, deadlock_detected.
const RACES = ['40001', '40P01'];
// unique_violation, duplicate_table: another transaction may have made it meanwhile. A body that looks before
// it writes sees it the next time (or loses to yet another one); one that does not fails again and is given up.
const MADE_MEANWHILE = ['23505', '42P07'];
const MADE_ATTEMPTS = 5;

const { fail } = defineErrors({
  'transaction-conflict': {
    status: 409,
    title: 'Too many changes of the same records at once',
    detail: (p: { attempts: number }) =>
      `Others changed the same records during each of ${p.attempts} attempts. Nothing was changed; repeat the request.`,
  },
  'database-unreachable': {
    status: 503,
    title: 'The database does not answer',
    detail: (p: { where: string; why: string }) =>
      `PostgreSQL at ${p.where} cannot be used: ${p.why}. Nothing was changed. See that it runs, and that GYRE_DATABASE_URL names its address, database, user and password.`,
  },
});

// No answer at all, a login that is refused (SQLSTATE class 28), no such database, a server that stops or starts.
const AWAY = /^(ECONN\w+|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|28...|3D000|57P0[1-3]|53300)$/;

/** The error as a problem that says where and why, if the database cannot be reached. Never names the password. */
function asUnreachable(error: unknown, url: string): never {
  const { code = '', message } = error as { code?: string; message: string };
  const { host, pathname } = new URL(url);
  if (AWAY.test(code)) fail('database-unreachable', { where: `${host}${pathname}`, why: message || code });
  throw error;
}

/** Connects lazily; `schema` puts all tables into one schema, so that tests share a server. */
export async function openPostgres(url: string, options: { schema?: string; poolSize?: number } = {}): Promise<Database> {
  const { default: driver } = await import('pg');
  driver.types.setTypeParser(driver.types.builtins.INT8, toInteger);
  // The sum of integers is numeric here and an integer on SQLite.
  driver.types.setTypeParser(driver.types.builtins.NUMERIC, Number);
  const pool = new driver.Pool({
    connectionString: url,
    max: options.poolSize ?? 10,
    ...(options.schema ? { options: `-c search_path=${options.schema}` } : {}),
  });
  // An idle client that loses its server is replaced by the pool; the next query reports what matters.
  pool.on('error', () => undefined);

  const once = async <T>(body: (db: Db, onCommit: (effect: () => void) => void) => Promise<T>): Promise<T> => {
    const client = await pool.connect().catch((error: unknown) => asUnreachable(error, url));
    const own = untilEnded(connectionOver(client));
    const effects: (() => void)[] = [];
    let broken: Error | undefined;
    let value: T;
    try {
      await client.query('begin isolation level serializable');
      value = await body(handleOver(postgresDialect, own), (effect) => effects.push(effect));
      own.end();
      // After a failed statement PostgreSQL answers a commit with a rollback, which is no error to it.
      const { command } = await client.query('commit');
      if (command !== 'COMMIT') throw new Error('the transaction was rolled back: its body went on after a statement that failed');
    } catch (error) {
      own.end();
      await client.query('rollback').catch((e: Error) => (broken = e));
      throw error;
    } finally {
      client.release(broken);
    }
    runEffects(effects);
    return value;
  };

  return {
    dialect: postgresDialect,
    reader: handleOver(postgresDialect, {
      execute: (statement, binds) =>
        connectionOver(pool)
          .execute(statement, binds)
          .catch((error: unknown) => asUnreachable(error, url)),
    }),
    tx: async (body) => {
      let madeMeanwhile = 0;
      for (let attempt = 1; ; attempt++) {
        try {
          return await once(body);
        } catch (error) {
          const code = error instanceof Error && 'code' in error ? String(error.code) : '';
          const again = RACES.includes(code) || (MADE_MEANWHILE.includes(code) && ++madeMeanwhile < MADE_ATTEMPTS);
          if (!again) throw error;
          if (attempt === ATTEMPTS) fail('transaction-conflict', { attempts: ATTEMPTS });
          await delay(Math.random() * Math.min(LONGEST_PAUSE_MS, 2 ** attempt));
        }
      }
    },
    // Dead rows go with a vacuum; what the server's own log still holds is out of reach from here.
    scrub: async () => {
      const { rows } = await pool.query<{ name: string }>(
        `select quote_ident(schemaname) || '.' || quote_ident(tablename) as name from pg_tables where schemaname = current_schema()`,
      );
      if (rows.length > 0) await pool.query(`vacuum ${rows.map((r) => r.name).join(', ')}`);
      return true;
    },
    close: () => pool.end(),
  };
}

// SQLite's adapter refuses what a number cannot hold; digits are never lost silently here either.
function toInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`the integer ${text} is beyond 2^53`);
  return value;
}

const connectionOver = (client: pg.Pool | pg.PoolClient): Connection => ({
  execute: async (sql, binds) => {
    const result = await client.query(sql, binds as unknown[]);
    return { rows: result.rows, ...(result.rowCount === null ? {} : { numAffectedRows: BigInt(result.rowCount) }) };
  },
});
