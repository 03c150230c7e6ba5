import { none, unusable, type Figure, type Scores } from './figure.ts';
import { normalInterval, wilson } from './intervals.ts';

/** Mean of a value per row with the normal interval of a mean. */
function meanFigure(rows: Scores, of: (label: number, score: number) => number): Figure {
  const fault = unusable(rows);
  const n = rows.labels.length;
  if (fault) return none(fault, n);
  let mean = 0;
  let m2 = 0;
  for (let i = 0; i < n; i++) {
    const x = of(rows.labels[i]!, rows.scores[i]!);
    const delta = x - mean;
    mean += delta / (i + 1);
    m2 += delta * (x - mean);
  }
  return n < 2 ? { ok: true, value: mean, n } : { ok: true, value: mean, n, interval: normalInterval(mean, Math.sqrt(m2 / (n - 1) / n)) };
}

const isProbability = ({ scores }: Scores): boolean => {
  for (let i = 0; i < scores.length; i++) if (scores[i]! < 0 || scores[i]! > 1) return false;
  return true;
};

const EPSILON = 1e-15;
const clipped = (p: number): number => Math.min(1 - EPSILON, Math.max(EPSILON, p));

/** Mean negative log likelihood in nats; probabilities are kept 1e-15 away from 0 and 1. */
export const logLoss = (rows: Scores): Figure =>
  isProbability(rows)
    ? meanFigure(rows, (y, p) => -(y === 1 ? Math.log(clipped(p)) : Math.log(1 - clipped(p))))
    : none('scores are not probabilities', rows.labels.length);

/** Mean squared distance of probability and outcome (G. W. Brier, 1950); 0 is best. */
export const brier = (rows: Scores): Figure =>
  isProbability(rows) ? meanFigure(rows, (y, p) => (p - y) ** 2) : none('scores are not probabilities', rows.labels.length);

export interface Confusion {
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly trueNegatives: number;
  readonly falseNegatives: number;
}

/** Counts at a threshold: a score at or above it is called positive. */
export function confusion({ labels, scores }: Scores, threshold: number): Confusion {
  const counts = { truePositives: 0, falsePositives: 0, trueNegatives: 0, falseNegatives: 0 };
  for (let i = 0; i < labels.length; i++) {
    const positive = labels[i] === 1;
    if (scores[i]! >= threshold) counts[positive ? 'truePositives' : 'falsePositives']++;
    else counts[positive ? 'falseNegatives' : 'trueNegatives']++;
  }
  return counts;
}

const share = (part: number, of: number, what: string, n: number): Figure =>
  of === 0 ? none(what, n) : { ok: true, value: part / of, n: of, interval: wilson(part, of) };

export function atThreshold(rows: Scores, name: 'accuracy' | 'precision' | 'recall' | 'f1', threshold = 0.5): Figure {
  const n = rows.labels.length;
  const fault = unusable(rows);
  if (fault) return none(fault, n);
  const c = confusion(rows, threshold);
  if (name === 'accuracy') return share(c.truePositives + c.trueNegatives, n, 'there are no rows', n);
  if (name === 'precision') return share(c.truePositives, c.truePositives + c.falsePositives, 'nothing was called positive', n);
  if (name === 'recall') return share(c.truePositives, c.truePositives + c.falseNegatives, 'there are no positive labels', n);
  const denominator = 2 * c.truePositives + c.falsePositives + c.falseNegatives;
  return denominator === 0 ? none('neither labels nor calls are positive', n) : { ok: true, value: (2 * c.truePositives) / denominator, n };
}
