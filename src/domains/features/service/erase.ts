// Erasure in features: tables of views, and the online store of a project.
import type { Ctx } from '../../../kernel/ctx.ts';
import { canonical, holds, type HeldFile, type Replaced, type Subject } from '../../subjects/public.ts';
import { eraseFacts } from '../online-store.ts';
import * as store from '../store.ts';
import { onlineStorePath, onlineTurn } from './materialise.ts';

export const viewFiles = async (ctx: Ctx): Promise<HeldFile[]> =>
  (await store.listViewTables(ctx.db, ctx.workspace)).map((t) => ({
    digest: t.digest,
    place: 'table of a feature view',
    project: t.project,
  }));

export async function repointViews(tx: Ctx, project: string, replaced: Replaced): Promise<void> {
  for (const [digest, by] of replaced) await store.replaceViewTable(tx.db, tx.workspace, project, digest, by);
}

/** Removes a subject's facts from the online store. Returns how many, and whether the bytes are gone from disk, too. */
export const clearOnline = (
  ctx: Ctx,
  project: string,
  subject: Subject,
  digests: ReadonlyMap<string, string>,
): Promise<{ removed: number; clean: boolean }> =>
  onlineTurn(ctx, project, async () =>
    eraseFacts(onlineStorePath(ctx, project), {
      isNamed: (column) => subject.columns.some((c) => holds(column, c)),
      isValue: (value) => value !== null && canonical(value) === canonical(subject.value),
      digests,
    }),
  );
