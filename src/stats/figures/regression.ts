import { meanFigure, type PerRow } from '../classification.ts';
import { none, unusable, type Figure, type Interval, type Scores } from '../figure.ts';
import { normalInterval } from '../intervals.ts';
import { momentsOf, standardError } from '../moments.ts';

/** Distance of prediction and truth. */
export const absoluteErrorOf: PerRow = (y, prediction) => Math.abs(prediction - y);

/**
 * Mean absolute error; root mean squared error; the share of variance explained (1 - SSE / SST). Each with a normal
 * interval (n of 30 or more): of a mean; by the delta method, se(MSE) / (2 RMSE); and as a ratio of means, whose
 * influence per row is (error^2 - SSE/SST * (label - mean)^2) / variance.
 */
export function regressionFigure(rows: Scores, name: 'mae' | 'rmse' | 'r2'): Figure {
  if (name === 'mae') return meanFigure(rows, absoluteErrorOf);
  const { labels, scores } = rows;
  const n = labels.length;
  const fault = unusable(rows);
  if (fault) return none(fault, n);
  const square = (i: number): number => (scores[i]! - labels[i]!) ** 2;
  const squares = momentsOf(n, square);
  const within = (value: number, error: number): { interval?: Interval } =>
    n < 2 || !(error > 0) ? {} : { interval: { ...normalInterval(value, error), method: 'delta method' } };
  if (name === 'rmse') {
    const value = Math.sqrt(squares.mean);
    return { ok: true, value, n, ...within(value, standardError(squares) / (2 * value)) };
  }
  const of = momentsOf(n, (i) => labels[i]!);
  if (of.m2 === 0) return none('all labels are the same', n);
  const ratio = (squares.mean * n) / of.m2;
  const influence = momentsOf(n, (i) => square(i) - ratio * (labels[i]! - of.mean) ** 2);
  return { ok: true, value: 1 - ratio, n, ...within(1 - ratio, standardError(influence) / (of.m2 / n)) };
}
