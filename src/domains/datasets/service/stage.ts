// Files of the store as paths that a compute process can read.
import { getBlob } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';

/** Open files are few; there may be any number of these. */
const AT_ONCE = 64;

export async function stageFiles(ctx: Ctx, digests: readonly string[]): Promise<string[]> {
  const stage = async (digest: string): Promise<string> => ctx.blobs.localCopy(await getBlob(ctx.db, ctx.workspace, digest));
  const paths: string[] = [];
  for (let i = 0; i < digests.length; i += AT_ONCE) paths.push(...(await Promise.all(digests.slice(i, i + AT_ONCE).map(stage))));
  return paths;
}
