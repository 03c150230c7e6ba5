// Locks in three formats (requirements with hashes, uv.lock, pylock.toml of PEP 751), read into one model.
import { createHash } from 'node:crypto';
import { parse as parseToml, TomlError } from 'smol-toml';
import type { Fault } from '../../kernel/errors.ts';
import { fail } from './errors.ts';

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
  for (const [i, raw] of text.split('\n').entries()) {
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
    if (hashes.length === 0) faults.push({ pointer, detail: `${match[1]} has no --hash` });
    packages.push({ name: normal(match[1]!), version: match[3]!, hashes, marker: match[4] || null });
  }
  return { format: 'requirements', packages };
}

type Json = Readonly<Record<string, unknown>>;
const tables = (value: unknown): Json[] =>
  Array.isArray(value) ? value.filter((v): v is Json => typeof v === 'object' && v !== null) : [];

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
  const packages: LockedPackage[] = [];
  for (const p of tables(uv ? toml.package : toml.packages)) {
    const source = p.source as Json | undefined;
    // The project itself is in uv.lock too; it is the code of the step, not a package of its environment.
    if (uv && source && ('virtual' in source || 'editable' in source || 'directory' in source)) continue;
    const files = [...tables(p.wheels), ...(p.sdist ? [p.sdist as Json] : []), ...(p.archive ? [p.archive as Json] : [])];
    const hashes = files
      .flatMap((f) =>
        typeof f.hash === 'string' ? [f.hash] : Object.entries((f.hashes ?? {}) as Json).map(([k, v]) => `${k}:${String(v)}`),
      )
      .sort();
    const at = text.slice(0, Math.max(0, text.indexOf(`name = "${String(p.name)}"`))).split('\n').length;
    if (hashes.length === 0) faults.push({ pointer: `${file}:${at}`, detail: `${String(p.name)} has no file with a hash` });
    packages.push({
      name: normal(String(p.name)),
      version: String(p.version ?? ''),
      hashes,
      marker: typeof p.marker === 'string' ? p.marker : null,
    });
  }
  return { format, packages };
}

const sha256 = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');

/** Platform-free digest: the same packages in another order, or another format, have the same one. */
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

/** Differences of two locks, the ones most likely to matter first. */
export function diffLocks(before: readonly LockedPackage[], after: readonly LockedPackage[]): PackageChange[] {
  const a = new Map(before.map((p) => [p.name, p]));
  const b = new Map(after.map((p) => [p.name, p]));
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
