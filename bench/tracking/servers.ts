// The two servers, each in a folder of its own on the same disk and under the same durability: Gyre as it is built, and
// the newest MLflow, as installed and in its leanest form.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { checkoutEnvironment } from '../../scripts/environment.ts';
import { startBuilt } from '../built-server.ts';

export type Side = 'gyre' | 'installed' | 'lean';
export const sides: readonly Side[] = ['gyre', 'installed', 'lean'];

export interface Server {
  readonly url: string;
  readonly dir: string;
  readonly readyMs: number;
  stop(): Promise<void>;
}

/** MLflow needs some ten seconds. */
const READY_MS = 90_000;

const environment = join(import.meta.dirname, '../../.cache/bench-mlflow');

/** GYRE_BENCH_MLFLOW, or the newest release in an environment that is made for it. */
export function mlflowExecutable(): string {
  const given = process.env.GYRE_BENCH_MLFLOW;
  if (given) return given;
  const executable = join(environment, 'bin/mlflow');
  if (existsSync(executable)) return executable;
  const options = { env: checkoutEnvironment(), stdio: 'inherit' } as const;
  execFileSync('uv', ['venv', '--python', '3.11', environment], options);
  execFileSync('uv', ['pip', 'install', '--python', environment, 'mlflow', 'psycopg2-binary', 'scikit-learn'], options);
  return executable;
}

export const mlflowVersion = (): string => execFileSync(mlflowExecutable(), ['--version'], { encoding: 'utf8' }).trim().replace(/^.* /, '');

/** Starts one side; an empty `postgres` is SQLite in the folder. `dir` is kept if it is given. */
export async function start(side: Side, postgres = '', dir = ''): Promise<Server> {
  const folder = dir || mkdtempSync(join(tmpdir(), 'gyre-bench-'));
  const server = side === 'gyre' ? await startGyre(folder, postgres) : await startMlflow(folder, postgres, side === 'lean');
  const stop = async (): Promise<void> => {
    if (!running.delete(stop)) return;
    await server.stop();
    if (!dir) rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };
  running.add(stop);
  return { ...server, dir: folder, stop };
}

const running = new Set<() => Promise<void>>();

/** Ends whatever a part that failed left running. */
export async function stopAll(): Promise<void> {
  for (const stop of running) await stop();
}

const startGyre = (dir: string, postgres: string) =>
  startBuilt(dir, { GYRE_DURABILITY: 'power', ...(postgres ? { GYRE_DATABASE_URL: postgres } : {}) });

async function startMlflow(dir: string, postgres: string, lean: boolean): Promise<Omit<Server, 'dir'>> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const store = postgres ? postgres.replace(/^postgres(ql)?:/, 'postgresql+psycopg2:') : `sqlite:///${join(dir, 'mlflow.db')}`;
  const args = ['server', '--host', '127.0.0.1', '--port', String(port), '--backend-store-uri', store];
  const log = openSync(join(dir, 'mlflow.log'), 'w');
  const began = performance.now();
  const child = spawn(
    mlflowExecutable(),
    [...args, '--artifacts-destination', join(dir, 'artifacts'), ...(lean ? ['--workers', '1'] : [])],
    {
      cwd: dir,
      // A group of its own: its workers are many and outlive the process that started them.
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, MLFLOW_DISABLE_TELEMETRY: 'true', ...(lean ? { MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false' } : {}) },
    },
  );
  const end = (signal: 'SIGTERM' | 'SIGKILL'): void => {
    try {
      process.kill(-child.pid!, signal);
    } catch {
      // Nobody of the group is left.
    }
  };
  const atExit = (): void => end('SIGKILL');
  process.once('exit', atExit);
  let ended = false;
  const exit = new Promise<void>((resolve) => child.once('exit', () => ((ended = true), resolve())));
  while (!(await answers(url))) {
    if (performance.now() - began > READY_MS) end('SIGKILL');
    if (ended) throw new Error(`mlflow server ended before it was ready:\n${readFileSync(join(dir, 'mlflow.log'), 'utf8').slice(-3000)}`);
    await delay(20);
  }
  return {
    url,
    readyMs: performance.now() - began,
    stop: async () => {
      end('SIGTERM');
      await Promise.race([exit, delay(5000)]);
      end('SIGKILL');
      process.off('exit', atExit);
    },
  };
}

const answers = (url: string): Promise<boolean> =>
  fetch(`${url}/health`).then(
    (r) => r.ok,
    () => false,
  );

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
