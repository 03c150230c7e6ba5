// Control planes as processes of their own, several on one PostgreSQL, as `gyre up` starts them; and a PostgreSQL that
// can be stopped, killed and started again.
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { start, written, type Started } from '../cli/gyre.ts';

export interface Replica {
  readonly url: string;
  readonly dir: string;
  readonly started: Started;
  /** The process that answers, without the supervisor that would start it again. */
  readonly pid: number;
  /** A request of MLflow's protocol; the status is 0 if nobody answered. */
  readonly post: (path: string, body: object) => Promise<Answer>;
  readonly get: (path: string) => Promise<Answer>;
  /** A request with a JSON body by its whole path. */
  readonly ask: (path: string, body: object) => Promise<Answer>;
  /** Sends an artifact. Answers the status, 0 if nobody answered. */
  readonly put: (path: string, bytes: string) => Promise<number>;
  readonly stop: () => Promise<void>;
  /** Ends supervisor and control plane at once, without a word. */
  readonly kill: () => Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly body: Record<string, never> & { error_code?: string };
  readonly retryAfter: string | null;
}

/** A client gives up after so long; what it asked for may be there or not. */
const PATIENCE_MS = 10_000;
const SECRETS_KEY = 'a key that all replicas of the test share';

/** A folder whose bytes are those of all replicas of the test. */
export function sharedFolders(t: TestContext): (name: string) => string {
  const root = mkdtempSync(join(tmpdir(), 'gyre-replicas-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const part of ['cas', 'paths']) mkdirSync(join(root, 'shared', part), { recursive: true });
  return (name) => {
    const dir = join(root, name);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    for (const part of ['cas', 'paths']) symlinkSync(join(root, 'shared', part), join(dir, part));
    return dir;
  };
}

export interface ReplicaOptions {
  readonly dir: string;
  /** Empty: SQLite in the folder. */
  readonly databaseUrl: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
}

export const begin = ({ dir, databaseUrl, env = {}, args = ['--no-data-plane'] }: ReplicaOptions): Started =>
  start(['up', '--dir', dir, '--port', '0', ...(databaseUrl === '' ? [] : ['--database-url', databaseUrl]), ...args], {
    cwd: dir,
    env: { GYRE_SECRETS_KEY: SECRETS_KEY, GYRE_LOG_LEVEL: 'error', ...env },
  });

export async function startReplica(t: TestContext, options: ReplicaOptions): Promise<Replica> {
  const started = begin(options);
  let control: number | undefined;
  t.after(async () => {
    started.child.kill('SIGKILL');
    // It may stand still, and holds the output that its supervisor began.
    if (control !== undefined) end(control);
    await started.ended;
  });
  const url = (await written(started, /Gyre is ready at (\S+)/))[1]!;
  const ask = async (path: string, init?: RequestInit): Promise<Answer> => {
    try {
      // One that stands still does not answer at all.
      const reply = await fetch(`${url}${path}`, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) });
      return { status: reply.status, body: (await reply.json()) as never, retryAfter: reply.headers.get('retry-after') };
    } catch {
      return { status: 0, body: {} as never, retryAfter: null };
    }
  };
  const status = await ask('/api/gyre/v1/status');
  const { pid } = (status.body as unknown as { control: { pid: number } }).control;
  control = pid;
  const post = (path: string, body: object): Promise<Answer> =>
    ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  return {
    url,
    dir: options.dir,
    started,
    pid,
    post: (path, body) => post(`/api/2.0/mlflow/${path}`, body),
    ask: post,
    get: (path) => ask(path),
    put: (path, bytes) =>
      fetch(`${url}/api/2.0/mlflow-artifacts/artifacts/${path}`, {
        method: 'PUT',
        body: bytes,
        signal: AbortSignal.timeout(PATIENCE_MS),
      }).then(
        (reply) => reply.arrayBuffer().then(() => reply.status),
        () => 0,
      ),
    stop: async () => {
      started.child.kill('SIGTERM');
      await started.ended;
    },
    kill: async () => {
      started.child.kill('SIGKILL');
      end(pid);
      await once(started.child, 'close').catch(() => undefined);
    },
  };
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** Asks again until the answer is the wanted one. Answers how long that took. */
export async function until(wanted: () => Promise<boolean>, patienceMs: number, what: string): Promise<number> {
  const began = performance.now();
  while (!(await wanted())) {
    if (performance.now() - began > patienceMs) throw new Error(`${what}: not within ${patienceMs} ms`);
    await delay(25);
  }
  return performance.now() - began;
}

interface Status {
  readonly replicas: { url: string; leads: boolean }[];
}
export const statusOf = async (replica: Replica): Promise<Status> => (await replica.get('/api/gyre/v1/status')).body as unknown as Status;
/** Where the one that leads is reached. */
export const leaderOf = async (asked: Replica): Promise<string | undefined> => (await statusOf(asked)).replicas?.find((r) => r.leads)?.url;
