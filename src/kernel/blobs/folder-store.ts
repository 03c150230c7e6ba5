// The blobs in a folder: `cas/` by digest, `paths/` by path, `staged/` for copies of what lies in shared packs.
import { createHash, type Hash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, stat, unlink, utimes, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { randomBytes } from 'node:crypto';
import { fail, isDiskFull } from '../errors.ts';
import { failpoint } from '../failpoints.ts';
import type { BlobBatch, BlobEntry, BlobStore } from './blob-store.ts';
import { chunksOf } from './streams/chunks.ts';
import { FileReader } from './streams/file-reader.ts';
import { bytesPassed } from './streams/passing-bytes.ts';
import { openPathZone } from './path-zone.ts';
import { syncFolder } from './sync-folder.ts';

export interface FolderStoreOptions {
  readonly dir: string;
  readonly durability: 'power' | 'process';
}

const OWN_PACK_BYTES = 1024 * 1024;
const PACK_BYTES = 64 * 1024 * 1024;
/** Copies that nobody asked for in so long are made again when somebody does. */
const COPY_UNUSED_MS = 30 * 24 * 3_600_000;

export async function openFolderStore({ dir, durability }: FolderStoreOptions): Promise<BlobStore> {
  const cas = join(dir, 'cas');
  const incoming = join(cas, 'incoming');
  const staged = join(dir, 'staged');
  await mkdir(incoming, { recursive: true });
  const packPath = (pack: string): string => join(cas, pack.slice(0, 2), pack);
  const streamOf = (entry: BlobEntry, range = { start: 0, end: entry.length }): Readable => {
    const end = Math.min(range.end, entry.length);
    return end <= range.start
      ? Readable.from([])
      : new FileReader(packPath(entry.pack), { start: entry.offset + range.start, end: entry.offset + end });
  };

  return {
    paths: openPathZone(join(dir, 'paths'), durability),
    begin: async () => beginBatch(incoming, packPath, durability),
    open: (entry, range) => streamOf(entry, range),
    read: async (entry) => {
      const chunks: Buffer[] = [];
      for await (const chunk of streamOf(entry)) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    },
    verify: async (entry) => {
      const hash = createHash('sha256');
      for await (const chunk of streamOf(entry)) hash.update(chunk as Buffer);
      return hash.digest('hex') === entry.digest;
    },
    materialise: async (entry, path) => {
      await mkdir(dirname(path), { recursive: true });
      const whole = entry.offset === 0 && (await stat(packPath(entry.pack))).size === entry.length;
      if (whole) await copyFile(packPath(entry.pack), path, 2 /* COPYFILE_FICLONE: share blocks if possible */);
      else await pipeline(streamOf(entry), createWriteStream(path));
    },
    localCopy: async (entry) => {
      if (entry.pack.endsWith('.one')) return packPath(entry.pack);
      const path = join(staged, entry.digest);
      // A copy that a power cut left short is made again. One that is used is young, for `sweep`.
      const now = new Date();
      const used = await utimes(path, now, now).then(
        () => stat(path),
        () => undefined,
      );
      if (used?.size === entry.sizeBytes) return path;
      await mkdir(staged, { recursive: true });
      const temporary = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
      try {
        await pipeline(streamOf(entry), createWriteStream(temporary));
        await rename(temporary, path);
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
      return path;
    },
    dropCopies: async (digests) => {
      let gone = 0;
      for (const digest of digests)
        if (
          await unlink(join(staged, digest)).then(
            () => true,
            () => false,
          )
        )
          gone += 1;
      return gone;
    },
    packs: async function* () {
      for (const folder of await readdir(cas))
        for (const name of await readdir(join(cas, folder))) {
          const stats = await stat(join(cas, folder, name)).catch(() => undefined);
          if (stats) yield { pack: name, sizeBytes: stats.size, modifiedMs: stats.mtimeMs, incoming: folder === 'incoming' };
        }
    },
    arrivalMs: 3000,
    findTrouble: async () => undefined,
    close: async () => undefined,
    removePack: async (pack) => {
      await rm(packPath(pack), { force: true });
      if (durability === 'power') await syncFolder(dirname(packPath(pack)));
    },
    sweep: async (isReferenced, graceMs) => {
      let removed = 0;
      const before = Date.now() - graceMs;
      for (const folder of await readdir(cas)) {
        const names = await readdir(join(cas, folder));
        const old: string[] = [];
        for (const name of names) if ((await stat(join(cas, folder, name))).mtimeMs <= before) old.push(name);
        const kept = folder === 'incoming' ? new Set<string>() : await isReferenced(old);
        for (const name of old.filter((n) => !kept.has(n))) {
          await rm(join(cas, folder, name), { force: true });
          removed += 1;
        }
      }
      for (const name of await readdir(staged).catch(() => [])) {
        const stats = await stat(join(staged, name)).catch(() => undefined);
        if (!stats || stats.mtimeMs > Date.now() - COPY_UNUSED_MS) continue;
        await rm(join(staged, name), { force: true });
        removed += 1;
      }
      return removed;
    },
  };
}

// A disk that becomes full takes a part of the bytes without an error; the rest then raises it.
async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}

/** A file being filled with one or many blobs. */
interface OpenPack {
  readonly name: string;
  readonly temporary: string;
  readonly file: FileHandle;
  size: number;
}

function beginBatch(incoming: string, packPath: (pack: string) => string, durability: 'power' | 'process'): BlobBatch {
  const entries = new Map<string, BlobEntry>();
  const finished: OpenPack[] = [];
  let shared: OpenPack | undefined;
  let over = false;
  // Adds may be concurrent; writes into the shared pack are not.
  let turn: Promise<unknown> = Promise.resolve();

  const openPack = async (suffix: '' | '.one'): Promise<OpenPack> => {
    if (over) throw new Error('the batch has ended');
    const name = `${randomBytes(16).toString('hex')}${suffix}`;
    const temporary = join(incoming, name);
    return { name, temporary, file: await open(temporary, 'wx', 0o600), size: 0 };
  };

  const addSmall = (bytes: Buffer, digest: string): Promise<void> => {
    const mine = turn.then(async () => {
      if (entries.has(digest)) return;
      shared ??= await openPack('');
      const offset = shared.size;
      await writeAll(shared.file, bytes, offset);
      shared.size += bytes.length;
      entries.set(digest, { digest, sizeBytes: bytes.length, pack: shared.name, offset, length: bytes.length });
      if (shared.size >= PACK_BYTES) {
        finished.push(shared);
        shared = undefined;
      }
    });
    turn = mine.catch(() => undefined);
    return mine;
  };

  const addLarge = async (
    head: readonly Buffer[],
    rest: AsyncIterator<Buffer>,
    hash: Hash,
  ): Promise<{ digest: string; sizeBytes: number }> => {
    const pack = await openPack('.one');
    const append = async (chunk: Buffer): Promise<void> => {
      await writeAll(pack.file, chunk, pack.size);
      pack.size += chunk.length;
      bytesPassed(chunk.length);
    };
    try {
      for (const chunk of head) await append(chunk);
      for (let next = await rest.next(); !next.done; next = await rest.next()) {
        hash.update(next.value);
        await append(next.value);
      }
      if (over) throw new Error('the batch has ended');
    } catch (error) {
      await pack.file.close();
      await unlink(pack.temporary).catch(() => undefined);
      throw error;
    }
    const digest = hash.digest('hex');
    if (entries.has(digest)) {
      await pack.file.close();
      await unlink(pack.temporary);
    } else {
      entries.set(digest, { digest, sizeBytes: pack.size, pack: pack.name, offset: 0, length: pack.size });
      finished.push(pack);
    }
    return { digest, sizeBytes: pack.size };
  };

  const abandon = async (): Promise<void> => {
    over = true;
    await turn;
    entries.clear();
    for (const pack of [...finished, ...(shared ? [shared] : [])]) {
      await pack.file.close().catch(() => undefined);
      await unlink(pack.temporary).catch(() => undefined);
    }
    finished.length = 0;
    shared = undefined;
  };

  const orFull = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      await abandon();
      return fail('storage-full', { what: 'the files' });
    }
  };

  return {
    add: (source) =>
      orFull(async () => {
        const hash = createHash('sha256');
        const chunks = chunksOf(source);
        try {
          const head: Buffer[] = [];
          let size = 0;
          for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
            hash.update(next.value);
            head.push(next.value);
            size += next.value.length;
            if (size >= OWN_PACK_BYTES) return await addLarge(head, chunks, hash);
          }
          const digest = hash.digest('hex');
          await addSmall(head.length === 1 ? head[0]! : Buffer.concat(head), digest);
          return { digest, sizeBytes: size };
        } finally {
          // A file is closed; a stream of the caller's is left to the caller, who may have to answer on its socket.
          if (!(source instanceof Readable)) await chunks.return(undefined);
        }
      }),
    commit: () =>
      orFull(async () => {
        await turn;
        if (over) throw new Error('the batch has ended');
        over = true;
        if (shared) finished.push(shared);
        shared = undefined;
        const folders = new Set<string>();
        failpoint('blobs.before-sync');
        const now = new Date();
        for (const pack of finished) {
          // What was filled hours ago is new to the sweeper all the same.
          await pack.file.utimes(now, now);
          if (durability === 'power') await pack.file.sync();
          await pack.file.close();
          const final = packPath(pack.name);
          if (await mkdir(dirname(final), { recursive: true })) folders.add(dirname(dirname(final)));
          failpoint('blobs.before-rename');
          await rename(pack.temporary, final);
          failpoint('blobs.after-rename');
          folders.add(dirname(final));
        }
        finished.length = 0;
        if (durability === 'power') for (const folder of folders) await syncFolder(folder);
        failpoint('blobs.after-sync');
        return [...entries.values()];
      }),
    abandon,
  };
}
