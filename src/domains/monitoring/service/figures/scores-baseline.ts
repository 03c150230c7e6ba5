// What the scores and labels of a reference say: how scores are distributed, how they are calibrated, and how good they
// are, with the errors of both. Pure; large references are worked on by a thread (figures-thread.ts).
import { windowStart } from '../../../../kernel/timeline/windows.ts';
import { fitCalibrator } from '../../../../stats/cbpe.ts';
import { countNumeric, numericBaseline, type NumericBaseline } from '../../../../stats/drift-sketch.ts';
import { driftSpread } from '../../../../stats/drift.ts';
import { metrics } from '../../../../stats/metrics.ts';
import { pool, spreadBetween, type WindowFigure } from '../../../../stats/performance-fall.ts';
import type { Baseline, Nothing, PerformanceBaseline } from '../../model.ts';
import { measure } from './metric-figures.ts';

export interface ScoredRows {
  readonly task: 'binary' | 'regression';
  readonly labels: Float64Array;
  readonly scores: Float64Array;
  /** Event time, microseconds; NaN where a row has none. */
  readonly atUs: Float64Array;
}

export type ScoresBaseline = Pick<Baseline, 'scores' | 'labels' | 'calibrator' | 'performance'>;

/** What scores and labels give: the distribution of scores, the calibrator, and each metric with its errors. */
export function scoresBaseline(rows: ScoredRows | undefined, windowUs: number): ScoresBaseline {
  if (!rows || rows.labels.length === 0) return { scores: null, labels: null, calibrator: null, performance: {} };
  const { labels, scores, task } = rows;
  const windows = windowsOf(rows, windowUs);
  const fitted = task === 'binary' ? fitCalibrator({ labels, scores }) : undefined;
  const performance: Record<string, PerformanceBaseline | Nothing> = {};
  for (const [name, metric] of Object.entries(metrics)) {
    if (metric.task !== task) continue;
    performance[name] = performanceBaseline(name, rows, windows);
  }
  return {
    scores: scoresSketch(
      scores,
      windows.map((w) => w.scores),
    ),
    labels: { n: labels.length, mean: labels.reduce((s, x) => s + x, 0) / labels.length },
    calibrator: fitted?.ok ? fitted : null,
    performance,
  };
}

export function scoresSketch(scores: Float64Array, windows: readonly Float64Array[]): NumericBaseline {
  const sketch = numericBaseline(scores);
  const spread =
    windows.length < 3
      ? undefined
      : driftSpread(
          sketch,
          windows.map((w) => countNumeric(sketch, w)),
        );
  return { ...sketch, ...(spread ? { spread } : {}) };
}

type Rows = Pick<ScoredRows, 'labels' | 'scores'>;

/** Rows of each window of event time, in order; empty where rows have no moment. */
function windowsOf({ labels, scores, atUs }: ScoredRows, windowUs: number): Rows[] {
  const members = new Map<number, number[]>();
  for (let i = 0; i < atUs.length; i++) {
    if (!Number.isFinite(atUs[i]!)) return [];
    const at = windowStart(atUs[i]!, windowUs);
    const own = members.get(at);
    if (own) own.push(i);
    else members.set(at, [i]);
  }
  return [...members]
    .sort(([a], [b]) => a - b)
    .map(([, own]) => ({ labels: Float64Array.from(own, (i) => labels[i]!), scores: Float64Array.from(own, (i) => scores[i]!) }));
}

/** A window of the baseline needs so many rows, and the baseline so many windows, to be pooled by windows. */
const LEAST_ROWS = 30;
const LEAST_WINDOWS = 3;

function performanceBaseline(name: string, rows: ScoredRows, windows: readonly Rows[]): PerformanceBaseline | Nothing {
  const figures = windows
    .filter((w) => w.labels.length >= LEAST_ROWS)
    .flatMap((w): WindowFigure[] => {
      const { figure, standardError } = measure(name, rows.task, w);
      return figure.ok && standardError !== undefined ? [{ value: figure.value, standardError, n: figure.n }] : [];
    });
  const pooled = pool(figures);
  if (pooled.ok && pooled.windows >= LEAST_WINDOWS)
    return {
      value: pooled.value,
      standardError: pooled.standardError,
      spread: spreadBetween(figures) ?? 0,
      n: pooled.n,
      windows: pooled.windows,
      method: 'windows of the reference, pooled by their rows',
    };
  const { figure, standardError } = measure(name, rows.task, rows);
  if (!figure.ok) return { ok: false, reason: figure.reason, n: figure.n };
  if (standardError === undefined) return { ok: false, reason: 'the reference has too few rows for a standard error', n: figure.n };
  return { value: figure.value, standardError, spread: 0, n: figure.n, windows: 1, method: 'all rows of the reference together' };
}
