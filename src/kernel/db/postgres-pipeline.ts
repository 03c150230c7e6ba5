// The statements of one transaction on their way to PostgreSQL. Each way there and back costs both sides a wait, so
// nothing is waited for that nobody asked for: BEGIN travels with the first question, commands that answer no rows follow
// one another, and COMMIT goes right behind them. A command that failed shows at the next question or at the commit.
import type pg from 'pg';
import type { Connection } from './database.ts';

/** A transaction as the server knows it: what can be asked after when the answer to its commit is lost. */
export interface Known {
  readonly xid: string;
  readonly began: string;
}

export interface Pipeline extends Connection {
  send(sql: string, binds: readonly unknown[], name?: string): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  /** A body that goes on after this must not write into somebody else's transaction, or outside of any. */
  end(): void;
  /** Known before anything is written. */
  readonly known: Known | undefined;
  /** Of the first command that failed; what failed after it failed because of it. */
  readonly failure: unknown;
}

interface Question {
  readonly text: string;
  readonly values?: readonly unknown[];
  readonly name?: string | undefined;
}
type Answer = (error: Error | null, result: pg.QueryResult) => void;

// The number is taken now, for after the commit nobody may be there to tell it.
const KNOWN = { name: 'known', text: 'select pg_current_xact_id()::text as xid, now()::text as began' };
// Had BEGIN failed, this would run outside of the transaction: only what changes nothing may go before its answer.
const QUESTION = /^\s*select\b/i;

const IN_FAILED_TRANSACTION = '25P02';

/** `nameOf` tells what a prepared statement is called on this connection. */
export function openPipeline(
  client: pg.PoolClient,
  begin: readonly string[],
  nameOf: (name: string) => string,
  timeoutMs?: number,
): Pipeline {
  let open = true;
  let known: Known | undefined;
  let failure: unknown;
  const { stream } = (client as unknown as { connection: { stream: { cork(): void; uncork(): void } } }).connection;
  let corked = false;

  const post = ({ text, values, name }: Question, answer: Answer): void => {
    // What is sent in one turn goes in one packet.
    if (!corked) {
      corked = true;
      stream.cork();
      process.nextTick(() => {
        corked = false;
        stream.uncork();
      });
    }
    const config = { text, values, name: name && nameOf(name), ...(timeoutMs === undefined ? {} : { query_timeout: timeoutMs }) };
    client.query(config as pg.QueryConfig, answer);
  };
  const ask = (question: Question): Promise<pg.QueryResult> =>
    new Promise((resolve, reject) => {
      post(question, (error, result) => {
        const first = failure ?? error;
        if (first === undefined || first === null) return resolve(result);
        return reject(first as Error);
      });
    });
  const wentOn = (cause?: unknown): Error =>
    new Error('the transaction was rolled back: its body went on after a statement that failed', { cause });
  const noted: Answer = (error) => {
    if (error) failure ??= (error as { code?: string }).code === IN_FAILED_TRANSACTION ? wentOn(error) : error;
  };

  for (const text of begin) post({ text, name: text }, noted);
  const begun = new Promise<void>((resolve) => {
    post(KNOWN, (error, result) => {
      noted(error, result);
      if (!failure) known = result.rows[0] as Known;
      resolve();
    });
  });

  /** Raises what failed before. */
  const enter = (): void => {
    if (!open) throw new Error('this transaction has ended');
    if (failure) throw failure as Error;
  };

  return {
    execute: async (text, values, name) => {
      enter();
      if (!known && !QUESTION.test(text)) await begun.then(enter);
      try {
        const { rows, rowCount } = await ask({ text, values, name });
        return { rows, ...(rowCount === null ? {} : { numAffectedRows: BigInt(rowCount) }) };
      } catch (error) {
        // It came from the socket and would not say who asked.
        Error.captureStackTrace(error as Error);
        throw error;
      }
    },
    send: async (text, values, name) => {
      enter();
      if (!known) await begun.then(enter);
      post({ text, values, name }, noted);
    },
    commit: async () => {
      open = false;
      if (!known) await begun;
      if (failure) throw failure as Error;
      // After a failed statement PostgreSQL answers a commit with a rollback, which is no error to it.
      const { command } = await ask({ text: 'commit' });
      if (command !== 'COMMIT') throw wentOn();
    },
    rollback: () => new Promise((resolve, reject) => post({ text: 'rollback' }, (error) => (error ? reject(error) : resolve()))),
    end: () => void (open = false),
    get known() {
      return known;
    },
    get failure() {
      return failure;
    },
  };
}
