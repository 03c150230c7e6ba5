// A new version of a dataset: files in, checked, and made current, or kept in quarantine.
import { findBlobs } from '../../../kernel/blobs/blob-index.ts';
import { findTombstones } from '../../../kernel/blobs/tombstones.ts';
import type { ComputeTable } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Edge, Ref } from '../../../kernel/events/events.ts';
import { fail as failAny, isProblem, Problem } from '../../../kernel/errors.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { newId } from '../../../kernel/ids.ts';
import type { DatasetDefinition, Revision } from '../../projects/public.ts';
import { suppressedIn } from '../../subjects/public.ts';
import { fail } from '../errors.ts';
import { brokenColumns, type DatasetVersion, type VersionFile, type Violation } from '../model.ts';
import * as store from '../store.ts';
import { checkTimes, contractViolations, rulesDigest } from './check-contract.ts';
import { inspectFiles, inspectTable, profileTable, type Inspection } from './inspect.ts';
import { stageFiles } from './stage.ts';
import { admitFiles } from './suppress.ts';

export interface NewVersion {
  readonly revision: Revision;
  readonly definition: DatasetDefinition;
  readonly files: readonly { readonly path: string; readonly digest: string }[];
  readonly acceptSchemaChange?: boolean;
  /** Set when Gyre made it of other versions: by SQL, or by what `from` names. */
  readonly build?: {
    readonly key: string;
    readonly inputs: readonly string[];
    readonly sqlFile?: { readonly path: string; readonly digest: string };
    readonly from?: readonly { readonly to: Ref; readonly relation: string }[];
  };
}

export interface CreatedVersion {
  readonly version: DatasetVersion;
  readonly created: boolean;
  /** Rows of erased subjects that were in the files and are not in the version. */
  readonly leftOut: number;
}

/**
 * Raises `dataset-no-rows`, `schema-changed`, `key-missing`, `time-missing`, `contract-violated` (the version
 * is then in quarantine), `contract-invalid`, `compute-input-unreadable`. Unchanged files under unchanged rules give
 * the version there is, and files that broke the same contract before give the quarantined one.
 */
export async function createVersion(ctx: Ctx, sent: NewVersion): Promise<CreatedVersion> {
  const { definition, revision } = sent;
  await describeFiles(ctx, sent);
  const {
    digests,
    leftOut,
    number: suppression,
  } = await admitFiles(
    ctx,
    revision.project,
    sent.files.map((f) => f.digest),
  );
  const input = { ...sent, files: sent.files.map((f) => ({ path: f.path, digest: digests.get(f.digest)! })) };
  const current = await store.findCurrent(ctx.db, ctx.workspace, revision.project, definition.name);
  // What was accepted under other rules is not known to keep these.
  const buildKey = input.build?.key ?? (await rulesDigest(ctx, revision, definition));
  const held = current ? await store.listFiles(ctx.db, ctx.workspace, current) : [];
  if (current?.buildKey === buildKey && !input.build && sameFiles(held, input.files)) return { version: current, created: false, leftOut };
  const files = await describeFiles(ctx, input);
  const staged = await stageFiles(
    ctx,
    files.map((f) => f.digest),
  );
  const pathOf = new Map(staged.map((path, i) => [path, files[i]!.path]));
  const known = new Set(held.map((f) => f.digest));
  const fresh = input.build ? [] : staged.filter((_, i) => !known.has(files[i]!.digest));
  const table: ComputeTable = { files: staged };
  const found = await withTheirNames(pathOf, () => checkShape(ctx, input, table, current, fresh, pathOf));
  await checkTimes(ctx, definition, table);
  const profile = await profileTable(ctx, `dataset ${definition.name}`, table, found.columns);
  const violations = await contractViolations(ctx, input, table, found);
  const before = violations.length > 0 ? await sameQuarantined(ctx, input, buildKey, files, violations) : undefined;
  if (before) refuseViolations(before);

  failpoint('datasets.before-version');
  const result = await ctx.tx(async (tx) => {
    // Who was erased since the files were looked at may be in them.
    if ((await suppressedIn(tx, revision.project)).number !== suppression) return undefined;
    const number = await store.takeNumber(tx.db, tx.workspace, revision.project, definition.name);
    // The number is held by this transaction now, so who pushed the same files meanwhile is seen here.
    const meanwhile = await store.findCurrent(tx.db, tx.workspace, revision.project, definition.name);
    if (meanwhile && meanwhile.id !== current?.id && meanwhile.buildKey === buildKey)
      if (sameFiles(await store.listFiles(tx.db, tx.workspace, meanwhile), files)) return { version: meanwhile, created: false, leftOut };
    const v: DatasetVersion = {
      id: newId('dsv', tx.ids),
      project: revision.project,
      dataset: definition.name,
      number,
      state: violations.length > 0 ? 'quarantined' : 'current',
      columns: found.columns,
      rows: found.rows,
      logicalDigest: found.digest,
      profile,
      violations,
      buildKey,
      inputs: input.build?.inputs ?? [],
      generation: 1,
      actor: tx.actor.id,
      recordedMs: tx.clock.now(),
    };
    await store.insertVersion(tx.db, tx.workspace, v, files);
    if (v.state === 'current') await store.setCurrent(tx.db, tx.workspace, v);
    await emitVersion(tx, input, v, files, leftOut);
    return { version: v, created: true, leftOut };
  });
  if (result === undefined) return createVersion(ctx, sent);
  failpoint('datasets.after-version');
  if (result.created && violations.length > 0) refuseViolations(result.version);
  return result;
}

/** Raises `contract-violated` for a version in quarantine. */
export const refuseViolations = (v: DatasetVersion): never =>
  fail('contract-violated', { dataset: v.dataset, version: v.id, rules: v.violations.length }, v.violations.map(toFault));

async function describeFiles(ctx: Ctx, { definition, files }: NewVersion): Promise<VersionFile[]> {
  if (files.length === 0) fail('dataset-no-rows', { dataset: definition.name, files: [] });
  const seen = new Set<string>();
  const twice = files.filter((f) => seen.has(f.path) || !seen.add(f.path));
  const entries = await findBlobs(
    ctx.db,
    ctx.workspace,
    files.map((f) => f.digest),
  );
  const erased = await findTombstones(
    ctx.db,
    ctx.workspace,
    files.map((f) => f.digest).filter((d) => !entries.has(d)),
  );
  const faults = [
    ...twice.map((f) => ({ pointer: f.path, detail: 'is there twice; name each file once' })),
    ...files
      .filter((f) => !entries.has(f.digest) && !erased.has(f.digest))
      .map((f) => ({ pointer: f.path, detail: `the blob ${f.digest} was not uploaded` })),
  ];
  if (faults.length > 0) failAny('invalid-input', { what: 'The list of files' }, faults);
  return files.map((f) => ({ path: f.path, digest: f.digest, sizeBytes: entries.get(f.digest)?.sizeBytes ?? 0 }));
}

/** Messages of the reader name our own copies; the user knows the files by their own names. */
async function withTheirNames<T>(pathOf: ReadonlyMap<string, string>, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!isProblem(error, 'compute-input-unreadable')) throw error;
    const named = (text: unknown): string => [...pathOf].reduce((t, [staged, path]) => t.replaceAll(staged, path), String(text));
    const { code, status, title, params } = error;
    throw new Problem(code, { status, title, detail: () => named(error.message) }, { ...params, why: named(params.why) });
  }
}

async function checkShape(
  ctx: Ctx,
  { definition, acceptSchemaChange = false, build }: NewVersion,
  table: ComputeTable,
  current: DatasetVersion | undefined,
  fresh: readonly string[],
  pathOf: ReadonlyMap<string, string>,
): Promise<Inspection> {
  const what = `dataset ${definition.name}`;
  const found = await inspectTable(ctx, what, table);
  const { empty, lacking } = fresh.length > 0 ? await inspectFiles(ctx, what, fresh, found.columns) : { empty: [], lacking: [] };
  if (empty.length > 0 || found.rows === 0)
    fail('dataset-no-rows', { dataset: definition.name, files: empty.map((path) => pathOf.get(path) ?? path) });
  const absent = definition.key.filter((k) => !found.columns.some((c) => c.name === k));
  if (absent.length > 0) fail('key-missing', { dataset: definition.name, columns: absent });
  const changed = [
    ...(current ? brokenColumns(current.columns, found.columns) : []).map((b) => `${b.column} (${b.before} -> ${b.after ?? 'gone'})`),
    ...lacking.map((l) => `${l.column} (not in ${pathOf.get(l.file)})`),
  ];
  if (changed.length > 0 && !acceptSchemaChange && !build)
    fail('schema-changed', { dataset: definition.name, columns: changed.join(', ') });
  return found;
}

/** The newest version, if it is these files, in quarantine for these reasons. */
async function sameQuarantined(
  ctx: Ctx,
  { revision, definition }: NewVersion,
  buildKey: string,
  files: readonly VersionFile[],
  violations: readonly Violation[],
): Promise<DatasetVersion | undefined> {
  const [newest] = await store.listVersions(ctx.db, ctx.workspace, revision.project, definition.name, Number.MAX_SAFE_INTEGER, 1);
  if (newest?.state !== 'quarantined' || newest.buildKey !== buildKey) return undefined;
  const same = sameFiles(await store.listFiles(ctx.db, ctx.workspace, newest), files);
  return same && JSON.stringify(newest.violations) === JSON.stringify(violations) ? newest : undefined;
}

async function emitVersion(
  tx: Ctx,
  { build, revision }: NewVersion,
  v: DatasetVersion,
  files: readonly VersionFile[],
  leftOut: number,
): Promise<void> {
  const self = { kind: 'dataset-version', id: v.id };
  const edges: Edge[] = build
    ? [
        ...build.inputs.map((id): Edge => ({ from: self, to: { kind: 'dataset-version', id }, relation: 'input' })),
        ...(build.sqlFile
          ? [{ from: self, to: { kind: 'source-file', id: `${build.sqlFile.digest} ${build.sqlFile.path}` }, relation: 'code' }]
          : []),
        ...(build.from ?? []).map(({ to, relation }): Edge => ({ from: self, to, relation })),
      ]
    : files.map((f): Edge => ({ from: self, to: { kind: 'source-file', id: `${f.digest} ${f.path}` }, relation: 'source' }));
  await tx.emit({
    type: v.state === 'current' ? 'dataset-version.created' : 'dataset-version.quarantined',
    subject: self,
    label: `${v.dataset} version ${v.number}`,
    project: v.project,
    payload: {
      dataset: v.dataset,
      number: v.number,
      rows: v.rows,
      logicalDigest: v.logicalDigest,
      violations: v.violations.length,
      leftOut,
    },
    edges: [
      ...edges,
      { from: self, to: { kind: 'dataset', id: `${v.project}/${v.dataset}` }, relation: 'version-of' },
      { from: self, to: { kind: 'project-revision', id: revision.id }, relation: 'definition' },
    ],
  });
}

const toFault = (v: Violation) => ({
  pointer: v.column === null ? '/' : `/${v.column}`,
  detail: `${v.rule}: expected ${v.expected}, found ${v.found}${v.failingRows > 0 ? ` (${v.failingRows} rows${v.sampleRows.length > 0 ? `, for example ${v.sampleRows.map((r) => `[${r}]`).join(', ')}` : ''})` : ''}`,
});

const sameFiles = (before: readonly VersionFile[], after: readonly { path: string; digest: string }[]): boolean => {
  const key = (files: readonly { path: string; digest: string }[]): string =>
    files
      .map((f) => `${f.digest} ${f.path}`)
      .sort()
      .join('\n');
  return key(before) === key(after);
};
