// A batch on its way into an object store. Large files go up as they come, as parts that nobody can read before
// the commit completes them; small ones share packs that are kept in memory up to the size of a part.
import { createHash, randomBytes, type Hash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { BlobBatch, BlobEntry } from '../blob-store.ts';
import { chunksOf } from '../streams/chunks.ts';
import { failpoint } from '../../failpoints.ts';
import { fail } from '../objects/errors.ts';
import { bytesPassed } from '../streams/passing-bytes.ts';
import { ObjectWriter } from '../objects/object-writer.ts';
import type { ObjectStore } from '../objects/object-store.ts';

const OWN_PACK_BYTES = 1024 * 1024;
const PACK_BYTES = 64 * 1024 * 1024;
const AT_ONCE = 8;
/** Less than the grace period of the sweeper, which aborts uploads that are older. */
const LONGEST_HOURS = 20;

interface OpenPack {
  readonly name: string;
  readonly writer: ObjectWriter;
}

export function beginRemoteBatch(
  objects: ObjectStore,
  keyOf: (pack: string) => string,
  nowMs: () => number = () => performance.now(),
): BlobBatch {
  const entries = new Map<string, BlobEntry>();
  const finished: OpenPack[] = [];
  const began = nowMs();
  let shared: OpenPack | undefined;
  let over = false;
  // Adds may be concurrent; writes into the shared pack are not.
  let turn: Promise<unknown> = Promise.resolve();

  const openPack = (suffix: '' | '.one'): OpenPack => {
    if (over) throw new Error('the batch has ended');
    const name = `${randomBytes(16).toString('hex')}${suffix}`;
    return { name, writer: new ObjectWriter(objects, keyOf(name)) };
  };

  const addSmall = (bytes: Buffer, digest: string): Promise<void> => {
    const mine = turn.then(async () => {
      if (entries.has(digest)) return;
      const pack = (shared ??= openPack(''));
      const offset = pack.writer.sizeBytes;
      await pack.writer.write(bytes);
      entries.set(digest, { digest, sizeBytes: bytes.length, pack: pack.name, offset, length: bytes.length });
      if (pack.writer.sizeBytes >= PACK_BYTES) {
        shared = undefined;
        finished.push(pack);
        await pack.writer.shipAll();
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
    const pack = openPack('.one');
    const { writer } = pack;
    try {
      for (const chunk of head) await writer.write(chunk);
      for (let next = await rest.next(); !next.done; next = await rest.next()) {
        hash.update(next.value);
        bytesPassed(next.value.length);
        await writer.write(next.value);
      }
      const digest = hash.digest('hex');
      // Many of them must not wait in memory: one that is a single put may.
      if (!entries.has(digest) && (!writer.isWhole || finished.some((p) => p.writer.isWhole))) await writer.shipAll();
      if (over) throw new Error('the batch has ended');
      if (entries.has(digest)) await writer.abort();
      else {
        entries.set(digest, { digest, sizeBytes: writer.sizeBytes, pack: pack.name, offset: 0, length: writer.sizeBytes });
        finished.push(pack);
      }
      return { digest, sizeBytes: writer.sizeBytes };
    } catch (error) {
      await writer.abort();
      throw error;
    }
  };

  const abandon = async (): Promise<void> => {
    over = true;
    await turn;
    entries.clear();
    const packs = [...finished.splice(0), ...(shared ? [shared] : [])];
    shared = undefined;
    await inTurns(packs, (pack) => pack.writer.abort());
  };

  return {
    add: async (source) => {
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
    },
    commit: async () => {
      await turn;
      if (over) throw new Error('the batch has ended');
      over = true;
      if (shared) finished.push(shared);
      shared = undefined;
      const packs = finished.splice(0);
      try {
        if (nowMs() - began > LONGEST_HOURS * 3_600_000) fail('blob-batch-expired', { hours: LONGEST_HOURS });
        failpoint('blobs.before-complete');
        await inTurns(packs, (pack) => pack.writer.finish(true));
        failpoint('blobs.after-complete');
      } catch (error) {
        // Those that were completed are garbage that no record names; the sweeper takes it.
        await inTurns(packs, (pack) => pack.writer.abort());
        throw error;
      }
      return [...entries.values()];
    },
    abandon,
  };
}

async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < items.length; i += AT_ONCE) await Promise.all(items.slice(i, i + AT_ONCE).map(work));
}
