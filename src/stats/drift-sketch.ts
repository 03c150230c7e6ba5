// What a reference looked like, on fixed bins, and what a window looks like on the same bins. Counts on fixed
// bins add up: a month is the sum of its days, whatever the order. Plain records, ready for JSON.
import { binEdges, binOf } from './drift/bins.ts';
import { mergeMoments, momentsOf, noMoments, type Moments } from './moments.ts';

/** Counts of a numeric column on the bins of its baseline. */
export interface NumericCounts {
  readonly kind: 'numeric';
  /** Finite numbers: the sum of `bins`. */
  readonly n: number;
  readonly nulls: number;
  /** NaN and both infinities; in no bin. */
  readonly notFinite: number;
  /** Values that are no number at all, as the caller counts them; in no bin. */
  readonly mistyped: number;
  /** Finite numbers under the reference's least and over its greatest value; they lie in the outer bins too. */
  readonly below: number;
  readonly above: number;
  readonly bins: readonly number[];
  readonly moments: Moments;
  /** Least and greatest finite number; null where there is none. */
  readonly min: number | null;
  readonly max: number | null;
}

/** Counts of a categorical column by the categories of its baseline. */
export interface CategoricalCounts {
  readonly kind: 'categorical';
  /** Values that are not null: the sum of `counts`, `other` and `unseen`. */
  readonly n: number;
  readonly nulls: number;
  readonly mistyped: number;
  /** In the order of the baseline's categories. */
  readonly counts: readonly number[];
  /** Categories that the reference had, too rare for a bin of their own. */
  readonly other: number;
  /** Values that the reference had not, and up to ten of them, sorted. */
  readonly unseen: number;
  readonly examples: readonly string[];
}

export type ColumnCounts = NumericCounts | CategoricalCounts;

/** Distances of the reference's own windows, each from all the others together, by method. */
export interface Spread {
  readonly chunks: number;
  readonly mean: number;
  /** Sample standard deviation. */
  readonly sd: number;
  /** The same of ln(d / (1 - d)), for distances that cannot exceed 1. */
  readonly logit?: { readonly mean: number; readonly sd: number };
  readonly max: number;
}

export interface NumericBaseline {
  readonly kind: 'numeric';
  /** Inner edges, rising. Bin i holds edges[i-1] < x <= edges[i]; the outer bins are open. */
  readonly edges: readonly number[];
  /** Where the reference has few distinct values, those values: one bin each. */
  readonly values: readonly number[] | null;
  readonly reference: NumericCounts;
  readonly spread?: Readonly<Record<string, Spread>>;
  /** Shares of faults in the reference's own windows, by kind of fault. */
  readonly faults?: Readonly<Record<string, Spread>>;
}

export interface CategoricalBaseline {
  readonly kind: 'categorical';
  /** Most frequent first, equal ones in order of their code units. */
  readonly categories: readonly string[];
  /** Further categories of the reference; null = too many to keep, so that new ones cannot be told from rare ones. */
  readonly rare: readonly string[] | null;
  readonly reference: CategoricalCounts;
  readonly spread?: Readonly<Record<string, Spread>>;
  readonly faults?: Readonly<Record<string, Spread>>;
}

export type ColumnBaseline = NumericBaseline | CategoricalBaseline;

const OWN_CATEGORIES = 100;
const RARE_CATEGORIES = 5000;
const EXAMPLES = 10;

interface Given {
  readonly nulls?: number;
  readonly mistyped?: number;
}

function countOn(
  edges: readonly number[],
  range: readonly [number, number] | null,
  values: ArrayLike<number>,
  given: Given,
): NumericCounts {
  const inner = Float64Array.from(edges);
  const bins = new Float64Array(edges.length + 1);
  let [n, notFinite, below, above, min, max] = [0, 0, 0, 0, Infinity, -Infinity];
  const finite = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    // Minus zero is zero.
    const x = values[i]! + 0;
    if (!Number.isFinite(x)) {
      notFinite++;
      continue;
    }
    finite[n++] = x;
    const at = binOf(inner, x);
    bins[at] = bins[at]! + 1;
    if (range && x < range[0]) below++;
    if (range && x > range[1]) above++;
    if (x < min) min = x;
    if (x > max) max = x;
  }
  return {
    kind: 'numeric',
    n,
    nulls: given.nulls ?? 0,
    notFinite,
    mistyped: given.mistyped ?? 0,
    below,
    above,
    bins: [...bins],
    moments: momentsOf(n, (i) => finite[i]!),
    min: n === 0 ? null : min,
    max: n === 0 ? null : max,
  };
}

/** Baseline of a numeric column. NaN and infinities are counted and lie in no bin. Without a finite number: one bin, empty. */
export function numericBaseline(values: ArrayLike<number>, given: Given & { readonly bins?: number } = {}): NumericBaseline {
  const sorted = Float64Array.from(values, (x) => x + 0)
    .filter((x) => Number.isFinite(x))
    .sort();
  const { edges, values: few } = binEdges(sorted, given.bins);
  return { kind: 'numeric', edges, values: few, reference: countOn(edges, null, values, given) };
}

/** Counts of a window's values on the bins of a baseline. */
export function countNumeric(baseline: NumericBaseline, values: ArrayLike<number>, given: Given = {}): NumericCounts {
  const { min, max } = baseline.reference;
  return countOn(baseline.edges, min === null || max === null ? null : [min, max], values, given);
}

/** Counts that something else made, a database say, on the bins of a baseline (`edges.length + 1` of them). */
export function numericCounts(
  baseline: Pick<NumericBaseline, 'edges'>,
  counted: Pick<NumericCounts, 'bins' | 'moments' | 'min' | 'max'> & Partial<Omit<NumericCounts, 'kind' | 'n'>>,
): NumericCounts {
  if (counted.bins.length !== baseline.edges.length + 1)
    throw new RangeError(`${counted.bins.length} bins for ${baseline.edges.length} edges`);
  const n = counted.bins.reduce((sum, c) => sum + c, 0);
  return { kind: 'numeric', nulls: 0, notFinite: 0, mistyped: 0, below: 0, above: 0, ...counted, n };
}

/** A value and how often it is there; null stands for a missing one. */
export type ValueCount = readonly [value: string | null, count: number];

function tally(values: Iterable<string | null>): Map<string | null, number> {
  const counts = new Map<string | null, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Baseline of a categorical column: the 100 most frequent values have a bin each, the rest share one. */
export function categoricalBaseline(values: Iterable<string | null>, given: Given = {}): CategoricalBaseline {
  return categoricalBaselineOf(tally(values), given);
}

/** As `categoricalBaseline`, from the count of each value. */
export function categoricalBaselineOf(counted: Iterable<ValueCount>, given: Given = {}): CategoricalBaseline {
  const all = [...counted];
  const known = all.filter((entry): entry is readonly [string, number] => entry[0] !== null);
  known.sort((a, b) => b[1] - a[1] || byCodeUnits(a[0], b[0]));
  const categories = known.slice(0, OWN_CATEGORIES).map(([value]) => value);
  const rest = known.slice(OWN_CATEGORIES).map(([value]) => value);
  const rare = rest.length > RARE_CATEGORIES ? null : rest.sort(byCodeUnits);
  return { kind: 'categorical', categories, rare, reference: countCategoriesOf({ categories, rare }, all, given) };
}

/** Counts of a window's values by the categories of a baseline. */
export function countCategorical(baseline: CategoricalBaseline, values: Iterable<string | null>, given: Given = {}): CategoricalCounts {
  return countCategoriesOf(baseline, tally(values), given);
}

/** As `countCategorical`, from the count of each value. */
export function countCategoriesOf(
  baseline: Pick<CategoricalBaseline, 'categories' | 'rare'>,
  counted: Iterable<ValueCount>,
  given: Given = {},
): CategoricalCounts {
  const index = new Map(baseline.categories.map((value, i) => [value, i]));
  const rare = baseline.rare && new Set(baseline.rare);
  const counts = baseline.categories.map(() => 0);
  let [n, nulls, other, unseen] = [0, given.nulls ?? 0, 0, 0];
  const fresh: string[] = [];
  for (const [value, count] of counted) {
    if (value === null) {
      nulls += count;
      continue;
    }
    n += count;
    const at = index.get(value);
    if (at !== undefined) counts[at] = counts[at]! + count;
    else if (rare === null || rare.has(value)) other += count;
    else {
      unseen += count;
      fresh.push(value);
    }
  }
  const examples = fresh.sort(byCodeUnits).slice(0, EXAMPLES);
  return { kind: 'categorical', n, nulls, mistyped: given.mistyped ?? 0, counts, other, unseen, examples };
}

const add = (a: readonly number[], b: readonly number[]): number[] => {
  if (a.length !== b.length) throw new RangeError(`counts on ${a.length} and on ${b.length} bins`);
  return a.map((x, i) => x + b[i]!);
};
const outer = (pick: (a: number, b: number) => number, a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : pick(a, b);

/** Counts of both together; both must be on the bins of one baseline. */
export function mergeCounts<C extends ColumnCounts>(a: C, b: C): C;
export function mergeCounts(a: ColumnCounts, b: ColumnCounts): ColumnCounts {
  const shared = { n: a.n + b.n, nulls: a.nulls + b.nulls, mistyped: a.mistyped + b.mistyped };
  if (a.kind === 'numeric' && b.kind === 'numeric')
    return {
      kind: 'numeric',
      ...shared,
      notFinite: a.notFinite + b.notFinite,
      below: a.below + b.below,
      above: a.above + b.above,
      bins: add(a.bins, b.bins),
      moments: mergeMoments(a.moments, b.moments),
      min: outer(Math.min, a.min, b.min),
      max: outer(Math.max, a.max, b.max),
    };
  if (a.kind === 'categorical' && b.kind === 'categorical')
    return {
      kind: 'categorical',
      ...shared,
      counts: add(a.counts, b.counts),
      other: a.other + b.other,
      unseen: a.unseen + b.unseen,
      examples: [...new Set([...a.examples, ...b.examples])].sort(byCodeUnits).slice(0, EXAMPLES),
    };
  throw new TypeError(`${a.kind} and ${b.kind} counts do not add up`);
}

/** Counts of nothing, to begin a sum with. */
export const noCounts = (baseline: ColumnBaseline): ColumnCounts =>
  baseline.kind === 'numeric'
    ? numericCounts(baseline, { bins: new Array<number>(baseline.edges.length + 1).fill(0), moments: noMoments, min: null, max: null })
    : countCategoriesOf(baseline, []);
