// Erasure in dataset versions: a version keeps its id and gets a next generation of files without the subject's
// rows. What is stored beside the rows (profile, examples of violations) goes with them.
import { createHash } from 'node:crypto';
import type { Ctx } from '../../../kernel/ctx.ts';
import { snapshotText, type Revision } from '../../projects/public.ts';
import type { HeldFile, Redact, Replaced } from '../../subjects/public.ts';
import type { ColumnProfile, DatasetVersion, VersionFile } from '../model.ts';
import * as store from '../store.ts';
import { rulesDigest } from './check-contract.ts';
import { inspectTable, profileTable } from './inspect.ts';
import { stageFiles } from './stage.ts';

/** Files of every version, for who has to find rows of a subject. */
export const versionFiles = async (ctx: Ctx): Promise<HeldFile[]> =>
  (await store.listAllFiles(ctx.db, ctx.workspace)).map((f) => ({
    digest: f.digest,
    place: 'dataset version',
    project: f.project,
    dataset: f.dataset,
  }));

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
  const next: { was: DatasetVersion; now: DatasetVersion; files: VersionFile[] }[] = [];
  for (const version of before) {
    const files = await store.listFiles(ctx.db, ctx.workspace, version);
    if (!files.some((f) => replaced.has(f.digest))) continue;
    const after = files.map((f): VersionFile => {
      const by = replaced.get(f.digest);
      return by ? { path: f.path, digest: by.digest, sizeBytes: by.sizeBytes } : f;
    });
    next.push({ was: version, now: await nextGeneration(ctx, version, after, redact), files: after });
  }
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

async function nextGeneration(ctx: Ctx, v: DatasetVersion, files: readonly VersionFile[], redact: Redact): Promise<DatasetVersion> {
  const table = { files: await stageFiles(ctx, [...new Set(files.map((f) => f.digest))]) };
  const what = `dataset ${v.dataset} version ${v.number}`;
  const found = await inspectTable(ctx, what, table);
  // Figures of versions that nobody reads any more stay as they were made, less the values of the subject.
  const profile =
    v.state === 'current' && found.rows > 0
      ? await profileTable(ctx, what, table, found.columns)
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
