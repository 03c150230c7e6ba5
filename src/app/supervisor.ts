// `gyre up`: starts control and serve, restarts what dies, stops both on a signal. It does no other work,
// so there is nothing in it that could take the others down.
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Settings } from '../kernel/config/settings.ts';
import { defineErrors, Problem } from '../kernel/errors.ts';
import { takeLock } from '../kernel/process/lock-file.ts';
import { processStart } from '../kernel/process/process-start.ts';
import type { Bootstrap } from './control.ts';
import { processesFile, type ProcessReport } from './processes.ts';
import { seedKeys } from './replica-facts.ts';
import { dataPlaneArguments } from './serving/processes.ts';

const { fail } = defineErrors({
  'already-running': {
    status: 409,
    title: 'A server runs in this folder',
    detail: (p: { dir: string; pid: number }) =>
      `${p.dir} is in use by the server with process id ${p.pid}. Stop it, or choose another folder with --dir.`,
  },
  'start-failed': {
    status: 500,
    title: 'The server did not start',
    detail: (p: { what: string; why: string }) => `${p.what} ended while starting: ${p.why}`,
  },
});

type ChildMessage =
  | { ready: { url: string; urls?: Readonly<Record<string, string>> } }
  | { failed: { code: string; title: string; detail: string; status: number } };

interface Spec {
  readonly name: 'control' | 'serve';
  readonly environment: () => Record<string, string>;
}

// Who dies again and again soon after its start is started again less and less often.
const RESTART_MS = [0, 200, 1000, 5000] as const;
const SHORT_LIFE_MS = 1000;
const CHILD = /\/(control|serve)-process\.[jt]s$/;
const STOP_MS = 10_000;

export async function supervise(
  settings: Settings,
  bootstrap: Bootstrap,
  options: { dataPlane: boolean },
): Promise<{ urls: Record<string, string>; ended: Promise<number>; stop: () => Promise<void> }> {
  const unlock = takeLock(join(settings.dir, 'run', 'up.pid'), (pid) => fail('already-running', { dir: settings.dir, pid }));
  try {
    await endLeftovers(settings.dir);
  } catch (error) {
    unlock();
    throw error;
  }
  // Before two processes come to need them at once.
  seedKeys(settings);
  const children = new Map<string, ChildProcess>();
  const reports: Record<string, ProcessReport> = {};
  const ports: Record<string, number> = { control: settings.port, serve: settings.servePort };
  let { grpcPort } = settings;
  let stopping = false;
  let end: (code: number) => void = () => undefined;
  const ended = new Promise<number>((resolve) => (end = resolve));

  const note = (): void => {
    const file = processesFile(settings.dir);
    try {
      writeFileSync(`${file}.new`, JSON.stringify({ supervisor: { pid: process.pid, url: '', restarts: 0 }, ...reports }, null, 2));
      renameSync(`${file}.new`, file);
    } catch (error) {
      // A full disk must not end whoever starts the others again; the note of before is nearly right.
      process.stderr.write(`the note of the processes was not written: ${(error as Error).message}\n`);
    }
  };

  const start = (spec: Spec, restarts = 0, shortLives = 0): Promise<string> =>
    new Promise((resolve, reject) => {
      const child = fork(join(import.meta.dirname, `${spec.name}-process${extname(import.meta.filename)}`), [settings.dir], {
        execArgv: spec.name === 'serve' ? dataPlaneArguments : ['--no-warnings'],
        env: { ...process.env, ...handedDown(settings), ...spec.environment() },
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      children.set(spec.name, child);
      reports[spec.name] = { pid: child.pid!, url: reports[spec.name]?.url ?? '', restarts };
      note();
      let readyAt: number | undefined;
      child.on('message', (message: ChildMessage) => {
        if ('failed' in message) {
          const { code, status, title, detail } = message.failed;
          if (restarts === 0) reject(new Problem(code, { status, title, detail: () => detail }, {}));
          else process.stderr.write(`${spec.name} did not start again: ${detail}\n`);
        } else {
          readyAt = performance.now();
          // A restarted process keeps its port, so that clients find it again.
          ports[spec.name] = Number(new URL(message.ready.url).port);
          const { url, urls } = message.ready;
          if (urls?.grpc) grpcPort = urls.grpc.split(':').at(-1)!;
          reports[spec.name] = { pid: child.pid!, url, restarts, ...(urls?.grpc ? { grpc: urls.grpc } : {}) };
          note();
          resolve(message.ready.url);
        }
      });
      const gone = (how: string): void => {
        if (!children.delete(spec.name) || stopping) return;
        if (readyAt === undefined && restarts === 0) {
          reject(
            new Problem(
              'start-failed',
              {
                status: 500,
                title: 'The server did not start',
                detail: () => `${spec.name} ended with ${how} while starting`,
              },
              {},
            ),
          );
          return;
        }
        const short = readyAt === undefined || performance.now() - readyAt < SHORT_LIFE_MS ? shortLives + 1 : 0;
        // One that cannot start again is tried for ever: what keeps it from it (a full disk, a port) may pass.
        setTimeout(() => void (stopping || start(spec, restarts + 1, short)), RESTART_MS[Math.min(short, RESTART_MS.length - 1)]!);
      };
      child.once('exit', (code, signal) => gone(signal ?? `code ${code}`));
      child.once('error', (error) => gone(error.message));
    });

  const stop = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    const running = [...children.values()];
    const gone = Promise.all(running.map((child) => new Promise((resolve) => child.once('exit', resolve))));
    for (const child of running) child.kill('SIGTERM');
    const late = setTimeout(() => running.forEach((child) => child.kill('SIGKILL')), STOP_MS);
    await gone;
    clearTimeout(late);
    rmSync(processesFile(settings.dir), { force: true });
    unlock();
    end(0);
  };

  const specs: Spec[] = [
    {
      name: 'control',
      environment: () => ({
        GYRE_PORT: String(ports.control),
        BOOTSTRAP_DATA_PLANE: options.dataPlane ? '1' : '0',
        ...(bootstrap.auth ? { BOOTSTRAP_AUTH: bootstrap.auth } : {}),
        ...(bootstrap.adminUser && bootstrap.adminPasswordFile
          ? { BOOTSTRAP_ADMIN_USER: bootstrap.adminUser, BOOTSTRAP_ADMIN_PASSWORD_FILE: bootstrap.adminPasswordFile }
          : {}),
      }),
    },
    ...(options.dataPlane
      ? [{ name: 'serve' as const, environment: () => ({ GYRE_SERVE_PORT: String(ports.serve), GYRE_GRPC_PORT: grpcPort }) }]
      : []),
  ];
  try {
    const urls = await Promise.all(specs.map((spec) => start(spec)));
    return { urls: Object.fromEntries(specs.map((spec, i) => [spec.name, urls[i]!])), ended, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Settings that options of the command line may have changed, as the children read them. */
const handedDown = (settings: Settings): Record<string, string> => ({
  GYRE_DIR: settings.dir,
  GYRE_HOST: settings.host,
  ...(settings.databaseUrl === '' ? {} : { GYRE_DATABASE_URL: settings.databaseUrl }),
  GYRE_ARTIFACT_ROOT: settings.artifactRoot,
  GYRE_SERVE_ARTIFACTS: settings.serveArtifacts ? '1' : '0',
});

// Children of a supervisor that was killed end by themselves, but not at once; and two control planes must not
// write one folder. They are known by their command line: whoever dies at the wrong moment writes nothing down.
async function endLeftovers(dir: string): Promise<void> {
  const left = pidsOf((args) => CHILD.test(args.at(-2) ?? '') && args.at(-1) === dir).filter((pid) => {
    try {
      return process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as { code?: string }).code === 'EPERM') fail('already-running', { dir, pid });
      return false; // it has just ended by itself
    }
  });
  while (left.some((pid) => processStart(pid) !== '')) await delay(10);
}

/** Processes of this machine whose arguments are the wanted ones; none where there is no /proc. */
function pidsOf(wanted: (args: readonly string[]) => boolean): number[] {
  if (!existsSync('/proc/self/cmdline')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return wanted(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1));
      } catch {
        return false;
      }
    });
}
