// The statements of one transaction on their way to PostgreSQL. Each way there and back is a wait and costs both sides, so
// a statement that answers no rows is kept until somebody asks for an answer, and goes with that question: BEGIN with the
// first one, commands with the next one, COMMIT with the last of them. A command that failed shows there, as its own error.
import type pg from 'pg';
import type { Connection, Plan } from '../database.ts';
import { runBatch, toWire, type Outcome, type Result, type Statement } from './batch.ts';

/** A transaction as the server knows it: what can be asked after when the answer to its commit is lost. */
export interface Known {
  readonly xid: string;
  readonly began: string;
}

interface Pipeline extends Connection {
  send(sql: string, binds: readonly unknown[], name?: string, plan?: Plan): Promise<void>;
  commit(): Promise<void>;
  /** A body that goes on after this must not write into somebody else's transaction, or outside of any. */
  end(): void;
  /** Whether the server has heard of it. */
  readonly begun: boolean;
  /** There before the commit is sent. */
  readonly known: Known | undefined;
  /** Of the first command that failed. */
  readonly failure: unknown;
}

interface PipelineOptions {
  readonly client: pg.PoolClient;
  readonly begin: readonly string[];
  /** What a prepared statement is called on this connection. */
  readonly nameOf: (name: string) => string;
  readonly typeParser: (oid: number) => (text: string) => unknown;
  /** For the answer to each statement; 0: forever. */
  readonly patienceMs: number;
}

// The number is taken now, for after the commit nobody may be there to tell it.
const KNOWN = 'select pg_current_xact_id()::text as xid, now()::text as began';
// Bounds what is kept here, and what the server is sent at once.
const MOST_KEPT = 100;
const MOST_LENGTH = 1_000_000;
const IN_FAILED_TRANSACTION = '25P02';
// Made anew at each time is how a connection begins (postgres.ts).
const PLAN_BY: Readonly<Record<Plan, string>> = {
  kept: 'set local plan_cache_mode = force_generic_plan',
  new: 'set local plan_cache_mode = force_custom_plan',
};

export function openPipeline({ client, begin, nameOf, typeParser, patienceMs }: PipelineOptions): Pipeline {
  let open = true;
  let known: Known | undefined;
  let failure: unknown;
  let begun = false;
  let kept: Statement[] = [
    ...begin.map((text) => ({ text, values: [], name: nameOf(text) })),
    { text: KNOWN, values: [], name: nameOf('known') },
  ];
  let length = 0;
  let mode: Plan = 'new';
  const knownAt = begin.length;
  let before: Promise<unknown> = Promise.resolve();

  const wentOn = (cause?: unknown): Error =>
    new Error('the transaction was rolled back: its body went on after a statement that failed', { cause });

  /** Sends what is kept, and the question behind it. */
  const flush = async (question?: Statement): Promise<Result | undefined> => {
    const statements = question ? [...kept, question] : kept;
    const first = begun ? -1 : knownAt;
    kept = [];
    length = 0;
    if (statements.length === 0) return undefined;
    begun = true;
    const sent = runBatch(client, statements, typeParser, patienceMs);
    before = sent;
    const { results, error }: Outcome = await sent;
    if (first >= 0 && results[first]) known = results[first].rows[0] as unknown as Known;
    if (error === undefined) return results.at(-1);
    // One that was asked for its answer gets its error, and who asked may make of it what he wants.
    if (!question || results.length < statements.length - 1) failure ??= codeOf(error) === IN_FAILED_TRANSACTION ? wentOn(error) : error;
    throw failure ?? error;
  };

  /** To plan an insert costs as much as the insert, and its plan is the same one whatever the tables hold. */
  const planned = (plan: Plan): void => {
    if (plan === mode) return;
    kept.push({ text: PLAN_BY[plan], values: [], name: nameOf(`plan ${plan}`) });
    mode = plan;
  };

  const enter = (): void => {
    if (!open) throw new Error('this transaction has ended');
    if (failure) throw failure as Error;
  };

  return {
    execute: async (text, values, name) => {
      enter();
      try {
        // Several statements in one text: not in this protocol.
        if (values.length === 0 && name === undefined && text.includes(';')) {
          await flush();
          const { rows, rowCount } = await client.query({ text, query_timeout: patienceMs } as pg.QueryConfig);
          return { rows, ...(rowCount === null ? {} : { numAffectedRows: BigInt(rowCount) }) };
        }
        planned('new');
        const { rows, count } = (await flush({ text, values: values.map(toWire), name: name && nameOf(name) }))!;
        return { rows, ...(count === undefined ? {} : { numAffectedRows: BigInt(count) }) };
      } catch (error) {
        // It came from the socket and would not say who asked.
        Error.captureStackTrace(error as Error);
        throw error;
      }
    },
    send: async (text, values, name, plan = 'new') => {
      enter();
      planned(plan);
      const wired = values.map(toWire);
      kept.push({ text, values: wired, name: name && nameOf(name) });
      for (const value of wired) length += value?.length ?? 0;
      if (kept.length >= MOST_KEPT || length > MOST_LENGTH) await flush();
    },
    commit: async () => {
      open = false;
      // Nothing that was asked for and not awaited comes behind the commit, and its number is known before.
      await before;
      if (failure) throw failure as Error;
      if (!known) await flush();
      // After a failed statement PostgreSQL answers a commit with a rollback, which is no error to it. It is parsed anew
      // each time: that costs nothing.
      const answer = await flush({ text: 'commit', values: [] });
      if (answer?.command !== 'COMMIT') throw wentOn();
    },
    end: () => void (open = false),
    get begun() {
      return begun;
    },
    get known() {
      return known;
    },
    get failure() {
      return failure;
    },
  };
}

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code;
