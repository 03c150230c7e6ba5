// The blobs in an object store: the same two zones, under the same names, as in a folder. Where one of our own
// readers needs a file, it gets a copy from a cache on this machine.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable, Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { BlobEntry, BlobStore } from '../blob-store.ts';
import { isProblem } from '../../errors.ts';
import { fail } from '../objects/errors.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import type { LocalCache } from './local-cache.ts';
import { beginRemoteBatch } from './remote-batch.ts';
import { openRemotePaths } from './remote-paths.ts';

export interface RemoteStoreOptions {
  readonly objects: ObjectStore;
  /** Before every key: "" or a path with "/" at its end. */
  readonly prefix: string;
  readonly cache: LocalCache;
  /** How long after its bytes the record of a pack may come: a commit of many packs, over a slow line. */
  readonly arrivalMs?: number;
}

const TROUBLE_MS = 5000;

export function openRemoteStore({ objects, prefix, cache, arrivalMs = 60_000 }: RemoteStoreOptions): BlobStore {
  const cas = `${prefix}cas/`;
  const keyOf = (pack: string): string => `${cas}${pack.slice(0, 2)}/${pack}`;
  const streamOf = (entry: BlobEntry, range = { start: 0, end: entry.length }): Readable => {
    const end = Math.min(range.end, entry.length);
    if (end <= range.start) return Readable.from([]);
    return lazily(async () => {
      const body = await objects.get(keyOf(entry.pack), { start: entry.offset + range.start, end: entry.offset + end });
      if (!body) throw Object.assign(new Error(`ENOENT: the pack ${entry.pack} is not in the store`), { code: 'ENOENT' });
      return body.stream;
    });
  };
  const checked = (entry: BlobEntry): Readable => streamThrough(streamOf(entry), digestCheck(entry.digest));
  let trouble: { readonly atMs: number; readonly found: Promise<string | undefined> } | undefined;

  return {
    arrivalMs,
    paths: openRemotePaths({ objects, prefix: `${prefix}paths/`, cache }),
    begin: async () => beginRemoteBatch(objects, keyOf),
    open: (entry, range) => (range ? streamOf(entry, range) : checked(entry)),
    read: async (entry) => Buffer.concat((await checked(entry).toArray()) as Buffer[]),
    verify: async (entry) => {
      const hash = createHash('sha256');
      for await (const chunk of streamOf(entry)) hash.update(chunk as Buffer);
      return hash.digest('hex') === entry.digest;
    },
    materialise: async (entry, path) => {
      await mkdir(dirname(path), { recursive: true });
      // What would push half of the others out goes past the cache.
      if (entry.sizeBytes * 2 <= cache.limitBytes)
        return copyFile(await cache.file(entry.digest, entry.sizeBytes, () => checked(entry)), path, 2 /* COPYFILE_FICLONE */);
      try {
        await pipeline(checked(entry), createWriteStream(path));
      } catch (error) {
        await rm(path, { force: true });
        throw error;
      }
    },
    localCopy: (entry) => cache.file(entry.digest, entry.sizeBytes, () => checked(entry)),
    dropCopies: (digests) => cache.drop(digests),
    packs: async function* () {
      for await (const page of objects.list(cas))
        for (const { key, sizeBytes, modifiedMs } of page.objects) {
          const pack = key.slice(key.lastIndexOf('/') + 1);
          // What somebody else put there is not ours to judge.
          if (key === keyOf(pack)) yield { pack, sizeBytes, modifiedMs: byOurClock(modifiedMs), incoming: false };
        }
      for await (const upload of objects.listUploads(cas))
        yield { pack: upload.key.slice(upload.key.lastIndexOf('/') + 1), sizeBytes: 0, modifiedMs: upload.startedMs, incoming: true };
    },
    removePack: (pack) => objects.erase(keyOf(pack)),
    sweep: async (isReferenced, graceMs) => {
      let removed = 0;
      const before = Date.now() - graceMs;
      for await (const page of objects.list(cas)) {
        const old = page.objects.filter((o) => o.modifiedMs <= before).map((o) => o.key.slice(o.key.lastIndexOf('/') + 1));
        const packs = old.filter((pack) => PACK.test(pack));
        const kept = await isReferenced(packs);
        const gone = packs.filter((pack) => !kept.has(pack));
        await objects.delete(gone.map(keyOf));
        removed += gone.length;
      }
      // Uploads that nobody completed are invisible and cost all the same, in either zone.
      for (const zone of [cas, `${prefix}paths/`])
        for await (const upload of objects.listUploads(zone))
          if (upload.startedMs <= before) {
            await objects.abortUpload(upload);
            removed += 1;
          }
      return removed;
    },
    findTrouble: () => {
      if (!trouble || performance.now() - trouble.atMs > TROUBLE_MS)
        trouble = {
          atMs: performance.now(),
          found: objects.check().then(
            () => undefined,
            // Whoever asks for readiness may be anybody: the kind of trouble, not where.
            (error: unknown) => (isProblem(error) ? error.title : 'The object store answers what it should not'),
          ),
        };
      return trouble.found;
    },
    close: async () => {
      cache.close();
      objects.close();
    },
  };
}

/** The clock of the store may be behind ours: what it takes for an hour old may be from now. */
const byOurClock = (modifiedMs: number): number => (Date.now() - modifiedMs < 3_600_000 ? Date.now() : modifiedMs);

const PACK = /^[0-9a-f]{32}(\.one)?$/;

/** Lets bytes through and ends with `blob-damaged` if they are not those of the digest. */
function digestCheck(digest: string): Transform {
  const hash = createHash('sha256');
  return new Transform({
    transform: (chunk: Buffer, _encoding, done: TransformCallback) => {
      hash.update(chunk);
      done(null, chunk);
    },
    flush: (done) => {
      try {
        if (hash.digest('hex') !== digest) fail('blob-damaged', { digest });
        done();
      } catch (error) {
        done(error as Error);
      }
    },
  });
}

/** The end of a pipeline; letting go of it lets go of what feeds it. */
function streamThrough(source: Readable, through: Transform): Readable {
  pipeline(source, through).catch(() => undefined);
  return through;
}

/** A stream whose source has to be asked for first. */
const lazily = (ask: () => Promise<Readable>): Readable => {
  const out = new Transform({ transform: (chunk, _encoding, done) => done(null, chunk) });
  ask().then(
    (source) => streamThrough(source, out),
    (error: unknown) => out.destroy(error as Error),
  );
  return out;
};
