// Blobs in two zones. `cas/` is immutable and addressed by SHA-256: small files travel together in packs,
// large ones are a pack of their own. `paths/` is mutable, in the layout that MLflow's clients expect.
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, stat, unlink, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { randomBytes } from 'node:crypto';
import { fail, isDiskFull } from '../errors.ts';
import { failpoint } from '../failpoints.ts';
import { openPathZone, type PathZone } from './path-zone.ts';

/** Where the bytes with this digest are: `offset` and `length` within the pack. */
export interface BlobEntry {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly pack: string;
  readonly offset: number;
  readonly length: number;
}

export type BlobSource = Readable | Uint8Array | { readonly path: string };

/**
 * A batch of files on their way in. Nothing is addressable before `commit`, which makes everything durable
 * with one fsync per pack; a batch that is dropped leaves garbage for `sweep`.
 */
export interface BlobBatch {
  /** Streams the source in while hashing it. Raises `storage-full`. */
  add(source: BlobSource): Promise<{ digest: string; sizeBytes: number }>;
  /** Entries of everything added, one per distinct digest. Raises `storage-full`. */
  commit(): Promise<BlobEntry[]>;
  /** Forgets the batch and removes its temporary files. */
  abandon(): Promise<void>;
}

export interface BlobStore {
  readonly paths: PathZone;
  begin(): Promise<BlobBatch>;
  /** The bytes, or a part of them (`end` exclusive). */
  open(entry: BlobEntry, range?: { start: number; end: number }): Readable;
  read(entry: BlobEntry): Promise<Buffer>;
  /** Says whether the stored bytes still have their digest. */
  verify(entry: BlobEntry): Promise<boolean>;
  /** A file with the bytes that its reader may not change in the store: a copy (copy-on-write where the file system can). */
  materialise(entry: BlobEntry, path: string): Promise<void>;
  /** A path of the store that holds exactly these bytes, for our own readers only; undefined inside a shared pack. */
  localPath(entry: BlobEntry): string | undefined;
  /** Removes packs that nothing refers to and that are older than the grace period. Returns how many. */
  sweep(isReferenced: (packs: string[]) => Promise<Set<string>>, graceMs: number): Promise<number>;
}

export interface BlobStoreOptions {
  readonly dir: string;
  readonly durability: 'power' | 'process';
}

const OWN_PACK_BYTES = 1024 * 1024;
const PACK_BYTES = 64 * 1024 * 1024;

export async function openBlobStore({ dir, durability }: BlobStoreOptions): Promise<BlobStore> {
  const cas = join(dir, 'cas');
  const incoming = join(cas, 'incoming');
  await mkdir(incoming, { recursive: true });
  const packPath = (pack: string): string => join(cas, pack.slice(0, 2), pack);

  return {
    paths: openPathZone(join(dir, 'paths'), durability),
    begin: async () => beginBatch(incoming, packPath, durability),
    open: (entry, range = { start: 0, end: entry.length }) =>
      range.end <= range.start
        ? Readable.from([])
        : createReadStream(packPath(entry.pack), {
            start: entry.offset + range.start,
            end: entry.offset + Math.min(range.end, entry.length) - 1,
          }),
    read: async (entry) => {
      const file = await open(packPath(entry.pack));
      try {
        const bytes = Buffer.alloc(entry.length);
        await file.read(bytes, 0, entry.length, entry.offset);
        return bytes;
      } finally {
        await file.close();
      }
    },
    verify: async (entry) => {
      const hash = createHash('sha256');
      const stream = createReadStream(packPath(entry.pack), {
        start: entry.offset,
        end: Math.max(entry.offset, entry.offset + entry.length - 1),
      });
      if (entry.length > 0) for await (const chunk of stream) hash.update(chunk as Buffer);
      return hash.digest('hex') === entry.digest;
    },
    materialise: async (entry, path) => {
      await mkdir(dirname(path), { recursive: true });
      // A range of a stream holds at least one byte.
      if (entry.length === 0) return writeFile(path, '');
      const whole = entry.offset === 0 && (await stat(packPath(entry.pack))).size === entry.length;
      if (whole) return copyFile(packPath(entry.pack), path, 2 /* COPYFILE_FICLONE: share blocks if possible */);
      await pipeline(
        createReadStream(packPath(entry.pack), { start: entry.offset, end: entry.offset + entry.length - 1 }),
        createWriteStream(path),
      );
    },
    localPath: (entry) => (entry.pack.endsWith('.one') ? packPath(entry.pack) : undefined),
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
      return removed;
    },
  };
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
  // Adds may be concurrent; writes into the shared pack are not.
  let turn: Promise<unknown> = Promise.resolve();

  const openPack = async (suffix: '' | '.one'): Promise<OpenPack> => {
    const name = `${randomBytes(16).toString('hex')}${suffix}`;
    const temporary = join(incoming, name);
    return { name, temporary, file: await open(temporary, 'wx', 0o600), size: 0 };
  };

  const addSmall = (bytes: Buffer, digest: string): Promise<void> => {
    const mine = turn.then(async () => {
      if (entries.has(digest)) return;
      shared ??= await openPack('');
      const offset = shared.size;
      await shared.file.write(bytes, 0, bytes.length, offset);
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
      await pack.file.write(chunk, 0, chunk.length, pack.size);
      pack.size += chunk.length;
    };
    try {
      for (const chunk of head) await append(chunk);
      for (let next = await rest.next(); !next.done; next = await rest.next()) {
        hash.update(next.value);
        await append(next.value);
      }
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
        const head: Buffer[] = [];
        let size = 0;
        for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
          hash.update(next.value);
          head.push(next.value);
          size += next.value.length;
          if (size >= OWN_PACK_BYTES) return addLarge(head, chunks, hash);
        }
        const digest = hash.digest('hex');
        await addSmall(head.length === 1 ? head[0]! : Buffer.concat(head), digest);
        return { digest, sizeBytes: size };
      }),
    commit: () =>
      orFull(async () => {
        await turn;
        if (shared) finished.push(shared);
        shared = undefined;
        const folders = new Set<string>();
        failpoint('blobs.before-sync');
        for (const pack of finished) {
          if (durability === 'power') await pack.file.sync();
          await pack.file.close();
          const final = packPath(pack.name);
          await mkdir(dirname(final), { recursive: true });
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

async function* chunksOf(source: BlobSource): AsyncGenerator<Buffer> {
  if (source instanceof Uint8Array) yield Buffer.from(source.buffer, source.byteOffset, source.byteLength);
  else
    for await (const chunk of source instanceof Readable ? source : createReadStream(source.path, { highWaterMark: 1024 * 1024 }))
      yield chunk as Buffer;
}

/** Makes the names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Passes bytes through and calls back with their SHA-256 and size at the end. */
export function hashing(done: (digest: string, sizeBytes: number) => void): Transform {
  const hash = createHash('sha256');
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, next) {
      hash.update(chunk);
      size += chunk.length;
      next(null, chunk);
    },
    flush(next) {
      done(hash.digest('hex'), size);
      next();
    },
  });
}
