// Locks in three formats (requirements with hashes, uv.lock, pylock.toml of PEP 751), read into one model.
import { createHash } from 'node:crypto';
import { parse as parseToml, TomlError } from 'smol-toml';
import type { Fault } from '../../kernel/errors.ts';
import { fail } from './errors.ts';
import { neededPackages } from './uv-lock.ts';

export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** "sha256:..." of each file that may be installed, sorted. */
  readonly hashes: readonly string[];
  readonly marker: string | null;
}
export interface Lock {
  readonly format: 'requirements' | 'uv' | 'pylock';
  readonly packages: readonly LockedPackage[];
}

const STRONG = /^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/;

/** PEP 503: names differ by case and by runs of ".", "-", "_" only. */
const normal = (name: string): string => name.toLowerCase().replace(/[-_.]+/g, '-');
const byName = (a: LockedPackage, b: LockedPackage): number => (`${a.name} ${a.version}` < `${b.name} ${b.version}` ? -1 : 1);

/** Raises `lock-invalid` with file and line of each fault. */
export function parseLock(text: string, file: string): Lock {
  const faults: Fault[] = [];
  const base = file.split('/').at(-1)!;
  const lock =
    /^pylock(\..+)?\.toml$/.test(base) || base === 'uv.lock'
      ? fromToml(text, file, base === 'uv.lock', faults)
      : fromRequirements(text, file, faults);
  if (faults.length === 0 && lock.packages.length === 0) faults.push({ pointer: `${file}:1`, detail: 'locks no package' });
  return faults.length > 0 ? fail('lock-invalid', { file }, faults) : { ...lock, packages: [...lock.packages].sort(byName) };
}

function fromRequirements(text: string, file: string, faults: Fault[]): Lock {
  const packages: LockedPackage[] = [];
  let from = 0;
  let logical = '';
  for (const [i, raw] of text.split(/\r?\n/).entries()) {
    if (logical === '') from = i + 1;
    const line = raw.replace(/(^|\s)#.*$/, '');
    if (line.trimEnd().endsWith('\\')) {
      logical += `${line.trimEnd().slice(0, -1)} `;
      continue;
    }
    logical += line;
    const entry = logical.trim();
    logical = '';
    if (entry === '') continue;
    const pointer = `${file}:${from}`;
    if (entry.startsWith('-')) {
      faults.push({ pointer, detail: `the option "${entry.split(' ')[0]}" is not part of a lock; a lock names packages and hashes only` });
      continue;
    }
    const match = /^([A-Za-z0-9][\w.-]*)(\[[^\]]*\])?\s*==\s*([^\s;]+)\s*(?:;\s*(.*?))?\s*((?:--hash=\S+\s*)*)$/.exec(entry);
    if (!match) {
      faults.push({ pointer, detail: `"${entry.slice(0, 60)}" does not pin one version: write name==version with --hash` });
      continue;
    }
    const hashes = [...match[5]!.matchAll(/--hash=(\S+)/g)].map((m) => m[1]!).sort();
    const weak = hashes.find((hash) => !STRONG.test(hash));
    if (weak) faults.push({ pointer, detail: `"${weak.slice(0, 40)}" is not a SHA-256, SHA-384 or SHA-512 hash` });
    if (hashes.length === 0) faults.push({ pointer, detail: `${match[1]} has no --hash` });
    packages.push({ name: normal(match[1]!), version: match[3]!, hashes, marker: match[4] || null });
  }
  return { format: 'requirements', packages };
}

type Json = Readonly<Record<string, unknown>>;
const tables = (value: unknown): Json[] =>
  Array.isArray(value) ? value.filter((v): v is Json => typeof v === 'object' && v !== null) : [];

/** The line on which an entry of a package begins with its name. */
const lineOf = (text: string, name: string): number => {
  const lines = text.split('\n');
  return (
    Math.max(
      0,
      lines.findIndex((line) => line.trim() === `name = "${name}"`),
    ) + 1
  );
};

function fromToml(text: string, file: string, uv: boolean, faults: Fault[]): Lock {
  const format = uv ? 'uv' : 'pylock';
  let toml: Json;
  try {
    toml = parseToml(text) as Json;
  } catch (error) {
    faults.push({
      pointer: error instanceof TomlError ? `${file}:${error.line}:${error.column}` : file,
      detail: (error as Error).message.split('\n')[0]!,
    });
    return { format, packages: [] };
  }
  const wanted = uv ? neededPackages(tables(toml.package)) : tables(toml.packages).map((table) => ({ table, marker: table.marker }));
  const packages = wanted.map(({ table: p, marker }): LockedPackage => {
    const files = [...tables(p.wheels), ...(p.sdist ? [p.sdist as Json] : []), ...(p.archive ? [p.archive as Json] : [])];
    const hashes = files
      .flatMap((f) =>
        typeof f.hash === 'string' ? [f.hash] : Object.entries((f.hashes ?? {}) as Json).map(([k, v]) => `${k}:${String(v)}`),
      )
      .filter((hash) => STRONG.test(hash))
      .sort();
    const pointer = `${file}:${lineOf(text, String(p.name))}`;
    if (hashes.length === 0) faults.push({ pointer, detail: `${String(p.name)} has no file with a hash` });
    if (typeof p.version !== 'string') faults.push({ pointer, detail: `${String(p.name)} has no version` });
    return { name: normal(String(p.name)), version: String(p.version), hashes, marker: typeof marker === 'string' ? marker : null };
  });
  return { format, packages };
}

const sha256 = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');

/** Platform-free digest: the same packages under the same conditions have the same one, whatever the order and the format. */
export const lockDigest = (lock: Lock): string => sha256(lock.packages.map((p) => [p.name, p.version, p.hashes, p.marker]));

export interface Platform {
  readonly implementation: string;
  /** "3.11"; the patch level is observed, not part of the name. */
  readonly minor: string;
  readonly platform: string;
}

export const environmentDigest = (lock: string, on: Platform): string => sha256(['1', lock, on.implementation, on.minor, on.platform]);

export interface PackageChange {
  readonly name: string;
  readonly change: 'added' | 'removed' | 'major' | 'minor' | 'patch' | 'rebuilt';
  readonly before: string | null;
  readonly after: string | null;
}

const RANK = ['major', 'added', 'removed', 'minor', 'patch', 'rebuilt'];

// A package may be locked twice, for two conditions; it is compared as one.
const byPackage = (packages: readonly LockedPackage[]): Map<string, { version: string; hashes: readonly string[] }> => {
  const found = new Map<string, { version: string; hashes: readonly string[] }>();
  for (const p of packages) {
    const other = found.get(p.name);
    found.set(p.name, other ? { version: `${other.version}, ${p.version}`, hashes: [...other.hashes, ...p.hashes] } : p);
  }
  return found;
};

/** Differences of two locks, the ones most likely to matter first. */
export function diffLocks(before: readonly LockedPackage[], after: readonly LockedPackage[]): PackageChange[] {
  const [a, b] = [byPackage(before), byPackage(after)];
  const changes = [...new Set([...a.keys(), ...b.keys()])].flatMap((name): PackageChange[] => {
    const [x, y] = [a.get(name), b.get(name)];
    if (!x) return [{ name, change: 'added', before: null, after: y!.version }];
    if (!y) return [{ name, change: 'removed', before: x.version, after: null }];
    if (x.version === y.version)
      return x.hashes.join() === y.hashes.join() ? [] : [{ name, change: 'rebuilt', before: x.version, after: y.version }];
    const [p, q] = [x.version.split('.'), y.version.split('.')];
    return [{ name, change: p[0] !== q[0] ? 'major' : p[1] !== q[1] ? 'minor' : 'patch', before: x.version, after: y.version }];
  });
  return changes.sort((x, y) => RANK.indexOf(x.change) - RANK.indexOf(y.change) || (x.name < y.name ? -1 : 1));
}
