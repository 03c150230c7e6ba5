// Which Python of this machine.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { fail } from './errors.ts';
import type { Platform } from './lock.ts';

const exec = promisify(execFile);

export interface Interpreter extends Platform {
  readonly path: string;
  readonly version: string;
}

const PROBE =
  'import sys,platform,json,sysconfig;print(json.dumps([sys.executable,platform.python_implementation(),platform.python_version(),sysconfig.get_platform()]))';
const interpreters = new Map<string, Promise<Interpreter>>();

/** The interpreter for "3.11", or any >= 3.10 for null. Raises `python-missing`. */
export function findInterpreter(wanted: string | null): Promise<Interpreter> {
  const key = `${wanted ?? ''} ${process.env.PATH ?? ''}`;
  const found = interpreters.get(key) ?? look(wanted);
  interpreters.set(key, found);
  found.catch(() => interpreters.delete(key));
  return found;
}

const atLeast = (version: string, major: number, minor: number): boolean => {
  const [a = 0, b = 0] = version.split('.').map(Number);
  return a > major || (a === major && b >= minor);
};

async function look(wanted: string | null): Promise<Interpreter> {
  const names =
    wanted === null
      ? ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python']
      : [`python${wanted}`, 'python3', 'python'];
  const others = new Set<string>();
  for (const name of names) {
    const answer = await exec(name, ['-c', PROBE], { timeout: 20_000 }).catch(() => undefined);
    if (!answer) continue;
    const [path, implementation, version, platform] = JSON.parse(answer.stdout) as [string, string, string, string];
    const minor = version.split('.').slice(0, 2).join('.');
    if (wanted === null ? atLeast(minor, 3, 10) : minor === wanted) return { path, implementation, version, minor, platform };
    others.add(`Python ${version}`);
  }
  return fail('python-missing', { wanted: wanted === null ? 'Python 3.10 or newer' : `Python ${wanted}`, found: [...others] });
}
