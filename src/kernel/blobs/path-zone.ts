// The mutable zone `paths/`: files by path, overwritten whole. A write is a temporary file that is synced
// and renamed, so a reader sees the old bytes or the new ones.
import { randomBytes } from 'node:crypto';
import { constants, createWriteStream, type Stats } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { defineErrors, fail as failAny, isDiskFull } from '../errors.ts';
import { failpoint } from '../failpoints.ts';
import { FileReader } from './streams/file-reader.ts';
import { pour } from './streams/pour.ts';
import { syncFolder } from './sync-folder.ts';

export const { fail: failPath } = defineErrors({
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

export interface Part {
  readonly start: number;
  readonly end: number;
}

/** Transfers that go past the server: the store itself takes and gives the bytes, by addresses signed for a while. */
export interface PathUploads {
  /** Begins an upload of this many parts; each address takes a PUT of one part and answers its ETag. */
  createUpload(path: string, parts: number, expiresSeconds: number): Promise<{ uploadId: string; urls: string[] }>;
  /** Makes the file of its parts. Raises `upload-not-found`, `upload-incomplete`. */
  completeUpload(path: string, uploadId: string, parts: readonly { partNumber: number; etag: string }[]): Promise<void>;
  abortUpload(path: string, uploadId: string): Promise<void>;
  /** Raises `path-not-found`. */
  presignGet(path: string, expiresSeconds: number): Promise<{ url: string; sizeBytes: number }>;
  /** The headers have to be sent as they are. */
  presignPut(path: string, expiresSeconds: number): Promise<{ url: string; headers: Record<string, string> }>;
}

export interface PathZone {
  /** Only where the store can. */
  readonly uploads?: PathUploads;
  /** Writes or overwrites a file. Raises `path-invalid`, `storage-full`. */
  write(path: string, source: Readable): Promise<{ sizeBytes: number }>;
  /**
   * The bytes of a file and how many they are, both of the file that is there now, whatever takes its place.
   * It stays open until the stream has ended or was destroyed. Raises `path-invalid`, `path-not-found`.
   */
  open(path: string): Promise<{ stream: Readable; sizeBytes: number }>;
  /** A part of a file (`end` exclusive), chosen by the size of the whole; none chosen = all of it. Raises what `open` raises. */
  openPart(path: string, choose: (sizeBytes: number) => Part | undefined): Promise<{ stream: Readable; sizeBytes: number; part: Part }>;
  /**
   * Entries of a folder, not recursive, none if it is no folder: by the bytes of their names, where a folder counts
   * as its name with "/" behind. `after` is the name of an entry; those that
   * follow it are given, also when it is gone.
   */
  entries(path: string, options?: { readonly after?: string; readonly limit?: number }): AsyncIterable<PathInfo>;
  /** All of `entries` at once. */
  list(path: string): Promise<PathInfo[]>;
  /** All files under a folder, with paths relative to it, as they are found. */
  walk(path: string): AsyncIterable<{ path: string; sizeBytes: number }>;
  /** Removes a file or a tree; true if there was one. */
  remove(path: string): Promise<boolean>;
  /** Puts bytes in a file's place so that the store keeps none of those it had, nor in an older version. */
  replace(path: string, bytes: Uint8Array): Promise<void>;
  /** Gives a file of this machine with these bytes, for as long as `use` takes. Raises what `open` raises. */
  withLocalFile<T>(path: string, use: (file: string) => Promise<T>): Promise<T>;
}

const MAX_PATH = 4000;
const LOOKED_AT_ONCE = 256;

// The entry itself may be gone by now; then it is where it was, as a file.
function firstAfter(sorted: readonly { name: string; isFolder: boolean; order: Buffer }[], after: string): number {
  const at = sorted.findIndex((e) => e.name === after);
  if (at >= 0) return at + 1;
  const order = Buffer.from(after);
  const next = sorted.findIndex((e) => Buffer.compare(e.order, order) > 0);
  return next < 0 ? sorted.length : next;
}

export function openPathZone(root: string, durability: 'power' | 'process'): PathZone {
  const resolve = (path: string): string => join(root, ...safeParts(path));
  // Links are not followed, neither as the file nor on the way to it: what they lead to is not the zone's.
  const info = async (path: string): Promise<PathInfo | undefined> => {
    let at = root;
    let found: Stats | undefined;
    for (const part of ['', ...safeParts(path)]) {
      at = join(at, part);
      found = await lstat(at).catch(() => undefined);
      if (!found || (!found.isDirectory() && !found.isFile())) return undefined;
    }
    return found && { name: path.split('/').at(-1)!, isFolder: found.isDirectory(), sizeBytes: found.isDirectory() ? 0 : found.size };
  };
  const makeFolder = async (folder: string): Promise<void> => {
    await mkdir(root, { recursive: true });
    let at = root;
    for (const part of folder.slice(root.length).split('/').filter(Boolean)) {
      const parent = at;
      at = join(at, part);
      try {
        await mkdir(at);
        if (durability === 'power') await syncFolder(parent);
      } catch (error) {
        if ((error as { code?: string }).code !== 'EEXIST' || !(await lstat(at)).isDirectory()) throw error;
      }
    }
  };
  const zone: PathZone = {
    replace: async (path, bytes) => void (await zone.write(path, Readable.from([bytes]))),
    withLocalFile: async (path, use) =>
      (await info(path))?.isFolder === false ? use(resolve(path)) : failPath('path-not-found', { path }),
    write: async (path, source) => {
      const final = resolve(path);
      if (final === root) failPath('path-invalid', { path });
      const temporary = join(dirname(final), `.incoming-${randomBytes(8).toString('hex')}`);
      try {
        await makeFolder(dirname(final));
        const sink = createWriteStream(temporary, { flags: 'wx', mode: 0o600 });
        await pour(source, sink);
        if (durability === 'power') {
          const handle = await open(temporary, 'r+');
          await handle.sync();
          await handle.close();
        }
        failpoint('paths.before-rename');
        await rename(temporary, final);
        failpoint('paths.after-rename');
        if (durability === 'power') await syncFolder(dirname(final));
        return { sizeBytes: sink.bytesWritten };
      } catch (error) {
        await unlink(temporary).catch(() => undefined);
        if (isDiskFull(error)) return failAny('storage-full', { what: `the file "${path}"` });
        if (['EISDIR', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST', 'ENAMETOOLONG'].includes((error as { code?: string }).code ?? ''))
          return failPath('path-invalid', { path });
        throw error;
      }
    },
    open: (path) => zone.openPart(path, () => undefined),
    openPart: async (path, choose) => {
      const found = await info(path);
      if (!found || found.isFolder) return failPath('path-not-found', { path });
      const handle = await open(resolve(path), constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: { code?: string }) => {
        // It was removed, or became something else, since it was found.
        if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(error.code ?? '')) return failPath('path-not-found', { path });
        throw error;
      });
      try {
        const stats = await handle.stat();
        if (!stats.isFile()) return failPath('path-not-found', { path });
        const part = choose(stats.size) ?? { start: 0, end: stats.size };
        // A stream cannot be told to read nothing, and a file that grew meanwhile is read to its end of before.
        if (part.start >= part.end) {
          await handle.close();
          return { stream: Readable.from([]), sizeBytes: stats.size, part };
        }
        return { stream: new FileReader(handle, part), sizeBytes: stats.size, part };
      } catch (error) {
        await handle.close();
        throw error;
      }
    },
    entries: async function* (path, { after, limit = Infinity } = {}) {
      if (!(await info(path))?.isFolder) return;
      const names = await readdir(resolve(path), { withFileTypes: true }).catch(() => []);
      const sorted = names
        .filter((n) => !n.name.startsWith('.incoming-') && (n.isDirectory() || n.isFile()))
        .map((n) => ({ name: n.name, isFolder: n.isDirectory(), order: Buffer.from(n.isDirectory() ? `${n.name}/` : n.name) }))
        .sort((a, b) => Buffer.compare(a.order, b.order));
      const from = after === undefined ? 0 : firstAfter(sorted, after);
      let given = 0;
      for (let i = from; i < sorted.length && given < limit; i += LOOKED_AT_ONCE) {
        const some = sorted.slice(i, i + LOOKED_AT_ONCE);
        for (const found of await Promise.all(some.map((entry) => info([path, entry.name].filter(Boolean).join('/')))))
          if (found && given++ < limit) yield found;
      }
    },
    list: async (path) => {
      const found: PathInfo[] = [];
      for await (const entry of zone.entries(path)) found.push(entry);
      return found;
    },
    walk: async function* (path) {
      // Folders one after the other, so that of a deep tree one folder at a time is in memory.
      const folders = [''];
      for (let relative = folders.pop(); relative !== undefined; relative = folders.pop()) {
        const inside: string[] = [];
        for await (const entry of zone.entries([path, relative].filter(Boolean).join('/'))) {
          const child = [relative, entry.name].filter(Boolean).join('/');
          if (entry.isFolder) inside.push(child);
          else yield { path: child, sizeBytes: entry.sizeBytes };
        }
        folders.push(...inside.toReversed());
      }
    },
    remove: async (path) => {
      if (resolve(path) === root) return failPath('path-invalid', { path });
      const found = await info(path);
      if (found) await rm(resolve(path), { recursive: true, force: true });
      return found !== undefined;
    },
  };
  return zone;
}

/** The parts of a relative path, checked one by one. Raises `path-invalid`. */
export function safeParts(path: string): string[] {
  if (path.length > MAX_PATH) failPath('path-invalid', { path: `${path.slice(0, 80)}...` });
  if (path === '') return [];
  const parts = path.split('/');
  const bad = (part: string): boolean =>
    part === '' ||
    part === '.' ||
    part === '..' ||
    Buffer.byteLength(part) > 255 ||
    part.startsWith('.incoming-') ||
    /[\\\0-\x1f]/.test(part);
  if (parts.some(bad)) failPath('path-invalid', { path });
  return parts;
}
