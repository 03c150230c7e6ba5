// What the data windows of a monitor hold, by one run of DuckDB for many windows: counts, never records.
import { sqlText } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import type { ColumnCounts } from '../../../stats/drift-sketch.ts';
import { endpointOf, type MonitorDefinition } from '../../projects/public.ts';
import type { AddedColumn, Baseline } from '../model.ts';
import { countingSql, readCounts, type WantedColumn } from './count-columns.ts';
import { recordsOf, windowedSql, type RecordSpan } from './records.ts';

export interface Span {
  readonly fromUs: number;
  readonly toUs: number;
}

/** Records, or labels, that are read in one run at most, unless a single window has more. */
export const BATCH_RECORDS = 200_000;

/** As many of the windows as have no more rows together than one run may read; at least one. */
export function withinBatch(spans: readonly Span[], files: readonly { readonly fromUs: number; readonly rows: number }[]): readonly Span[] {
  const rows = (of: readonly Span[]): number => files.filter((f) => f.fromUs < of.at(-1)!.toUs).reduce((sum, f) => sum + f.rows, 0);
  let batch = spans;
  while (batch.length > 1 && rows(batch) > BATCH_RECORDS) batch = batch.slice(0, batch.length >> 1);
  return batch;
}

export interface WindowContents {
  readonly versions: readonly { readonly version: string; readonly records: number; readonly errors: number }[];
  /** Model version with most records; of equal ones the greater name. */
  readonly lead: string;
  readonly latency: { readonly n: number; readonly quantilesUs: Readonly<Record<string, number>> } | null;
  /** Of the lead version; a column that the records lack is missing here. */
  readonly counts: ReadonlyMap<string, ColumnCounts>;
  /** Inputs of the lead version that the baseline does not know, with the records that have a value. */
  readonly added: readonly AddedColumn[];
  /** Finite scores of the lead version, rising. */
  readonly scores: Float64Array;
}

export const emptyContents: WindowContents = {
  versions: [],
  lead: '',
  latency: null,
  counts: new Map(),
  added: [],
  scores: new Float64Array(),
};

/** The scores stand among the columns under a name that no column of a model can be confused with. */
export const SCORE = '(score)';

/** Records up to which a window's columns may lie in memory. */
const FEW = 100_000;

/** New columns that a window names. */
const MOST_ADDED = 100;

const QUANTILES = [0.5, 0.9, 0.95, 0.99];

/** Columns that a monitor watches and a baseline knows. */
export function wantedColumns(m: MonitorDefinition, baseline: Baseline | null, span: RecordSpan): WantedColumn[] {
  if (!baseline) return [];
  const columns = Object.entries(baseline.columns).flatMap(([column, b]): WantedColumn[] => {
    const found = span.columns.get(column);
    return found && (m.columns?.includes(column) ?? true) ? [{ column, baseline: b, ...found }] : [];
  });
  return baseline.scores ? [...columns, { column: SCORE, baseline: baseline.scores, sql: 'score', type: 'DOUBLE' }] : columns;
}

/** Inputs that a monitor of all columns finds beside those of the baseline. */
function addedColumns(m: MonitorDefinition, baseline: Baseline | null, span: RecordSpan): string[] {
  if (!baseline || m.columns !== null || Object.keys(baseline.columns).length === 0) return [];
  return span.inputs.filter((column) => !Object.hasOwn(baseline.columns, column)).slice(0, MOST_ADDED);
}

/**
 * Contents of windows of equal length that follow one another, by the start of each. They are read as if `guess` led in
 * all of them; those where another version does are read once more with the baseline of that one.
 */
export async function readWindows(
  ctx: Ctx,
  of: { readonly project: string; readonly monitor: MonitorDefinition; readonly guess: string },
  windows: readonly Span[],
  baselineOf: (version: string) => Promise<Baseline | null>,
): Promise<Map<number, WindowContents>> {
  const [first, last] = [windows[0]!, windows.at(-1)!];
  const span = await recordsOf(ctx, { project: of.project, endpoint: endpointOf(of.monitor) }, first.fromUs, last.toUs);
  if (!span) return new Map();
  const found = await readAs(ctx, of.monitor, span, windows, of.guess, baselineOf);
  const wrong = Map.groupBy(
    [...found].filter(([, c]) => c.lead !== of.guess),
    ([, c]) => c.lead,
  );
  for (const [lead, some] of wrong) {
    const starts = new Set(some.map(([fromUs]) => fromUs));
    const from = windows.filter((w) => starts.has(w.fromUs));
    const between = windows.filter((w) => w.fromUs >= from[0]!.fromUs && w.toUs <= from.at(-1)!.toUs);
    const again = await readAs(ctx, of.monitor, span, between, lead, baselineOf);
    for (const { fromUs } of from) found.set(fromUs, again.get(fromUs)!);
  }
  return found;
}

async function readAs(
  ctx: Ctx,
  m: MonitorDefinition,
  span: RecordSpan,
  windows: readonly Span[],
  version: string,
  baselineOf: (version: string) => Promise<Baseline | null>,
): Promise<Map<number, WindowContents>> {
  const [first, last] = [windows[0]!, windows.at(-1)!];
  const windowUs = first.toUs - first.fromUs;
  const baseline = await baselineOf(version);
  const wanted = wantedColumns(m, baseline, span);
  const added = addedColumns(m, baseline, span);
  // Each question is a pass over the records: of few ones their columns are taken out of the files once.
  const inMemory = span.records <= FEW;
  const chosen = inMemory ? wanted.map((c, i) => ({ ...c, sql: `x${i}` })) : wanted;
  const read = windowedSql(first.fromUs, last.toUs, windowUs);
  const all = inMemory ? 'select * from taken' : read;
  const own = inMemory
    ? `select * from taken where coalesce("modelVersion", '') = ${sqlText(version)}`
    : windowedSql(first.fromUs, last.toUs, windowUs, version);
  const parts = [
    `select 'versions' as part, w, coalesce("modelVersion", '') as v, count(*) as n, count(error) as errors from (${all}) group by w, v`,
    `select 'latency' as part, w, count("latencyUs") as n, quantile_disc("latencyUs", [${QUANTILES.join(', ')}]) as q from (${own}) group by w`,
    `select 'scores' as part, w, list(score) as s from (select w, score from (${own}) where isfinite(score) order by w, score) group by w`,
    ...(chosen.length === 0 ? [] : [countingSql(own, chosen)]),
    ...(added.length === 0
      ? []
      : [
          `select 'added' as part, w, [${added.map((name, i) => `count(${inMemory ? `y${i}` : span.columns.get(name)!.sql})`).join(', ')}] as a from (${own}) group by w`,
        ]),
  ];
  const { rows } = await ctx.compute.run(
    {
      what: `windows of monitor ${m.name}`,
      tables: { records: { files: span.files } },
      statements: inMemory
        ? [
            {
              sql: `create temp table taken as select w, "modelVersion", error, "latencyUs", score${wanted.map((c, i) => `, ${c.sql} as x${i}`).join('')}${added.map((name, i) => `, ${span.columns.get(name)!.sql} as y${i}`).join('')} from (${read})`,
            },
          ]
        : [],
      // Sums of one thread come out the same each time.
      threads: 1,
      rows: parts.map((p) => `(${p})`).join(' union all by name '),
    },
    ctx.signal,
  );
  return contentsOf(rows, windows, wanted, added);
}

type Row = Readonly<Record<string, unknown>>;

function contentsOf(
  rows: readonly Row[],
  windows: readonly Span[],
  wanted: readonly WantedColumn[],
  added: readonly string[],
): Map<number, WindowContents> {
  const counts = readCounts(rows, wanted);
  const byWindow = Map.groupBy(rows, (r) => r.w as number);
  const found = new Map<number, WindowContents>();
  windows.forEach(({ fromUs }, w) => {
    const mine = byWindow.get(w);
    if (!mine) return;
    const versions = mine
      .filter((r) => r.part === 'versions')
      .map((r) => ({ version: r.v as string, records: r.n as number, errors: r.errors as number }))
      .sort((a, b) => b.records - a.records || (a.version < b.version ? 1 : -1));
    const present = (mine.find((r) => r.part === 'added')?.a as number[] | undefined) ?? [];
    const latency = mine.find((r) => r.part === 'latency' && (r.n as number) > 0);
    found.set(fromUs, {
      versions,
      lead: versions[0]?.version ?? '',
      latency: latency
        ? {
            n: latency.n as number,
            quantilesUs: Object.fromEntries(QUANTILES.map((q, i) => [`p${Math.round(q * 100)}`, (latency.q as number[])[i]!])),
          }
        : null,
      counts: counts.get(w) ?? new Map(),
      added: added.map((column, i) => ({ column, n: present[i] ?? 0 })).filter((c) => c.n > 0),
      scores: Float64Array.from((mine.find((r) => r.part === 'scores')?.s as number[] | undefined) ?? []),
    });
  });
  return found;
}
