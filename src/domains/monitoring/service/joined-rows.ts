// Labelled predictions of windows: of each prediction the newest label, in a fixed order.
import { sqlName, sqlText } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { stageFiles } from '../../datasets/public.ts';
import { joinedFiles, sliceName } from '../../feedback/public.ts';
import type { MonitorDefinition } from '../../projects/public.ts';
import type { SliceRows } from './figures/performance-figures.ts';
import type { Span } from './read-windows.ts';

export interface JoinedRows {
  readonly labels: Float64Array;
  readonly scores: Float64Array;
  /** Tells one set of labels from another, whatever files they lie in. */
  readonly digest: string;
  readonly slices: readonly SliceRows[];
}

/** A slice with fewer labelled rows is left out, and of a column the most frequent values are kept. */
const LEAST_SLICE = 50;
const MOST_VALUES = 50;
const MISSING = '(missing)';

const withinSql = ({ fromUs, toUs }: Span): string => `event_us >= ${fromUs} and event_us < ${toUs}`;

/**
 * SQL of the newest label of each prediction of a span; what has no label (any more) and no score is left out.
 * Predictions with more than one row are few, so only their ids are held, as hashes of 64 bits.
 */
const newestSql = (span: Span): string => {
  const within = withinSql(span);
  const twice = `select hash(prediction_id) as h, max(seq) as newest from joined where ${within} group by h having count(*) > 1`;
  const superseded = `exists (select 1 from (${twice}) as twice where h = hash(prediction_id) and seq < newest)`;
  return `select * from joined where ${within} and label is not null and isfinite(label) and isfinite(score) and not ${superseded}`;
};

/**
 * Rows of windows of equal length that follow one another, by the start of each and by model version. Windows without
 * a label are missing.
 */
export async function readJoined(
  ctx: Ctx,
  of: { readonly project: string; readonly monitor: MonitorDefinition },
  windows: readonly Span[],
): Promise<Map<number, Map<string, JoinedRows>>> {
  const { project, monitor } = of;
  const span = { fromUs: windows[0]!.fromUs, toUs: windows.at(-1)!.toUs };
  const files = await joinedFiles(ctx, { project, monitor: monitor.name, ...span });
  if (files.length === 0) return new Map();
  const windowUs = windows[0]!.toUs - windows[0]!.fromUs;
  const staged = await stageFiles(ctx, [...new Set(files.map((f) => f.digest))]);
  const tables = { joined: { files: staged } };
  const present = await columnsOf(ctx, tables, monitor);
  const slices = monitor.slices.filter((s) => present.has(sliceName(s).toLowerCase()));
  // One thread keeps the order of the table, which is sorted once.
  const lists = 'list(label) as labels, list(score) as scores';
  const parts = [
    `select 'rows' as part, w, v, count(*) as n, sum(d)::varchar as d, ${lists} from newest group by w, v`,
    ...slices.map(
      (column, k) =>
        `select 'slice' as part, w, v, count(*) as n, ${k} as k, coalesce(${sqlName(sliceName(column))}::varchar, ${sqlText(MISSING)}) as x, ${lists} from newest
         group by w, v, x having count(*) >= ${LEAST_SLICE} qualify row_number() over (partition by w, v order by count(*) desc, x) <= ${MOST_VALUES}`,
    ),
  ];
  const { rows } = await ctx.compute.run(
    {
      what: `labels of monitor ${monitor.name}`,
      tables,
      statements: [
        {
          sql: `create temp table newest as select event_us, score, label, hash(prediction_id, label, score) as d,
            (event_us - ${span.fromUs}) // ${windowUs} as w, coalesce(model_version, '') as v${slices.map((c) => `, ${sqlName(sliceName(c))}`).join('')}
            from (${newestSql(span)}) order by w, v, event_us, score, label, d`,
        },
      ],
      threads: 1,
      rows: parts.map((p) => `(${p})`).join(' union all by name '),
    },
    ctx.signal,
  );
  return byWindow(rows, windows, slices);
}

async function columnsOf(
  ctx: Ctx,
  tables: { readonly joined: { readonly files: readonly string[] } },
  monitor: MonitorDefinition,
): Promise<ReadonlySet<string>> {
  if (monitor.slices.length === 0) return new Set();
  const { columns } = await ctx.compute.run(
    { what: `labels of monitor ${monitor.name}`, tables, statements: [], rows: 'select * from joined limit 0' },
    ctx.signal,
  );
  return new Set(columns.map((c) => c.name.toLowerCase()));
}

type Row = Readonly<Record<string, unknown>>;

function byWindow(rows: readonly Row[], windows: readonly Span[], slices: readonly string[]): Map<number, Map<string, JoinedRows>> {
  const numbers = (r: Row, name: string): Float64Array => Float64Array.from(r[name] as number[]);
  const found = new Map<number, Map<string, JoinedRows>>();
  for (const r of rows.filter((x) => x.part === 'rows')) {
    const at = windows[r.w as number]!.fromUs;
    const own = rows
      .filter((x) => x.part === 'slice' && x.w === r.w && x.v === r.v)
      .sort(
        (a, b) => (a.k as number) - (b.k as number) || (b.n as number) - (a.n as number) || ((a.x as string) < (b.x as string) ? -1 : 1),
      );
    const versions = found.get(at) ?? new Map<string, JoinedRows>();
    versions.set(r.v as string, {
      labels: numbers(r, 'labels'),
      scores: numbers(r, 'scores'),
      digest: r.d as string,
      slices: own.map((x) => ({
        column: slices[x.k as number]!,
        value: x.x as string,
        labels: numbers(x, 'labels'),
        scores: numbers(x, 'scores'),
      })),
    });
    found.set(at, versions);
  }
  return found;
}

/** Labels of a whole span together, for a baseline made of the first windows. */
export async function readSpan(
  ctx: Ctx,
  of: { readonly project: string; readonly monitor: MonitorDefinition },
  span: Span,
): Promise<{ labels: Float64Array; scores: Float64Array; atUs: Float64Array }> {
  const files = await joinedFiles(ctx, { project: of.project, monitor: of.monitor.name, ...span });
  if (files.length === 0) return { labels: new Float64Array(), scores: new Float64Array(), atUs: new Float64Array() };
  const staged = await stageFiles(ctx, [...new Set(files.map((f) => f.digest))]);
  const { rows } = await ctx.compute.run(
    {
      what: `labels of monitor ${of.monitor.name}`,
      tables: { joined: { files: staged } },
      statements: [],
      threads: 1,
      rows: `select list(label) as labels, list(score) as scores, list(event_us) as at
        from (select label, score, event_us from (${newestSql(span)}) order by event_us, score, label)`,
    },
    ctx.signal,
  );
  const numbers = (name: string): Float64Array => Float64Array.from((rows[0]?.[name] as number[] | null | undefined) ?? []);
  return { labels: numbers('labels'), scores: numbers('scores'), atUs: numbers('at') };
}
