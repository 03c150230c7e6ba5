import { none, unusable, type Figure, type Scores } from './figure.ts';
import { logitInterval, normalInterval, wilson } from './intervals.ts';
import { momentsOf, standardError } from './moments.ts';

/** A value per row, from its label and score; a metric that is the mean of it. */
export type PerRow = (label: number, score: number) => number;

/** Mean of a value per row with the normal interval of a mean (n of 30 or more); none where all rows have the same value, to rounding. */
export function meanFigure({ labels, scores }: Scores, of: PerRow): Figure {
  const n = labels.length;
  const fault = unusable({ labels, scores });
  if (fault) return none(fault, n);
  const moments = momentsOf(n, (i) => of(labels[i]!, scores[i]!));
  const varies = n >= 2 && standardError(moments) > 1e-12 * Math.abs(moments.mean);
  return { ok: true, value: moments.mean, n, ...(varies ? { interval: normalInterval(moments.mean, standardError(moments)) } : {}) };
}

const EPSILON = 1e-15;
const clipped = (p: number): number => Math.min(1 - EPSILON, Math.max(EPSILON, p));

/** Negative log likelihood in nats; probabilities are kept 1e-15 away from 0 and 1. */
export const logLossOf: PerRow = (y, p) => -(y === 1 ? Math.log(clipped(p)) : Math.log1p(-clipped(p)));
/** Squared distance of probability and outcome. */
export const brierOf: PerRow = (y, p) => (p - y) ** 2;
/** 1 where the call at the threshold 0.5 is right. */
export const isRight: PerRow = (y, p) => (p >= 0.5 === (y === 1) ? 1 : 0);

/** The reason why scores cannot be taken for probabilities; undefined if they can. */
export function notProbabilities({ scores }: Pick<Scores, 'scores'>): string | undefined {
  for (let i = 0; i < scores.length; i++) if (scores[i]! < 0 || scores[i]! > 1) return 'scores are not probabilities';
  return undefined;
}

function ofProbabilities(rows: Scores, of: PerRow): Figure {
  const fault = unusable(rows) ?? notProbabilities(rows);
  return fault ? none(fault, rows.labels.length) : meanFigure(rows, of);
}

/** Mean negative log likelihood. */
export const logLoss = (rows: Scores): Figure => ofProbabilities(rows, logLossOf);

/** Mean squared distance of probability and outcome (G. W. Brier, 1950); 0 is best. */
export const brier = (rows: Scores): Figure => ofProbabilities(rows, brierOf);

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

/**
 * F1 = 2 TP / (2 TP + FP + FN). Its error by the delta method for the shares of TP and of wrong calls: per row the
 * influence is (2 TP - F1 (2 TP + wrong)) / (2 TP + FP + FN) over all rows. The interval is on the logit scale.
 */
function f1({ truePositives, falsePositives, falseNegatives }: Confusion, n: number): Figure {
  const wrong = falsePositives + falseNegatives;
  const denominator = 2 * truePositives + wrong;
  if (denominator === 0) return none('neither labels nor calls are positive', n);
  const value = (2 * truePositives) / denominator;
  // The influences sum to zero: no centring is needed.
  const squares = truePositives * (2 - 2 * value) ** 2 + wrong * value ** 2;
  return { ok: true, value, n, ...logitInterval(value, Math.sqrt(squares) / denominator, truePositives + wrong, 'delta method') };
}

/** What the counts at a threshold can be summed up in. */
export type CallMetric = 'accuracy' | 'precision' | 'recall' | 'f1';

/** Shares of right calls, each with Wilson's interval, and F1. `n` of the figure is what the share is of. */
export function atThreshold(rows: Scores, name: CallMetric, threshold = 0.5): Figure {
  const fault = unusable(rows);
  return fault ? none(fault, rows.labels.length) : figureAt(confusion(rows, threshold), name, rows.labels.length);
}

/** As `atThreshold`, from the counts of `n` rows; these need not be whole. */
export function figureAt(c: Confusion, name: CallMetric, n: number): Figure {
  if (name === 'accuracy') return share(c.truePositives + c.trueNegatives, n, 'there are no rows', n);
  if (name === 'precision') return share(c.truePositives, c.truePositives + c.falsePositives, 'nothing was called positive', n);
  if (name === 'recall') return share(c.truePositives, c.truePositives + c.falseNegatives, 'there are no positive labels', n);
  return f1(c, n);
}
