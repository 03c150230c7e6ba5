// Read models: what the inference log and the datasets say, asked in one query set each.
import { sqlName, type ComputeTable } from '../../kernel/compute/compute.ts';
import type { Ctx } from '../../kernel/ctx.ts';
import type { LoggedColumn, LoggedColumns } from '../serving/public.ts';
import { DAY_US, type LiveRows } from './live.ts';
import type { Distribution, Window } from './model.ts';
import type { Truth } from './truth.ts';

/** Joined rows beyond this number are sampled by their id, evenly over the window. */
export const MAX_JOINED = 1_000_000;
export const BARS = 24;

const isNumber = (type: string): boolean => /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*)$/.test(type);

/** A column of the log as text, as its caller wrote it; null where the log has no such column. */
function textOf(struct: 'request' | 'inputs', columns: readonly LoggedColumn[], name: string): string {
  const column = columns.find((c) => c.name === name);
  if (!column) return 'null::varchar';
  const text = `${struct}.${sqlName(name)}::varchar`;
  return column.type === 'number' ? `regexp_replace(${text}, '\\.0$', '')` : text;
}
const list = (query: string): string => `coalesce((select list(x) from (${query}) x), [])`;

export interface LiveQuery {
  readonly endpoint: string;
  readonly window: Window;
  readonly log: ComputeTable;
  /** Which columns the log's structs have. */
  readonly logged: LoggedColumns;
  readonly truth: Truth;
  readonly truthTable: ComputeTable;
  readonly truthTypes: ReadonlyMap<string, string>;
  /** When a row of the truth became known; null = always. */
  readonly knownAt: string | null;
  readonly knownByUs: number;
  /** Inputs of the model, whose missing values are counted. */
  readonly inputs: readonly string[];
}

/** Raises the problems of compute: `compute-sql-invalid` for an expression that is wrong. */
export async function queryLive(ctx: Ctx, q: LiveQuery): Promise<LiveRows> {
  const { truth } = q;
  const as = (key: string, text: string): string => (isNumber(q.truthTypes.get(key) ?? '') ? `try_cast(${text} as double)` : text);
  const truthKeys = truth.keys.map((k, i) => `${as(k, `${sqlName(k)}::varchar`)} as k${i}`);
  const logKeys = truth.keys.map((k, i) => `${as(k, `r[${i + 1}]`)} as k${i}`);
  const moment = truth.at === null ? [] : ['at_us'];
  const names = [...moment, ...truth.keys.map((_, i) => `k${i}`)];
  const on = names.map((n) => `p.${n} is not distinct from t.${n}`).join(' and ');
  const missing = q.inputs.map((_, i) => `count(*) filter (i[${i + 1}] is null)`).join(', ');
  const keysRead = truth.keys.map((k) => textOf('request', q.logged.request, k));
  const inputsRead = q.inputs.map((name) => textOf('inputs', q.logged.inputs, name));
  const { rows } = await ctx.compute.run(
    {
      what: `the predictions of ${q.endpoint}, joined with ${truth.dataset}`,
      tables: { log: q.log, [truth.dataset]: q.truthTable },
      memoryMb: ctx.settings.computeMemoryMb,
      statements: [
        {
          userSql: `select *, (${truth.at ?? `timestamp '1970-01-01'`}\n)::timestamp as gyre_at, (${truth.label}\n) as gyre_label, (${q.knownAt ?? `timestamp '1900-01-01'`}\n)::timestamp as gyre_known from ${sqlName(truth.dataset)}${truth.where === null ? '' : ` where (${truth.where}\n)`}`,
          into: { table: 'chosen' },
          where: `gyre_label is not null and epoch_us(gyre_known) <= ${q.knownByUs}${truth.at === null ? '' : ` and epoch_us(gyre_at) between ${q.window.fromUs} and ${q.window.toUs}`}`,
        },
        {
          sql: `create table truth as select epoch_us(gyre_at) as at_us, ${truthKeys.map((k) => `${k}, `).join('')}
                case when typeof(gyre_label) = 'BOOLEAN' then (gyre_label::varchar = 'true')::integer::double else try_cast(gyre_label::varchar as double) end as label from chosen`,
        },
        {
          sql: `create table told as select ${names.join(', ')}, count(*) as rows, any_value(label) as label from truth group by ${names.join(', ')}`,
        },
        {
          sql: `create table asked as select id, "eventTimeUs" as at_us, "eventTimeUs" // ${DAY_US} as day, "latencyUs" as latency, score, "modelVersion" as version, variant,
                [${keysRead.join(', ')}] as r, [${inputsRead.join(', ')}] as i, features
                from log where "eventTimeUs" between ${q.window.fromUs} and ${q.window.toUs}`,
        },
        {
          sql: `create table joined as select p.id, p.day, p.at_us as moment, p.score, t.label, t.rows from (select id, day, at_us, score, ${['1', ...logKeys].join(', ')} from asked where score is not null) p join told t on ${on}`,
        },
        { sql: `create table usable as select * from joined where rows = 1` },
        { sql: `create table step as select greatest(1, ceil(count(*) / ${MAX_JOINED}.0))::bigint as k from usable` },
        { sql: `create table taken as select * from usable where hash(id) % (select k from step) = 0` },
      ],
      rows: `select (select count(*) from asked) as predictions, (select count(*) from asked where score is null) as failed,
        (select count(*) from usable) as "withTruth", (select count(*) from joined where rows > 1) as ambiguous,
        (select count(*) from taken) as taken,
        (select min(at_us) from asked) as "fromUs", (select max(at_us) from asked) as "toUs",
        ${list('select day, count(*) as n from asked group by day order by day')} as volume,
        ${list('select version, variant, count(*) as n from asked group by 1, 2 order by 3 desc, 1, 2 limit 20')} as versions,
        coalesce((select list(day order by id) from taken), []) as days,
        coalesce((select list(score order by id) from taken), []) as scores,
        coalesce((select list(label order by id) from taken), []) as labels,
        ${q.inputs.length === 0 ? '[]' : `(select [${missing}] from asked)`} as missing,
        ${list(`select f.view as view, count(*) as n, count(*) filter (f."knownAtUs" is null) as absent,
          quantile_cont((at_us - f."occurredAtUs")::double, 0.5) as age50, quantile_cont((at_us - f."occurredAtUs")::double, 0.95) as age95
          from (select at_us, unnest(features) as f from asked) group by 1 order by 1`)} as views,
        (select quantile_cont(latency::double, [0.5, 0.9, 0.99, 1.0]) from asked) as latency,
        (select struct_pack(id := id, label := label) from taken order by moment desc, id desc limit 1) as example`,
    },
    ctx.signal,
  );
  const found = rows[0] as unknown as Omit<LiveRows, 'sampled' | 'missing'> & { taken: number; missing: readonly number[] };
  return {
    ...found,
    sampled: found.withTruth === 0 ? 1 : found.taken / found.withTruth,
    missing: q.inputs.map((column, i) => ({ column, n: found.missing[i] ?? 0 })),
    latency: found.latency ?? [0, 0, 0, 0],
    example: found.example ?? null,
  };
}

export interface HistogramColumn {
  readonly name: string;
  readonly low: number;
  readonly high: number;
}

/** Counts in bars of equal width between `low` and `high`; what lies beyond falls into the outer bars. */
export async function queryHistograms(
  ctx: Ctx,
  what: string,
  table: ComputeTable,
  columns: readonly HistogramColumn[],
): Promise<Map<string, Distribution>> {
  if (columns.length === 0) return new Map();
  const counts = columns.map(({ name, low, high }) => {
    const x = `${sqlName(name)}::double`;
    const bar = `least(${BARS - 1}, greatest(0, floor((${x} - ${low}) / ${(high - low) / BARS})))::integer`;
    return `(select list(coalesce(n, 0) order by b) from (select unnest(range(${BARS})) as b) left join (select ${bar} as b, count(*) as n from t where ${x} is not null and not isnan(${x}) group by 1) using (b))`;
  });
  const { rows } = await ctx.compute.run(
    { what: `the distributions of ${what}`, tables: { t: table }, statements: [], rows: `select [${counts.join(', ')}] as counts` },
    ctx.signal,
  );
  const found = rows[0]!.counts as readonly (readonly number[])[];
  return new Map(
    columns.map(({ name, low, high }, i) => [
      name,
      { kind: 'numbers', counts: found[i]!, edges: [low, high], words: [] } satisfies Distribution,
    ]),
  );
}
