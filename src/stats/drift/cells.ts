// The counts of a baseline and of a window, lined up for comparison.
import type {
  CategoricalBaseline,
  CategoricalCounts,
  ColumnBaseline,
  ColumnCounts,
  NumericBaseline,
  NumericCounts,
} from '../drift-sketch.ts';
import type { Grid } from './distances.ts';

/**
 * A cell that expects fewer rows is joined to others: with 10 the chi-square limit holds far enough into the tail
 * for the level that many columns share (5, by W. G. Cochran, 1954, is for 5 %).
 */
const LEAST_EXPECTED = 10;
/** Cells that a continuous column is compared in: more of them add noise and hardly any power. */
const MOST_CELLS = 20;
/** Rows that the reference never saw the like of get a cell of their own from so many on, beyond what chance brings. */
const LEAST_NEW = 5;

export interface Cells {
  readonly reference: readonly number[];
  readonly window: readonly number[];
}
type Pair = [reference: number, window: number];

const join = (a: Pair, b: Pair): Pair => [a[0] + b[0], a[1] + b[1]];
const parted = (cells: readonly Pair[]): Cells => ({ reference: cells.map(([a]) => a), window: cells.map(([, b]) => b) });

/** Reference rows that a cell needs for the smaller of the samples to expect enough in it. */
const leastOf = (reference: ColumnCounts, window: ColumnCounts): number => (LEAST_EXPECTED * reference.n) / Math.min(reference.n, window.n);

function numericCells(baseline: NumericBaseline, reference: NumericCounts, window: NumericCounts): Pair[] {
  const out: Pair = [reference.below + reference.above, window.below + window.above];
  // By chance a row is beyond all m of the reference with probability 2 / (m + 1).
  const expected = baseline.values ? 0 : (2 * window.n) / (reference.n + 1);
  const apart = out[1] >= LEAST_NEW + 4 * expected;
  const bins = reference.bins.map((count, i): Pair => [count, window.bins[i]!]);
  if (apart) {
    bins[0] = join(bins[0]!, [-reference.below, -window.below]);
    bins[bins.length - 1] = join(bins.at(-1)!, [-reference.above, -window.above]);
  }
  const least = Math.max(leastOf(reference, window), baseline.values ? 0 : (0.9 / MOST_CELLS) * reference.n);
  const cells: Pair[] = [];
  let open: Pair = [0, 0];
  for (const bin of bins) {
    open = join(open, bin);
    if (open[0] < least) continue;
    cells.push(open);
    open = [0, 0];
  }
  // What is left over is too little for a cell.
  cells.push(join(cells.pop() ?? [0, 0], open));
  return apart ? [...cells, out] : cells;
}

/** Further categories than those counted one by one: new ones are in its nature, as of an identifier. */
const isOpen = ({ rare }: CategoricalBaseline): boolean => rare === null || rare.length > 0;

/** Whether none of the categories is frequent enough to be compared. */
export const isIdentifier = (baseline: ColumnBaseline, { reference }: Cells): boolean =>
  baseline.kind === 'categorical' && isOpen(baseline) && reference.length === 1;

function categoricalCells(baseline: CategoricalBaseline, reference: CategoricalCounts, window: CategoricalCounts): Pair[] {
  const least = leastOf(reference, window);
  const others: Pair = [reference.other, window.other];
  const fresh: Pair = [reference.unseen, window.unseen];
  const named = reference.counts.map((count, i): Pair => [count, window.counts[i]!]);
  // Where new ones are in its nature, they and all rare ones are one thing.
  const [all, apart] = isOpen(baseline) ? [named, join(others, fresh)] : [[...named, others], fresh];
  const own = all.filter(([count]) => count >= least).sort((a, b) => b[0] - a[0]);
  const rare = all.filter(([count]) => count < least).reduce(join, apart);
  if (rare[0] >= least || rare[1] >= LEAST_NEW || own.length === 0) return [...own, rare];
  return [...own.slice(0, -1), join(own.at(-1)!, rare)];
}

/**
 * Cells for distances of shares. Neighbouring bins are joined until the smaller sample expects 10 rows in each
 * (and to about 20 cells for continuous columns); rare categories share a cell with new ones, and where there are more than
 * a baseline counts one by one, new ones belong to those. Values outside the
 * reference's range are a cell of their own, so that a constant that becomes another one is seen.
 */
export function cellsOf(baseline: ColumnBaseline, reference: ColumnCounts, window: ColumnCounts): Cells {
  if (baseline.kind === 'numeric') return parted(numericCells(baseline, reference as NumericCounts, window as NumericCounts));
  return parted(categoricalCells(baseline, reference as CategoricalCounts, window as CategoricalCounts));
}

/** Cumulative shares at every edge, at the ends of the reference and at those of the window. */
export function gridOf(baseline: NumericBaseline, reference: NumericCounts, window: NumericCounts): Grid {
  const [min, max] = [baseline.reference.min!, baseline.reference.max!];
  const low = Math.min(min, window.min ?? min);
  const high = Math.max(max, window.max ?? max);
  const values = baseline.values;
  const cumulative = ({ n, bins, below, above }: NumericCounts): number[] => {
    let sum = 0;
    const inner = bins.map((count) => (sum += count) / n);
    // On values the last knot of the bins is the greatest value; beyond it lies what is above.
    if (values) return [below === 0 ? 0 : below / n, ...inner.slice(0, -1), 1 - above / n, 1];
    return [0, below / n, ...inner.slice(0, -1), 1 - above / n, 1];
  };
  const shares = { reference: cumulative(reference), window: cumulative(window) };
  if (!values) return { knots: [low, min, ...baseline.edges, max, high], ...shares, exact: false };
  const outer = outerKnots(baseline.edges, values, window, low, high);
  return { knots: [outer.low, ...values, outer.high], ...shares, exact: true, ...(outer.off ? { off: outer.off } : {}) };
}

/**
 * Where a reference has few values, each its own bin, a window may have others. What lies beyond all of them on one side is
 * put at its mean, which is all that the area between distributions needs; `off` bounds what is not known of the rest.
 */
function outerKnots(edges: readonly number[], values: readonly number[], window: NumericCounts, low: number, high: number) {
  const { n, below, above, moments } = window;
  const own = window.bins.map((count, i) => count - (i === 0 ? below : 0) - (i === window.bins.length - 1 ? above : 0));
  const inner = own.reduce((sum, count, i) => sum + count * values[i]!, 0);
  const outer = { low, high };
  if (moments.n === n && (below === 0) !== (above === 0)) {
    const mean = (moments.mean * n - inner) / (below + above);
    if (below > 0 && mean >= low && mean <= values[0]!) outer.low = mean;
    if (above > 0 && mean <= high && mean >= values.at(-1)!) outer.high = mean;
  }
  const of = (power: 1 | 2): number =>
    own.reduce((sum, count, i) => sum + count * (values[i]! - moments.mean) ** power, 0) +
    below * (low - moments.mean) ** power +
    above * (high - moments.mean) ** power;
  const scale = Math.max(...[low, high].map((x) => Math.abs(x - moments.mean)));
  // All rows on the values that the bins stand for have the mean and the variance that was measured.
  if (Math.abs(of(1)) <= 1e-12 * n * scale && Math.abs(of(2) - moments.m2) <= 1e-12 * n * scale ** 2) return { ...outer, off: undefined };
  const reach = (i: number): number => Math.max(values[i]! - (edges[i - 1] ?? values[i]!), (edges[i] ?? values[i]!) - values[i]!);
  const distance = own.reduce((sum, count, i) => sum + (count / n) * reach(i), 0);
  const beyond = (below / n) * (values[0]! - low) + (above / n) * (high - values.at(-1)!);
  return { ...outer, off: { share: Math.max(...own) / n, distance: distance + beyond } };
}
