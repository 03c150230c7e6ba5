// Pieces of SQL that say what a request is worth, which unit it belongs to, and which requests are a trial's. Pure.
import type { TrialMetric } from '../model.ts';

/** Values per request. Scores are clipped as the metric of the same name clips them. */
export const valueSql: Readonly<Record<TrialMetric, string>> = {
  label: 'o.label',
  accuracy: 'case when o.label is null or r.score is null then null else ((r.score >= 0.5) = (o.label >= 0.5))::double end',
  brier: '(r.score - o.label) ** 2',
  log_loss:
    '-(o.label * ln(greatest(1e-15, least(1 - 1e-15, r.score))) + (1 - o.label) * ln(1 - greatest(1e-15, least(1 - 1e-15, r.score))))',
  mae: 'abs(r.score - o.label)',
  error_rate: '(r.error is not null)::double',
  latency_ms: 'case when r.error is null then r."latencyUs" / 1000.0 end',
};

/** Keys; a request without one, or one that was drawn for itself, is a unit of its own. */
export const unitSql = `case when r.assignment = 'sticky' then 'k' || r."assignmentKey" else 'r' || r.id end`;

/** First and last revision of each stretch in which a trial split the traffic. */
export type Spans = readonly (readonly [number, number])[];

export const spansSql = (spans: Spans): string => `(${spans.map(([from, to]) => `r.revision between ${from} and ${to}`).join(' or ')})`;

/** One label for each prediction, the one that arrived last: what is sent twice counts once, a corrected one as corrected. */
export const outcomesSql = (has: boolean): string =>
  has
    ? 'select prediction_id as id, arg_max_null(label, seq) as label from labels group by prediction_id'
    : 'select null::varchar as id, null::double as label where false';
