// The figures of a performance window from labels and scores. Pure, and large windows are made on a thread of their own
// (figures-thread.ts).
import { calibrationBins } from '../../../../stats/curves.ts';
import type { Scores } from '../../../../stats/figure.ts';
import { wilson } from '../../../../stats/intervals.ts';
import { metrics, isMetricName } from '../../../../stats/metrics.ts';
import { absent, type Calibration, type Shown, type Slice } from '../../model.ts';
import { measure } from './metric-figures.ts';

export interface SliceRows extends Scores {
  readonly column: string;
  readonly value: string;
}

export interface PerformanceQuestion {
  readonly task: 'binary' | 'regression';
  readonly metrics: readonly string[];
  /** In a fixed order: by event time, then prediction. */
  readonly rows: Scores;
  readonly slices: readonly SliceRows[];
}

export interface Performance {
  readonly metrics: Record<string, Shown>;
  readonly standardErrors: Record<string, number>;
  readonly calibration: Calibration | null;
  readonly slices: Slice[];
}

export function performanceOf({ task, metrics: names, rows, slices }: PerformanceQuestion): Performance {
  const found: Record<string, Shown> = {};
  const standardErrors: Record<string, number> = {};
  for (const name of names) {
    const { figure, standardError } = measure(name, task, rows);
    found[name] = figure;
    if (standardError !== undefined) standardErrors[name] = standardError;
  }
  return {
    metrics: found,
    standardErrors,
    calibration: task === 'binary' && rows.labels.length > 0 && areProbabilities(rows) ? calibrationOf(rows) : null,
    slices: slices.map((s) => ({
      column: s.column,
      value: s.value,
      n: s.labels.length,
      metrics: Object.fromEntries(names.map((name) => [name, measure(name, task, s).figure])),
    })),
  };
}

const areProbabilities = ({ scores, labels }: Scores): boolean => {
  for (let i = 0; i < scores.length; i++) if (!(scores[i]! >= 0 && scores[i]! <= 1) || (labels[i] !== 0 && labels[i] !== 1)) return false;
  return true;
};

const SLOPE_METHOD =
  'logistic regression of the outcome on the logit of the score (D. R. Cox, 1958); 1 is calibrated, below 1 overconfident';

function calibrationOf(rows: Scores): Calibration {
  const { calibration_error: metric } = metrics;
  return {
    bins: calibrationBins(rows),
    error: { ...metric.compute(rows), method: 'expected calibration error over 10 bins of equal size' },
    slope: slopeOf(rows),
  };
}

const ITERATIONS = 25;
const CONVERGED = 1e-10;

/** Newton's method on two parameters; a score of 0 or 1 is kept 1e-6 away from it. */
function slopeOf({ labels, scores }: Scores): Shown {
  const n = labels.length;
  const x = Float64Array.from({ length: n }, (_, i) => {
    const p = Math.min(1 - 1e-6, Math.max(1e-6, scores[i]!));
    return Math.log(p / (1 - p));
  });
  let [a, b] = [0, 1];
  let information = 0;
  for (let round = 0; round < ITERATIONS; round++) {
    let [ga, gb, haa, hab, hbb] = [0, 0, 0, 0, 0];
    for (let i = 0; i < n; i++) {
      const p = 1 / (1 + Math.exp(-(a + b * x[i]!)));
      const [residual, weight] = [labels[i]! - p, p * (1 - p)];
      ga += residual;
      gb += residual * x[i]!;
      haa += weight;
      hab += weight * x[i]!;
      hbb += weight * x[i]! * x[i]!;
    }
    const determinant = haa * hbb - hab * hab;
    if (!(determinant > 1e-12 * haa * hbb)) return absent('scores or labels do not vary', n, SLOPE_METHOD);
    const [da, db] = [(hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant];
    a += da;
    b += db;
    information = determinant / haa;
    if (!Number.isFinite(a) || !Number.isFinite(b)) return absent('scores and labels allow no slope', n, SLOPE_METHOD);
    if (Math.abs(da) + Math.abs(db) < CONVERGED) {
      const half = 1.959963984540054 / Math.sqrt(information);
      return {
        ok: true,
        value: b,
        n,
        interval: { low: b - half, high: b + half, level: 0.95, method: 'normal approximation' },
        method: SLOPE_METHOD,
      };
    }
  }
  return absent('scores and labels allow no slope', n, SLOPE_METHOD);
}

/** Labelled predictions of those that could have a label. Labels of records that came too late are counted in both. */
export function coverageOf(labelled: number, scored: number | undefined): Shown {
  const method = 'labelled predictions of those with a score, Wilson interval';
  if (scored === undefined) return absent('no data window of the same span was closed', labelled, method);
  const of = Math.max(labelled, scored);
  return of === 0
    ? absent('the window has no predictions', 0, method)
    : { ok: true, value: labelled / of, n: of, interval: wilson(labelled, of), method };
}

export const higherIsBetter = (name: string): boolean => !isMetricName(name) || metrics[name].higherIsBetter;

/** A fall that is worth a finding; a rule of alerts has its own margin. */
const FALL = 0.03;

/** Metrics in units of the outcome fall by a tenth of the baseline, those between 0 and 1 by 0.03. */
export const marginOf = (metric: string, baseline: number): number =>
  metric === 'mae' || metric === 'rmse' ? Math.abs(baseline) / 10 : FALL;
