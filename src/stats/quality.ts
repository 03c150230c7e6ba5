// Is a share of faults in a window more than the reference's, by chance no longer and by enough to matter?
import type { ColumnBaseline, ColumnCounts, Spread } from './drift-sketch.ts';
import { spreadThreshold } from './drift/spread.ts';
import { wilson } from './intervals.ts';
import { momentsOf } from './moments.ts';
import { normalQuantile } from './normal.ts';

export const qualityKinds = ['nulls', 'new_categories', 'out_of_range', 'not_finite', 'mistyped'] as const;
export type QualityKind = (typeof qualityKinds)[number];

export interface QualityVerdict {
  readonly kind: QualityKind;
  /** Share of the window's rows, and of the reference's; of new categories the share that its rare ones let expect. */
  readonly share: number;
  readonly reference: number;
  /** What `share` is above where it is broken: the practical bound or the significant one, whichever is greater. */
  readonly threshold: number;
  readonly count: number;
  readonly n: number;
  /** New categories seen, where that is the fault. */
  readonly examples?: readonly string[];
  readonly broken: boolean;
}

export interface QualityQuestion {
  readonly counts: ColumnCounts;
  readonly baseline: ColumnBaseline;
  /** Columns judged together: the level is shared among them and the kinds of fault. */
  readonly columns: number;
  /** Rise of the share that matters, by default 0.02. */
  readonly by?: number;
  /** Chance that any column of a window is found although its share has not risen; by default 0.001. */
  readonly alpha?: number;
}

/** Faults and the rows that they are a share of. */
function faults(counts: ColumnCounts, judgesNew: boolean): Partial<Record<QualityKind, readonly [count: number, of: number]>> {
  const rows = counts.n + counts.nulls + counts.mistyped + (counts.kind === 'numeric' ? counts.notFinite : 0);
  const shared = { nulls: [counts.nulls, rows], mistyped: [counts.mistyped, rows] } as const;
  if (counts.kind === 'categorical') return judgesNew ? { ...shared, new_categories: [counts.unseen, counts.n] } : shared;
  return { ...shared, not_finite: [counts.notFinite, rows], out_of_range: [counts.below + counts.above, counts.n] };
}

/**
 * Judges each kind of fault of a column. Broken = the share exceeds the reference's by at least `by`, and the
 * lower Wilson bound of the window is above the upper Wilson bound of the reference, each bound one-sided at
 * half of alpha / (columns x kinds). Two bounds that do not touch are rarer than that by chance, so at most
 * `alpha` of the windows have a finding without a fault (0.37 a year of days). A fault that the reference never
 * had is allowed for by its upper bound: 3 of 1,000 rows are not yet more than 0 of 1,000.
 *
 * Where the baseline knows the shares of the reference's own windows (`faultSpread`), a share must exceed those
 * too: a weather station that is silent for a day now and then is silent again.
 *
 * A reference has no new categories of its own; what it lets expect of them is the share of its rows whose category came
 * once (`expectedNew`).
 *
 * New categories are no fault of an open set: a column with more categories than the baseline counts one by one
 * is taken for an identifier, and new ones are in its nature.
 *
 * `mistyped` has no such allowance: one value that is no number breaks the type.
 */
export function judgeQuality({ counts, baseline, columns, by = 0.02, alpha = 0.001 }: QualityQuestion): QualityVerdict[] {
  const judgesNew = baseline.kind === 'categorical' && isClosed(baseline);
  const [window, reference] = [faults(counts, judgesNew), faults(baseline.reference, judgesNew)];
  // Wilson's `level` is two-sided; one side of it misses with half of 1 - level.
  const level = 1 - Math.max(1e-12, alpha / Math.max(1, columns) / qualityKinds.length);
  const z = normalQuantile(0.5 + level / 2);
  const found: QualityVerdict[] = [];
  for (const kind of qualityKinds) {
    const [count, n] = window[kind] ?? [0, 0];
    if (n === 0) continue;
    const [before, of] = kind === 'new_categories' ? expectedNew(baseline.reference) : (reference[kind] ?? [0, 0]);
    const share = count / n;
    const was = of === 0 ? 0 : before / of;
    const examples = kind === 'new_categories' && counts.kind === 'categorical' ? { examples: counts.examples } : {};
    if (kind === 'mistyped') {
      found.push({ kind, share, reference: was, threshold: was, count, n, broken: share > was });
      continue;
    }
    const bound = of === 0 ? 1 : wilson(before, of, level).high;
    // The lower Wilson bound of a share is above `bound` from here on.
    const significant = bound + z * Math.sqrt((bound * (1 - bound)) / n);
    const own = baseline.faults?.[kind];
    const threshold = Math.min(1, Math.max(was + by, significant, own ? spreadThreshold(own) : 0));
    found.push({ kind, share, reference: was, threshold, count, n, ...examples, broken: share > threshold });
  }
  return found;
}

/**
 * Of a sample, the rows whose category is there once: their share is what the next sample has of categories that this one
 * lacks (I. J. Good and A. M. Turing, 1953). 0 where each is seen many times; many where a small sample has a long tail.
 */
const expectedNew = (c: ColumnCounts): readonly [count: number, of: number] =>
  c.kind === 'categorical' ? [c.counts.filter((count) => count === 1).length, c.n] : [0, 0];

const isClosed = (b: ColumnBaseline): boolean => b.kind === 'categorical' && b.rare !== null && b.rare.length === 0;

/** Least windows that a spread is told from, and least rows that make a window. */
const LEAST_WINDOWS = 3;
const LEAST_ROWS = 20;

/** Of each window the rows whose category no other window has: new to all others, as a date is to the days before it. */
function onlyHere(windows: readonly ColumnCounts[]): number[] {
  const counts = windows.map((w) => (w.kind === 'categorical' ? w.counts : []));
  const whole = (counts[0] ?? []).map((_, k) => counts.reduce((sum, c) => sum + c[k]!, 0));
  return counts.map((c) => c.reduce((sum, count, k) => sum + (count === whole[k] ? count : 0), 0));
}

/**
 * Shares of each kind of fault in the reference's own windows (days, say): give the counts of each of them on the
 * baseline's bins. New categories of one are those that none of the others has. Undefined with fewer than three windows of at least 20 rows.
 */
export function faultSpread(windows: readonly ColumnCounts[]): Record<string, Spread> | undefined {
  const counted = windows.map((w) => ({ w, ...faults(w, false) })).filter((f) => (f.nulls?.[1] ?? 0) >= LEAST_ROWS);
  if (counted.length < LEAST_WINDOWS) return undefined;
  const only = onlyHere(counted.map(({ w }) => w));
  const usable = counted.map(({ w, ...f }, i) => (w.kind === 'categorical' ? { ...f, new_categories: [only[i]!, w.n] as const } : f));
  const kinds = qualityKinds.filter((kind) => kind !== 'mistyped' && usable.some((f) => f[kind]));
  return Object.fromEntries(
    kinds.map((kind) => {
      const shares = usable.map((f) => (f[kind]![1] === 0 ? 0 : f[kind]![0] / f[kind]![1]));
      const { n, mean, m2 } = momentsOf(shares.length, (i) => shares[i]!);
      return [kind, { chunks: n, mean, sd: Math.sqrt(m2 / (n - 1)), max: Math.max(...shares) }];
    }),
  );
}
