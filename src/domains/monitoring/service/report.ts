// A drift and quality report of one table against another, or against a baseline that is there already. What is read of
// the reference is kept as a baseline, so that the next report against it reads the current table alone.
import { sqlName } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { judgeDrift, type DriftVerdict } from '../../../stats/drift.ts';
import type { ColumnCounts } from '../../../stats/drift-sketch.ts';
import { judgeQuality, type QualityVerdict } from '../../../stats/quality.ts';
import { getVersion, newestVersion, stageFiles, stageVersion, versionByNumber, type DatasetVersion } from '../../datasets/public.ts';
import { currentRevision } from '../../projects/public.ts';
import { findVersion } from '../../registry/public.ts';
import { fail } from '../errors.ts';
import type { Baseline } from '../model.ts';
import { DAY_US, keepBaseline, loadBaseline, versionBaseline } from './baseline.ts';
import type { WantedColumn } from './count-columns.ts';
import { countTable, tableBaseline, type SourceTable } from './table-baseline.ts';

export interface ReportColumn {
  readonly column: string;
  readonly kind: 'numeric' | 'categorical';
  readonly reference: ColumnSummary;
  readonly current: ColumnSummary;
  readonly drift: DriftVerdict;
  readonly quality: readonly QualityVerdict[];
}

export interface ColumnSummary {
  readonly n: number;
  readonly nulls: number;
  readonly mean: number | null;
  readonly sd: number | null;
  readonly min: number | null;
  readonly max: number | null;
}

export interface DriftReport {
  readonly reference: TableName & { readonly stored: boolean };
  readonly current: TableName;
  readonly columns: readonly ReportColumn[];
  /** In one of the two tables only. */
  readonly missing: readonly string[];
  readonly added: readonly string[];
  readonly drifted: readonly string[];
  readonly broken: readonly string[];
}

export interface TableName {
  /** As it was asked for. */
  readonly name: string;
  readonly id: string;
  readonly rows: number;
}

type Found =
  | { readonly kind: 'table'; readonly id: string; readonly table: SourceTable }
  | { readonly kind: 'baseline'; readonly id: string; readonly baseline: Baseline };

/** Raises `report-table-unknown`, `report-columns-none`, `compute-input-unreadable`, `blob-not-found`. */
export async function driftReport(ctx: Ctx, project: string, asked: { reference: string; current: string }): Promise<DriftReport> {
  const current = await resolve(ctx, project, asked.current);
  if (current.kind !== 'table') return fail('report-table-unknown', { given: asked.current });
  const reference = await resolve(ctx, project, asked.reference);
  const { baseline, stored } = await referenceBaseline(ctx, project, reference);
  const types = new Map(current.table.columns.map((c) => [c.name, c.type]));
  const shared = Object.entries(baseline.columns).filter(([name]) => types.has(name));
  if (shared.length === 0) return fail('report-columns-none', {});
  const wanted = shared.map(([column, b]): WantedColumn => ({ column, baseline: b, sql: sqlName(column), type: types.get(column)! }));
  const counts = (await countTable(ctx, current.table, wanted)).get(0) ?? new Map<string, ColumnCounts>();
  const columns = shared.flatMap(([column, b]): ReportColumn[] => {
    const c = counts.get(column);
    if (!c) return [];
    const question = { counts: c, baseline: b, columns: shared.length };
    return [
      {
        column,
        kind: b.kind,
        reference: summaryOf(b.reference),
        current: summaryOf(c),
        drift: judgeDrift(question),
        quality: judgeQuality(question),
      },
    ];
  });
  return {
    reference: { name: asked.reference, id: reference.id, rows: baseline.rows, stored },
    current: { name: asked.current, id: current.id, rows: rowsOf(counts) },
    columns,
    missing: Object.keys(baseline.columns).filter((name) => !types.has(name)),
    added: [...types.keys()].filter((name) => !Object.hasOwn(baseline.columns, name)),
    drifted: columns.filter((c) => c.drift.ok && c.drift.drifted).map((c) => c.column),
    broken: columns.filter((c) => c.quality.some((q) => q.broken)).map((c) => c.column),
  };
}

const rowsOf = (counts: ReadonlyMap<string, ColumnCounts>): number => {
  const [first] = counts.values();
  return first ? first.n + first.nulls + first.mistyped + (first.kind === 'numeric' ? first.notFinite : 0) : 0;
};

const summaryOf = (c: ColumnCounts): ColumnSummary => ({
  n: c.n,
  nulls: c.nulls,
  mean: c.kind === 'numeric' && c.n > 0 ? c.moments.mean : null,
  sd: c.kind === 'numeric' && c.n > 1 ? Math.sqrt(c.moments.m2 / (c.n - 1)) : null,
  min: c.kind === 'numeric' ? c.min : null,
  max: c.kind === 'numeric' ? c.max : null,
});

/** "dataset@3", "dataset@latest", the id of a version, "model@2", or the digest of an uploaded file. */
async function resolve(ctx: Ctx, project: string, given: string): Promise<Found> {
  if (/^[0-9a-f]{64}$/.test(given)) return { kind: 'table', id: given, table: await fileTable(ctx, given) };
  if (given.startsWith('dsv_')) return versionTable(ctx, await getVersion(ctx, given));
  const [, name, which] = /^(.+)@([^@]+)$/.exec(given) ?? fail('report-table-unknown', { given });
  const { definition } = await currentRevision(ctx, project);
  if (Object.hasOwn(definition.datasets, name!)) {
    const newest = which === 'latest' ? await newestVersion(ctx, project, name!) : undefined;
    if (which === 'latest' && !newest) return fail('report-table-unknown', { given });
    if (which !== 'latest' && !/^\d{1,9}$/.test(which!)) return fail('report-table-unknown', { given });
    return versionTable(ctx, newest ?? (await versionByNumber(ctx, project, name!, Number(which))));
  }
  const version = await findVersion(ctx, name!, which!);
  const monitor = Object.values(definition.monitors).find((m) => m.model === name);
  const { row, baseline } = await versionBaseline(ctx, version, monitor?.windowUs ?? DAY_US);
  return { kind: 'baseline', id: row.id, baseline };
}

async function versionTable(ctx: Ctx, version: DatasetVersion): Promise<Found> {
  const what = `the report of ${version.dataset} version ${version.number}`;
  const table = { what, files: await stageVersion(ctx, version), columns: version.columns, atUs: null };
  return { kind: 'table', id: version.id, table };
}

async function fileTable(ctx: Ctx, digest: string): Promise<SourceTable> {
  const what = 'the report of an uploaded file';
  const files = await stageFiles(ctx, [digest]);
  const { columns } = await ctx.compute.run(
    { what, tables: { t: { files } }, statements: [], rows: 'select * from t limit 0' },
    ctx.signal,
  );
  return { what, files, columns, atUs: null };
}

async function referenceBaseline(ctx: Ctx, project: string, found: Found): Promise<{ baseline: Baseline; stored: boolean }> {
  if (found.kind === 'baseline') return { baseline: found.baseline, stored: true };
  const key = { project, monitor: '', subject: `table ${found.id}`, windowUs: 0 };
  const before = await loadBaseline(ctx, key);
  if (before) return { baseline: before.baseline, stored: true };
  const made = await tableBaseline(ctx, found.table, DAY_US, false);
  const baseline: Baseline = {
    format: 1,
    of: { kind: 'dataset', id: found.id },
    windowUs: 0,
    rows: made.rows,
    span: null,
    columns: made.columns,
    scores: null,
    labels: null,
    calibrator: null,
    performance: {},
    lacks: ['made for a report: it has no scores'],
  };
  return { baseline: (await keepBaseline(ctx, key, baseline, null)).baseline, stored: false };
}
