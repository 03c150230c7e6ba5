// Erasure in dataset versions: a version keeps its id and gets a next generation of files without the subject's
// rows. What is stored beside the rows (profile, examples of violations) goes with them.
import { createHash } from 'node:crypto';
import type { Ctx } from '../../../kernel/ctx.ts';
import { snapshotText, type Revision } from '../../projects/public.ts';
import type { HeldFile, Redact, Replaced } from '../../subjects/public.ts';
import { logicalDigest, type Column, type ColumnProfile, type DatasetVersion, type VersionFile } from '../model.ts';
import * as store from '../store.ts';
import { rulesDigest } from './check-contract.ts';
import { inspectTable, profileTable } from './inspect.ts';
import { fileParts, tableColumns } from './rewrite.ts';
import { FILE, rowDigestsSql, sorted, SUMS_SQL } from './row-digests.ts';
import { stageFiles } from './stage.ts';

/** Files of every version, for who has to find rows of a subject. */
export async function versionFiles(ctx: Ctx): Promise<HeldFile[]> {
  const files = await store.listAllFiles(ctx.db, ctx.workspace);
  const names = files.some((f) => f.inputs.length > 0) ? await store.listVersionNames(ctx.db, ctx.workspace) : new Map();
  return files.map((f) => {
    // What was made of other versions may have their rows' keys and no column that names the subject.
    const spines = [...new Set(f.inputs.flatMap((id): string[] => names.get(id)?.dataset ?? []))];
    return {
      digest: f.digest,
      place: 'dataset version',
      project: f.project,
      dataset: f.dataset,
      ...(spines.length > 0 ? { spines } : {}),
    };
  });
}

export interface ClearedVersion {
  readonly id: string;
  readonly dataset: string;
  readonly number: number;
  readonly generation: number;
  readonly rowsBefore: number;
  readonly rowsAfter: number;
  readonly logicalDigestBefore: string;
  readonly logicalDigestAfter: string;
}

export interface ClearedVersions {
  readonly versions: readonly ClearedVersion[];
  /** Writes the new generations, inside the transaction in which the old bytes leave the index. */
  readonly apply: (tx: Ctx) => Promise<void>;
}

/** Prepares the next generation of every version that has one of these files. */
export async function clearVersions(ctx: Ctx, revision: Revision, replaced: Replaced, redact: Redact): Promise<ClearedVersions> {
  const before = await store.listProjectVersions(ctx.db, ctx.workspace, revision.project);
  const touched: { was: DatasetVersion; files: VersionFile[] }[] = [];
  for (const version of before) {
    const files = await store.listFiles(ctx.db, ctx.workspace, version);
    if (!files.some((f) => replaced.has(f.digest))) continue;
    const after = files.map((f): VersionFile => {
      const by = replaced.get(f.digest);
      return by ? { path: f.path, digest: by.digest, sizeBytes: by.sizeBytes } : f;
    });
    touched.push({ was: version, files: after });
  }
  const digests = await digestsOf(ctx, touched, replaced);
  const next: { was: DatasetVersion; now: DatasetVersion; files: VersionFile[] }[] = [];
  for (const item of touched) next.push({ ...item, now: await nextGeneration(ctx, item.was, item.files, digests, redact) });
  const known = new Map(before.map((v) => [v.id, v]));
  for (const { now } of next) known.set(now.id, now);
  for (const item of next) item.now = { ...item.now, buildKey: await buildKeyOf(ctx, revision, item.was, known) };
  return {
    versions: next.map(({ was, now }) => ({
      id: was.id,
      dataset: was.dataset,
      number: was.number,
      generation: now.generation,
      rowsBefore: was.rows,
      rowsAfter: now.rows,
      logicalDigestBefore: was.logicalDigest,
      logicalDigestAfter: now.logicalDigest,
    })),
    apply: async (tx) => {
      for (const { now, files } of next) await store.putGeneration(tx.db, tx.workspace, now, files);
    },
  };
}

/** What the logical digest of a table is made of; those of tables of the same columns add up. */
interface RowSums {
  readonly columns: readonly Column[];
  readonly rows: number;
  readonly low: bigint;
  readonly high: bigint;
}

/** Of each Parquet file by itself, by its path; a file that is none has no entry. */
async function rowSums(ctx: Ctx, paths: readonly string[]): Promise<Map<string, RowSums>> {
  const found = new Map<string, RowSums>();
  const columns = await tableColumns(ctx, paths);
  for (const of of Map.groupBy([...columns.keys()], (path) => JSON.stringify(columns.get(path))).values())
    for (const part of fileParts(of)) {
      const own = sorted(columns.get(of[0]!)!);
      for (const path of part) found.set(path, { columns: own, rows: 0, low: 0n, high: 0n });
      const { rows } = await ctx.compute.run(
        {
          what: 'digests of stored tables',
          tables: { t: { files: part, fileColumn: FILE } },
          statements: [],
          rows: `select path, count(*) as rows, ${SUMS_SQL} from (${rowDigestsSql(
            't',
            own.map((c) => c.name),
          )}) group by path`,
        },
        ctx.signal,
      );
      for (const r of rows as unknown as { path: string; rows: number; low: string; high: string }[])
        found.set(r.path, { columns: own, rows: r.rows, low: BigInt(r.low), high: BigInt(r.high) });
    }
  return found;
}

/** The logical digest of files together, if they are of the same columns. */
function digestOfAll(sums: readonly (RowSums | undefined)[]): { rows: number; digest: string } | undefined {
  const [first] = sums;
  const all = sums.filter((s) => s !== undefined);
  if (!first || all.length < sums.length || all.some((s) => JSON.stringify(s.columns) !== JSON.stringify(first.columns))) return undefined;
  const total = all.reduce((a, s) => ({ rows: a.rows + s.rows, low: a.low + s.low, high: a.high + s.high }), {
    rows: 0,
    low: 0n,
    high: 0n,
  });
  return { rows: total.rows, digest: logicalDigest(first.columns, total.rows, `${total.low}`, `${total.high}`) };
}

type Digests = (files: readonly VersionFile[]) => { rows: number; digest: string } | undefined;

const distinct = (files: readonly VersionFile[]): string[] => [...new Set(files.map((f) => f.digest))];

// Most versions share their files with others: each file is digested once, and the sums are added up.
async function digestsOf(ctx: Ctx, touched: readonly { files: readonly VersionFile[] }[], replaced: Replaced): Promise<Digests> {
  const made = new Map([...replaced.values()].map((r) => [r.digest, r]));
  // A file that is a version by itself was digested when it was written.
  const whole = (own: readonly string[]): boolean => own.length === 1 && !!made.get(own[0]!)?.logicalDigest;
  const open = touched.map(({ files }) => distinct(files)).filter((own) => !whole(own));
  const list = [...new Set(open.flat())];
  const paths = await stageFiles(ctx, list);
  const byPath = await rowSums(ctx, paths);
  const sums = new Map(list.map((digest, i) => [digest, byPath.get(paths[i]!)]));
  return (files) => {
    const own = distinct(files);
    if (!whole(own)) return digestOfAll(own.map((digest) => sums.get(digest)));
    const by = made.get(own[0]!)!;
    return { rows: by.rows, digest: by.logicalDigest! };
  };
}

async function nextGeneration(
  ctx: Ctx,
  v: DatasetVersion,
  files: readonly VersionFile[],
  digests: Digests,
  redact: Redact,
): Promise<DatasetVersion> {
  const table = { files: await stageFiles(ctx, distinct(files)) };
  const what = `dataset ${v.dataset} version ${v.number}`;
  // Files whose columns differ are one table all the same, and then only all of it has a digest.
  const found = digests(files) ?? (await inspectTable(ctx, what, table));
  // Figures of versions that nobody reads any more stay as they were made, less the values of the subject.
  const profile =
    v.state === 'current' && found.rows > 0
      ? await profileTable(ctx, what, table, v.columns)
      : v.profile.map((p) => withoutValues(p, redact));
  const violations = JSON.stringify(v.violations);
  return {
    ...v,
    generation: v.generation + 1,
    rows: found.rows,
    logicalDigest: found.digest,
    profile,
    violations: JSON.parse(redact(violations, true) ?? violations) as DatasetVersion['violations'],
  };
}

const withoutValues = (p: ColumnProfile, redact: Redact): ColumnProfile => {
  const isGone = (value: string | null): boolean => value !== null && redact(JSON.stringify([value]), true) !== undefined;
  return {
    ...p,
    min: isGone(p.min) ? null : p.min,
    max: isGone(p.max) ? null : p.max,
    top: p.top.filter((t) => !isGone(t.value)),
  };
};

// A dataset that SQL made of rows that are gone now stands for the same SQL over the inputs that are left, so
// it is not made again.
async function buildKeyOf(ctx: Ctx, revision: Revision, was: DatasetVersion, known: ReadonlyMap<string, DatasetVersion>): Promise<string> {
  const definition = revision.definition.datasets[was.dataset];
  const inputs = was.inputs.map((id) => known.get(id));
  if (was.inputs.length === 0 || !definition?.sql || inputs.some((v) => v === undefined)) return was.buildKey;
  const sql = await snapshotText(ctx, revision.snapshot, definition.sql);
  const rules = await rulesDigest(ctx, revision, definition);
  return sqlBuildKey(sql.digest, rules, inputs as DatasetVersion[]);
}

/** What a dataset made by SQL depends on: its SQL, its rules, the rows it reads. */
export const sqlBuildKey = (sqlDigest: string, rules: string, inputs: readonly DatasetVersion[]): string =>
  createHash('sha256')
    .update(JSON.stringify(['2', sqlDigest, rules, inputs.map((v) => [v.dataset, v.logicalDigest])]))
    .digest('hex');

/** Project and dataset of a version, by its id. */
export async function versionNames(ctx: Ctx): Promise<(id: string) => { project: string; dataset: string } | undefined> {
  const names = await store.listVersionNames(ctx.db, ctx.workspace);
  return (id) => names.get(id);
}
