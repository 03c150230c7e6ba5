// Files of the store as paths that a compute process can read. Small files live in shared packs and are
// copied out once, under their digest.
import { statSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { getBlob } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';

/** Open files are few; there may be any number of these. */
const AT_ONCE = 64;

export async function stageFiles(ctx: Ctx, digests: readonly string[]): Promise<string[]> {
  const folder = join(ctx.settings.dir, 'staged');
  await mkdir(folder, { recursive: true });
  const paths: string[] = [];
  for (let i = 0; i < digests.length; i += AT_ONCE)
    paths.push(...(await Promise.all(digests.slice(i, i + AT_ONCE).map((digest) => stageFile(ctx, folder, digest)))));
  return paths;
}

async function stageFile(ctx: Ctx, folder: string, digest: string): Promise<string> {
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
}
