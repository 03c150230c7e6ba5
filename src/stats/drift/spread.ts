// How far a reference's own windows are from each other, and what of it is still usual.
import type { Spread } from '../drift-sketch.ts';
import { momentsOf } from '../moments.ts';

/**
 * Mean + 3 standard deviations of the reference's own distances, or their greatest where there are fewer than ten.
 * Where days are far apart by nature, that would be more than a distance can be (a cold day and a mild one already
 * have hardly a temperature in common), and nothing could ever be found: on the logit scale it stays below 1, and the
 * lower of the two counts.
 */
export function spreadThreshold({ chunks, mean, sd, max, logit }: Spread): number {
  if (chunks < 10) return max;
  const plain = mean + 3 * sd;
  // Never below what is usual: days that have nothing in common, as dates, are as far apart as can be.
  return logit ? Math.max(mean + 1e-9, Math.min(plain, 1 / (1 + Math.exp(-(logit.mean + 3 * logit.sd))))) : plain;
}

const BOUNDED: ReadonlySet<string> = new Set(['js', 'hellinger', 'ks']);
/** Distances of 0 and 1 have no logit. */
const logitOf = (d: number): number => Math.log(Math.max(d, 0.001) / Math.max(1 - d, 0.001));

/** How the distances of a reference's windows are spread, by the method that they are of. */
export function spreadOf(method: string, found: readonly number[]): Spread {
  const over = (of: (d: number) => number): { mean: number; sd: number } => {
    const { n, mean, m2 } = momentsOf(found.length, (i) => of(found[i]!));
    return { mean, sd: Math.sqrt(m2 / (n - 1)) };
  };
  const plain = { chunks: found.length, ...over((d) => d), max: Math.max(...found) };
  return BOUNDED.has(method) ? { ...plain, logit: over(logitOf) } : plain;
}
