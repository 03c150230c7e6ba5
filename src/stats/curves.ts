import { none, unusable, type Figure, type Scores } from './figure.ts';
import { logitInterval, normalInterval, wilson } from './intervals.ts';
import { scoreTable, type ScoreTable } from './figures/score-table.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Cumulative true and false positives for falling thresholds, one entry per distinct score. */
function sweep({ positives, negatives }: ScoreTable): { tp: number[]; fp: number[] } {
  const [tp, fp]: [number[], number[]] = [[], []];
  let [t, f] = [0, 0];
  for (let i = positives.length - 1; i >= 0; i--) {
    tp.push((t += positives[i]!));
    fp.push((f += negatives[i]!));
  }
  return { tp, fp };
}

const thin = (points: Point[], most: number): Point[] => {
  if (points.length <= most) return points;
  const step = (points.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, i) => points[Math.round(i * step)]!);
};

/** ROC curve: x = false positive rate, y = true positive rate; at most `most` points. Empty for one class. */
export function rocCurve(rows: Scores, most = 200): Point[] {
  const { tp, fp } = sweep(scoreTable(rows));
  const [p, n] = [tp.at(-1) ?? 0, fp.at(-1) ?? 0];
  if (p === 0 || n === 0) return [];
  return thin([{ x: 0, y: 0 }, ...tp.map((t, i) => ({ x: fp[i]! / n, y: t / p }))], most);
}

/** Precision-recall curve: x = recall, y = precision. Empty without positive labels. */
export function precisionRecallCurve(rows: Scores, most = 200): Point[] {
  const { tp, fp } = sweep(scoreTable(rows));
  const p = tp.at(-1) ?? 0;
  if (p === 0) return [];
  return thin(
    tp.map((t, i) => ({ x: t / p, y: t / (t + fp[i]!) })),
    most,
  );
}

/**
 * Average precision: the sum of precision over each rise of recall (not interpolated, as in scikit-learn). Its
 * standard error is that of its influence function: with T(s) and N(s) the true and false positives from s up,
 * a positive row at s adds precision(s) less the whole, and lifts the precision at each positive below it by
 * N / (T + N)^2; a negative row lowers it by T / (T + N)^2. The interval is on the logit scale.
 */
export function averagePrecision(rows: Scores): Figure {
  const n = rows.labels.length;
  const fault = unusable(rows);
  return fault ? none(fault, n) : averagePrecisionOf(scoreTable(rows), n);
}

/** As `averagePrecision`, from the counts of each class at each score. */
export function averagePrecisionOf({ positives, negatives, positive }: ScoreTable, n: number): Figure {
  if (positive === 0) return none('there are no positive labels', n);
  const size = positives.length;
  const precision = new Float64Array(size);
  let [t, f, value] = [0, 0, 0];
  for (let i = size - 1; i >= 0; i--) {
    t += positives[i]!;
    f += negatives[i]!;
    precision[i] = t / (t + f);
    value += (positives[i]! / positive) * precision[i]!;
  }
  let [lifts, lowers, squares] = [0, 0, 0];
  for (let i = 0; i < size; i++) {
    const above = t + f;
    lifts += (positives[i]! * f) / above ** 2;
    lowers += (positives[i]! * t) / above ** 2;
    squares += positives[i]! * (precision[i]! - value + lifts) ** 2 + negatives[i]! * lowers ** 2;
    t -= positives[i]!;
    f -= negatives[i]!;
  }
  return { ok: true, value, n, ...logitInterval(value, Math.sqrt(squares) / positive, positive, 'delta method') };
}

export interface CalibrationBin {
  readonly n: number;
  readonly predicted: number;
  readonly observed: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Rows in bins of about equal size by score: mean prediction and observed share with Wilson's 95 % interval.
 * Equal scores stay together, in the bin of their middle rank, so the order of the rows does not matter.
 */
export function calibrationBins(rows: Scores, bins = 10): CalibrationBin[] {
  const { scores, positives, negatives } = scoreTable(rows);
  const n = rows.labels.length;
  const sums = Array.from({ length: bins }, () => ({ n: 0, positives: 0, predicted: 0 }));
  let before = 0;
  for (let i = 0; i < scores.length; i++) {
    const count = positives[i]! + negatives[i]!;
    const bin = sums[Math.floor(((before + count / 2) * bins) / n)]!;
    bin.n += count;
    bin.positives += positives[i]!;
    bin.predicted += scores[i]! * count;
    before += count;
  }
  return sums
    .filter((bin) => bin.n > 0)
    .map((bin) => {
      const { low, high } = wilson(bin.positives, bin.n);
      return { n: bin.n, predicted: bin.predicted / bin.n, observed: bin.positives / bin.n, low, high };
    });
}

/**
 * Expected calibration error over bins of equal size: the mean distance of prediction and observed share. Chance
 * alone makes it greater than 0, by about sqrt(2 / pi) times the sum of the bins' weighted errors (0.8 * sqrt(bins *
 * p (1 - p) / n) for shares about p), so that windows compare only with windows of about their size. The interval is
 * the normal one with the binomial variance of each bin's share; near 0 it says only how small the error may be.
 */
export function calibrationError(rows: Scores, bins = 10): Figure {
  const n = rows.labels.length;
  const fault = unusable(rows);
  if (fault) return none(fault, n);
  let [value, variance] = [0, 0];
  for (const bin of calibrationBins(rows, bins)) {
    value += (bin.n / n) * Math.abs(bin.predicted - bin.observed);
    variance += ((bin.n / n) ** 2 * bin.observed * (1 - bin.observed)) / bin.n;
  }
  return { ok: true, value, n, ...(variance === 0 ? {} : { interval: normalInterval(value, Math.sqrt(variance)) }) };
}
