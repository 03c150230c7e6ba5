// PostgreSQL by node-postgres. Transactions are serializable, as SQLite's are by nature, and repeated
// when the database says that two of them could not both be (SQLSTATE 40001, 40P01).
import { setTimeout as delay } from 'node:timers/promises';
import { handleOver, type Connection, type Database, type Db } from './database.ts';
import { postgresDialect } from './dialect.ts';
import type pg from 'pg';

const ATTEMPTS = 8;

/** Connects lazily; `schema` puts all tables into one schema, so that tests share a server. */
export async function openPostgres(url: string, options: { schema?: string; poolSize?: number } = {}): Promise<Database> {
  const { default: driver } = await import('pg');
  driver.types.setTypeParser(driver.types.builtins.INT8, Number);
  const pool = new driver.Pool({
    connectionString: url,
    max: options.poolSize ?? 10,
    ...(options.schema ? { options: `-c search_path=${options.schema}` } : {}),
  });
  // An idle client that loses its server is replaced by the pool; the next query reports what matters.
  pool.on('error', () => undefined);

  const once = async <T>(body: (db: Db, onCommit: (effect: () => void) => void) => Promise<T>): Promise<T> => {
    const client = await pool.connect();
    const effects: (() => void)[] = [];
    let broken: Error | undefined;
    try {
      await client.query('begin isolation level serializable');
      const db = handleOver(postgresDialect, connectionOver(client));
      const value = await body(db, (effect) => effects.push(effect));
      await client.query('commit');
      for (const effect of effects) effect();
      return value;
    } catch (error) {
      await client.query('rollback').catch((e: Error) => (broken = e));
      throw error;
    } finally {
      client.release(broken);
    }
  };

  return {
    dialect: postgresDialect,
    reader: handleOver(postgresDialect, connectionOver(pool)),
    tx: async (body) => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await once(body);
        } catch (error) {
          const code = error instanceof Error && 'code' in error ? error.code : '';
          if ((code !== '40001' && code !== '40P01') || attempt === ATTEMPTS) throw error;
          await delay(2 ** attempt + Math.random() * 5);
        }
      }
    },
    close: () => pool.end(),
  };
}

const connectionOver = (client: pg.Pool | pg.PoolClient): Connection => ({
  execute: async (sql, binds) => {
    const result = await client.query(sql, binds as unknown[]);
    return { rows: result.rows, ...(result.rowCount === null ? {} : { numAffectedRows: BigInt(result.rowCount) }) };
  },
});
