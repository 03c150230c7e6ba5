import type { Interval } from './figure.ts';
import { normalQuantile } from './normal.ts';

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
