// Folders of the mutable zone on their way into the immutable one.
import { createHash } from 'node:crypto';
import { insertBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';

export interface FolderFile {
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

/** Where an `mlflow-artifacts:` URI lies in the workspace's mutable zone; undefined for other stores. */
export const pathOfUri = (workspace: string, uri: string): string | undefined => {
  const match = /^mlflow-artifacts:(?:\/\/[^/]*)?\/+(.*)$/.exec(uri);
  return match ? [workspace, match[1]!].join('/') : undefined;
};

/**
 * Stores every file under `root` by digest, bytes first; then `record` writes the rows that refer to them in
 * one transaction with the index of the bytes.
 */
export async function storeFolder<T>(ctx: Ctx, root: string, record: (tx: Ctx, files: readonly FolderFile[]) => Promise<T>): Promise<T> {
  const batch = await ctx.blobs.begin();
  try {
    const files: FolderFile[] = [];
    for (const file of await ctx.blobs.paths.walk(root))
      files.push({ path: file.path, ...(await batch.add({ path: ctx.blobs.paths.resolve(`${root}/${file.path}`) })) });
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
