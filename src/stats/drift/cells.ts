// The counts of a baseline and of a window, lined up for comparison.
import type { CategoricalCounts, ColumnBaseline, ColumnCounts, NumericBaseline, NumericCounts } from '../drift-sketch.ts';
import type { Grid } from './distances.ts';

/** A cell that expects fewer rows is joined to others, so that the chi-square limit holds (W. G. Cochran, 1954). */
const LEAST_EXPECTED = 5;
/** Cells that a continuous column is compared in: more of them add noise and hardly any power. */
const MOST_CELLS = 20;

export interface Cells {
  readonly reference: readonly number[];
  readonly window: readonly number[];
}

/** The bins without what lies outside the reference's range, which is a cell of its own: a value never seen is no value near the edge. */
function inside({ bins, below, above }: NumericCounts): number[] {
  const inner = [...bins];
  inner[0] = inner[0]! - below;
  inner[inner.length - 1] = inner.at(-1)! - above;
  return inner;
}

function numericCells(baseline: NumericBaseline, reference: NumericCounts, window: NumericCounts): Cells {
  const [p, q] = [inside(reference), inside(window)];
  const least = Math.max(LEAST_EXPECTED / Math.min(reference.n, window.n), baseline.values ? 0 : 0.9 / MOST_CELLS) * reference.n;
  const cells: [number, number][] = [];
  let open: [number, number] = [0, 0];
  p.forEach((count, i) => {
    open = [open[0] + count, open[1] + q[i]!];
    if (open[0] < least) return;
    cells.push(open);
    open = [0, 0];
  });
  // What is left over is too little for a cell.
  const last = cells.pop();
  cells.push(last ? [last[0] + open[0], last[1] + open[1]] : open);
  cells.push([reference.below + reference.above, window.below + window.above]);
  return { reference: cells.map(([a]) => a), window: cells.map(([, b]) => b) };
}

function categoricalCells(reference: CategoricalCounts, window: CategoricalCounts): Cells {
  const p = [...reference.counts, reference.other];
  const q = [...window.counts, window.other];
  const least = (LEAST_EXPECTED / Math.min(reference.n, window.n)) * reference.n;
  const [a, b]: [number[], number[]] = [[reference.unseen], [window.unseen]];
  p.forEach((count, i) => {
    if (count < least) {
      a[0]! += count;
      b[0]! += q[i]!;
    } else {
      a.push(count);
      b.push(q[i]!);
    }
  });
  return { reference: a, window: b };
}

/**
 * Cells for distances of shares. Neighbouring bins are joined until the smaller sample expects 5 rows in each
 * (and to about 20 cells for continuous columns); rare categories share a cell with new ones. Cells depend on
 * the reference and on the sizes only, never on what the window holds.
 */
export function cellsOf(baseline: ColumnBaseline, reference: ColumnCounts, window: ColumnCounts): Cells {
  if (baseline.kind === 'numeric') return numericCells(baseline, reference as NumericCounts, window as NumericCounts);
  return categoricalCells(reference as CategoricalCounts, window as CategoricalCounts);
}

/** Cumulative shares at every edge, at the ends of the reference and at those of the window. */
export function gridOf(baseline: NumericBaseline, reference: NumericCounts, window: NumericCounts): Grid {
  const [min, max] = [baseline.reference.min!, baseline.reference.max!];
  const low = Math.min(min, window.min ?? min);
  const high = Math.max(max, window.max ?? max);
  const values = baseline.values;
  const knots = values ? [low, ...values, high] : [low, min, ...baseline.edges, max, high];
  const cumulative = ({ n, bins, below, above }: NumericCounts): number[] => {
    let sum = 0;
    const inner = bins.map((count) => (sum += count) / n);
    // On values the last knot of the bins is the greatest value; beyond it lies what is above.
    if (values) return [below === 0 ? 0 : below / n, ...inner.slice(0, -1), 1 - above / n, 1];
    return [0, below / n, ...inner.slice(0, -1), 1 - above / n, 1];
  };
  return { knots, reference: cumulative(reference), window: cumulative(window), exact: values !== null };
}
