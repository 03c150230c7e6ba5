// A new version of a dataset: files in, checked, and made current, or kept in quarantine.
import { findBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { ComputeTable } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Edge } from '../../../kernel/events/events.ts';
import { fail as failAny } from '../../../kernel/errors.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { newId } from '../../../kernel/ids.ts';
import { snapshotText, type DatasetDefinition, type Revision } from '../../projects/public.ts';
import { checksOf, judge, parseContract, schemaViolations } from '../contract.ts';
import { fail } from '../errors.ts';
import { brokenColumns, type DatasetVersion, type VersionFile, type Violation } from '../model.ts';
import * as store from '../store.ts';
import { inspectTable, profileTable } from './inspect.ts';
import { stageFiles } from './stage.ts';

export interface NewVersion {
  readonly revision: Revision;
  readonly definition: DatasetDefinition;
  readonly files: readonly { readonly path: string; readonly digest: string }[];
  readonly acceptSchemaChange?: boolean;
  /** Set when SQL built it. */
  readonly build?: {
    readonly key: string;
    readonly inputs: readonly string[];
    readonly sqlFile: { readonly path: string; readonly digest: string };
  };
}

/**
 * Raises `dataset-no-rows`, `schema-changed`, `time-missing`, `contract-violated` (the version is then in
 * quarantine), `contract-invalid`, `compute-input-unreadable`. Unchanged files give the version there is.
 */
export async function createVersion(ctx: Ctx, input: NewVersion): Promise<{ version: DatasetVersion; created: boolean }> {
  const { definition, revision } = input;
  const what = `dataset ${definition.name}`;
  const current = await store.findCurrent(ctx.db, ctx.workspace, revision.project, definition.name);
  if (current && !input.build && sameFiles(await store.listFiles(ctx.db, ctx.workspace, current), input.files))
    return { version: current, created: false };
  const entries = await findBlobs(
    ctx.db,
    ctx.workspace,
    input.files.map((f) => f.digest),
  );
  const absent = input.files.filter((f) => !entries.has(f.digest));
  if (absent.length > 0)
    failAny(
      'invalid-input',
      { what: 'The list of files' },
      absent.map((f) => ({ pointer: f.path, detail: `the blob ${f.digest} was not uploaded` })),
    );
  if (input.files.length === 0) fail('dataset-no-rows', { dataset: definition.name });
  const table: ComputeTable = {
    files: await stageFiles(
      ctx,
      input.files.map((f) => f.digest),
    ),
  };
  const found = await inspectTable(ctx, what, table);
  if (found.rows === 0) fail('dataset-no-rows', { dataset: definition.name });
  const broken = current ? brokenColumns(current.columns, found.columns) : [];
  if (broken.length > 0 && !input.acceptSchemaChange && !input.build)
    fail('schema-changed', {
      dataset: definition.name,
      columns: broken.map((b) => `${b.column} (${b.before} -> ${b.after ?? 'gone'})`).join(', '),
    });
  await checkTimes(ctx, definition, table);
  const [profile, violations] = [await profileTable(ctx, what, table, found.columns), await contractViolations(ctx, input, table, found)];

  const files: VersionFile[] = input.files.map((f) => ({ path: f.path, digest: f.digest, sizeBytes: entries.get(f.digest)!.sizeBytes }));
  failpoint('datasets.before-version');
  const version = await ctx.tx(async (tx) => {
    const v: DatasetVersion = {
      id: newId('dsv', tx.ids),
      project: revision.project,
      dataset: definition.name,
      number: await store.takeNumber(tx.db, tx.workspace, revision.project, definition.name),
      state: violations.length > 0 ? 'quarantined' : 'current',
      columns: found.columns,
      rows: found.rows,
      logicalDigest: found.digest,
      profile,
      violations,
      buildKey: input.build?.key ?? null,
      inputs: input.build?.inputs ?? [],
      generation: 1,
      actor: tx.actor.id,
      recordedMs: tx.clock.now(),
    };
    await store.insertVersion(tx.db, tx.workspace, v, files);
    if (v.state === 'current') await store.setCurrent(tx.db, tx.workspace, v);
    const self = { kind: 'dataset-version', id: v.id };
    const edges: Edge[] = input.build
      ? [
          ...input.build.inputs.map((id): Edge => ({ from: self, to: { kind: 'dataset-version', id }, relation: 'input' })),
          { from: self, to: { kind: 'source-file', id: `${input.build.sqlFile.digest} ${input.build.sqlFile.path}` }, relation: 'code' },
        ]
      : files.map((f): Edge => ({ from: self, to: { kind: 'source-file', id: `${f.digest} ${f.path}` }, relation: 'source' }));
    await tx.emit({
      type: v.state === 'current' ? 'dataset-version.created' : 'dataset-version.quarantined',
      subject: self,
      label: `${v.dataset} version ${v.number}`,
      project: v.project,
      payload: { dataset: v.dataset, number: v.number, rows: v.rows, logicalDigest: v.logicalDigest, violations: violations.length },
      edges: [
        ...edges,
        { from: self, to: { kind: 'dataset', id: `${v.project}/${v.dataset}` }, relation: 'version-of' },
        { from: self, to: { kind: 'project-revision', id: revision.id }, relation: 'definition' },
      ],
    });
    return v;
  });
  failpoint('datasets.after-version');
  if (violations.length > 0)
    fail('contract-violated', { dataset: definition.name, version: version.id, rules: violations.length }, violations.map(toFault));
  return { version, created: true };
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

async function checkTimes(ctx: Ctx, definition: DatasetDefinition, table: ComputeTable): Promise<void> {
  if (definition.occurredAt === null) return;
  const { rows } = await ctx.compute.run(
    {
      what: `occurred_at and known_at of dataset ${definition.name}`,
      tables: { t: table },
      statements: [
        {
          userSql: `select ((${definition.occurredAt}\n)::timestamp) is null as lost, (${definition.knownAt ?? definition.occurredAt}\n)::timestamp as known_at from t`,
          into: { table: 'times' },
        },
      ],
      rows: 'select count(*) filter (where lost) as lost from times',
    },
    ctx.signal,
  );
  const lost = Number(rows[0]!.lost);
  if (lost > 0) fail('time-missing', { dataset: definition.name, expression: definition.occurredAt, rows: lost });
}

async function contractViolations(
  ctx: Ctx,
  { revision, definition }: NewVersion,
  table: ComputeTable,
  found: { columns: DatasetVersion['columns']; rows: number },
): Promise<Violation[]> {
  if (definition.contract === null) return [];
  const { text } = await snapshotText(ctx, revision.snapshot, definition.contract);
  const contract = parseContract(text, definition.contract);
  const schema = schemaViolations(contract, found.columns);
  if (schema.length > 0) return schema;
  const checks = checksOf(contract, definition.key);
  const what = `contract ${definition.contract}`;
  const own = checks.filter((c) => !c.untrusted);
  const violations: Violation[] = [];
  if (own.length > 0) {
    const counts = await ctx.compute.run(
      { what, tables: { t: table }, statements: [], rows: own.map((c, i) => `select ${i} as i, (${c.count}) as n`).join(' union all ') },
      ctx.signal,
    );
    for (const { i, n } of counts.rows as { i: number; n: number }[]) {
      const check = own[i]!;
      if (judge(check.rule, n, found.rows, []) === undefined) continue;
      const sample =
        check.failing === null
          ? []
          : (await ctx.compute.run({ what, tables: { t: table }, statements: [], rows: check.failing }, ctx.signal)).rows.map((r) =>
              String(r.k),
            );
      violations.push(judge(check.rule, n, found.rows, sample)!);
    }
  }
  for (const check of checks.filter((c) => c.untrusted)) {
    const { rows } = await ctx.compute.run(
      {
        what,
        tables: { t: table },
        statements: [{ userSql: check.count, into: { table: 'answer' } }],
        rows: 'select * from answer limit 1',
      },
      ctx.signal,
    );
    const violation = judge(check.rule, Number(Object.values(rows[0] ?? { n: 0 })[0]), found.rows, []);
    if (violation) violations.push(violation);
  }
  return violations;
}
