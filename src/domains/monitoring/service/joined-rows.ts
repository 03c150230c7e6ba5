// Labelled predictions of windows: of each prediction the newest label, in a fixed order.
import { sqlName, sqlText, type ComputeResult, type Statement } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { stageFiles } from '../../datasets/public.ts';
import { joinedFiles, sliceName, type JoinedFile } from '../../feedback/public.ts';
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

/** Ids that are compared at once: so many are held in memory, as hashes of 64 bits. */
const AT_ONCE = 200_000;

/** Statements that note in `twice` the predictions of a span with more than one label. They are few; all of them are too many to hold. */
function findTwice(span: Span, files: readonly JoinedFile[]): Statement[] {
  const parts = Math.max(1, Math.ceil(files.reduce((sum, f) => sum + f.labels, 0) / AT_ONCE));
  const one = (part: number): string =>
    `insert into twice select h, max(seq) from (select hash(prediction_id) as h, seq from joined where ${withinSql(span)})
     where h % ${parts} = ${part} group by h having count(*) > 1`;
  return [
    { sql: 'create temp table twice (h ubigint, newest bigint)' },
    ...Array.from({ length: parts }, (_, part): Statement => ({ sql: one(part) })),
  ];
}

/** SQL of the newest label of each prediction of a span, after `findTwice`; what has no label (any more) and no score is left out. */
const newestSql = (span: Span, joined = 'joined'): string =>
  `select * from ${joined} anti join twice on h = hash(prediction_id) and seq < newest
   where ${withinSql(span)} and label is not null and isfinite(label) and isfinite(score)`;

/** Rows of windows of equal length, by the start of each and by model version. Windows without a label are missing. */
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
  const slices = monitor.slices.map((column, k) => ({ column, name: sliceName(column), k }));
  // A column that no file has is there all the same, so that one run is enough; its name is missing in the answer.
  const typed = slices.map(({ name, k }) => `, ${sqlName(name)}::varchar as x${k}`).join('');
  const absent = slices.map(({ name }) => ` union all by name select null::varchar as ${sqlName(name)} where false`).join('');
  const { rows, numbers } = await ctx.compute.run(
    {
      what: `labels of monitor ${monitor.name}`,
      tables: { joined: { files: staged } },
      statements: [
        ...findTwice(span, files),
        {
          sql: `create temp table newest as select label, score, hash(prediction_id, label, score) as d,
            (event_us - ${span.fromUs}) // ${windowUs} as w, coalesce(model_version, '') as v${typed}
            from (${newestSql(span, `(select * from joined${absent})`)}) order by w, v, event_us, score, label, d`,
        },
        ...slices.map(({ k }) => ({
          sql: `create temp table kept${k} as select w, v, x, n, row_number() over (order by w, v, n desc, x) as place from (
            select w, v, coalesce(x${k}, ${sqlText(MISSING)}) as x, count(*) as n from newest group by w, v, x having count(*) >= ${LEAST_SLICE}
            qualify row_number() over (partition by w, v order by count(*) desc, x) <= ${MOST_VALUES})`,
        })),
      ],
      // One thread keeps the order of the table, which is sorted once.
      threads: 1,
      numbers: [
        'select label, score from newest',
        ...slices.map(
          ({
            k,
          }) => `select label, score from newest t join kept${k} s on s.w = t.w and s.v = t.v and s.x = coalesce(t.x${k}, ${sqlText(MISSING)})
            order by place, t.rowid`,
        ),
      ],
      rows: [
        `(select 'rows' as part, w, v, count(*) as n, sum(d)::varchar as d from newest group by w, v order by w, v)`,
        ...slices.map(({ k }) => `(select 'slice' as part, w, v, n, ${k} as k, x from kept${k} order by place)`),
        ...(slices.length === 0
          ? []
          : [`(select 'column' as part, lower(name) as x from parquet_schema([${staged.map(sqlText).join(', ')}]) group by x)`]),
      ].join(' union all by name '),
    },
    ctx.signal,
  );
  const present = new Set(rows.filter((r) => r.part === 'column').map((r) => r.x as string));
  return byWindow(
    rows,
    numbers,
    span.fromUs,
    windowUs,
    slices.map((s) => (present.has(s.name.toLowerCase()) ? s.column : undefined)),
  );
}

type Row = Readonly<Record<string, unknown>>;

function byWindow(
  rows: readonly Row[],
  numbers: ComputeResult['numbers'],
  firstUs: number,
  windowUs: number,
  slices: readonly (string | undefined)[],
): Map<number, Map<string, JoinedRows>> {
  // The rows of a group stand together, in the order of the groups. A copy of each, for a thread gets the whole of what it is a part of.
  const takenOf = ([labels, scores]: readonly Float64Array[]) => {
    let at = 0;
    return (n: number) => {
      const from = at;
      at += n;
      const whole = from === 0 && n === labels!.length;
      return whole ? { labels: labels!, scores: scores! } : { labels: labels!.slice(from, at), scores: scores!.slice(from, at) };
    };
  };
  const [take, ...takeSlice] = numbers.map(takenOf);
  const found = new Map<number, Map<string, JoinedRows & { readonly slices: SliceRows[] }>>();
  for (const r of rows.filter((x) => x.part === 'rows')) {
    const at = firstUs + (r.w as number) * windowUs;
    const versions = found.get(at) ?? new Map<string, JoinedRows & { readonly slices: SliceRows[] }>();
    versions.set(r.v as string, { ...take!(r.n as number), digest: r.d as string, slices: [] });
    found.set(at, versions);
  }
  for (const r of rows.filter((x) => x.part === 'slice')) {
    const column = slices[r.k as number];
    const taken = takeSlice[r.k as number]!(r.n as number);
    if (column !== undefined)
      found
        .get(firstUs + (r.w as number) * windowUs)!
        .get(r.v as string)!
        .slices.push({ column, value: r.x as string, ...taken });
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
  const { numbers } = await ctx.compute.run(
    {
      what: `labels of monitor ${of.monitor.name}`,
      tables: { joined: { files: staged } },
      statements: findTwice(span, files),
      threads: 1,
      numbers: [`select label, score, event_us from (${newestSql(span)}) order by event_us, score, label`],
    },
    ctx.signal,
  );
  const [labels, scores, atUs] = numbers[0]!;
  return { labels: labels!, scores: scores!, atUs: atUs! };
}
