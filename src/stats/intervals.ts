import type { Figure, Interval } from './figure.ts';
import type { Moments } from './moments.ts';
import { normalQuantile } from './normal.ts';
import { studentUpperQuantile } from './special/student.ts';

/** Wilson's score interval of a proportion (E. B. Wilson, 1927); valid for every n >= 1. */
export function wilson(successes: number, n: number, level = 0.95): Interval {
  const z = normalQuantile(0.5 + level / 2);
  const p = successes / n;
  const centre = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half), level, method: 'Wilson' };
}

/** Interval of a mean from its standard error, by the normal approximation (n of 30 or more). */
export function normalInterval(mean: number, standardError: number, level = 0.95): Interval {
  const z = normalQuantile(0.5 + level / 2);
  return { low: mean - z * standardError, high: mean + z * standardError, level, method: 'normal approximation' };
}

/**
 * Interval of the mean of independent values by Student's t ("Student", 1908): exact for normal ones, good for others from some
 * ten on. None of fewer than two.
 */
export function meanInterval({ n, mean, m2 }: Moments, level = 0.95): Interval | undefined {
  if (n < 2) return undefined;
  const half = studentUpperQuantile((1 - level) / 2, n - 1) * Math.sqrt(m2 / (n - 1) / n);
  return { low: mean - half, high: mean + half, level, method: 'Student’s t of the mean' };
}

const logit = (p: number): number => Math.log(p / (1 - p));
const LOGIT = ', logit scale';

/**
 * Interval of a share-like figure from its standard error, on the logit scale, so that it stays within (0, 1).
 * At 0 or 1, where the error is lost, Wilson's interval for `trials`, the rows that could have gone the other way.
 * None if the error is 0 elsewhere.
 */
export function logitInterval(value: number, standardError: number, trials: number, method: string, level = 0.95): { interval?: Interval } {
  // One unit of rounding from the end is the end.
  if (value <= 1e-15 || value >= 1 - 1e-15) return trials > 0 ? { interval: wilson(Math.round(value) * trials, trials, level) } : {};
  if (!(standardError > 0)) return {};
  const half = (normalQuantile(0.5 + level / 2) * standardError) / (value * (1 - value));
  const back = (x: number): number => 1 / (1 + Math.exp(-x));
  return { interval: { low: back(logit(value) - half), high: back(logit(value) + half), level, method: method + LOGIT } };
}

/**
 * Standard error of a figure from its interval: half its width over the normal quantile of its level, taken on the
 * scale that the interval was made on. Undefined without an interval.
 */
export function standardErrorOf(figure: Figure): number | undefined {
  if (!figure.ok || !figure.interval) return undefined;
  const { value, interval } = figure;
  const { low, high, level, method } = interval;
  const z = normalQuantile(0.5 + level / 2);
  if (method.endsWith(LOGIT)) return ((logit(high) - logit(low)) / 2 / z) * value * (1 - value);
  return (high - low) / 2 / z;
}
