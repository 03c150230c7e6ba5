// Distances of two samples as other tools define them: SciPy, Evidently, NannyML. For checking against them, and
// where the rows themselves are at hand. Values are finite; sorted arrays rise.
import { ksTwoSampleAbove } from '../special/kolmogorov.ts';

/** Kolmogorov-Smirnov statistic of two sorted samples, max |F - G|, and its p-value (scipy.stats.ks_2samp, method auto). */
export function ksSorted(a: Float64Array, b: Float64Array): { statistic: number; p: number } {
  const [n, m] = [a.length, b.length];
  let [i, j, most] = [0, 0, 0];
  while (i < n && j < m) {
    const x = Math.min(a[i]!, b[j]!);
    while (i < n && a[i] === x) i++;
    while (j < m && b[j] === x) j++;
    most = Math.max(most, Math.abs(i / n - j / m));
  }
  return { statistic: most, p: ksTwoSampleAbove(most, n, m) };
}

/** Wasserstein-1 distance of two sorted samples: the integral of |F - G| (scipy.stats.wasserstein_distance). */
export function wassersteinSorted(a: Float64Array, b: Float64Array): number {
  const [n, m] = [a.length, b.length];
  let [i, j, sum] = [0, 0, 0];
  let at = Math.min(a[0]!, b[0]!);
  while (i < n || j < m) {
    const x = j >= m || (i < n && a[i]! <= b[j]!) ? a[i]! : b[j]!;
    sum += (x - at) * Math.abs(i / n - j / m);
    at = x;
    while (i < n && a[i] === x) i++;
    while (j < m && b[j] === x) j++;
  }
  return sum;
}

export interface SampleCells {
  readonly reference: readonly number[];
  readonly window: readonly number[];
  readonly edges: readonly number[];
}

/** `numpy.linspace(min, max, bins + 1)`, with its rounding. */
const linspace = (min: number, max: number, bins: number): number[] =>
  Array.from({ length: bins + 1 }, (_, i) => (i === bins ? max : i * ((max - min) / bins) + min));

/** Counts as `numpy.histogram`: bins are closed on the left, the last one on both sides; what lies outside is left out. */
function histogram(values: Float64Array, edges: readonly number[]): number[] {
  const counts = new Array<number>(edges.length - 1).fill(0);
  for (const x of values) {
    if (!(x >= edges[0]! && x <= edges.at(-1)!)) continue;
    let [low, high] = [0, edges.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (x >= edges[middle]!) low = middle;
      else high = middle;
    }
    counts[low]! += 1;
  }
  return counts;
}

const binsOf = (min: number, max: number, width: number): number => (max === min ? 1 : Math.ceil((max - min) / width));

/** Distinct values that Evidently still gives a bin each. */
const FEW = 20;

/**
 * Evidently's bins of a numeric column: H. A. Sturges's rule over both samples, width range / (log2 N + 1); one bin
 * per distinct value where the reference has at most 20.
 */
export function sturgesCells(reference: Float64Array, window: Float64Array): SampleCells {
  const both = new Float64Array(reference.length + window.length);
  both.set(reference);
  both.set(window, reference.length);
  both.sort();
  if (new Set(reference).size <= FEW) {
    const values = [...new Set(both)];
    const count = (sample: Float64Array): number[] => {
      const counts = Map.groupBy(sample, (x) => x);
      return values.map((v) => counts.get(v)?.length ?? 0);
    };
    return { reference: count(reference), window: count(window), edges: values };
  }
  const [min, max] = [both[0]!, both.at(-1)!];
  const edges = linspace(min, max, binsOf(min, max, (max - min) / (Math.log2(both.length) + 1)));
  return { reference: histogram(reference, edges), window: histogram(window, edges), edges };
}

/**
 * NannyML's bins of a continuous column: D. P. Doane's rule on the reference alone (its third moment widens Sturges's
 * count), and one more for what the window has outside them.
 */
export function doaneCells(reference: Float64Array, window: Float64Array): SampleCells {
  const n = reference.length;
  const mean = reference.reduce((s, x) => s + x, 0) / n;
  const sd = Math.sqrt(reference.reduce((s, x) => s + (x - mean) ** 2, 0) / n);
  const skew = reference.reduce((s, x) => s + ((x - mean) / sd) ** 3, 0) / n;
  const [min, max] = reference.reduce(([low, high], x) => [Math.min(low, x), Math.max(high, x)] as const, [Infinity, -Infinity] as const);
  const skewError = Math.sqrt((6 * (n - 2)) / ((n + 1) * (n + 3)));
  const width = (max - min) / (1 + Math.log2(n) + Math.log2(1 + Math.abs(skew) / skewError));
  const edges = linspace(min, max, sd > 0 && n > 2 ? binsOf(min, max, width) : 1);
  const counts = histogram(window, edges);
  const outside = window.length - counts.reduce((s, c) => s + c, 0);
  return { reference: [...histogram(reference, edges), 0], window: [...counts, outside], edges };
}
