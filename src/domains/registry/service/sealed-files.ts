// The files of a sealed model as a folder that serving and scoring read; made once per digest, by rename. A
// folder that has its name is trusted for good, so its bytes are on disk before it gets the name.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { getBlob } from '../../../kernel/blobs/blob-index.ts';
import { syncFolder, syncTree } from '../../../kernel/blobs/sync-folder.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { filesDigest, getLoggedModel, modelFiles } from '../../tracking/public.ts';
import { fail } from '../errors.ts';

export interface SealedFile {
  readonly path: string;
  readonly digest: string;
}

/** Folder of a logged model's files, absolute. Raises `logged-model-not-found`, `version-unsealed`. */
export async function loggedModelFolder(ctx: Ctx, id: string): Promise<string> {
  const model = await getLoggedModel(ctx, id);
  const files = await modelFiles(ctx, model.id);
  if (files.length === 0) return fail('version-unsealed', { model: model.name, version: 0 });
  return join(ctx.settings.dir, await sealedFolder(ctx, files));
}

/** Folder of these files below the data folder ("models/<digest>"), relative to it. */
export async function sealedFolder(ctx: Ctx, files: readonly SealedFile[]): Promise<string> {
  const relative = join('models', filesDigest(files));
  const folder = join(ctx.settings.dir, relative);
  if (existsSync(folder)) return relative;
  const durable = ctx.settings.durability === 'power';
  const temporary = `${folder}.${process.pid}.${randomBytes(6).toString('hex')}`;
  try {
    const made = await mkdir(temporary, { recursive: true });
    for (const file of files) await ctx.blobs.materialise(await getBlob(ctx.db, ctx.workspace, file.digest), join(temporary, file.path));
    if (durable) await syncTree(temporary);
    failpoint('registry.before-folder');
    await rename(temporary, folder);
    if (durable) {
      await syncFolder(dirname(folder));
      // The first model made "models" too.
      if (made !== temporary) await syncFolder(ctx.settings.dir);
    }
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    // Somebody else may have been quicker; theirs is the same.
    if (!existsSync(folder)) throw error;
  }
  failpoint('registry.after-folder');
  return relative;
}
