// The files of a sealed model as a folder that serving and scoring read; made once per digest, by rename.
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { filesDigest } from '../../tracking/public.ts';

export interface SealedFile {
  readonly path: string;
  readonly digest: string;
}

/** Folder of these files below the data folder ("models/<digest>"), relative to it. */
export async function sealedFolder(ctx: Ctx, files: readonly SealedFile[]): Promise<string> {
  const relative = join('models', filesDigest(files));
  const folder = join(ctx.settings.dir, relative);
  if (existsSync(folder)) return relative;
  const entries = await findBlobs(
    ctx.db,
    ctx.workspace,
    files.map((f) => f.digest),
  );
  const temporary = `${folder}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  await mkdir(temporary, { recursive: true });
  for (const file of files) await ctx.blobs.materialise(entries.get(file.digest)!, join(temporary, file.path));
  // Somebody else may have been quicker; theirs is the same.
  await rename(temporary, folder).catch(() => rm(temporary, { recursive: true, force: true }));
  return relative;
}
