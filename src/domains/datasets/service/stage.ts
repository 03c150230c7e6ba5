// Files of the store as paths that a compute process can read. Small files live in shared packs and are
// copied out once, under their digest.
import { statSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { getBlob } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';

export async function stageFiles(ctx: Ctx, digests: readonly string[]): Promise<string[]> {
  const folder = join(ctx.settings.dir, 'staged');
  await mkdir(folder, { recursive: true });
  return Promise.all(
    digests.map(async (digest) => {
      const entry = await getBlob(ctx.db, ctx.workspace, digest);
      const direct = ctx.blobs.localPath(entry);
      if (direct) return direct;
      const path = join(folder, digest);
      // A copy that a power cut left short is made again.
      if (statSync(path, { throwIfNoEntry: false })?.size === entry.sizeBytes) return path;
      const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
      try {
        await ctx.blobs.materialise(entry, temporary);
        await rename(temporary, path);
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
      return path;
    }),
  );
}
