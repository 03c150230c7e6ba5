import { none, unusable, type Figure, type Scores } from './figure.ts';
import { wilson } from './intervals.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Cumulative true and false positives for falling thresholds, one entry per distinct score. */
function sweep({ labels, scores }: Scores): { tp: number[]; fp: number[] } {
  const order = Array.from({ length: labels.length }, (_, i) => i).sort((a, b) => scores[b]! - scores[a]!);
  const tp: number[] = [];
  const fp: number[] = [];
  let [t, f] = [0, 0];
  order.forEach((at, i) => {
    if (labels[at] === 1) t++;
    else f++;
    if (i === order.length - 1 || scores[order[i + 1]!] !== scores[at]) {
      tp.push(t);
      fp.push(f);
    }
  });
  return { tp, fp };
}

const thin = (points: Point[], most: number): Point[] => {
  if (points.length <= most) return points;
  const step = (points.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, i) => points[Math.round(i * step)]!);
};

/** ROC curve: x = false positive rate, y = true positive rate; at most `most` points. Empty for one class. */
export function rocCurve(rows: Scores, most = 200): Point[] {
  const { tp, fp } = sweep(rows);
  const [p, n] = [tp.at(-1) ?? 0, fp.at(-1) ?? 0];
  if (p === 0 || n === 0) return [];
  return thin([{ x: 0, y: 0 }, ...tp.map((t, i) => ({ x: fp[i]! / n, y: t / p }))], most);
}

/** Precision-recall curve: x = recall, y = precision. Empty without positive labels. */
export function precisionRecallCurve(rows: Scores, most = 200): Point[] {
  const { tp, fp } = sweep(rows);
  const p = tp.at(-1) ?? 0;
  if (p === 0) return [];
  return thin(
    tp.map((t, i) => ({ x: t / p, y: t / (t + fp[i]!) })),
    most,
  );
}

/** Average precision: the sum of precision over each rise of recall (not interpolated, as in scikit-learn). */
export function averagePrecision(rows: Scores): Figure {
  const n = rows.labels.length;
  const fault = unusable(rows);
  if (fault) return none(fault, n);
  const { tp, fp } = sweep(rows);
  const p = tp.at(-1)!;
  if (p === 0) return none('there are no positive labels', n);
  let [sum, before] = [0, 0];
  tp.forEach((t, i) => {
    sum += ((t - before) / p) * (t / (t + fp[i]!));
    before = t;
  });
  return { ok: true, value: sum, n };
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
export function calibrationBins({ labels, scores }: Scores, bins = 10): CalibrationBin[] {
  const n = labels.length;
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  const sums = Array.from({ length: bins }, () => ({ n: 0, positives: 0, predicted: 0 }));
  for (let from = 0; from < n;) {
    const score = scores[order[from]!]!;
    let to = from;
    let positives = 0;
    for (; to < n && scores[order[to]!] === score; to++) if (labels[order[to]!] === 1) positives++;
    const bin = sums[Math.floor((((from + to) / 2) * bins) / n)]!;
    bin.n += to - from;
    bin.positives += positives;
    bin.predicted += score * (to - from);
    from = to;
  }
  return sums
    .filter((bin) => bin.n > 0)
    .map((bin) => {
      const { low, high } = wilson(bin.positives, bin.n);
      return { n: bin.n, predicted: bin.predicted / bin.n, observed: bin.positives / bin.n, low, high };
    });
}

/** Expected calibration error over bins of equal size. */
export function calibrationError(rows: Scores, bins = 10): Figure {
  const n = rows.labels.length;
  const fault = unusable(rows);
  if (fault) return none(fault, n);
  return { ok: true, value: calibrationBins(rows, bins).reduce((s, b) => s + (b.n / n) * Math.abs(b.predicted - b.observed), 0), n };
}
