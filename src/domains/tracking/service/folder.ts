// Folders of the mutable zone on their way into the immutable one.
import { createHash } from 'node:crypto';
import { insertBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import type { Place } from './places.ts';

export interface FolderFile {
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

/**
 * Stores every file under `root` (of the mutable zone, or a place elsewhere) by digest, bytes first; then
 * `record` writes the rows that refer to them in one transaction with the index of the bytes.
 */
export async function storeFolder<T>(
  ctx: Ctx,
  root: string | Place,
  record: (tx: Ctx, files: readonly FolderFile[]) => Promise<T>,
): Promise<T> {
  const { zone, path } = typeof root === 'string' ? { zone: ctx.blobs.paths, path: root } : root;
  const batch = await ctx.blobs.begin();
  try {
    const files: FolderFile[] = [];
    for await (const file of zone.walk(path)) {
      const { stream } = await zone.open([path, file.path].filter(Boolean).join('/'));
      files.push({ path: file.path, ...(await batch.add(stream)) });
    }
    const entries = await batch.commit();
    failpoint('tracking.before-seal');
    const sealed = await ctx.tx(async (tx) => {
      await insertBlobs(tx, entries);
      return record(tx, files);
    });
    failpoint('tracking.after-seal');
    return sealed;
  } catch (error) {
    await batch.abandon();
    throw error;
  }
}

/** One digest over all files of a folder. */
export const filesDigest = (files: readonly { path: string; digest: string }[]): string =>
  createHash('sha256')
    .update(JSON.stringify(files.map((f) => [f.path, f.digest]).sort(([a], [b]) => (a! < b! ? -1 : 1))))
    .digest('hex');
