// The server as it is installed: built JavaScript, started as a process.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { checkoutEnvironment } from '../scripts/environment.ts';

const repository = join(import.meta.dirname, '..');
/** As bin/gyre.js has it. */
const compiled = join(repository, '.cache/compiled');

export function build(): void {
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: repository, stdio: 'inherit' });
}

export interface BuiltServer {
  readonly url: string;
  /** From the start of the process to the line that says it is ready. */
  readonly readyMs: number;
  stop(): Promise<void>;
}

export async function startBuilt(dir: string, environment: Readonly<Record<string, string>> = {}): Promise<BuiltServer> {
  const began = performance.now();
  const child = spawn(process.execPath, ['--no-warnings', join(repository, 'dist/app/main.js'), 'up', '--dir', dir, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...withoutOurs(checkoutEnvironment()), GYRE_LOG_LEVEL: 'warn', NODE_COMPILE_CACHE: compiled, ...environment },
  });
  const atExit = (): void => void child.kill('SIGKILL');
  process.once('exit', atExit);
  const ended = new Promise<void>((resolve) =>
    child.once('exit', () => {
      process.off('exit', atExit);
      resolve();
    }),
  );
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve(line.replace(/^.* at /, '')));
    child.once('exit', (code) => reject(new Error(`the server ended with code ${code} before it was ready`)));
  });
  return {
    url,
    readyMs: performance.now() - began,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

// The server refuses settings that it does not know.
const withoutOurs = (variables: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(variables).filter(([name]) => !name.startsWith('GYRE_BENCH_')));

export interface Usage {
  readonly rssMb: number;
  readonly cpuMs: number;
}

const TICK_MS = 10;

/** Memory and processor time of a process, as Linux counts them. */
export function usageOf(pid: number): Usage {
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return { rssMb: rss / 1024, cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS };
}
