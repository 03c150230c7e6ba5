// Predictions against truth: from the rows of a window to the figures of the report. Pure.
import { calibrationBins } from '../../stats/curves.ts';
import { none, type Figure } from '../../stats/figure.ts';
import { normalInterval, wilson } from '../../stats/intervals.ts';
import { computeMetrics } from '../../stats/metrics.ts';
import { metricRow, metricRows } from './metric-words.ts';
import { leadMetrics, type DayRow, type LiveColumn, type LiveFeatureView, type LiveView, type Task, type Window } from './model.ts';

export const DAY_US = 86_400_000_000;
/** Facts older than this are not news that ages: the view holds timeless facts. */
const TIMELESS_US = 20 * 365 * DAY_US;
const SCORE_BINS = 25;

/** What the queries bring back of a window. */
export interface LiveRows {
  readonly predictions: number;
  readonly failed: number;
  readonly withTruth: number;
  readonly ambiguous: number;
  readonly sampled: number;
  readonly fromUs: number;
  readonly toUs: number;
  readonly volume: readonly { readonly day: number; readonly n: number }[];
  readonly versions: readonly { readonly version: string; readonly variant: string; readonly n: number }[];
  /** Joined rows, column by column; `days` counts days since 1970, UTC. */
  readonly days: readonly number[];
  readonly scores: readonly number[];
  readonly labels: readonly number[];
  readonly missing: readonly { readonly column: string; readonly n: number }[];
  readonly views: readonly {
    readonly view: string;
    readonly n: number;
    readonly absent: number;
    readonly age50: number | null;
    readonly age95: number | null;
  }[];
  readonly latency: readonly [number, number, number, number];
  readonly example: { readonly id: string; readonly label: number } | null;
}

export interface LiveInput {
  readonly endpoint: string;
  readonly window: Window;
  readonly task: Task;
  readonly label: string;
  readonly joinedBy: string;
  readonly knownByUs: number;
  readonly trainingMissing: ReadonlyMap<string, number>;
  readonly ttlUs: ReadonlyMap<string, number | null>;
}

const dayName = (day: number): string => new Date(day * 86_400_000).toISOString().slice(0, 10);

const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, x) => sum + x, 0) / values.length;

/** Share of positives with Wilson's interval, or the mean of the outcome. */
export function observedShare(labels: readonly number[], task: Task): Figure {
  const n = labels.length;
  if (n === 0) return none('no outcome is known', 0);
  const value = mean(labels)!;
  if (task === 'binary') return { ok: true, value, n, interval: wilson(Math.round(value * n), n) };
  if (n < 2) return { ok: true, value, n };
  const variance = labels.reduce((sum, y) => sum + (y - value) ** 2, 0) / (n - 1);
  return { ok: true, value, n, interval: normalInterval(value, Math.sqrt(variance / n)) };
}

export function liveView(rows: LiveRows, input: LiveInput): LiveView {
  const { task } = input;
  const [first, second] = leadMetrics[task];
  const all = { labels: rows.labels, scores: rows.scores };
  const figures = computeMetrics(task, all);
  return {
    ...input,
    window: { fromUs: rows.fromUs, toUs: rows.toUs },
    predictions: rows.predictions,
    failed: rows.failed,
    withTruth: rows.withTruth,
    ambiguous: rows.ambiguous,
    sampled: rows.sampled,
    versions: rows.versions.map(({ version, variant, n }) => ({ version, variant, predictions: n })),
    metrics: metricRows(figures),
    primaryTitle: metricRow(first, figures[first]!).title,
    secondTitle: metricRow(second, figures[second]!).title,
    predicted: mean(rows.scores),
    observed: observedShare(rows.labels, task),
    days: byDay(rows, task),
    scores: task === 'binary' ? scoreBins(rows) : null,
    calibration: task === 'binary' && rows.labels.length > 0 ? calibrationBins(all) : [],
    columns: rows.missing.map(({ column, n }): LiveColumn => ({
      name: column,
      missing: rows.predictions === 0 ? 0 : n / rows.predictions,
      trainingMissing: input.trainingMissing.get(column) ?? null,
    })),
    views: rows.views.map((v): LiveFeatureView => {
      const timeless = v.age50 === null || v.age50 > TIMELESS_US;
      return {
        name: v.view,
        predictions: v.n,
        absent: v.absent,
        ageMedianUs: timeless ? null : v.age50,
        age95Us: timeless ? null : v.age95,
        ttlUs: input.ttlUs.get(v.view) ?? null,
      };
    }),
    latency: rows.predictions === 0 ? [] : [latencyRow('model and queue', rows.latency)],
  };
}

const latencyRow = (stage: string, [medianUs, p90Us, p99Us, maxUs]: LiveRows['latency']) => ({ stage, medianUs, p90Us, p99Us, maxUs });

function byDay(rows: LiveRows, task: Task): DayRow[] {
  const [first, second] = leadMetrics[task];
  const members = new Map<number, number[]>(rows.volume.map(({ day }) => [day, []]));
  rows.days.forEach((day, i) => members.get(day)?.push(i));
  return rows.volume.map(({ day, n }) => {
    const at = members.get(day)!;
    const labels = at.map((i) => rows.labels[i]!);
    const scores = at.map((i) => rows.scores[i]!);
    const figures = computeMetrics(task, { labels, scores });
    return {
      day: dayName(day),
      predictions: n,
      withTruth: at.length,
      predicted: mean(scores),
      observed: observedShare(labels, task),
      primary: figures[first]!,
      second: figures[second]!,
    };
  });
}

/** Share of each outcome's rows by score, in bins of equal width over [0, 1]. */
function scoreBins({ scores, labels }: LiveRows): LiveView['scores'] {
  const positive = Array.from({ length: SCORE_BINS }, () => 0);
  const negative = [...positive];
  scores.forEach((score, i) => {
    const bin = Math.min(SCORE_BINS - 1, Math.max(0, Math.floor(score * SCORE_BINS)));
    (labels[i] === 1 ? positive : negative)[bin]! += 1;
  });
  const share = (counts: readonly number[]): number[] => {
    const total = counts.reduce((a, b) => a + b, 0);
    return counts.map((n) => (total === 0 ? 0 : n / total));
  };
  return { edges: Array.from({ length: SCORE_BINS + 1 }, (_, i) => i / SCORE_BINS), positive: share(positive), negative: share(negative) };
}
