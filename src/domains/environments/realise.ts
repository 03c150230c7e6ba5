// A virtual environment per environment digest, made by uv from the lock and shared by all steps.
import { existsSync } from 'node:fs';
import { open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isProblem } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import { takeLock } from '../../kernel/process/lock-file.ts';
import { fail } from './errors.ts';
import { findInterpreter, type Interpreter } from './interpreter.ts';
import { environmentDigest, lockDigest, type Lock } from './lock.ts';
import { environmentsIn, findUv, runUv, type RealiseOptions } from './uv.ts';

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
  const root = join(environmentsIn(options), environment.digest);
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
  const isThere = async (): Promise<boolean> => existsSync(marker) && (await isIntact(root, marker));
  if (await isThere()) return done(false);
  const release = await alone(`${root}.lock`, options.signal).catch((error: unknown) => {
    if (options.signal?.aborted) return fail('environment-cancelled', { digest: environment.digest });
    throw error;
  });
  try {
    // Another server may have made it while this one waited.
    if (await isThere()) return done(false);
    await install(root, marker, environment, lockText, lockName, options);
  } finally {
    release();
  }
  return done(true);
}

const WAIT_MS = 100;

/** Waits until no other process makes the same environment. */
async function alone(lock: string, signal: AbortSignal | undefined): Promise<() => void> {
  for (;;) {
    let isHeld = false;
    try {
      return takeLock(lock, () => {
        isHeld = true;
        throw new Error(`another process makes what ${lock} is for`);
      });
    } catch (error) {
      if (!isHeld) throw error;
    }
    await delay(WAIT_MS, undefined, signal ? { signal } : {});
  }
}

async function install(
  root: string,
  marker: string,
  environment: ResolvedEnvironment,
  lockText: string,
  lockName: string,
  options: RealiseOptions,
): Promise<void> {
  await rm(root, { recursive: true, force: true });
  const uv = await findUv(options.dir);
  const lockFile = `${root}.${lockName.split('/').at(-1)!}`;
  await writeFile(lockFile, lockText);
  const run = async (...args: string[]): Promise<void> => {
    const why = await runUv(uv, args, options);
    if (why === undefined) return;
    await rm(root, { recursive: true, force: true });
    if (options.signal?.aborted) fail('environment-cancelled', { digest: environment.digest });
    fail('environment-failed', { digest: environment.digest, why });
  };
  await run('venv', '--quiet', '--python', environment.interpreter.path, root);
  const python = join(root, 'bin', 'python');
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
}

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
