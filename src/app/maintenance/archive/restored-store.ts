// The store of bytes that a restore fills. It may be a bucket, which no rename puts in its place as a whole: a mark
// says for how long what lies there is a restore's, so that one that was killed is cleared away by the next.
import { Readable } from 'node:stream';
import type { BlobStore } from '../../../kernel/blobs/blob-store.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { fail } from '../errors.ts';

const MARK = '.restoring';

export interface RestoredStore {
  readonly store: BlobStore;
  /** Notes packs that were stored. */
  readonly add: (packs: Iterable<string>) => void;
  /** What lies there is a server's from now on. */
  readonly keep: () => Promise<void>;
  /** Removes all that was stored. Why it could not be, or undefined. */
  readonly undo: () => Promise<string | undefined>;
  readonly close: () => Promise<void>;
}

/** Takes an empty store, or one that a restore was filling when it was killed. Raises `target-not-empty`. */
export async function openRestoredStore(store: BlobStore): Promise<RestoredStore> {
  const { paths } = store;
  const packs = new Set<string>();
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= store.close());
  const clearPaths = async (): Promise<void> => {
    for (const { name } of await paths.list('')) if (name !== MARK) await paths.remove(name);
    await paths.remove(MARK);
  };
  try {
    if (await isMarked(store)) await clearPaths();
    // A bucket may be somebody's already.
    for await (const { path } of paths.walk('')) fail('target-not-empty', { where: 'the store of artifacts', what: `the file ${path}` });
    await paths.write(MARK, Readable.from([Buffer.from('A restore fills this place; the next one clears it.\n')]));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    store,
    add: (stored) => {
      for (const pack of stored) packs.add(pack);
    },
    keep: async () => void (await paths.remove(MARK)),
    undo: async () => {
      try {
        for (const pack of packs) {
          await store.removePack(pack);
          packs.delete(pack);
        }
        await clearPaths();
        return undefined;
      } catch (error) {
        return (error as Error).message;
      }
    },
    close,
  };
}

async function isMarked({ paths }: BlobStore): Promise<boolean> {
  try {
    (await paths.open(MARK)).stream.destroy();
    return true;
  } catch (error) {
    if (isProblem(error, 'path-not-found')) return false;
    throw error;
  }
}
