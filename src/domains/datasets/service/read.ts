// Reading versions: files, rows, differences.
import { sqlName, sqlText } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import { fail } from '../errors.ts';
import { diffProfiles, type ColumnChange, type DatasetVersion, type VersionFile } from '../model.ts';
import * as store from '../store.ts';
import { stageFiles } from './stage.ts';

const readable = (ctx: Ctx, project: string, dataset: string): void => requireLevel(ctx, 'dataset', `${project}/${dataset}`, 'READ');

/** Raises `dataset-version-not-found`, `level-too-low`. */
export async function getVersion(ctx: Ctx, id: string): Promise<DatasetVersion> {
  const version = (await store.getVersion(ctx.db, ctx.workspace, id)) ?? fail('dataset-version-not-found', { id });
  readable(ctx, version.project, version.dataset);
  return version;
}

/** Raises `dataset-empty`, `level-too-low`. */
export async function currentVersion(ctx: Ctx, project: string, dataset: string): Promise<DatasetVersion> {
  readable(ctx, project, dataset);
  return (await store.findCurrent(ctx.db, ctx.workspace, project, dataset)) ?? fail('dataset-empty', { dataset });
}

/** The version that came last, whether it is good or quarantined; undefined if there is none. */
export const newestVersion = async (ctx: Ctx, project: string, dataset: string): Promise<DatasetVersion | undefined> =>
  (await store.listVersions(ctx.db, ctx.workspace, project, dataset, Number.MAX_SAFE_INTEGER, 1))[0];

/** A version by its number. Raises `dataset-version-not-found`. */
export async function versionByNumber(ctx: Ctx, project: string, dataset: string, number: number): Promise<DatasetVersion> {
  readable(ctx, project, dataset);
  const [found] = await store.listVersions(ctx.db, ctx.workspace, project, dataset, number + 1, 1);
  return found?.number === number ? found : fail('dataset-version-not-found', { id: `${dataset}@${number}` });
}

/** Says whether a version is the one that readers get. */
export const isCurrent = async (ctx: Ctx, id: string): Promise<boolean> =>
  (await store.getVersion(ctx.db, ctx.workspace, id))?.state === 'current';

/** The newest good version that was made under this key; undefined if there is none. */
export const versionBuiltAs = (ctx: Ctx, project: string, dataset: string, key: string): Promise<DatasetVersion | undefined> =>
  store.findBuilt(ctx.db, ctx.workspace, project, dataset, key);

export const filesOfVersion = (ctx: Ctx, version: DatasetVersion): Promise<VersionFile[]> =>
  store.listFiles(ctx.db, ctx.workspace, version);

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
  /** The first differing rows by key, at most 20 of each kind; of a changed row, which columns. */
  readonly examples: readonly {
    readonly key: string;
    readonly change: 'added' | 'removed' | 'changed';
    readonly columns: readonly string[];
  }[];
}

const EXAMPLES = 20;

/**
 * Differences of two versions of one dataset by schema, statistics and rows; rows are told apart by the key,
 * and compared by the columns that both have. Raises `versions-unrelated`, `key-missing`.
 */
export async function diffVersions(ctx: Ctx, before: DatasetVersion, after: DatasetVersion, key: readonly string[]): Promise<VersionDiff> {
  const [a, b] = [`${before.project}/${before.dataset}`, `${after.project}/${after.dataset}`];
  if (a !== b) fail('versions-unrelated', { before: a, after: b });
  const types = new Map(before.columns.map((c) => [c.name, c.type]));
  const absent = key.filter((k) => !types.has(k) || !after.columns.some((c) => c.name === k));
  if (absent.length > 0) fail('key-missing', { dataset: after.dataset, columns: absent });
  const differs = after.columns
    .filter((c) => types.has(c.name) && !key.includes(c.name))
    .map((c) => {
      // A column whose type changed is compared as text.
      const cast = types.get(c.name) === c.type ? '' : '::varchar';
      return { name: c.name, sql: `a.${sqlName(c.name)}${cast} is distinct from b.${sqlName(c.name)}${cast}` };
    });
  const keys = key.map((k) => `a.${sqlName(k)} is not distinct from b.${sqlName(k)}`).join(' and ');
  const shown = key.map((k) => `coalesce(a.${sqlName(k)}, b.${sqlName(k)})::varchar`).join(', ');
  const changed = differs.map((d) => `case when ${d.sql} then ${sqlText(d.name)} end`).join(', ');
  const { rows } = await ctx.compute.run(
    {
      what: `the difference of ${before.id} and ${after.id}`,
      tables: { a: { files: await stageVersion(ctx, before) }, b: { files: await stageVersion(ctx, after) } },
      statements: [
        {
          sql: `create table compared as select concat_ws(' ', ${shown}) as key,
            case when ai is null then 'added' when bi is null then 'removed' when ${differs.map((d) => d.sql).join(' or ') || 'false'} then 'changed' else 'unchanged' end as change,
            ${changed === '' ? '[]::varchar[]' : `list_filter([${changed}], lambda x: x is not null)`} as columns
            from (select true as ai, * from a) a full join (select true as bi, * from b) b on ${keys}`,
        },
      ],
      rows: `select ${['added', 'removed', 'changed', 'unchanged'].map((c) => `count(*) filter (where change = '${c}') as ${c}`).join(', ')},
        (select list(struct_pack(key := key, change := change, columns := case when change = 'changed' then columns else [] end) order by change, key)
          from (from compared where change <> 'unchanged' qualify row_number() over (partition by change order by key) <= ${EXAMPLES})) as examples
        from compared`,
    },
    ctx.signal,
  );
  const { examples, ...counts } = rows[0] as VersionDiff['rows'] & { examples: VersionDiff['examples'] | null };
  return { from: before.id, to: after.id, columns: diffProfiles(before.profile, after.profile), rows: counts, examples: examples ?? [] };
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
