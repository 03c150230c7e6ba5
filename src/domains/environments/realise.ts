// A virtual environment per environment digest, made by uv from the lock and shared by all steps.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
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
  const key = wanted ?? '';
  const found = interpreters.get(key) ?? look(wanted);
  interpreters.set(key, found);
  found.catch(() => interpreters.delete(key));
  return found;
}

async function look(wanted: string | null): Promise<Interpreter> {
  const names =
    wanted === null
      ? ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python']
      : [`python${wanted}`, 'python3', 'python'];
  for (const name of names) {
    const answer = await exec(name, ['-c', PROBE], { timeout: 20_000 }).catch(() => undefined);
    if (!answer) continue;
    const [path, implementation, version, platform] = JSON.parse(answer.stdout) as [string, string, string, string];
    const minor = version.split('.').slice(0, 2).join('.');
    if (wanted === null ? Number(minor.split('.')[1]) >= 10 : minor === wanted) return { path, implementation, version, minor, platform };
  }
  return fail('python-missing', { wanted: wanted === null ? 'Python 3.10 or newer' : `Python ${wanted}` });
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
  if (running) return running;
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
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME ?? options.dir,
    UV_CACHE_DIR: options.uvCacheDir || join(options.dir, 'cache', 'uv'),
    UV_NO_PROGRESS: '1',
    UV_PYTHON_DOWNLOADS: 'never',
    ...proxies(),
  };
  const run = async (...args: string[]): Promise<void> => {
    try {
      await exec(uv, args, { env, maxBuffer: 16 * 1024 * 1024, ...(options.signal ? { signal: options.signal } : {}) });
    } catch (error) {
      const { stderr, message } = error as { stderr?: string; message: string };
      await rm(root, { recursive: true, force: true });
      fail('environment-failed', { digest: environment.digest, why: (stderr || message).trim().split('\n').slice(-6).join(' ') });
    }
  };
  await run('venv', '--quiet', '--python', environment.interpreter.path, root);
  const python = join(bin, 'python');
  const requirements = environment.lock.format === 'requirements' ? lockFile : await exportRequirements(environment.lock, lockFile);
  // Wheels only: building a package would run code that no hash speaks for. Not compiled here: that is twenty
  // seconds of processor time for all packages, and Python keeps what it compiles for the modules a step imports.
  await run('pip', 'sync', '--quiet', '--python', python, '--require-hashes', '--only-binary', ':all:', requirements);
  const installed = await installedPackages(root);
  failpoint('environments.before-marker');
  const handle = await open(marker, 'w');
  await handle.writeFile(JSON.stringify({ digest: environment.digest, python: environment.interpreter.version, packages: installed }));
  await handle.sync();
  await handle.close();
  return done(true);
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

async function isIntact(root: string, marker: string): Promise<boolean> {
  try {
    const { packages } = JSON.parse(await readFile(marker, 'utf8')) as { packages: string[] };
    return existsSync(join(root, 'bin', 'python')) && packages.join() === (await installedPackages(root)).join();
  } catch {
    return false;
  }
}

let uvPath: Promise<string> | undefined;

/** uv from PATH, else installed from PyPI into the server's folder. Raises `uv-missing`. */
export function findUv(dir: string): Promise<string> {
  uvPath ??= lookForUv(dir);
  uvPath.catch(() => (uvPath = undefined));
  return uvPath;
}

async function lookForUv(dir: string): Promise<string> {
  if (await exec('uv', ['--version']).catch(() => undefined)) return 'uv';
  const root = join(dir, 'tools', 'uv');
  const own = join(root, 'bin', 'uv');
  if (existsSync(own)) return own;
  const { path } = await findInterpreter(null);
  try {
    await exec(
      path,
      [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--disable-pip-version-check',
        '--no-warn-script-location',
        '--root-user-action=ignore',
        '--target',
        root,
        'uv',
      ],
      { timeout: 300_000 },
    );
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    return fail('uv-missing', { why: (stderr || message).trim().split('\n').at(-1) ?? '' });
  }
  return own;
}
