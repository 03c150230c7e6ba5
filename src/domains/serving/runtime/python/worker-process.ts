// One process of a Python model: it is started with the interpreter of the model's environment, told which model to load, and
// then takes one batch at a time. What it prints goes to the log. How it ended is told once; starting another is the pool's.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Log } from '../../../../kernel/log.ts';
import { encodeFrame, frameReader, type Frame } from './frames.ts';
import type { ModelFolder } from './mlmodel.ts';

export interface WorkerLimits {
  /** Resident memory; a process that holds more is stopped. */
  readonly memoryMb: number;
  /** One batch; a process that takes longer is stopped. */
  readonly batchMs: number;
  /** Start, load and warm-up. */
  readonly loadMs: number;
  /** Threads of the libraries of the model (OpenMP, BLAS). */
  readonly threads: number;
  readonly pickle: 'allow' | 'refuse';
}

export const defaultLimits: WorkerLimits = { memoryMb: 4096, batchMs: 60_000, loadMs: 300_000, threads: 1, pickle: 'allow' };

export interface WorkerStart {
  readonly interpreter: string;
  readonly folder: string;
  readonly model: ModelFolder;
  readonly limits: WorkerLimits;
  readonly log: Log;
}

/** What a worker said when it was ready. */
export interface WorkerReady {
  readonly outputs: readonly (readonly [string, string, readonly number[]])[] | null;
  readonly form: 'records' | 'dict' | 'values' | null;
  readonly rowWise: boolean | null;
  /** One row in the model itself, as warm-up saw it. */
  readonly rowMs: number | null;
  readonly warmUpFailed: string | null;
  readonly python: string;
  readonly mlflow: string | null;
  readonly loadMs: number;
}

/** Why a process ended: by itself or a signal, or because it broke a limit. */
export type Ending = { readonly by: 'itself' | 'time' | 'memory' | 'silence' | 'frames'; readonly why: string };

export class WorkerEnded extends Error {
  readonly ending: Ending;
  /** Whether the batch was in it; one that was not can be given to another process. */
  readonly begun: boolean;
  constructor(ending: Ending, begun = true) {
    super(ending.why);
    this.ending = ending;
    this.begun = begun;
  }
}

export interface WorkerProcess {
  readonly pid: number;
  readonly ready: WorkerReady;
  readonly rssMb: () => number | undefined;
  /** One at a time. Throws `WorkerEnded`. */
  run(frame: Buffer): Promise<Frame>;
  /** Resolves with how it ended. */
  readonly ended: Promise<Ending>;
  /** Lets it finish its batch, then it leaves. */
  stop(): Promise<void>;
}

const SCRIPT = join(import.meta.dirname, 'worker.py');
const BUSY_LOOK_MS = 100;
const IDLE_LOOK_MS = 5000;
const PING_MS = 5000;
const LINES_AT_ONCE = 50;

const environment = (threads: number, pickle: WorkerLimits['pickle']): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  HOME: tmpdir(),
  TZ: 'UTC',
  LANG: 'C.UTF-8',
  PYTHONUNBUFFERED: '1',
  ...Object.fromEntries(
    ['OMP', 'OPENBLAS', 'MKL', 'NUMEXPR', 'LOKY_MAX_CPU'].map((library) => [
      library === 'LOKY_MAX_CPU' ? 'LOKY_MAX_CPU_COUNT' : `${library}_NUM_THREADS`,
      String(threads),
    ]),
  ),
  MLFLOW_DISABLE_TELEMETRY: 'true',
  MLFLOW_ALLOW_PICKLE_DESERIALIZATION: pickle === 'refuse' ? 'false' : 'true',
});

/** Throws `WorkerEnded`, and a plain error with what the worker says of a model that it cannot load. */
export function startWorker({ interpreter, folder, model, limits, log }: WorkerStart): Promise<WorkerProcess> {
  return new Promise((resolve, reject) => {
    const child = spawn(interpreter, ['-s', '-X', 'utf8', SCRIPT], {
      cwd: tmpdir(),
      env: environment(limits.threads, limits.pickle),
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    const channel = child.stdio[3] as Duplex;
    const { promise: ended, resolve: tellEnd } = Promise.withResolvers<Ending>();
    let cause: Ending | undefined;
    let refused: string | undefined;
    let isReady = false;
    let waiting: { readonly resolve: (frame: Frame) => void; readonly reject: (error: Error) => void } | undefined;
    let timer: NodeJS.Timeout | undefined;
    let pinged = 0;
    let sleeper: NodeJS.Timeout | undefined;
    const kill = (ending: Ending): void => {
      cause ??= ending;
      child.kill('SIGKILL');
    };
    const rssMb = (): number | undefined => residentMb(child);

    // Memory is looked at ten times a second while it works, and now and then while it does not.
    const look = (): void => {
      const rss = rssMb();
      if (rss !== undefined && rss > limits.memoryMb) {
        kill({ by: 'memory', why: `it used ${Math.round(rss)} MB of memory, more than the ${limits.memoryMb} MB that it may` });
        return;
      }
      if (isReady && !waiting && pinged > 0 && performance.now() - pinged > PING_MS) {
        kill({ by: 'silence', why: 'it did not answer for 5 s while it had nothing to do' });
        return;
      }
      if (isReady && !waiting && pinged === 0) {
        pinged = performance.now();
        channel.write(encodeFrame({ do: 'ping', id: 0 }));
      }
      schedule();
    };
    const schedule = (): void => {
      clearTimeout(sleeper);
      sleeper = setTimeout(look, waiting || !isReady ? BUSY_LOOK_MS : IDLE_LOOK_MS);
      sleeper.unref();
    };
    schedule();

    const limitTime = (ms: number, what: string): void => {
      timer = setTimeout(() => kill({ by: 'time', why: `${what} took longer than ${ms} ms` }), ms);
      timer.unref();
    };
    limitTime(limits.loadMs, 'loading the model');

    const worker = (ready: WorkerReady): WorkerProcess => ({
      pid: child.pid!,
      ready,
      rssMb,
      ended,
      run: (frame) =>
        new Promise((answer, refuse) => {
          if (cause || child.exitCode !== null || child.signalCode !== null)
            return refuse(new WorkerEnded(cause ?? { by: 'itself', why: 'it had ended' }, false));
          waiting = { resolve: answer, reject: refuse };
          limitTime(limits.batchMs, 'a batch');
          channel.write(frame);
          schedule();
        }),
      stop: async () => {
        cause ??= { by: 'itself', why: 'it was stopped' };
        channel.end();
        const late = setTimeout(() => child.kill('SIGKILL'), waiting ? limits.batchMs : 2000);
        late.unref();
        await ended;
        clearTimeout(late);
      },
    });

    const take = frameReader((frame) => {
      const { header } = frame;
      if (header.do === 'pong') {
        pinged = 0;
        return;
      }
      clearTimeout(timer);
      if (header.do === 'ready') {
        isReady = true;
        schedule();
        resolve(worker(header as unknown as WorkerReady));
      } else if (header.do === 'failed') {
        refused = String(header.why);
        log.error({ event: 'serving.python.not-loaded', why: refused, trace: header.trace });
      } else {
        const call = waiting;
        waiting = undefined;
        schedule();
        call?.resolve(frame);
      }
    });
    channel.on('data', (chunk: Buffer) => {
      try {
        take(chunk);
      } catch (error) {
        kill({ by: 'frames', why: (error as Error).message });
      }
    });
    // The end of the process says more than that of its channel.
    channel.on('error', () => undefined);
    logLines(child, log);
    child.once('error', (error) => {
      cause ??= { by: 'itself', why: `it could not be started (${(error as NodeJS.ErrnoException).code ?? error.message})` };
      finish();
    });
    child.once('close', (code, signal) => {
      cause ??= { by: 'itself', why: signal ? `it was ended by ${signal}` : `it ended with exit code ${code}` };
      finish();
    });
    const finish = (): void => {
      clearTimeout(timer);
      clearTimeout(sleeper);
      const ending = cause!;
      waiting?.reject(new WorkerEnded(ending));
      waiting = undefined;
      reject(refused === undefined ? new WorkerEnded(ending) : new Error(refused));
      tellEnd(ending);
    };

    const { spec, example } = model;
    channel.write(encodeFrame({ do: 'load', folder, spec, example, memoryBytes: limits.memoryMb * 1024 * 1024 }));
  });
}

/** Linux says it in a file; elsewhere only the limit that the process sets itself holds. */
function residentMb({ pid }: ChildProcess): number | undefined {
  const path = `/proc/${pid}/statm`;
  if (pid === undefined || !existsSync(path)) return undefined;
  try {
    return (Number(readFileSync(path, 'utf8').split(' ')[1]) * 4096) / (1024 * 1024);
  } catch {
    return undefined;
  }
}

/** What the model prints, line by line; a flood of lines is cut and counted. */
function logLines(child: ChildProcess, log: Log): void {
  let left = LINES_AT_ONCE;
  let dropped = 0;
  const refill = setInterval(() => {
    if (dropped > 0) log.warn({ event: 'serving.python.output-cut', lines: dropped });
    left = LINES_AT_ONCE;
    dropped = 0;
  }, 1000);
  refill.unref();
  child.once('close', () => clearInterval(refill));
  for (const [stream, name] of [
    [child.stdout!, 'stdout'],
    [child.stderr!, 'stderr'],
  ] as const) {
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!.slice(-10_000);
      for (const line of lines) {
        if (line.trim() === '') continue;
        if (left-- > 0) log.info({ event: 'serving.python.output', stream: name, line: line.slice(0, 2000) });
        else dropped++;
      }
    });
  }
}
