/** Count, mean and sum of squared deviations from it. */
export interface Moments {
  readonly n: number;
  readonly mean: number;
  readonly m2: number;
}

export const noMoments: Moments = { n: 0, mean: 0, m2: 0 };

/**
 * Moments of two samples together, from those of each: T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating
 * Formulae and a Pairwise Algorithm for Computing Sample Variances" (1979).
 */
export function mergeMoments(a: Moments, b: Moments): Moments {
  const n = a.n + b.n;
  if (n === 0) return noMoments;
  const delta = b.mean - a.mean;
  return { n, mean: a.mean + (delta * b.n) / n, m2: a.m2 + b.m2 + (delta * delta * a.n * b.n) / n };
}

const BLOCK = 1024;

/** Moments of `at(0)` to `at(n - 1)`: Welford's updates within blocks, Chan's merge of blocks. */
export function momentsOf(n: number, at: (i: number) => number): Moments {
  let all = noMoments;
  for (let from = 0; from < n; from += BLOCK) {
    const count = Math.min(BLOCK, n - from);
    let [mean, m2] = [0, 0];
    for (let i = 0; i < count; i++) {
      const x = at(from + i);
      const delta = x - mean;
      mean += delta / (i + 1);
      m2 += delta * (x - mean);
    }
    all = mergeMoments(all, { n: count, mean, m2 });
  }
  return all;
}

/** Standard error of the mean, from two values on. */
export const standardError = ({ n, m2 }: Moments): number => Math.sqrt(m2 / (n - 1) / n);
