// Every file of the immutable zone with those who hold it: what an erasure has to look through.
import { listBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { versionFiles, versionNames } from '../../datasets/public.ts';
import { viewFiles } from '../../features/public.ts';
import { labelFiles } from '../../feedback/public.ts';
import { baselineFiles } from '../../monitoring/public.ts';
import { stepFiles } from '../../pipelines/public.ts';
import { codeFilesOfAll } from '../../projects/public.ts';
import { evaluationFiles, sealedModelFiles } from '../../registry/public.ts';
import { shippedFiles } from '../../serving/public.ts';
import type { HeldFile } from '../../subjects/public.ts';
import { loggedModelFiles } from '../../tracking/public.ts';

export interface StoredFile {
  readonly digest: string;
  readonly sizeBytes: number;
  /** Empty for what no record is known to refer to: an upload that was never used. */
  readonly holders: readonly HeldFile[];
  readonly place: string;
}

/** Files that the project may hold, and those of them that another project holds, too. */
export async function filesToSearch(ctx: Ctx, project: string): Promise<{ files: StoredFile[]; shared: ReadonlySet<string> }> {
  const names = await versionNames(ctx);
  const lists = await Promise.all([
    versionFiles(ctx),
    viewFiles(ctx),
    stepFiles(ctx),
    evaluationFiles(ctx, names),
    shippedFiles(ctx),
    labelFiles(ctx),
    baselineFiles(ctx),
    loggedModelFiles(ctx),
    sealedModelFiles(ctx),
    codeFilesOfAll(ctx),
  ]);
  const holders = new Map<string, HeldFile[]>();
  for (const file of lists.flat()) {
    const own = holders.get(file.digest);
    if (own) own.push(file);
    else holders.set(file.digest, [file]);
  }
  const files: StoredFile[] = [];
  const shared = new Set<string>();
  for (let after = ''; ;) {
    const page = await listBlobs(ctx.db, ctx.workspace, after, 1000);
    for (const { digest, sizeBytes } of page) {
      const own = holders.get(digest) ?? [];
      const projects = new Set(own.map((h) => h.project).filter((p) => p !== null));
      if (projects.size > 0 && !projects.has(project)) continue;
      if (projects.size > 1) shared.add(digest);
      files.push({ digest, sizeBytes, holders: own, place: [...new Set(own.map((h) => h.place))].sort().join(', ') || 'stored file' });
    }
    if (page.length < 1000) return { files, shared };
    after = page.at(-1)!.digest;
  }
}
