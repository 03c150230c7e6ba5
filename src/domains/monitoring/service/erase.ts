// Erasure in monitoring: baselines name values of a column, the rare ones, too. That of a model version is of no project.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { HeldFile, Replaced } from '../../subjects/public.ts';
import { listBaselineFiles, replaceBaselineFile } from '../store/cleared.ts';

export const baselineFiles = async (ctx: Ctx): Promise<HeldFile[]> =>
  (await listBaselineFiles(ctx.db, ctx.workspace)).map((f) => ({
    digest: f.digest,
    project: f.project || null,
    place: 'monitoring baseline',
  }));

export async function repointBaselines(tx: Ctx, project: string, replaced: Replaced): Promise<void> {
  for (const [digest, by] of replaced) await replaceBaselineFile(tx.db, tx.workspace, project, digest, by.digest);
}
