// Copies of what lies in an object store, on this machine: by digest, checked before they get their name, the
// longest unused ones removed when there are too many. What was asked for lately stays, for a query may be reading it.
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fail as failAny, isDiskFull } from '../../errors.ts';

export interface LocalCacheOptions {
  readonly dir: string;
  readonly limitBytes: number;
  /** How long a copy stays after it was asked for, whatever the limit says. */
  readonly holdMs?: number;
  /** No copy is older, so that what another replica erased does not stay here. */
  readonly maxAgeMs?: number;
}

export interface LocalCache {
  readonly limitBytes: number;
  /** The file with these bytes; `fetch` brings them if there is none, and checks them. Raises `storage-full`. */
  file(digest: string, sizeBytes: number, fetch: () => Readable): Promise<string>;
  /** A file of its own for as long as `use` takes. */
  withTemporary<T>(source: Readable, use: (path: string) => Promise<T>): Promise<T>;
  drop(digests: Iterable<string>): Promise<number>;
  sizeBytes(): Promise<number>;
  close(): void;
}

interface Copy {
  readonly sizeBytes: number;
  readonly fetchedMs: number;
  usedMs: number;
  /** Its bytes were checked by this process; those of an earlier one may have been cut short by a power cut. */
  checked: boolean;
}

const HOUR_MS = 3_600_000;

export function openLocalCache({ dir, limitBytes, holdMs = HOUR_MS / 4, maxAgeMs = 24 * HOUR_MS }: LocalCacheOptions): LocalCache {
  const incoming = join(dir, 'incoming');
  const pathOf = (digest: string): string => join(dir, digest.slice(0, 2), digest);
  const underWay = new Map<string, Promise<string>>();
  let total = 0;

  const looking = setInterval(
    () =>
      void copies()
        .then(evict)
        .catch(() => undefined),
    HOUR_MS,
  ).unref();

  // In the order of their last use: a Map keeps the order in which it was filled.
  let found: Promise<Map<string, Copy>> | undefined;
  const copies = (): Promise<Map<string, Copy>> => (found ??= scan());
  const scan = async (): Promise<Map<string, Copy>> => {
    await mkdir(incoming, { recursive: true, mode: 0o700 });
    // Of a process that is gone; one folder is one server's, which may have opened it more than once.
    for (const name of await readdir(incoming)) if (!name.startsWith(`${process.pid}-`)) await rm(join(incoming, name), { force: true });
    const there: [string, Copy][] = [];
    for (const folder of await readdir(dir))
      for (const name of folder === 'incoming' ? [] : await readdir(join(dir, folder))) {
        const { size, mtimeMs, atimeMs } = await stat(join(dir, folder, name));
        there.push([name, { sizeBytes: size, fetchedMs: mtimeMs, usedMs: atimeMs, checked: false }]);
        total += size;
      }
    return new Map(there.sort(([, a], [, b]) => a.usedMs - b.usedMs));
  };

  const remove = async (all: Map<string, Copy>, digest: string): Promise<boolean> => {
    const copy = all.get(digest);
    if (!copy) return false;
    all.delete(digest);
    total -= copy.sizeBytes;
    await rm(pathOf(digest), { force: true });
    return true;
  };

  const evict = async (all: Map<string, Copy>): Promise<void> => {
    const now = Date.now();
    for (const [digest, copy] of all) {
      const old = now - copy.fetchedMs > maxAgeMs;
      if (now - copy.usedMs < holdMs || (total <= limitBytes && !old)) continue;
      await remove(all, digest);
    }
  };

  const writeTo = async (path: string, source: Readable): Promise<void> => {
    try {
      await pipeline(source, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
    } catch (error) {
      await rm(path, { force: true });
      if (isDiskFull(error)) failAny('storage-full', { what: 'a copy of a stored file' });
      throw error;
    }
  };

  const fetchInto = async (all: Map<string, Copy>, digest: string, sizeBytes: number, fetch: () => Readable): Promise<string> => {
    const temporary = join(incoming, `${process.pid}-${randomBytes(12).toString('hex')}`);
    await writeTo(temporary, fetch());
    const path = pathOf(digest);
    await mkdir(join(dir, digest.slice(0, 2)), { recursive: true, mode: 0o700 });
    await rename(temporary, path);
    const now = Date.now();
    all.set(digest, { sizeBytes, fetchedMs: now, usedMs: now, checked: true });
    total += sizeBytes;
    await evict(all);
    return path;
  };

  return {
    limitBytes,
    file: async (digest, sizeBytes, fetch) => {
      const running = underWay.get(digest);
      if (running) return running;
      const work = (async (): Promise<string> => {
        const all = await copies();
        const path = pathOf(digest);
        const copy = all.get(digest);
        if (copy && (copy.checked ? (await stat(path).catch(() => undefined))?.size === sizeBytes : await hasDigest(path, digest))) {
          all.delete(digest);
          all.set(digest, copy);
          copy.checked = true;
          copy.usedMs = Date.now();
          await utimes(path, new Date(copy.usedMs), new Date(copy.fetchedMs)).catch(() => undefined);
          return path;
        }
        await remove(all, digest);
        return fetchInto(all, digest, sizeBytes, fetch);
      })().finally(() => underWay.delete(digest));
      underWay.set(digest, work);
      return work;
    },
    withTemporary: async (source, use) => {
      await copies();
      const path = join(incoming, `${process.pid}-${randomBytes(12).toString('hex')}`);
      await writeTo(path, source);
      try {
        return await use(path);
      } finally {
        await rm(path, { force: true });
      }
    },
    drop: async (digests) => {
      const all = await copies();
      let gone = 0;
      for (const digest of digests) {
        await underWay.get(digest)?.catch(() => undefined);
        if (await remove(all, digest)) gone += 1;
      }
      return gone;
    },
    sizeBytes: async () => {
      await evict(await copies());
      return total;
    },
    close: () => clearInterval(looking),
  };
}

async function hasDigest(path: string, digest: string): Promise<boolean> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  } catch {
    return false;
  }
  return hash.digest('hex') === digest;
}
