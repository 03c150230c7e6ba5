// The reference distribution of each column of a table, on bins that are fixed from then on. Bins come from a sample
// where the table is large; the counts on them are of all rows.
import { setImmediate as breathe } from 'node:timers/promises';
import { sqlName } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import {
  categoricalBaselineOf,
  mergeCounts,
  numericBaseline,
  type ColumnBaseline,
  type ColumnCounts,
  type ValueCount,
} from '../../../stats/drift-sketch.ts';
import { driftSpread } from '../../../stats/drift.ts';
import { faultSpread } from '../../../stats/quality.ts';
import { columnKind, countingSql, readCounts, type WantedColumn } from './count-columns.ts';

export interface SourceTable {
  /** For messages. */
  readonly what: string;
  readonly files: readonly string[];
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** SQL of the moment of a row (microseconds); null where rows have none, and then there is no spread of days. */
  readonly atUs: string | null;
  /** SQL that chooses the rows; absent = all. */
  readonly rows?: string;
  /** SQL of columns that are not columns of the files themselves. */
  readonly sqlOf?: ReadonlyMap<string, string>;
}

/** The rows as a query. */
const chosen = ({ rows }: SourceTable): string => `(select * from t${rows === undefined ? '' : ` where ${rows}`}) as t`;
const sqlOf = (table: SourceTable, column: string): string => table.sqlOf?.get(column) ?? sqlName(column);

export interface TableBaseline {
  readonly rows: number;
  readonly fromUs: number | null;
  readonly toUs: number | null;
  readonly columns: Readonly<Record<string, ColumnBaseline>>;
}

/** Rows that bins are made from. */
const SAMPLE = 20_000;
/** More spans than this are taken together, two, three, ... at a time. */
const MOST_SPANS = 200;
const MOST_VALUES = 20_000;

/** Baselines of all columns that hold numbers or categories, with the spread of spans of `windowUs`. */
export async function tableBaseline(ctx: Ctx, table: SourceTable, windowUs: number, spans = true): Promise<TableBaseline> {
  const columns = table.columns.flatMap((c) => {
    const kind = columnKind(c.type);
    return kind ? [{ ...c, kind }] : [];
  });
  const shape = await shapeOf(ctx, table);
  const bins = await makeBins(ctx, table, columns, shape.rows);
  const wanted = columns.map((c): WantedColumn => ({
    column: c.name,
    baseline: bins.get(c.name)!,
    sql: sqlOf(table, c.name),
    type: c.type,
  }));
  const counted = await countBySpan(ctx, table, wanted, spans ? spanOf(shape, windowUs) : null);
  const made: Record<string, ColumnBaseline> = {};
  for (const { column, baseline } of wanted) {
    const parts = counted.map((c) => c.get(column)!);
    const reference = parts.length === 0 ? baseline.reference : parts.reduce((a, b) => mergeCounts(a, b));
    const whole = { ...baseline, reference } as ColumnBaseline;
    const spread = parts.length < 3 ? undefined : driftSpread(whole, parts);
    const faults = faultSpread(parts);
    made[column] = { ...whole, ...(spread ? { spread } : {}), ...(faults ? { faults } : {}) } as ColumnBaseline;
    // Fifty columns of sixty days take a while, and others want to be answered meanwhile.
    await breathe();
  }
  return { rows: shape.rows, fromUs: shape.fromUs, toUs: shape.toUs, columns: made };
}

interface Shape {
  readonly rows: number;
  readonly fromUs: number | null;
  readonly toUs: number | null;
}

async function shapeOf(ctx: Ctx, table: SourceTable): Promise<Shape> {
  const { what, files, atUs } = table;
  const { rows } = await ctx.compute.run(
    {
      what,
      tables: { t: { files } },
      statements: [],
      rows: `select count(*) as n, ${atUs === null ? 'null' : `min(${atUs})`} as from_us, ${atUs === null ? 'null' : `max(${atUs})`} as to_us from ${chosen(table)}`,
    },
    ctx.signal,
  );
  const [r] = rows as { n: number; from_us: number | null; to_us: number | null }[];
  return { rows: r!.n, fromUs: r!.from_us, toUs: r!.to_us };
}

/** SQL of the number of a row's span, or null if there are too few spans to tell a spread. */
function spanOf({ fromUs, toUs }: Shape, windowUs: number): ((atUs: string) => string) | null {
  if (fromUs === null || toUs === null) return null;
  const together = Math.max(1, Math.ceil((toUs - fromUs) / windowUs / MOST_SPANS));
  return (atUs) => `((${atUs}) - ${fromUs}) // ${windowUs * together}`;
}

async function makeBins(
  ctx: Ctx,
  table: SourceTable,
  columns: readonly { name: string; type: string; kind: 'numeric' | 'categorical' }[],
  rows: number,
): Promise<Map<string, ColumnBaseline>> {
  const { what, files } = table;
  const one = Math.max(1, Math.floor(rows / SAMPLE));
  const numeric = columns.filter((c) => c.kind === 'numeric');
  const categorical = columns.filter((c) => c.kind === 'categorical');
  // By its content, so that the same table gives the same bins, however it is read.
  const some = one === 1 ? '' : ` where hash(t) % ${one} = 0`;
  const parts = [
    ...(numeric.length === 0
      ? []
      : [
          `select 'sample' as part, ${numeric.map((c, i) => `list((${sqlOf(table, c.name)})::double order by ${sqlOf(table, c.name)}) as x${i}`).join(', ')} from ${chosen(table)}${some}`,
        ]),
    ...categorical.map(
      (c, i) =>
        `select 'values' as part, ${i} as k, (${sqlOf(table, c.name)})::varchar as v, count(*) as n from ${chosen(table)} group by v order by n desc, v limit ${MOST_VALUES}`,
    ),
  ];
  if (parts.length === 0) return new Map();
  const { rows: found } = await ctx.compute.run(
    { what, tables: { t: { files } }, statements: [], threads: 1, rows: parts.map((p) => `(${p})`).join(' union all by name ') },
    ctx.signal,
  );
  const sample = found.find((r) => r.part === 'sample');
  const values = Map.groupBy(
    found.filter((r) => r.part === 'values'),
    (r) => r.k as number,
  );
  return new Map([
    ...numeric.map((c, i): [string, ColumnBaseline] => {
      const list = ((sample?.[`x${i}`] ?? []) as (number | null)[]).filter((x): x is number => x !== null);
      return [c.name, withoutBounds(numericBaseline(list))];
    }),
    ...categorical.map((c, i): [string, ColumnBaseline] => [
      c.name,
      categoricalBaselineOf((values.get(i) ?? []).map((v): ValueCount => [v.v as string | null, v.n as number])),
    ]),
  ]);
}

// Nothing of the reference lies outside the reference.
const withoutBounds = (b: ReturnType<typeof numericBaseline>): ColumnBaseline => ({
  ...b,
  reference: { ...b.reference, min: null, max: null },
});

async function countBySpan(
  ctx: Ctx,
  table: SourceTable,
  wanted: readonly WantedColumn[],
  span: ((atUs: string) => string) | null,
): Promise<Map<string, ColumnCounts>[]> {
  const { atUs } = table;
  const counted = await countTable(ctx, table, wanted, span && atUs !== null ? span(atUs) : '0');
  return [...counted].sort(([a], [b]) => a - b).map(([, counts]) => counts);
}

/** Columns of one run: few enough that memory does not grow with the width of a table. */
const COLUMNS = 10;

/** Counts of a table by group. Runs side by side, each on one thread, so that sums come out the same each time. */
export async function countTable(
  ctx: Ctx,
  table: SourceTable,
  wanted: readonly WantedColumn[],
  group = '0',
): Promise<Map<number, Map<string, ColumnCounts>>> {
  const source = `select *, ${group} as w from ${chosen(table)}`;
  const parts = Array.from({ length: Math.ceil(wanted.length / COLUMNS) }, (_, i) => wanted.slice(i * COLUMNS, (i + 1) * COLUMNS));
  const counted = await Promise.all(
    parts.map(async (part) => {
      const job = { what: table.what, tables: { t: { files: table.files } }, statements: [], threads: 1, rows: countingSql(source, part) };
      return readCounts((await ctx.compute.run(job, ctx.signal)).rows, part);
    }),
  );
  const whole = new Map<number, Map<string, ColumnCounts>>();
  for (const part of counted)
    for (const [w, counts] of part) {
      const held = whole.get(w);
      whole.set(w, held ? new Map([...held, ...counts]) : counts);
    }
  return whole;
}
