// Distances of two samples from their counts in the same cells. A cell that both leave empty changes nothing.
// p belongs to the reference, q to the window; shares are counts over their sum.

type Counts = readonly number[];

const total = (counts: Counts): number => counts.reduce((sum, c) => sum + c, 0);

/** Jensen-Shannon divergence in nats: the mean of KL(p || m) and KL(q || m), m = (p + q) / 2; 0 to ln 2. */
export function jsDivergence(p: Counts, q: Counts): number {
  const [n, m] = [total(p), total(q)];
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    const [a, b] = [p[i]! / n, q[i]! / m];
    const middle = (a + b) / 2;
    if (a > 0) sum += a * Math.log(a / middle);
    if (b > 0) sum += b * Math.log(b / middle);
  }
  return Math.max(0, sum / 2);
}

/** Jensen-Shannon *distance*: the root of the divergence in bits; 0 to 1 (as NannyML; Evidently's is in nats, TFDV's has no root). */
export const jsDistance = (p: Counts, q: Counts): number => Math.sqrt(jsDivergence(p, q) / Math.LN2);

/** Shares in which an empty cell gets 0.0001, or a millionth of the least share where that is not greater (Evidently's fill). */
function filled(counts: Counts): number[] {
  const n = total(counts);
  const shares = counts.map((c) => c / n);
  const least = Math.min(...shares.filter((s) => s > 0));
  const fill = least > 0.0001 ? 0.0001 : least / 1e6;
  return shares.map((s) => (s === 0 ? fill : s));
}

/** Population stability index: sum of (p - q) ln(p / q), empty cells filled; 0 and above. */
export function psi(p: Counts, q: Counts): number {
  const [a, b] = [filled(p), filled(q)];
  return a.reduce((sum, x, i) => sum + (x - b[i]!) * Math.log(x / b[i]!), 0);
}

/** Kullback-Leibler divergence of the reference from the window in nats, empty cells filled as for PSI and shares brought back to 1 (Evidently). */
export function klDivergence(p: Counts, q: Counts): number {
  const [a, b] = [filled(p), filled(q)];
  const [n, m] = [total(a), total(b)];
  return a.reduce((sum, x, i) => sum + (x / n) * Math.log(x / n / (b[i]! / m)), 0);
}

/** Hellinger distance: the root of 1 - sum of sqrt(p q); 0 to 1. */
export function hellinger(p: Counts, q: Counts): number {
  const [n, m] = [total(p), total(q)];
  let sum = 0;
  for (let i = 0; i < p.length; i++) sum += (Math.sqrt(p[i]! / n) - Math.sqrt(q[i]! / m)) ** 2;
  return Math.sqrt(sum / 2);
}

export interface ChiSquare {
  readonly statistic: number;
  readonly df: number;
}

/**
 * Chi-square statistic of the table of two samples (K. Pearson); degrees of freedom = cells in use less one.
 * With one degree of freedom Yates's correction moves each cell towards its expectation by up to one half.
 * Good where expected counts are 5 or more. One cell in use gives 0 with 0 degrees of freedom.
 */
export function chiSquare(p: Counts, q: Counts): ChiSquare {
  const [n, m] = [total(p), total(q)];
  const used = p.map((a, i) => [a, q[i]!] as const).filter(([a, b]) => a + b > 0);
  const df = used.length - 1;
  let statistic = 0;
  for (const [a, b] of used)
    for (const [seen, size] of [
      [a, n],
      [b, m],
    ] as const) {
      const expected = ((a + b) * size) / (n + m);
      const off = Math.abs(seen - expected);
      statistic += (off - (df === 1 ? Math.min(0.5, off) : 0)) ** 2 / expected;
    }
  return { statistic, df: Math.max(0, df) };
}

/** A cumulative distribution known at rising points only: `at[i]` is the share up to and including `knots[i]`. */
export interface Grid {
  readonly knots: readonly number[];
  readonly reference: readonly number[];
  readonly window: readonly number[];
  /** All mass lies on the knots, so that nothing is unknown between them. */
  readonly exact: boolean;
  /** Where rows of the window lie off the knots after all: the greatest share near one, and how far all rows may be, on average. */
  readonly off?: { readonly share: number; readonly distance: number };
}

export interface Bounded {
  readonly value: number;
  /** How far the value from the full samples may lie from this one. */
  readonly error: number;
}

/**
 * Kolmogorov-Smirnov distance on a grid: the greatest difference of the cumulative shares at its points. The
 * full samples may be further apart, by at most the greatest share that either has between two points.
 */
export function ksOnGrid({ knots, reference, window, exact, off }: Grid): Bounded {
  let [value, error] = [0, off?.share ?? 0];
  for (let i = 0; i < knots.length; i++) {
    value = Math.max(value, Math.abs(reference[i]! - window[i]!));
    if (!exact && i > 0) error = Math.max(error, reference[i]! - reference[i - 1]!, window[i]! - window[i - 1]!);
  }
  return { value, error };
}

/**
 * Wasserstein-1 distance on a grid, in the column's unit: the area between the cumulative distributions, taken
 * as straight between points (as steps where the grid is exact). Off by at most half of what either sample has
 * between two points, times their distance, added up.
 */
export function wassersteinOnGrid({ knots, reference, window, exact, off }: Grid): Bounded {
  let [value, error] = [0, off?.distance ?? 0];
  for (let i = 1; i < knots.length; i++) {
    const width = knots[i]! - knots[i - 1]!;
    const [from, to] = [reference[i - 1]! - window[i - 1]!, reference[i]! - window[i]!];
    if (exact) value += width * Math.abs(from);
    else {
      const crossed = from * to < 0;
      const area = crossed ? (from * from + to * to) / (2 * (Math.abs(from) + Math.abs(to))) : (Math.abs(from) + Math.abs(to)) / 2;
      value += width * area;
      error += (width * (reference[i]! - reference[i - 1]! + window[i]! - window[i - 1]!)) / 2;
    }
  }
  return { value, error };
}
