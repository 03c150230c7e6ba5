// The questions that a release asks of the inference log and the labels joined to it. Pure.
import { sqlName } from '../../../../kernel/compute/compute.ts';

export interface StepWindow {
  readonly state: 'shadow' | 'canary' | 'baking';
  readonly step: number;
  readonly share: number;
  /** Number of the endpoint's revision. */
  readonly revision: number;
  /** Event time. */
  readonly sinceUs: number;
  readonly toUs: number;
}

export const BINS = 10;

const deciles = Array.from({ length: BINS - 1 }, (_, i) => (i + 1) / BINS).join(', ');
const listOf = (sql: (i: number) => string, n = BINS): string => `[${Array.from({ length: n }, (_, i) => sql(i)).join(', ')}]`;

// A probability has fixed bins; any other score those of the deciles of both variants together.
const binOf = (score: string, isBinary: boolean): string =>
  isBinary ? `greatest(0, least(${BINS - 1}, floor(${score} * ${BINS})))` : `len(list_filter(deciles, lambda x: x < ${score}))`;

const stepsSql = (windows: readonly StepWindow[]): string =>
  `steps(step, revision, since, until, baked) as (values ${windows
    .map((w) => `(${w.step}, ${w.revision}, ${w.sinceUs}, ${w.toUs}, ${w.state === 'baking'})`)
    .join(', ')})`;

const outcomesSql = (hasLabels: boolean): string =>
  `outcomes as (${
    hasLabels
      ? 'select prediction_id as id, arg_max_null(label, seq) as label from labels group by prediction_id'
      : 'select null::varchar as id, null::double as label where false'
  })`;

/** A row for each step and variant: what it answered. Bounds of buckets as in stats/always-valid/quantile.ts. */
export const variantsSql = (windows: readonly StepWindow[], isBinary: boolean, hasLabels: boolean): string => `with
    ${stepsSql(windows)},
    ${outcomesSql(hasLabels)},
    own as (
      select s.step, r.id, r.variant, r.score, r.error, r."latencyUs" as latency, r.assignment, r."assignmentKey" as key, o.label,
        r."eventTimeUs" between s.since and s.until and r.assignment <> 'pinned' as counts
      from records r join steps s on r.revision = s.revision left join outcomes o on o.id = r.id
    ),
    cuts as (select step, quantile_cont(score, [${deciles}]) as deciles from own where counts and score is not null group by step),
    binned as (
      select own.*, case when score is null then null else ${binOf('score', isBinary)} end as bin from own left join cuts using (step)
    ),
    buckets as (
      select step, variant, floor(ln(greatest(latency, 1)) / ln(1.02))::integer as bucket, count(*) as n
      from own where counts and error is null group by all
    ),
    latencies as (
      select step, variant, list(bucket order by bucket) as bucket_at, list(n order by bucket) as bucket_n from buckets group by step, variant
    ),
    counted as (
      select step, variant,
        count(*) filter (counts) as requests,
        count(error) filter (counts) as errors,
        count(*) filter (counts and error is null and score is null) as nulls,
        count(*) as all_requests,
        count(error) as all_errors,
        count(distinct key) filter (counts and assignment = 'sticky') + count(*) filter (counts and assignment = 'random') as units,
        avg(score) filter (counts) as score_mean,
        quantile_cont(latency, [0.5, 0.95, 0.99]) filter (counts) as latency,
        ${listOf((i) => `count(*) filter (counts and bin = ${i})`)} as bins,
        list(score order by id) filter (counts and label is not null and score is not null) as scores,
        list(label order by id) filter (counts and label is not null and score is not null) as labels,
        list(label order by id) filter (counts and label is not null) as rewards
      from binned group by step, variant
    )
    select c.*, l.bucket_at, l.bucket_n from counted c left join latencies l using (step, variant) order by step, variant`;

/** Rows by which bins and spreads are fixed, so that they do not move with what comes later. */
const FIRST = 200;

/** A row for each step in which copies were answered: what the two make of the same requests. */
export const pairsSql = (windows: readonly StepWindow[], isBinary: boolean, hasLabels: boolean): string => `with
    ${stepsSql(windows)},
    ${outcomesSql(hasLabels)},
    both_answered as (
      select s.step, s.baked, r.id, r.score as r_score, r.error as r_error, r."latencyUs" as r_latency,
        x.score as x_score, x.error as x_error, x."latencyUs" as x_latency, o.label,
        row_number() over (partition by s.step order by r."eventTimeUs", r.id) as nth
      from copies x join records r on r.id = x."shadowOf" join steps s on x.revision = s.revision left join outcomes o on o.id = r.id
      where r."eventTimeUs" between s.since and s.until
    ),
    sided as (
      select step, id, nth, label,
        if(baked, r_score, x_score) as own, if(baked, r_error, x_error) as own_error, if(baked, r_latency, x_latency) as own_latency,
        if(baked, x_score, r_score) as other, if(baked, x_error, r_error) as other_error, if(baked, x_latency, r_latency) as other_latency
      from both_answered
    ),
    cuts as (
      select step, quantile_cont(other, [${deciles}]) filter (nth <= ${FIRST}) as deciles,
        0.1 * (quantile_cont(other, 0.95) filter (nth <= ${FIRST}) - quantile_cont(other, 0.05) filter (nth <= ${FIRST})) as spread
      from sided group by step
    ),
    binned as (
      select sided.*, own_error is null and other_error is null as answered, own is not null and other is not null as scored,
        ${isBinary ? '(own >= 0.5) <> (other >= 0.5)' : 'abs(own - other) > spread'} as disagrees,
        ${binOf('own', isBinary)} as own_bin, ${binOf('other', isBinary)} as other_bin
      from sided left join cuts using (step)
    )
    select step, count(*) as n,
      count(own_error) as own_errors, count(other_error) as other_errors,
      count(*) filter (own_error is not null and other_error is null) as own_error_only,
      count(*) filter (other_error is not null and own_error is null) as other_error_only,
      count(*) filter (answered) as answered,
      count(*) filter (own_error is null and own is null) as own_nulls, count(*) filter (other_error is null and other is null) as other_nulls,
      count(*) filter (answered and own is null and other is not null) as own_null_only,
      count(*) filter (answered and other is null and own is not null) as other_null_only,
      count(*) filter (scored) as scored, count(*) filter (scored and disagrees) as disagree,
      avg(own) as own_mean, avg(other) as other_mean,
      quantile_cont(own_latency, [0.5, 0.95, 0.99]) as own_latency, quantile_cont(other_latency, [0.5, 0.95, 0.99]) as other_latency,
      ${listOf((i) => `count(*) filter (scored and own_bin = ${i})`)} as own_bins,
      ${listOf((i) => `count(*) filter (scored and other_bin = ${i})`)} as other_bins,
      ${listOf((i) => `count(*) filter (scored and own_bin = ${i} and other_bin <> ${i})`)} as moved_own,
      ${listOf((i) => `count(*) filter (scored and other_bin = ${i} and own_bin <> ${i})`)} as moved_other,
      list(own order by id) filter (label is not null and scored) as own_scores,
      list(other order by id) filter (label is not null and scored) as other_scores,
      list(label order by id) filter (label is not null and scored) as labels
    from binned group by step order by step`;

/** Beside ten bins of values, one for those that are missing. */
const FEATURE_BINS = BINS + 1;
const MOST_COLUMNS = 100;

/**
 * A row for each variant of one step: what its callers sent, by column and bin. Numbers fall into deciles of the first
 * requests of both, anything else by its hash; none without so many requests.
 */
export function featuresSql(window: StepWindow, columns: readonly { readonly name: string; readonly type: string }[]): string {
  const used = columns.slice(0, MOST_COLUMNS);
  const isNumeric = (type: string): boolean => type === 'number' || type === 'integer';
  const value = (name: string): string => `request.${sqlName(name)}`;
  const cuts = used.map(({ name, type }, i) =>
    isNumeric(type)
      ? `quantile_cont(try_cast(${value(name)} as double), [${deciles}]) filter (nth <= ${FIRST}) as cut${i}`
      : `null::double[] as cut${i}`,
  );
  const bins = used.map(({ name, type }, i) => {
    const sql = isNumeric(type)
      ? `len(list_filter(cut${i}, lambda x: x < try_cast(${value(name)} as double)))`
      : `(hash(${value(name)}) % ${BINS})::integer`;
    return `case when ${value(name)} is null then ${BINS} else ${sql} end as bin${i}`;
  });
  return `with
    own as (
      select variant, request, row_number() over (order by "eventTimeUs", id) as nth from records
      where revision = ${window.revision} and "eventTimeUs" between ${window.sinceUs} and ${window.toUs} and assignment <> 'pinned'
    ),
    cuts as (select ${cuts.join(', ')} from own),
    binned as (select variant, ${bins.join(', ')} from own, cuts where (select count(*) from own) >= ${FIRST})
    select variant, [${used.map((_, i) => listOf((bin) => `count(*) filter (bin${i} = ${bin})`, FEATURE_BINS)).join(', ')}] as columns
    from binned group by variant`;
}
