// What the units of each arm did, counted from the inference log and the labels joined to it. A unit is an assignment key; a
// request without one is a unit of its own. Moments per unit are all that the statistics need.
import type { ComputeTable } from '../../../kernel/compute/compute.ts';
import { sqlName, sqlText } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import type { CovariateMoments, Events, RatioMoments } from '../../../stats/trial/arms.ts';
import { currentRevision } from '../../projects/public.ts';
import { labelledFiles, recordFiles } from '../../releases/public.ts';
import { columnsOf, inferenceFiles } from '../../serving/public.ts';
import { fail } from '../errors.ts';
import { trialMetrics, type Covariate, type TrialMetric } from '../model.ts';
import { outcomesSql, spansSql, unitSql, valueSql, type Spans } from './values.ts';

export interface Question {
  readonly project: string;
  readonly endpoint: string;
  readonly fromUs: number;
  readonly toUs: number;
  readonly metric: TrialMetric;
  readonly covariate: Covariate | null;
  /** Which records count: those of the revisions of a trial, or of one version whatever served it. */
  readonly of: { readonly spans: Spans } | { readonly model: string; readonly version: number };
  /** Only the units that were assigned first, so many; a fixed horizon looks at no others. */
  readonly first?: number;
}

export interface Measured {
  /** "" where arms are not told apart. */
  readonly arm: string;
  /** Units of one arm only. */
  readonly assigned: number;
  /** Units that met several arms; they count for none. */
  readonly exposedTwice: number;
  readonly requests: number;
  readonly ratio: RatioMoments;
  readonly means: CovariateMoments;
  /** If every unit has one value, and that is 0 or 1. */
  readonly shares: Events | null;
}

interface Row {
  readonly arm: string;
  readonly assigned: number;
  readonly twice: number;
  readonly requests: number;
  readonly n: number;
  readonly sums: readonly (number | null)[];
  readonly binary: boolean | null;
}

/** Moments by arm at a moment of event time; no arm that no unit met. One run of the compute process. */
export async function measure(ctx: Ctx, q: Question): Promise<Measured[]> {
  const { definition } = await currentRevision(ctx, q.project);
  const span = { project: q.project, endpoint: q.endpoint, fromUs: q.fromUs, toUs: q.toUs };
  const beforeUs = q.covariate && 'beforeUs' in q.covariate ? q.covariate.beforeUs : 0;
  const earlier = { ...span, fromUs: q.fromUs - beforeUs, toUs: q.fromUs - 1 };
  const records = await recordFiles(ctx, span);
  if (records.length === 0) return [];
  const table = (files: readonly string[]): ComputeTable => ({ files: [...files] });
  const tables: Record<string, ComputeTable> = { records: table(records) };
  if (trialMetrics[q.metric].needsLabels) {
    const labels = await labelledFiles(ctx, definition, { ...span, fromUs: earlier.fromUs });
    if (labels.length > 0) tables.labels = table(labels);
  }
  if (beforeUs > 0) {
    const files = await recordFiles(ctx, earlier);
    if (files.length > 0) tables.earlier = table(files);
  }
  if (q.covariate && 'column' in q.covariate) await requireColumn(ctx, q, q.covariate.column);
  const { rows } = await ctx.compute.run({
    what: `trial on ${q.endpoint}`,
    tables,
    statements: [],
    rows: sqlOf(q, earlier.fromUs, new Set(Object.keys(tables))),
  });
  return (rows as unknown as Row[]).map(toMeasured);
}

async function requireColumn(ctx: Ctx, q: Question, column: string): Promise<void> {
  const { request } = columnsOf(await inferenceFiles(ctx, q));
  if (!request.some((c) => c.name === column))
    fail('trial-plan-invalid', {
      why: `No request to endpoint "${q.endpoint}" has the column "${column}" that the plan names as covariate; there are ${request.map((c) => c.name).join(', ') || 'none'}.`,
    });
}

function sqlOf(q: Question, earlierUs: number, tables: ReadonlySet<string>): string {
  const arm = 'spans' in q.of ? 'r.variant' : `''`;
  const counted = 'spans' in q.of ? spansSql(q.of.spans) : `r.model = ${sqlText(q.of.model)} and r."modelVersion" = '${q.of.version}'`;
  const value = valueSql[q.metric];
  const column = q.covariate && 'column' in q.covariate ? `try_cast(r.request.${sqlName(q.covariate.column)} as double)` : 'null::double';
  const none = (columns: string): string => `select ${columns} where false`;
  const first = q.first === undefined ? '' : `qualify row_number() over (order by first_us, unit) <= ${q.first}`;
  return `with
    outcomes as (${outcomesSql(tables.has('labels'))}),
    own as (
      select ${unitSql} as unit, ${arm} as arm, r."eventTimeUs" as us, (${value})::double as value, ${column} as known
      from records r left join outcomes o on o.id = r.id
      where ${counted} and r."eventTimeUs" between ${q.fromUs} and ${q.toUs} and r.assignment <> 'pinned'
    ),
    earlier_units as (${
      tables.has('earlier')
        ? `select ${unitSql} as unit, avg(${value}) as known from earlier r left join outcomes o on o.id = r.id
           where r."eventTimeUs" between ${earlierUs} and ${q.fromUs - 1} and r.assignment = 'sticky' group by unit`
        : none('null::varchar as unit, null::double as known')
    }),
    met as (
      select unit, min(arm) as arm, count(distinct arm) as arms, count(*) as requests, min(us) as first_us,
        sum(value) as total, count(value) as counted, min(value) as low, arg_min(own.known, us) as known
      from own group by unit
    ),
    single as (
      select met.* replace (coalesce(met.known, e.known) as known) from met left join earlier_units e using (unit) where arms = 1
    ),
    chosen as (select * from single where counted > 0 ${first}),
    units as (
      select arm, total, counted, total / counted as mean, low,
        coalesce(known, avg(known) over (), 0) as known
      from chosen
    ),
    moments as (
      select arm, count(*) as n,
        [avg(total), avg(counted), var_samp(total), var_samp(counted), covar_samp(total, counted),
         avg(mean), var_samp(mean), avg(known), var_samp(known), covar_samp(mean, known), sum(total)] as sums,
        bool_and(counted = 1 and low in (0, 1)) as "binary"
      from units group by arm
    ),
    arms as (select arm, count(*) as assigned, sum(requests)::bigint as requests from single group by arm)
    select a.arm, a.assigned::double as assigned, a.requests::double as requests, (select count(*) from met where arms > 1)::double as twice,
      coalesce(m.n, 0)::double as n, coalesce(m.sums, []) as sums, m."binary" as "binary"
    from arms a left join moments m using (arm) order by a.arm`;
}

function toMeasured(row: Row): Measured {
  const n = row.n;
  const at = (i: number): number => row.sums[i] ?? 0;
  return {
    arm: row.arm,
    assigned: row.assigned,
    exposedTwice: row.twice,
    requests: row.requests,
    ratio: {
      ...{ n, numerator: at(0), denominator: at(1), numeratorVariance: at(2), denominatorVariance: at(3) },
      covariance: at(4),
    },
    means: { n, mean: at(5), variance: at(6), before: at(7), beforeVariance: at(8), covariance: at(9) },
    shares: row.binary && n > 0 ? { events: Math.round(at(10)), n } : null,
  };
}
