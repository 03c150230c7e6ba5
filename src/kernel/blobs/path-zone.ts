// The mutable zone `paths/`: files by path, overwritten whole. A write is a temporary file that is synced
// and renamed, so a reader sees the old bytes or the new ones.
import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, type ReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { defineErrors, fail as failAny, isDiskFull } from '../errors.ts';
import { failpoint } from '../failpoints.ts';

const { fail } = defineErrors({
  'path-invalid': {
    status: 400,
    title: 'Invalid path',
    detail: (p: { path: string }) =>
      `Invalid path "${p.path}": use relative paths of plain names, without "..", ".", empty parts, backslashes or control characters.`,
  },
  'path-not-found': { status: 404, title: 'No such file', detail: (p: { path: string }) => `There is no file "${p.path}".` },
});

export interface PathInfo {
  readonly name: string;
  readonly isFolder: boolean;
  readonly sizeBytes: number;
}

export interface PathZone {
  /** Writes or overwrites a file. Raises `path-invalid`, `storage-full`. */
  write(path: string, source: Readable): Promise<{ sizeBytes: number }>;
  /** Raises `path-invalid`, `path-not-found`. */
  open(path: string, range?: { start: number; end: number }): Promise<ReadStream>;
  stat(path: string): Promise<PathInfo | undefined>;
  /** Entries of a folder by name, not recursive; empty if there is none. */
  list(path: string): Promise<PathInfo[]>;
  /** All files under a folder, with paths relative to it. */
  walk(path: string): Promise<{ path: string; sizeBytes: number }[]>;
  /** Removes a file or a tree; true if there was one. */
  remove(path: string): Promise<boolean>;
  /** Where the file is on disk, for our own readers. */
  resolve(path: string): string;
}

const MAX_PATH = 4000;

export function openPathZone(root: string, durability: 'power' | 'process'): PathZone {
  const resolve = (path: string): string => join(root, ...safeParts(path));
  const info = async (path: string): Promise<PathInfo | undefined> => {
    const found = await stat(resolve(path)).catch(() => undefined);
    return found && { name: path.split('/').at(-1)!, isFolder: found.isDirectory(), sizeBytes: found.isDirectory() ? 0 : found.size };
  };
  const zone: PathZone = {
    resolve,
    write: async (path, source) => {
      const final = resolve(path);
      if (final === root) fail('path-invalid', { path });
      await mkdir(dirname(final), { recursive: true });
      const temporary = join(dirname(final), `.incoming-${randomBytes(8).toString('hex')}`);
      try {
        const sink = createWriteStream(temporary, { flags: 'wx', mode: 0o600 });
        await pipeline(source, sink);
        if (durability === 'power') {
          const handle = await open(temporary, 'r+');
          await handle.sync();
          await handle.close();
        }
        failpoint('paths.before-rename');
        await rename(temporary, final);
        failpoint('paths.after-rename');
        if (durability === 'power') {
          const folder = await open(dirname(final), 'r');
          await folder.sync();
          await folder.close();
        }
        return { sizeBytes: sink.bytesWritten };
      } catch (error) {
        await unlink(temporary).catch(() => undefined);
        if (isDiskFull(error)) return failAny('storage-full', { what: `the file "${path}"` });
        if (['EISDIR', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST'].includes((error as { code?: string }).code ?? ''))
          return fail('path-invalid', { path });
        throw error;
      }
    },
    open: async (path, range) => {
      const found = await info(path);
      if (!found || found.isFolder) return fail('path-not-found', { path });
      return createReadStream(resolve(path), range && range.end > range.start ? { start: range.start, end: range.end - 1 } : {});
    },
    stat: info,
    list: async (path) => {
      const names = await readdir(resolve(path), { withFileTypes: true }).catch(() => []);
      const entries = names.filter((n) => !n.name.startsWith('.incoming-'));
      const found = await Promise.all(entries.map((entry) => info([path, entry.name].filter(Boolean).join('/'))));
      return found.filter((f) => f !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    walk: async (path) => {
      const files: { path: string; sizeBytes: number }[] = [];
      const visit = async (relative: string): Promise<void> => {
        for (const entry of await zone.list([path, relative].filter(Boolean).join('/'))) {
          const child = [relative, entry.name].filter(Boolean).join('/');
          if (entry.isFolder) await visit(child);
          else files.push({ path: child, sizeBytes: entry.sizeBytes });
        }
      };
      await visit('');
      return files;
    },
    remove: async (path) => {
      if (resolve(path) === root) return fail('path-invalid', { path });
      const found = await info(path);
      if (found) await rm(resolve(path), { recursive: true, force: true });
      return found !== undefined;
    },
  };
  return zone;
}

/** The parts of a relative path, checked one by one. Raises `path-invalid`. */
export function safeParts(path: string): string[] {
  if (path.length > MAX_PATH) fail('path-invalid', { path: `${path.slice(0, 80)}...` });
  if (path === '') return [];
  const parts = path.split('/');
  const bad = (part: string): boolean =>
    part === '' || part === '.' || part === '..' || part.length > 255 || part.startsWith('.incoming-') || /[\\\0-\x1f]/.test(part);
  if (parts.some(bad)) fail('path-invalid', { path });
  return parts;
}
