// Has a column moved? An effect size that matters, more than chance makes of it, and more than the reference's
// own days differ by: only all three together are drift.
import { chiSquareAbove, chiSquareUpperQuantile } from './special/gamma.ts';
import { ksManyAbove } from './special/kolmogorov.ts';
import { cellsOf, gridOf, isIdentifier } from './drift/cells.ts';
import { chiSquare, hellinger, jsDistance, ksOnGrid, psi, wassersteinOnGrid, type Grid } from './drift/distances.ts';
import { mergeCounts, type ColumnBaseline, type ColumnCounts, type NumericCounts, type Spread } from './drift-sketch.ts';
import { spreadOf, spreadThreshold } from './drift/spread.ts';
import { normalCdf, normalQuantile } from './normal.ts';

export const driftMethods = ['js', 'psi', 'hellinger', 'ks', 'wasserstein', 'chi2'] as const;
export type DriftMethod = (typeof driftMethods)[number];

/** What each value is, in words and with its unit. */
export const methodText: Readonly<Record<DriftMethod, string>> = {
  js: 'Jensen-Shannon distance (root of the divergence in bits, 0 to 1)',
  psi: 'population stability index',
  hellinger: 'Hellinger distance (0 to 1)',
  ks: 'Kolmogorov-Smirnov distance (greatest difference of the cumulative shares, 0 to 1)',
  wasserstein: 'Wasserstein-1 distance in standard deviations of the reference',
  chi2: 'chi-square statistic of the table of reference and window',
};

/** Effects that matter, in the unit of the method; for chi2 the p-value that counts (Evidently's defaults; 0.1 for ks). */
export const usualThreshold: Readonly<Record<DriftMethod, number>> = {
  js: 0.1,
  psi: 0.1,
  hellinger: 0.1,
  ks: 0.1,
  wasserstein: 0.1,
  chi2: 0.05,
};

/** Chance that any column of a window is found without drift: 0.001, which is 0.37 windows in a year of days. */
export const FAMILY_LEVEL = 0.001;
/** Fewer values say nothing about a distribution. */
export const LEAST_ROWS = 20;

interface Measured {
  readonly value: number;
  /** The value less what chance alone adds to it. */
  readonly corrected: number;
  /** Chance of such a value without drift. */
  readonly p: number;
  /** The value that chance exceeds with probability `level`. */
  readonly nullAt: (level: number) => number;
  /** The value whose corrected value is `effect`. */
  readonly raw: (effect: number) => number;
  readonly error?: number;
}

/** `scale * value^power` is chi-square with `df` degrees of freedom in the limit. */
function fromChiSquare(value: number, power: 1 | 2, scale: number, df: number): Measured {
  const bias = df / scale;
  const root = (x: number): number => (power === 2 ? Math.sqrt(x) : x);
  return {
    value,
    corrected: root(Math.max(0, value ** power - bias)),
    p: df === 0 ? 1 : chiSquareAbove(scale * value ** power, df),
    nullAt: (level) => (df === 0 ? 0 : root(chiSquareUpperQuantile(level, df) / scale)),
    raw: (effect) => root(effect ** power + bias),
  };
}

/** Mean of Kolmogorov's limit distribution: sqrt(pi / 2) ln 2. */
const KOLMOGOROV_MEAN = Math.sqrt(Math.PI / 2) * Math.LN2;

function ksMeasure(grid: Grid, harmonic: number): Measured {
  const { value, error } = ksOnGrid(grid);
  const bias = KOLMOGOROV_MEAN / Math.sqrt(harmonic);
  return {
    value,
    error,
    corrected: Math.sqrt(Math.max(0, value ** 2 - bias ** 2)),
    p: ksManyAbove(harmonic, value),
    nullAt: (level) => Math.sqrt(-Math.log(level / 2) / 2 / harmonic),
    raw: (effect) => Math.hypot(effect, bias),
  };
}

/**
 * Without drift sqrt(N) W1 tends to the integral of |B(F(x))|, B a Brownian bridge, whose mean is
 * sqrt(2 / pi) times the integral of sqrt(F (1 - F)), and whose tail is that of its widest direction, the
 * difference of the means. sqrt(z^2 + (mean / 2)^2) standard deviations is its upper quantile within 1 % for
 * uniform, normal and exponential columns from 1 % down to 0.001 % (and above it for longer tails), by simulation.
 */
function wassersteinMeasure(grid: Grid, sd: number, harmonic: number): Measured {
  const { value, error } = wassersteinOnGrid(grid);
  let [area, first, second] = [0, 0, 0];
  // The least value of the reference; a window may reach so far below it that squares from there lose all digits.
  const least = grid.knots[Math.max(0, grid.reference.findIndex((share) => share > 0) - (grid.exact ? 0 : 1))]!;
  for (let i = 1; i < grid.knots.length; i++) {
    const [a, b] = [grid.knots[i - 1]!, grid.knots[i]!];
    const [from, to] = [grid.reference[i - 1]!, grid.reference[i]!];
    const [left, right] = [from, to].map((f) => Math.sqrt(Math.max(0, f * (1 - f))));
    if (from === to && left === 0) continue;
    area += (b - a) * (grid.exact ? left! : (left! + right!) / 2);
    // Mass as the grid sees it: spread evenly between knots, or on them.
    const [x, y] = [a - least, b - least];
    first += (to - from) * (grid.exact ? y : (x + y) / 2);
    second += (to - from) * (grid.exact ? y * y : (x * x + x * y + y * y) / 3);
  }
  const own = grid.exact ? sd : Math.sqrt(Math.max(0, second - first * first));
  const root = Math.sqrt(harmonic);
  const mean = Math.sqrt(2 / Math.PI) * area;
  const bias = mean / sd / root;
  // The root of x^2 - y^2, without squares that are beyond all numbers.
  const less = (x: number, y: number): number => (x <= y ? 0 : x * Math.sqrt(1 - (y / x) ** 2));
  const z = own === 0 ? Infinity : less(value * root, mean / 2) / own;
  return {
    value: value / sd,
    error: error / sd,
    corrected: less(value / sd, bias),
    p: value === 0 ? 1 : Math.min(1, 2 * normalCdf(-z)),
    nullAt: (level) => Math.hypot(normalQuantile(1 - level / 2) * own, mean / 2) / sd / root,
    raw: (effect) => Math.hypot(effect, bias),
  };
}

/** Standard deviations below it count as it, as in Evidently: a constant reference has no unit. */
const LEAST_SD = 0.001;

/** Population standard deviation. */
const sdOf = ({ moments }: NumericCounts): number => Math.max(LEAST_SD, Math.sqrt(moments.m2 / moments.n));

function measure(method: DriftMethod, baseline: ColumnBaseline, reference: ColumnCounts, window: ColumnCounts): Measured | string {
  const [n, m] = [window.n, reference.n];
  const harmonic = (n * m) / (n + m);
  if (method === 'ks' || method === 'wasserstein') {
    if (baseline.kind === 'categorical') return `${method} needs an order, which categories lack`;
    // JSON has no infinity: null stands for it.
    if (!Number.isFinite(baseline.reference.moments.m2)) return 'the variance of the reference is beyond what a number holds';
    const grid = gridOf(baseline, reference as NumericCounts, window as NumericCounts);
    if (method === 'ks') return ksMeasure(grid, harmonic);
    const moved = wassersteinMeasure(grid, sdOf(baseline.reference), harmonic);
    return Number.isFinite(moved.value + moved.error!) ? moved : 'the distance is beyond what a number holds';
  }
  const cells = cellsOf(baseline, reference, window);
  if (isIdentifier(baseline, cells)) return 'an identifier: none of its values is frequent enough to be compared';
  const { reference: p, window: q } = cells;
  const used = p.filter((count, i) => count + q[i]! > 0).length;
  if (method === 'js') return fromChiSquare(jsDistance(p, q), 2, 8 * Math.LN2 * harmonic, used - 1);
  if (method === 'hellinger') return fromChiSquare(hellinger(p, q), 2, 8 * harmonic, used - 1);
  if (method === 'psi') return fromChiSquare(psi(p, q), 1, harmonic, used - 1);
  const { statistic, df } = chiSquare(p, q);
  return fromChiSquare(statistic, 1, 1, df);
}

export type DriftVerdict =
  | {
      readonly ok: true;
      readonly method: DriftMethod;
      readonly value: number;
      /** The value less what chance alone adds to it: the estimate of the effect, 0 if there is none. */
      readonly corrected: number;
      /** What `value` has to be above: the greatest of the parts, the practical one raised by chance's share. */
      readonly threshold: number;
      readonly parts: {
        /** The effect that matters, as configured; `corrected` has to reach it. For chi2 the statistic at the configured p. */
        readonly practical: number;
        /** What chance exceeds with probability alpha / columns, for these sizes and cells. */
        readonly sampling: number;
        /** What the reference's own windows reach; null where the baseline does not bring them. */
        readonly spread: number | null;
      };
      /** Chance of such a value without drift, for this column alone, if rows are independent. */
      readonly p: number;
      /** Rows of the window and of the reference that have a value. */
      readonly n: number;
      readonly m: number;
      /** How far off a value from fixed bins may be (ks, wasserstein). */
      readonly error?: number;
      readonly drifted: boolean;
    }
  | { readonly ok: false; readonly reason: string; readonly n: number };

export interface DriftQuestion {
  readonly counts: ColumnCounts;
  readonly baseline: ColumnBaseline;
  /** Columns judged together in this window: the level is shared among them (C. E. Bonferroni). */
  readonly columns: number;
  /** Default: js. */
  readonly method?: DriftMethod;
  /** Effect that matters, in the method's unit; for chi2 a p-value. Default: `usualThreshold`. */
  readonly threshold?: number;
  /** Default: `FAMILY_LEVEL`. */
  readonly alpha?: number;
}

/**
 * Whether a window's column drifted from its baseline.
 *
 * Drifted = the corrected effect reaches the practical threshold, and the value is above the null threshold and
 * above the spread. The null threshold: with B cells, n rows in the window and m in the reference,
 * 8 JSD / (1/n + 1/m) (JSD in nats) is chi-square with B - 1 degrees of freedom in the limit, for multinomials
 * without drift; likewise 8 H^2 (Hellinger), PSI, and the chi-square statistic itself; ks by Kolmogorov's limit,
 * wasserstein as said at its function. It is taken at alpha / columns.
 *
 * Rate of false findings: where days are samples of one distribution, at most `alpha` of the windows have any
 * finding, by default 0.001, so 0.37 a year of daily windows over all columns together. Where days differ by
 * nature (weather, weekdays), the spread keeps them from being findings: give the baseline `driftSpread`.
 * Two windows in a row by chance: once in 2,700 years of independent days.
 *
 * Nulls are not compared (see quality.ts); new categories and values out of range are.
 */
export function judgeDrift(question: DriftQuestion): DriftVerdict {
  const { counts, baseline, columns, method = 'js', alpha = FAMILY_LEVEL } = question;
  const [n, m] = [counts.n, baseline.reference.n];
  if (counts.kind !== baseline.kind) return { ok: false, reason: `the baseline is ${baseline.kind}, the window ${counts.kind}`, n };
  if (n < LEAST_ROWS) return { ok: false, reason: `${n} values in the window are too few to compare; ${LEAST_ROWS} are needed`, n };
  if (m < LEAST_ROWS) return { ok: false, reason: `${m} values in the reference are too few to compare; ${LEAST_ROWS} are needed`, n };
  const measured = measure(method, baseline, baseline.reference, counts);
  if (typeof measured === 'string') return { ok: false, reason: measured, n };
  const wanted = question.threshold ?? usualThreshold[method];
  const sampling = measured.nullAt(Math.min(0.5, alpha / Math.max(1, columns)));
  const own = baseline.spread?.[method];
  // The spread of chi2 is kept as statistic per row of the two samples' harmonic size, which does not grow with them.
  const spread = own === undefined ? null : spreadThreshold(own) * (method === 'chi2' ? (n * m) / (n + m) : 1);
  // A p-value of 0 or 1 has no quantile.
  const practical = method === 'chi2' ? measured.nullAt(Math.min(1 - 1e-12, Math.max(1e-300, wanted))) : wanted;
  const threshold = Math.max(method === 'chi2' ? practical : measured.raw(wanted), sampling, spread ?? 0);
  const { value, corrected, p, error } = measured;
  return {
    ok: true,
    method,
    value,
    corrected,
    threshold,
    parts: { practical, sampling, spread },
    p,
    n,
    m,
    ...(error === undefined ? {} : { error }),
    drifted: value > threshold,
  };
}

/**
 * How far windows of the reference are from the rest of it, by every method that fits the column: give the counts
 * of each of its windows (days, say) on the baseline's bins. Each is compared with all the others together, not
 * with a whole that holds it. Undefined with fewer than three windows of at least 20 values.
 */
export function driftSpread(baseline: ColumnBaseline, windows: readonly ColumnCounts[]): Record<string, Spread> | undefined {
  const usable = windows.filter((w) => w.kind === baseline.kind && w.n >= LEAST_ROWS);
  if (usable.length < 3) return undefined;
  const whole = usable.reduce((a, b) => mergeCounts(a, b));
  const spread: Record<string, Spread> = {};
  for (const method of driftMethods) {
    const found: number[] = [];
    for (const window of usable) {
      const rest = without(whole, window);
      const measured = measure(method, baseline, rest, window);
      if (typeof measured === 'string') continue;
      found.push(method === 'chi2' ? measured.value * (1 / rest.n + 1 / window.n) : measured.value);
    }
    if (found.length < 3) continue;
    spread[method] = spreadOf(method, found);
  }
  return spread;
}

/** The counts of a whole less those of one of its parts. Moments, ends and examples stay those of the whole. */
function without(whole: ColumnCounts, part: ColumnCounts): ColumnCounts {
  const less = (a: readonly number[], b: readonly number[]): number[] => a.map((x, i) => x - b[i]!);
  if (whole.kind === 'numeric' && part.kind === 'numeric')
    return {
      ...whole,
      n: whole.n - part.n,
      below: whole.below - part.below,
      above: whole.above - part.above,
      bins: less(whole.bins, part.bins),
    };
  if (whole.kind === 'categorical' && part.kind === 'categorical')
    return {
      ...whole,
      n: whole.n - part.n,
      other: whole.other - part.other,
      unseen: whole.unseen - part.unseen,
      counts: less(whole.counts, part.counts),
    };
  throw new TypeError('a part of another kind');
}
