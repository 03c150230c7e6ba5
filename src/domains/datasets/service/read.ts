// Reading versions: files, rows, differences.
import { sqlName } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { fail } from '../errors.ts';
import { diffProfiles, type ColumnChange, type DatasetVersion } from '../model.ts';
import * as store from '../store.ts';
import { stageFiles } from './stage.ts';

/** Raises `dataset-version-not-found`. */
export const getVersion = async (ctx: Ctx, id: string): Promise<DatasetVersion> =>
  (await store.getVersion(ctx.db, ctx.workspace, id)) ?? fail('dataset-version-not-found', { id });

/** Raises `dataset-empty`. */
export const currentVersion = async (ctx: Ctx, project: string, dataset: string): Promise<DatasetVersion> =>
  (await store.findCurrent(ctx.db, ctx.workspace, project, dataset)) ?? fail('dataset-empty', { dataset });

/** Absolute paths of a version's files, for compute. */
export const stageVersion = async (ctx: Ctx, version: DatasetVersion): Promise<string[]> =>
  stageFiles(
    ctx,
    (await store.listFiles(ctx.db, ctx.workspace, version)).map((f) => f.digest),
  );

export interface VersionDiff {
  readonly from: string;
  readonly to: string;
  readonly columns: readonly ColumnChange[];
  readonly rows: { readonly added: number; readonly removed: number; readonly changed: number; readonly unchanged: number };
}

/** Differences of two versions by schema, statistics and rows; rows are told apart by the key. */
export async function diffVersions(ctx: Ctx, before: DatasetVersion, after: DatasetVersion, key: readonly string[]): Promise<VersionDiff> {
  const shared = before.columns.map((c) => c.name).filter((n) => after.columns.some((c) => c.name === n) && !key.includes(n));
  const keys = key.map((k) => `a.${sqlName(k)} is not distinct from b.${sqlName(k)}`).join(' and ');
  const equal = shared.map((c) => `a.${sqlName(c)} is not distinct from b.${sqlName(c)}`).join(' and ') || 'true';
  const { rows } = await ctx.compute.run(
    {
      what: `the difference of ${before.id} and ${after.id}`,
      tables: { a: { files: await stageVersion(ctx, before) }, b: { files: await stageVersion(ctx, after) } },
      statements: [],
      rows: `select count(*) filter (where ai is null) as added, count(*) filter (where bi is null) as removed, count(*) filter (where ai and bi and not same) as changed, count(*) filter (where ai and bi and same) as unchanged
        from (select a.ai, b.bi, (${equal}) as same from (select true as ai, * from a) a full join (select true as bi, * from b) b on ${keys})`,
    },
    ctx.signal,
  );
  return { from: before.id, to: after.id, columns: diffProfiles(before.profile, after.profile), rows: rows[0] as VersionDiff['rows'] };
}

export async function previewRows(ctx: Ctx, version: DatasetVersion, limit: number): Promise<readonly unknown[]> {
  const { rows } = await ctx.compute.run(
    {
      what: `rows of ${version.id}`,
      tables: { t: { files: await stageVersion(ctx, version) } },
      statements: [],
      rows: `select * from t limit ${limit}`,
    },
    ctx.signal,
  );
  return rows;
}
