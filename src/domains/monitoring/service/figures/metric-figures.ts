// Metrics with their standard errors. Where a metric brings an interval, the error is taken back out of it; the others
// get one from groups of rows that are left out in turn.
import { isMetricName, metrics, type MetricName } from '../../../../stats/metrics.ts';
import { normalInterval, standardErrorOf } from '../../../../stats/intervals.ts';
import { none, type Figure, type Scores } from '../../../../stats/figure.ts';
import { absent, type Shown } from '../../model.ts';

export interface Measured {
  readonly figure: Shown;
  /** NaN is never kept: undefined where chance cannot be told. */
  readonly standardError?: number;
}

/** What each metric is called beside its value. */
const METHODS: Partial<Record<MetricName, string>> = {
  roc_auc: 'Mann-Whitney, DeLong interval on the logit scale',
  log_loss: 'mean negative log likelihood (nats)',
  brier: 'mean squared distance of probability and outcome',
  mae: 'mean absolute error',
};

const methodOf = (name: string): string => METHODS[name as MetricName] ?? (isMetricName(name) ? metrics[name].title : name);

/** Groups of rows that are left out in turn, and rows from which on their own figures are used instead. */
const GROUPS = 20;
const MANY_ROWS = 50_000;
const LEVEL = 0.95;

const shown = (figure: Figure, method: string): Shown => ({ ...figure, method });

/** A metric of a task over rows; labels other than 0 and 1 give no binary figure. */
export function measure(name: string, task: 'binary' | 'regression', rows: Scores): Measured {
  const n = rows.labels.length;
  const method = methodOf(name);
  if (!isMetricName(name)) return { figure: absent(`there is no metric ${name}`, n, method) };
  const metric = metrics[name];
  if (metric.task !== task) return { figure: absent(`${name} is a metric of ${metric.task} models`, n, method) };
  if (task === 'binary' && Array.prototype.some.call(rows.labels, (y: number) => y !== 0 && y !== 1))
    return { figure: absent('labels must be 0 or 1', n, method) };
  const figure: Figure = n === 0 ? none('there are no labelled rows', 0) : metric.compute(rows);
  if (!figure.ok) return { figure: shown(figure, method) };
  const own = standardErrorOf(figure);
  if (own !== undefined) return { figure: shown(figure, method), standardError: own };
  const grouped = groupedError(rows, (r) => metric.compute(r));
  if (grouped === undefined) return { figure: shown(figure, method) };
  // All rows alike: nothing to tell an interval from, and no width of zero either.
  if (grouped <= 1e-12 * Math.abs(figure.value)) return { figure: shown(figure, method), standardError: 0 };
  const interval = { ...normalInterval(figure.value, grouped, LEVEL), method: `${GROUPS} groups of rows` };
  return { figure: shown({ ...figure, interval }, method), standardError: grouped };
}

/**
 * Delete-a-group jackknife (J. Shao and D. Tu, "The Jackknife and Bootstrap", 1995): row i is in group i mod 20. With
 * very many rows the spread of the groups' own figures says the same for a twentieth of the work.
 */
function groupedError(rows: Scores, compute: (rows: Scores) => Figure): number | undefined {
  const n = rows.labels.length;
  if (n < 2 * GROUPS) return undefined;
  const apart = n >= MANY_ROWS;
  const values: number[] = [];
  for (let g = 0; g < GROUPS; g++) {
    const keep: number[] = [];
    for (let i = 0; i < n; i++) if ((i % GROUPS === g) === apart) keep.push(i);
    const figure = compute({
      labels: Float64Array.from(keep, (i) => rows.labels[i]!),
      scores: Float64Array.from(keep, (i) => rows.scores[i]!),
    });
    if (!figure.ok) return undefined;
    values.push(figure.value);
  }
  const mean = values.reduce((s, v) => s + v, 0) / GROUPS;
  const squares = values.reduce((s, v) => s + (v - mean) ** 2, 0);
  const error = Math.sqrt(apart ? squares / (GROUPS - 1) / GROUPS : ((GROUPS - 1) / GROUPS) * squares);
  return Number.isFinite(error) ? error : undefined;
}
