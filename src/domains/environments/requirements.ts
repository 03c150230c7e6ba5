// Environments of models: a lock as it is, or requirements that nobody locked, which are resolved once and locked then.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseLock, type LockedPackage } from './lock.ts';
import { findInterpreter } from './interpreter.ts';
import { realise, resolveEnvironment, type Realisation } from './realise.ts';
import { compileLock, environmentsIn, type RealiseOptions } from './uv.ts';

/** What an environment is made from. */
export interface Requirements {
  readonly text: string;
  /** The file's name; it says the format. */
  readonly file: string;
  /** "3.11"; null for any. */
  readonly python: string | null;
}

const lockText = (packages: readonly LockedPackage[]): string =>
  packages
    .map((p) => `${p.name}==${p.version}${p.marker ? ` ; ${p.marker}` : ''} ${p.hashes.map((h) => `--hash=${h}`).join(' ')}\n`)
    .join('');

/** The lock of an environment that is recorded here. */
export const lockOf = (packages: readonly LockedPackage[], python: string): Requirements => ({
  text: lockText(packages),
  file: 'requirements.lock',
  python: /\d+\.\d+/.exec(python)?.[0] ?? null,
});

const isLocked = ({ text, file }: Requirements): boolean => file.endsWith('.toml') || file === 'uv.lock' || text.includes('--hash=');

/**
 * Makes the environment real if it is not. Requirements without hashes are resolved, and the lock is kept by their text: the same
 * requirements are the same packages from then on. Raises `lock-invalid`, `python-missing`, `environment-unresolvable`, `environment-failed`, `uv-missing`.
 */
export async function realiseRequirements(wanted: Requirements, options: RealiseOptions): Promise<Realisation> {
  const locked = isLocked(wanted) ? wanted : await lock(wanted, options);
  const environment = await resolveEnvironment(parseLock(locked.text, locked.file), locked.python);
  return realise(environment, locked.text, locked.file, options);
}

async function lock({ text, python }: Requirements, options: RealiseOptions): Promise<Requirements> {
  const interpreter = await findInterpreter(python);
  const { implementation, minor, platform } = interpreter;
  const digest = createHash('sha256')
    .update(JSON.stringify([text, implementation, minor, platform]))
    .digest('hex');
  const folder = join(environmentsIn(options), 'locks');
  const path = join(folder, `${digest}.txt`);
  const made = async (): Promise<Requirements> => ({ text: await readFile(path, 'utf8'), file: 'requirements.lock', python });
  if (existsSync(path)) return made();
  await mkdir(folder, { recursive: true });
  const own = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(own, await compileLock(text.split(/\r?\n/), interpreter, options));
  await rename(own, path);
  return made();
}
