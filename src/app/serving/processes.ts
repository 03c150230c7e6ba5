// Several processes that answer on the same ports, so that a data plane uses all cores. Each is a whole data plane with a name and a
// log of its own; the system spreads connections over them (SO_REUSEPORT). What dies is started again, and meanwhile the others
// answer. This process only watches; it takes no request.
import { fork, type ChildProcess } from 'node:child_process';
import { extname, join } from 'node:path';
import type { ServedModel } from '../../domains/serving/data-plane.ts';
import type { Settings } from '../../kernel/config/settings.ts';
import { Problem } from '../../kernel/errors.ts';
import type { ServeOptions } from '../serve.ts';
import { fail } from './errors.ts';
import { mergeMetrics } from './merged-metrics.ts';

/**
 * Of Node, for a process that answers predictions. What a request leaves behind lives for microseconds: a young generation of 4 MiB
 * in place of 16 answers as many, and the process stays 10 MB smaller.
 */
export const dataPlaneArguments = ['--no-warnings', '--max-semi-space-size=4'];

/** What a process is told at its start. */
export interface Begin {
  readonly begin: { readonly settings: Settings; readonly options: ServeOptions };
}
export interface Ready {
  readonly url: string;
  readonly urls: Readonly<Record<string, string>>;
  readonly models: readonly ServedModel[];
}
/** What a process says: how it started, its part of the metrics, and that somebody asks for all of them. */
export type Said =
  | { readonly ready: Ready }
  | { readonly failed: { readonly code: string; readonly title: string; readonly detail: string; readonly status: number } }
  | { readonly scrape: { readonly id: number; readonly own: string } }
  | { readonly metrics: { readonly id: number; readonly own: string } };
/** What a process is asked, or answered. */
export type Told =
  | Begin
  | { readonly write: { readonly id: number } }
  | { readonly scraped: { readonly id: number; readonly text: string } };

export interface Processes {
  readonly url: string;
  readonly urls: Readonly<Record<string, string>>;
  readonly replica: string;
  readonly models: () => readonly ServedModel[];
  readonly pids: () => readonly number[];
  /** Lets every process answer what it has, and ends it. */
  close(): Promise<void>;
}

// Who dies again and again soon after its start is started again less and less often.
const RESTART_MS = [0, 200, 1000, 5000] as const;
const SHORT_LIFE_MS = 1000;
const STOP_MS = 12_000;
/** A process that is this busy is left out of the metrics once. */
const METRICS_MS = 1000;

/** The first keeps the name of the replica; the others have their number behind it. */
export const replicaOf = (replica: string, index: number): string => (index === 0 ? replica : `${replica}-${index + 1}`);

/** Raises `processes-unsupported`, and what a start raises; then none of them runs. */
export async function startProcesses(
  settings: Settings,
  options: ServeOptions,
  count: number,
  platform: string = process.platform,
): Promise<Processes> {
  if (platform !== 'linux') fail('processes-unsupported', { platform });
  const { replica = 'r1' } = options;
  const children = new Map<number, ChildProcess>();
  const asked = new Map<number, (own: string) => void>();
  let questions = 0;
  let ports = { servePort: settings.servePort, grpcPort: settings.grpcPort };
  let stopping = false;

  const ask = (child: ChildProcess): Promise<string | undefined> =>
    new Promise((resolve) => {
      const id = questions++;
      const done = (own: string | undefined): void => {
        asked.delete(id);
        clearTimeout(late);
        resolve(own);
      };
      const late = setTimeout(done, METRICS_MS, undefined);
      asked.set(id, done);
      tell(child, { write: { id } });
    });
  const scrape = async (index: number, { id, own }: { id: number; own: string }): Promise<void> => {
    const texts = await Promise.all([...children].map(([i, child]) => (i === index ? own : ask(child))));
    const named = [...children.keys()].map((i, at): [string, string | undefined] => [replicaOf(replica, i), texts[at]]);
    const text = mergeMetrics(new Map(named.filter((one): one is [string, string] => one[1] !== undefined)));
    tell(children.get(index), { scraped: { id, text } });
  };

  const start = (index: number, restarts = 0, shortLives = 0): Promise<Ready> =>
    new Promise((resolve, reject) => {
      const child = fork(join(import.meta.dirname, `serve-worker${extname(import.meta.filename)}`), [], {
        execArgv: dataPlaneArguments,
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      children.set(index, child);
      let readyAt: number | undefined;
      child.on('message', (said: Said) => {
        if ('ready' in said) {
          readyAt = performance.now();
          resolve(said.ready);
        } else if ('failed' in said) {
          const { code, status, title, detail } = said.failed;
          if (restarts > 0) process.stderr.write(`process ${index + 1} of the data plane did not start again: ${detail}\n`);
          else reject(new Problem(code, { status, title, detail: () => detail }, {}));
        } else if ('metrics' in said) asked.get(said.metrics.id)?.(said.metrics.own);
        else void scrape(index, said.scrape);
      });
      child.once('exit', (code, signal) => {
        children.delete(index);
        if (stopping) return;
        if (readyAt === undefined && restarts === 0) {
          const detail = (): string => `process ${index + 1} of the data plane ended with ${signal ?? `code ${code}`} while starting`;
          reject(new Problem('start-failed', { status: 500, title: 'The server did not start', detail }, {}));
          return;
        }
        const short = readyAt === undefined || performance.now() - readyAt < SHORT_LIFE_MS ? shortLives + 1 : 0;
        setTimeout(
          () => stopping || start(index, restarts + 1, short).catch(() => undefined),
          RESTART_MS[Math.min(short, RESTART_MS.length - 1)]!,
        );
      });
      tell(child, {
        begin: { settings: { ...settings, ...ports }, options: { ...options, replica: replicaOf(replica, index), reusePort: true } },
      });
    });

  const close = async (): Promise<void> => {
    stopping = true;
    const running = [...children.values()];
    const gone = Promise.all(running.map((child) => new Promise((resolve) => child.once('exit', resolve))));
    for (const child of running) child.kill('SIGTERM');
    const late = setTimeout(() => running.forEach((child) => child.kill('SIGKILL')), STOP_MS);
    await gone;
    clearTimeout(late);
  };

  try {
    // The first says which ports these are, where they were left to the system.
    const first = await start(0);
    const portOf = (address: string | undefined): string => address?.split(':').at(-1) ?? '';
    ports = { servePort: Number(portOf(first.url)), grpcPort: portOf(first.urls.grpc) };
    await Promise.all(Array.from({ length: count - 1 }, (_, i) => start(i + 1)));
    return {
      url: first.url,
      urls: first.urls,
      replica,
      models: () => first.models,
      pids: () => [...children.values()].map((child) => child.pid!),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const tell = (child: ChildProcess | undefined, told: Told): void => {
  if (child?.connected) child.send(told, () => undefined);
};
