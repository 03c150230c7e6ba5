// Erasure in tracking: examples that logged models carry, and which folders of artifacts belong to whom.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { HeldFile, Replaced } from '../../subjects/public.ts';
import { trackingIn } from '../store/tables.ts';
import { putLoggedModelFile } from '../store/logged-models.ts';
import { filesDigest } from './folder.ts';
import { pathOfUri } from './places.ts';

/** Files of logged models that are in the immutable zone. */
export const loggedModelFiles = async (ctx: Ctx): Promise<HeldFile[]> =>
  (await trackingIn(ctx.db).selectFrom('logged_model_files').select(['digest']).where('workspace_id', '=', ctx.workspace).execute()).map(
    (f) => ({ digest: f.digest, place: 'file of a logged model', project: null }),
  );

/** Points logged models at what took their files' places. Answers the digests of folders that are no longer right. */
export async function repointLoggedModels(tx: Ctx, replaced: Replaced): Promise<string[]> {
  const rows = await trackingIn(tx.db)
    .selectFrom('logged_model_files')
    .select(['model_id', 'path', 'digest'])
    .where('workspace_id', '=', tx.workspace)
    .execute();
  const stale = new Set(rows.filter((r) => replaced.has(r.digest)).map((r) => r.model_id));
  const folders = [...stale].map((id) => filesDigest(rows.filter((r) => r.model_id === id)));
  for (const r of rows) {
    const by = replaced.get(r.digest);
    if (by) await putLoggedModelFile(tx.db, tx.workspace, r.model_id, r.path, by);
  }
  return folders;
}

/** Folders of the mutable zone by the experiment that they belong to; steps log to the experiment of their project's name. */
export async function artifactFolders(ctx: Ctx): Promise<{ readonly experiment: string; readonly folder: string }[]> {
  const rows = await trackingIn(ctx.db)
    .selectFrom('experiments')
    .select(['name', 'artifact_location'])
    .where('workspace_id', '=', ctx.workspace)
    .execute();
  return rows.flatMap((r) => {
    const folder = pathOfUri(ctx.workspace, r.artifact_location);
    return folder === undefined ? [] : [{ experiment: r.name, folder }];
  });
}
