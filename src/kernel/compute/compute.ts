// DuckDB in processes of its own. The port: a job names the tables it may read, the files it may write and
// the statements to run; each job gets a fresh DuckDB with a budget handed out beforehand. Killing the
// process is how a job is cancelled.
import { fork, type ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { extname, join } from 'node:path';
import { defineErrors } from '../errors.ts';
import { openBudget } from './budget.ts';

export interface ComputeTable {
  /** Absolute paths; all files of one schema by name. */
  readonly files: readonly string[];
  /** Default Parquet. */
  readonly format?: 'parquet' | 'ndjson';
  /** Of lines of JSON: names and DuckDB's types; nothing is guessed from the values, and other members are left out. */
  readonly columns?: Readonly<Record<string, string>>;
  /** Adds a column of this name with the path of the file that a row is from. */
  readonly fileColumn?: string;
}

/** One statement. `userSql` is untrusted: exactly one SELECT, which may read the job's tables and nothing else. */
export type Statement =
  | { readonly sql: string }
  | { readonly userSql: string; readonly into: { readonly parquet: string } | { readonly table: string }; readonly where?: string };

export interface ComputeJob {
  /** What is being done, for messages: "the SQL of dataset flights". */
  readonly what: string;
  readonly tables?: Readonly<Record<string, ComputeTable>>;
  /** Files that statements may read by their path, absolute; those of tables need not be named. */
  readonly reads?: readonly string[];
  /** Files this job may write, absolute. */
  readonly writes?: readonly string[];
  /** Run in order; user SQL runs after access to everything else has been shut off, as all statements do. */
  readonly statements: readonly Statement[];
  /** A last query whose rows come back; big integers as numbers, times as unix microseconds. */
  readonly rows?: string;
  /** Queries of numbers alone, whose columns come back as arrays: a million values need a hundredth of what rows need. */
  readonly numbers?: readonly string[];
  readonly memoryMb?: number;
  readonly threads?: number;
  readonly timeoutMs?: number;
}

export interface ComputeColumn {
  readonly name: string;
  /** DuckDB's name of the type, for example "BIGINT". */
  readonly type: string;
}

export interface ComputeResult {
  readonly columns: readonly ComputeColumn[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Of each query of `numbers` its columns; NaN where there is no value. */
  readonly numbers: readonly (readonly Float64Array[])[];
}

export interface Compute {
  /** Raises `compute-sql-refused`, `compute-sql-invalid`, `compute-input-unreadable`, `compute-memory-exceeded`, `compute-timeout`, `compute-cancelled`, `compute-failed`. */
  run(job: ComputeJob, signal?: AbortSignal): Promise<ComputeResult>;
  /** Processes running now (for tests and status). */
  pids(): number[];
  close(): Promise<void>;
}

const { fail } = defineErrors({
  'compute-sql-refused': {
    status: 400,
    title: 'The SQL does something that is not allowed',
    detail: (p: { what: string; why: string }) =>
      `In ${p.what}: ${p.why} User SQL is one SELECT over the tables it declares; files, extensions, attached databases and settings are out of its reach.`,
  },
  'compute-sql-invalid': {
    status: 400,
    title: 'The SQL is not valid',
    detail: (p: { what: string; why: string }) => `In ${p.what}: ${p.why}`,
  },
  'compute-input-unreadable': {
    status: 400,
    title: 'A file cannot be read as a table',
    detail: (p: { what: string; why: string }) => `In ${p.what}: ${p.why}`,
  },
  'compute-memory-exceeded': {
    status: 400,
    title: 'The query needs more memory than it was given',
    detail: (p: { what: string; memoryMb: number }) =>
      `In ${p.what}: more than ${p.memoryMb} MB were needed. Read less, or raise GYRE_COMPUTE_MEMORY_MB.`,
  },
  'compute-timeout': {
    status: 400,
    title: 'The query took too long',
    detail: (p: { what: string; timeoutMs: number }) =>
      `In ${p.what}: ended after ${p.timeoutMs} ms. Read less, or raise GYRE_COMPUTE_TIMEOUT_MS.`,
  },
  'compute-cancelled': {
    status: 409,
    title: 'The query was cancelled',
    detail: (p: { what: string }) => `${p.what} was cancelled before it ended; nothing was changed.`,
  },
  'compute-failed': {
    status: 500,
    title: 'The compute process failed',
    detail: (p: { what: string; why: string }) => `In ${p.what}: ${p.why}`,
  },
});

export interface ComputeFault {
  readonly kind: 'refused' | 'invalid' | 'unreadable' | 'memory' | 'failed' | 'full';
  readonly why: string;
  /** Where in the user's text. */
  readonly place?: { readonly line: number; readonly column: number };
}

export type WorkerReply = { readonly result: ComputeResult } | { readonly fault: ComputeFault };

export interface WorkerRequest extends ComputeJob {
  readonly memoryMb: number;
  readonly threads: number;
  readonly tempDir: string;
}

export interface ComputeOptions {
  readonly dir: string;
  readonly memoryMb: number;
  readonly threads: number;
  readonly timeoutMs?: number;
  readonly maxProcesses?: number;
  /** How long a process without work is kept. */
  readonly idleMs?: number;
}

const IDLE_MS = 5000;
const WATCH_MS = 250;
const SLACK = 1.25;
/** What a compute process needs before it has read anything, generously. */
const PROCESS_MB = 256;

/** The process went away before it answered: killed from outside, or a crash of its own. */
class ProcessEnded extends Error {
  /** A crash, as opposed to a kill from outside or for memory. */
  readonly crashed: boolean;
  constructor(code: number | null, signal: string | null) {
    super(`the process ended (${signal ?? code}); run it again`);
    this.crashed = ['SIGABRT', 'SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGFPE'].includes(signal ?? '');
  }
}

export function openCompute(options: ComputeOptions): Compute {
  const maxProcesses = options.maxProcesses ?? 2;
  const share = Math.floor(options.memoryMb / maxProcesses);
  const idle: ChildProcess[] = [];
  const all = new Set<ChildProcess>();
  const timers = new Map<ChildProcess, NodeJS.Timeout>();
  const budget = openBudget(options.memoryMb, maxProcesses);
  let closed = false;
  mkdirSync(options.dir, { recursive: true });
  // What the processes of a killed server left behind.
  for (const name of readdirSync(options.dir))
    if (name.startsWith('tmp-')) rmSync(join(options.dir, name), { recursive: true, force: true });

  const start = (): ChildProcess => {
    const child = fork(join(import.meta.dirname, `worker${extname(import.meta.filename)}`), [], {
      execArgv: ['--no-warnings'],
      serialization: 'advanced',
      env: { PATH: process.env.PATH, TZ: 'UTC', HOME: options.dir },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    all.add(child);
    // Messages to a process that has just died; its exit says the rest.
    child.on('error', () => undefined);
    child.once('exit', () => {
      all.delete(child);
      clearTimeout(timers.get(child));
      const at = idle.indexOf(child);
      if (at >= 0) idle.splice(at, 1);
    });
    return child;
  };

  const rest = (child: ChildProcess): void => {
    if (closed || !child.connected) return void child.kill('SIGKILL');
    idle.push(child);
    // An idle process costs memory, so it goes; and it must not keep ours alive.
    timers.set(child, setTimeout(() => child.kill('SIGKILL'), options.idleMs ?? IDLE_MS).unref());
    child.unref();
    child.channel?.unref();
  };

  const perform = (job: ComputeJob, memoryMb: number, signal: AbortSignal | undefined): Promise<ComputeResult> =>
    new Promise((resolve, reject) => {
      const child = idle.pop() ?? start();
      clearTimeout(timers.get(child));
      child.ref();
      child.channel?.ref();
      const timeoutMs = job.timeoutMs ?? options.timeoutMs ?? 600_000;
      const tempDir = join(options.dir, `tmp-${child.pid}`);
      const raise = (act: () => never): void => {
        try {
          act();
        } catch (error) {
          reject(error as Error);
        }
      };
      const done = (reusable: boolean): void => {
        clearTimeout(timeout);
        signal?.removeEventListener('abort', cancel);
        child.removeAllListeners('message').off('exit', died);
        clearInterval(watch);
        const clear = (): void => rmSync(tempDir, { recursive: true, force: true, maxRetries: 3 });
        if (reusable) {
          clear();
          return rest(child);
        }
        // A process that is still alive may put another file there.
        if (child.exitCode !== null || child.signalCode !== null) return clear();
        child.once('exit', clear);
        child.kill('SIGKILL');
      };
      const cancel = (): void => {
        done(false);
        raise(() => fail('compute-cancelled', { what: job.what }));
      };
      const timeout = setTimeout(() => {
        done(false);
        raise(() => fail('compute-timeout', { what: job.what, timeoutMs }));
      }, timeoutMs);
      // DuckDB keeps to its limit for what it buffers, but not for every value and not for what its results need.
      const watch = setInterval(() => {
        if (residentMb(child.pid) <= memoryMb * SLACK + PROCESS_MB) return;
        done(false);
        raise(() => fail('compute-memory-exceeded', { what: job.what, memoryMb }));
      }, WATCH_MS);
      const died = (code: number | null, killed: string | null): void => {
        done(false);
        reject(new ProcessEnded(code, killed));
      };
      child.once('exit', died);
      signal?.addEventListener('abort', cancel, { once: true });
      if (signal?.aborted) return cancel();
      child.on('message', (reply: WorkerReply) => {
        done(true);
        if ('result' in reply) return resolve(reply.result);
        const { kind, why, place } = reply.fault;
        raise(() => {
          if (kind === 'refused') return fail('compute-sql-refused', { what: job.what, why });
          if (kind === 'invalid') {
            const faults = place ? [{ pointer: `${job.what}:${place.line}:${place.column}`, detail: why.split('\n')[0]! }] : [];
            return fail('compute-sql-invalid', { what: job.what, why }, faults);
          }
          if (kind === 'unreadable') return fail('compute-input-unreadable', { what: job.what, why });
          if (kind === 'memory') return fail('compute-memory-exceeded', { what: job.what, memoryMb });
          if (kind === 'full') throw Object.assign(new Error(why), { code: 'ENOSPC' });
          return fail('compute-failed', { what: job.what, why });
        });
      });
      const request: WorkerRequest = { ...job, memoryMb, threads: job.threads ?? options.threads, tempDir };
      child.send(request);
    });

  return {
    run: async (job, signal) => {
      if (closed) throw new Error('compute is closed');
      const memoryMb = Math.min(job.memoryMb ?? share, options.memoryMb);
      const giveBack = await budget.take(memoryMb, signal).catch((error: unknown) => {
        if (signal?.aborted) return fail('compute-cancelled', { what: job.what });
        throw error;
      });
      try {
        // A query changes nothing, so one whose process was killed is run once more.
        return await perform(job, memoryMb, signal).catch((error: unknown) => {
          if (!(error instanceof ProcessEnded) || closed) throw error;
          return perform(job, memoryMb, signal);
        });
      } catch (error) {
        // Twice in a row, and with user SQL, it is that text which DuckDB does not survive.
        if (error instanceof ProcessEnded && error.crashed && job.statements.some((s) => 'userSql' in s))
          return fail('compute-sql-refused', { what: job.what, why: 'DuckDB crashes over this SQL.' });
        if (error instanceof ProcessEnded) return fail('compute-failed', { what: job.what, why: error.message });
        throw error;
      } finally {
        giveBack();
      }
    },
    pids: () => [...all].map((child) => child.pid!),
    close: async () => {
      closed = true;
      budget.close();
      const running = [...all];
      const gone = running.map((child) => new Promise((resolve) => child.once('exit', resolve)));
      // One at rest keeps nothing alive; the end of it is waited for.
      for (const child of running) child.ref();
      for (const child of running) child.kill('SIGKILL');
      await Promise.all(gone);
    },
  };
}

/** Memory that a process holds now; 0 where the system does not tell. */
function residentMb(pid: number | undefined): number {
  try {
    return (Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096) / 1024 ** 2;
  } catch {
    return 0;
  }
}

/** A text literal of SQL. */
export const sqlText = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A quoted name of SQL. */
export const sqlName = (name: string): string => `"${name.replaceAll('"', '""')}"`;
