// The interpreter of a model: of the environment that its own folder describes, made before anybody is served.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { whenNeeded } from '../../../../kernel/process/when-needed.ts';
import type { RealiseOptions, Requirements } from '../../../environments/public.ts';
import { fail } from '../../errors.ts';

const exec = promisify(execFile);
const yaml = whenNeeded<typeof import('yaml')>('yaml');

export interface InterpreterOptions extends Partial<RealiseOptions> {
  /** An interpreter that has what the model needs: nothing is made then. */
  readonly python?: string;
}

/** Locks first: they say everything. */
const FILES = ['uv.lock', 'pylock.toml', 'requirements.txt'];

/** Where environments are made that belong to no data folder. */
const ownFolder = (): string => join(homedir(), '.cache', 'gyre');

/**
 * Path of the interpreter for a model folder. Raises `python-environment-missing`, and what making an environment raises:
 * `python-missing`, `environment-failed`, `lock-invalid`, `uv-missing`.
 */
export async function modelInterpreter(folder: string, options: InterpreterOptions = {}): Promise<string> {
  const { python, dir = ownFolder(), uvCacheDir = '', environmentsDir = '', signal } = options;
  if (python !== undefined) return checked(python);
  const { realiseRequirements } = await import('../../../environments/public.ts');
  const { python: path } = await realiseRequirements(modelRequirements(folder), {
    dir,
    uvCacheDir,
    environmentsDir,
    ...(signal ? { signal } : {}),
  });
  return path;
}

async function checked(python: string): Promise<string> {
  try {
    const { stdout } = await exec(python, ['-c', 'import sys; print(sys.executable)'], { timeout: 20_000 });
    return stdout.trim();
  } catch {
    return fail('python-environment-missing', { why: `"${python}" is no Python interpreter that can be started` });
  }
}

/** What the folder says its model needs. Raises `python-environment-missing`. */
export function modelRequirements(folder: string): Requirements {
  const file = FILES.find((name) => existsSync(join(folder, name)));
  if (file === undefined) return fail('python-environment-missing', { why: `its folder has none of ${FILES.join(', ')}` });
  const text = readFileSync(join(folder, file), 'utf8');
  return { text, file, python: pythonOf(folder) };
}

/** "3.11" of python_env.yaml, or of the MLmodel file; null where neither says it. */
function pythonOf(folder: string): string | null {
  const read = (name: string): unknown => {
    try {
      return yaml().parse(readFileSync(join(folder, name), 'utf8'), { maxAliasCount: 10 });
    } catch {
      return undefined;
    }
  };
  const environment = read('python_env.yaml') as { python?: unknown } | undefined;
  const model = read('MLmodel') as { flavors?: { python_function?: { python_version?: unknown } } } | undefined;
  const said = environment?.python ?? model?.flavors?.python_function?.python_version;
  return /^\d+\.\d+/.exec(String(said ?? ''))?.[0] ?? null;
}
