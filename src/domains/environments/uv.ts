// uv, the program that resolves and installs packages of Python.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { fail } from './errors.ts';
import { findInterpreter, type Interpreter } from './interpreter.ts';

const exec = promisify(execFile);

export interface RealiseOptions {
  readonly dir: string;
  /** Where downloads are kept; '' = inside `dir`. */
  readonly uvCacheDir: string;
  /** Where environments are made; '' = inside `dir`. Several servers of one machine may share it. */
  readonly environmentsDir: string;
  readonly signal?: AbortSignal;
}

export const environmentsIn = ({ dir, environmentsDir }: RealiseOptions): string =>
  environmentsDir ? resolve(environmentsDir) : join(dir, 'environments');

/**
 * A lock with hashes for what is asked for, found by uv for one interpreter and this platform; wheels only. Raises
 * `environment-unresolvable`, `uv-missing`.
 */
export async function compileLock(requirements: readonly string[], { path }: Interpreter, options: RealiseOptions): Promise<string> {
  const uv = await findUv(options.dir);
  const folder = environmentsIn(options);
  await mkdir(folder, { recursive: true });
  const asked = join(folder, `asked-${process.pid}-${randomBytes(6).toString('hex')}.in`);
  await writeFile(asked, `${requirements.join('\n')}\n`);
  const args = ['pip', 'compile', '--quiet', '--no-header', '--no-annotate', '--generate-hashes', '--only-binary', ':all:'];
  try {
    const why = await runUv(uv, [...args, '--python', path, '--output-file', `${asked}.lock`, asked], options);
    if (options.signal?.aborted) throw options.signal.reason;
    if (why !== undefined) return fail('environment-unresolvable', { why: why.replaceAll(folder, '') });
    return await readFile(`${asked}.lock`, 'utf8');
  } finally {
    await rm(asked, { force: true });
    await rm(`${asked}.lock`, { force: true });
  }
}

/** Says why it failed, or nothing. What cannot be reached may lie in the cache. */
export async function runUv(uv: string, args: readonly string[], options: RealiseOptions): Promise<string | undefined> {
  const env = uvEnvironment(options);
  const attempt = async (more: readonly string[]): Promise<string | undefined> => {
    try {
      await exec(uv, [...args, ...more], { env, maxBuffer: 16 * 1024 * 1024, ...(options.signal ? { signal: options.signal } : {}) });
      return undefined;
    } catch (error) {
      const { stderr, message } = error as { stderr?: string; message: string };
      return (stderr || message).trim().replace(/\s+/g, ' ').slice(0, 1500);
    }
  };
  const why = await attempt([]);
  if (why === undefined || options.signal?.aborted || !/connect|dns|timed out|network|fetch|request/i.test(why)) return why;
  return (await attempt(['--offline'])) === undefined ? undefined : why;
}

// Registries reached through a mirror or with an own certificate are the machine's setting, not ours.
const proxies = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      (e): e is [string, string] =>
        e[1] !== undefined &&
        /^(https?_proxy|no_proxy|ssl_cert_(file|dir)|uv_(index_url|default_index|system_certs|native_tls)|pip_index_url)$/i.test(e[0]),
    ),
  );

const uvEnvironment = (options: RealiseOptions): Record<string, string | undefined> => ({
  PATH: process.env.PATH,
  HOME: process.env.HOME ?? options.dir,
  UV_CACHE_DIR: options.uvCacheDir || join(options.dir, 'cache', 'uv'),
  UV_NO_PROGRESS: '1',
  UV_PYTHON_DOWNLOADS: 'never',
  ...proxies(),
});

const uvPaths = new Map<string, Promise<string>>();

/** uv from PATH, else installed from PyPI into the server's folder. Raises `uv-missing`. */
export function findUv(dir: string): Promise<string> {
  const key = `${dir} ${process.env.PATH ?? ''}`;
  const found = uvPaths.get(key) ?? lookForUv(dir);
  uvPaths.set(key, found);
  found.catch(() => uvPaths.delete(key));
  return found;
}

async function lookForUv(dir: string): Promise<string> {
  if (await exec('uv', ['--version']).catch(() => undefined)) return 'uv';
  const root = join(dir, 'tools', 'uv');
  const own = join(root, 'bin', 'uv');
  if (existsSync(own)) return own;
  const { path } = await findInterpreter(null);
  const options = { timeout: 300_000 };
  const quiet = ['--quiet', '--disable-pip-version-check', '--no-warn-script-location', '--root-user-action=ignore'];
  try {
    // A Python without pip (as Debian ships it) can still make a virtual environment that has it.
    if (await exec(path, ['-m', 'pip', '--version']).catch(() => undefined))
      await exec(path, ['-m', 'pip', 'install', ...quiet, '--target', root, 'uv'], options);
    else {
      await exec(path, ['-m', 'venv', root], options);
      await exec(join(root, 'bin', 'python'), ['-m', 'pip', 'install', ...quiet, 'uv'], options);
    }
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    return fail('uv-missing', { why: (stderr || message).trim().split('\n').at(-1) ?? '' });
  }
  return own;
}
