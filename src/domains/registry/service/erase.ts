// Erasure in the registry: the rows that evaluations were made on, their scores, and examples that models carry.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { HeldFile, Replaced } from '../../subjects/public.ts';
import { filesDigest } from '../../tracking/public.ts';
import * as store from '../store/cleared.ts';

/** A dataset version's project and dataset, by its id. */
export type VersionNames = (id: string) => { readonly project: string; readonly dataset: string } | undefined;

export async function evaluationFiles(ctx: Ctx, names: VersionNames): Promise<HeldFile[]> {
  return (await store.listEvaluationFiles(ctx.db, ctx.workspace)).flatMap((e): HeldFile[] => {
    const of = names(e.datasetVersion);
    const shared = { project: of?.project ?? null, spines: of ? [of.dataset] : [] };
    return [
      { ...shared, digest: e.input, place: 'rows of an evaluation' },
      { ...shared, digest: e.scoreTable, place: 'score table' },
    ];
  });
}

export const sealedModelFiles = async (ctx: Ctx): Promise<HeldFile[]> =>
  (await store.listModelFiles(ctx.db, ctx.workspace)).map((f) => ({ digest: f.digest, place: 'file of a sealed model', project: null }));

export interface ClearedModels {
  /** Evaluations whose rows are fewer now; their figures were made before. */
  readonly evaluations: readonly string[];
  /** Digests of model folders that are no longer right. */
  readonly folders: readonly string[];
}

/** Points evaluations and sealed models at what took their files' places. */
export async function repointModels(tx: Ctx, replaced: Replaced): Promise<ClearedModels> {
  const evaluations: string[] = [];
  for (const e of await store.listEvaluationFiles(tx.db, tx.workspace)) {
    const [input, scoreTable] = [replaced.get(e.input), replaced.get(e.scoreTable)];
    if (!input && !scoreTable) continue;
    await store.putEvaluationFiles(tx.db, tx.workspace, e.id, { ...(input ? { input } : {}), ...(scoreTable ? { scoreTable } : {}) });
    evaluations.push(e.id);
  }
  const byVersion = new Map<string, { path: string; digest: string }[]>();
  for (const f of await store.listModelFiles(tx.db, tx.workspace)) {
    const own = byVersion.get(f.version_id) ?? [];
    own.push({ path: f.path, digest: f.digest });
    byVersion.set(f.version_id, own);
  }
  const folders: string[] = [];
  for (const [id, files] of byVersion) {
    if (!files.some((f) => replaced.has(f.digest))) continue;
    folders.push(filesDigest(files));
    for (const f of files) {
      const by = replaced.get(f.digest);
      if (by) await store.putModelFile(tx.db, tx.workspace, id, f.path, by);
    }
    const after = files.map((f) => ({ path: f.path, digest: replaced.get(f.digest)?.digest ?? f.digest }));
    await store.putModelDigest(tx.db, tx.workspace, id, filesDigest(after));
  }
  return { evaluations, folders };
}

export const modelVersionsOf = (ctx: Ctx, loggedModels: readonly string[]) => store.listVersionsOf(ctx.db, ctx.workspace, loggedModels);
