// Erasure in feedback: labels about a subject, by its predictions and by its key.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { HeldFile, Replaced } from '../../subjects/public.ts';
import { listLabelFiles, replaceLabelFile } from '../store/cleared.ts';

const places = { sent: 'labels as they were sent', waiting: 'labels that wait', joined: 'joined labels' } as const;

export const labelFiles = async (ctx: Ctx): Promise<HeldFile[]> =>
  (await listLabelFiles(ctx.db, ctx.workspace)).map((f) => ({
    digest: f.digest,
    project: f.project,
    place: places[f.kind],
    predictions: true,
  }));

export async function repointLabels(tx: Ctx, project: string, replaced: Replaced): Promise<void> {
  for (const [digest, by] of replaced) await replaceLabelFile(tx.db, tx.workspace, project, digest, by);
}
