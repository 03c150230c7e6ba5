// Has a model got worse? The newest windows together against the baseline, both with their errors.
import { normalCdf, normalQuantile } from './normal.ts';

interface Estimate {
  readonly value: number;
  readonly standardError: number;
}

export interface WindowFigure extends Estimate {
  /** Rows that the figure is of. */
  readonly n: number;
}

export type Pooled =
  | (Estimate & { readonly ok: true; readonly n: number; readonly windows: number })
  | { readonly ok: false; readonly reason: string };

const usableOf = (windows: readonly WindowFigure[]): WindowFigure[] =>
  windows.filter((w) => w.n > 0 && Number.isFinite(w.value) && Number.isFinite(w.standardError) && w.standardError >= 0);

/**
 * The figures of independent windows as one: the inverse-variance mean, where the variance of a window is taken as
 * the common variance of a row over its rows, sum of se^2 n^2 / sum of n, so that weights are the rows. A window's
 * own error goes with its value (a high AUC has a small one, by luck too), and weights of 1 / se^2 would pull the
 * mean towards the lucky days: by 0.01 at 50 rows of AUC 0.7. The standard error is that of this mean:
 * sqrt(sum of w^2 se^2), with each window's own se.
 */
export function pool(windows: readonly WindowFigure[]): Pooled {
  const usable = usableOf(windows);
  if (usable.length === 0) return { ok: false, reason: 'no window has a figure with a standard error' };
  const n = usable.reduce((sum, w) => sum + w.n, 0);
  const value = usable.reduce((sum, w) => sum + (w.n / n) * w.value, 0);
  const standardError = Math.sqrt(usable.reduce((sum, w) => sum + ((w.n / n) * w.standardError) ** 2, 0));
  return { ok: true, value, standardError, n, windows: usable.length };
}

/**
 * Standard deviation of the true figure from window to window: what is left of the variance of the windows'
 * figures when their sampling errors are taken out (R. DerSimonian and N. Laird, 1986, weights by rows);
 * 0 if nothing is left. Undefined below five windows.
 */
export function spreadBetween(windows: readonly WindowFigure[]): number | undefined {
  const usable = usableOf(windows);
  if (usable.length < 5) return undefined;
  const n = usable.reduce((sum, w) => sum + w.n, 0);
  const mean = usable.reduce((sum, w) => sum + (w.n / n) * w.value, 0);
  let [q, expected, free] = [0, 0, 0];
  for (const w of usable) {
    const share = w.n / n;
    q += share * (w.value - mean) ** 2;
    expected += share * (1 - share) * w.standardError ** 2;
    free += share * (1 - share);
  }
  return Math.sqrt(Math.max(0, (q - expected) / free));
}

export interface FallQuestion {
  readonly pooled: Pooled;
  readonly baseline: Estimate & {
    /** Standard deviation of the true figure from window to window of the reference (`spreadBetween`); default 0. */
    readonly spread?: number;
  };
  /** Fall that matters, in the unit of the metric, 0 or more. */
  readonly by: number;
  readonly higherIsBetter: boolean;
  /** Confidence of the one-sided interval of the fall; default 0.99. */
  readonly level?: number;
}

export type FallVerdict =
  | {
      readonly ok: true;
      /** How much worse the windows are than the baseline, whichever way the metric points; below 0 = better. */
      readonly fall: number;
      /** Lower end of the one-sided interval of the fall; errors of windows and baseline both counted. */
      readonly low: number;
      readonly level: number;
      readonly standardError: number;
      /** Chance of such a fall without one. */
      readonly p: number;
      /** The value of the metric at which the windows count as fallen. */
      readonly threshold: number;
      readonly windows: number;
      readonly n: number;
      readonly fallen: boolean;
    }
  | { readonly ok: false; readonly reason: string };

/**
 * Fallen = worse than the baseline by at least `by`, and the one-sided interval of the difference (normal
 * approximation, `level`) excludes zero. Its variance is that of the pooled figure, of the baseline, and of the
 * natural spread of days over the number of windows.
 *
 * Rates for `by` 0.03, seven trailing windows and two of them in a row, by simulation of 900 rows a day, 23 % of
 * them positive, AUC 0.70, baseline from 12,000 rows (simulation/falls.test.ts): 95 % of years without a fall have no
 * alarm, 98.5 % at most one (200 years); a fall to 0.65 is found within 7 windows in 90 %, within 10 in 98 % of 1,000
 * runs. With `by` 0.02 it is found within 7 in 98 %, and three years in ten have an alarm: an unlucky baseline does that.
 */
export function judgeFall({ pooled, baseline, by, higherIsBetter, level = 0.99 }: FallQuestion): FallVerdict {
  if (!pooled.ok) return pooled;
  if (!Number.isFinite(baseline.value) || !(baseline.standardError >= 0))
    return { ok: false, reason: 'the baseline has no figure with a standard error' };
  if (!(by >= 0) || !(level > 0.5 && level < 1)) return { ok: false, reason: 'a fall needs a margin of 0 or more and a level in 0.5..1' };
  const sign = higherIsBetter ? 1 : -1;
  const fall = sign * (baseline.value - pooled.value);
  const standardError = Math.sqrt(pooled.standardError ** 2 + baseline.standardError ** 2 + (baseline.spread ?? 0) ** 2 / pooled.windows);
  const half = normalQuantile(level) * standardError;
  return {
    ok: true,
    fall,
    low: fall - half,
    level,
    standardError,
    p: standardError === 0 ? (fall > 0 ? 0 : 1) : normalCdf(-fall / standardError),
    threshold: baseline.value - sign * Math.max(by, half),
    windows: pooled.windows,
    n: pooled.n,
    fallen: fall >= by && fall - half > 0,
  };
}
