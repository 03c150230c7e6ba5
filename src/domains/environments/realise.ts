// A virtual environment per environment digest, made by uv from the lock and shared by all steps.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { isProblem } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import { fail } from './errors.ts';
import { environmentDigest, lockDigest, type Lock, type Platform } from './lock.ts';

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

export interface ResolvedEnvironment {
  readonly digest: string;
  readonly lockDigest: string;
  readonly lock: Lock;
  readonly interpreter: Interpreter;
}

/** Names the environment of a lock on this machine; installs nothing. */
export async function resolveEnvironment(lock: Lock, python: string | null): Promise<ResolvedEnvironment> {
  const interpreter = await findInterpreter(python);
  const locked = lockDigest(lock);
  return { digest: environmentDigest(locked, interpreter), lockDigest: locked, lock, interpreter };
}

export interface RealiseOptions {
  readonly dir: string;
  /** Where downloads are kept; '' = inside `dir`. */
  readonly uvCacheDir: string;
  readonly signal?: AbortSignal;
}

/**
 * A lock with hashes for what is asked for, found by uv for one interpreter and this platform; wheels only. Raises
 * `environment-unresolvable`, `uv-missing`.
 */
export async function compileLock(requirements: readonly string[], { path }: Interpreter, options: RealiseOptions): Promise<string> {
  const uv = await findUv(options.dir);
  const folder = join(options.dir, 'environments');
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

const uvEnvironment = (options: RealiseOptions): Record<string, string | undefined> => ({
  PATH: process.env.PATH,
  HOME: process.env.HOME ?? options.dir,
  UV_CACHE_DIR: options.uvCacheDir || join(options.dir, 'cache', 'uv'),
  UV_NO_PROGRESS: '1',
  UV_PYTHON_DOWNLOADS: 'never',
  ...proxies(),
});

const inFlight = new Map<string, Promise<Realisation>>();

export interface Realisation {
  readonly bin: string;
  readonly python: string;
  /** True if it was made now. */
  readonly created: boolean;
  readonly wallMs: number;
}

/**
 * The environment's programs. Made once, in place; a marker written last says that it is whole, so a crash
 * leaves one that is made again. Raises `environment-failed`, `uv-missing`.
 */
export function realise(
  environment: ResolvedEnvironment,
  lockText: string,
  lockName: string,
  options: RealiseOptions,
): Promise<Realisation> {
  const root = join(options.dir, 'environments', environment.digest);
  const running = inFlight.get(root);
  // Who began may have been cancelled; who waited was not, and begins anew.
  if (running)
    return running.catch((error: unknown) => {
      if (isProblem(error, 'environment-cancelled') && !options.signal?.aborted) return realise(environment, lockText, lockName, options);
      throw error;
    });
  const mine = make(root, environment, lockText, lockName, options).finally(() => inFlight.delete(root));
  inFlight.set(root, mine);
  return mine;
}

async function make(
  root: string,
  environment: ResolvedEnvironment,
  lockText: string,
  lockName: string,
  options: RealiseOptions,
): Promise<Realisation> {
  const began = performance.now();
  const marker = join(root, 'whole.json');
  const bin = join(root, 'bin');
  const done = (created: boolean): Realisation => ({ bin, python: join(bin, 'python'), created, wallMs: performance.now() - began });
  if (existsSync(marker) && (await isIntact(root, marker))) return done(false);
  await rm(root, { recursive: true, force: true });
  await mkdir(join(options.dir, 'environments'), { recursive: true });
  const uv = await findUv(options.dir);
  const lockFile = join(options.dir, 'environments', `${environment.digest}.${lockName.split('/').at(-1)!}`);
  await writeFile(lockFile, lockText);
  const run = async (...args: string[]): Promise<void> => {
    const why = await runUv(uv, args, options);
    if (why === undefined) return;
    await rm(root, { recursive: true, force: true });
    if (options.signal?.aborted) fail('environment-cancelled', { digest: environment.digest });
    fail('environment-failed', { digest: environment.digest, why });
  };
  await run('venv', '--quiet', '--python', environment.interpreter.path, root);
  const python = join(bin, 'python');
  const requirements = environment.lock.format === 'requirements' ? lockFile : await exportRequirements(environment.lock, lockFile);
  // Wheels only: building a package would run code that no hash speaks for. Not compiled here: that is twenty
  // seconds of processor time for all packages, and Python keeps what it compiles for the modules a step imports.
  await run('pip', 'sync', '--quiet', '--python', python, '--require-hashes', '--only-binary', ':all:', requirements);
  const installed = await installedPackages(root);
  // Sizes of the files are held against the records only if they fit them to begin with.
  const recorded = await fitsRecords(root);
  if (recorded) checkedWhole.add(root);
  failpoint('environments.before-marker');
  const handle = await open(marker, 'w');
  await handle.writeFile(
    JSON.stringify({ digest: environment.digest, python: environment.interpreter.version, packages: installed, recorded }),
  );
  await handle.sync();
  await handle.close();
  return done(true);
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

async function exportRequirements(lock: Lock, lockFile: string): Promise<string> {
  const lines = lock.packages.map(
    (p) => `${p.name}==${p.version}${p.marker ? ` ; ${p.marker}` : ''} ${p.hashes.map((h) => `--hash=${h}`).join(' ')}`,
  );
  await writeFile(`${lockFile}.txt`, `${lines.join('\n')}\n`);
  return `${lockFile}.txt`;
}

/** Names and versions from the metadata folders, without starting Python. */
async function installedPackages(root: string): Promise<string[]> {
  const { globSync } = await import('node:fs');
  return globSync('lib/python*/site-packages/*.dist-info', { cwd: root })
    .map((path) => path.split('/').at(-1)!.replace('.dist-info', ''))
    .sort();
}

/** Environments whose files this process has looked at one by one. */
const checkedWhole = new Set<string>();

async function isIntact(root: string, marker: string): Promise<boolean> {
  try {
    const { packages, recorded } = JSON.parse(await readFile(marker, 'utf8')) as { packages: string[]; recorded?: boolean };
    if (!existsSync(join(root, 'bin', 'python')) || packages.join() !== (await installedPackages(root)).join()) return false;
    if (!recorded || checkedWhole.has(root)) return true;
    if (!(await fitsRecords(root))) return false;
    checkedWhole.add(root);
    return true;
  } catch {
    return false;
  }
}

/** Whether every file that the packages brought is there with its size (the RECORD of each wheel, PEP 376). */
async function fitsRecords(root: string): Promise<boolean> {
  const { globSync } = await import('node:fs');
  for (const record of globSync('lib/python*/site-packages/*.dist-info/RECORD', { cwd: root })) {
    const packages = join(root, dirname(dirname(record)));
    const lines = (await readFile(join(root, record), 'utf8')).split('\n').map((line) => /^([^",]+),[^,]*,(\d+)\r?$/.exec(line));
    const fits = await Promise.all(
      lines.map(async (line) => {
        if (!line || line[1]!.endsWith('.pyc')) return true;
        const found = await stat(join(packages, line[1]!)).catch(() => undefined);
        return found?.size === Number(line[2]);
      }),
    );
    if (fits.includes(false)) return false;
  }
  return true;
}

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
