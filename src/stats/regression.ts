import { meanFigure, type PerRow } from './classification.ts';
import { none, unusable, type Figure, type Scores } from './figure.ts';
import { momentsOf } from './moments.ts';

/** Distance of prediction and truth. */
export const absoluteErrorOf: PerRow = (y, prediction) => Math.abs(prediction - y);

/** Mean absolute error with the normal interval of a mean; root mean squared error; the share of variance explained (1 - SSE / SST). */
export function regressionFigure(rows: Scores, name: 'mae' | 'rmse' | 'r2'): Figure {
  if (name === 'mae') return meanFigure(rows, absoluteErrorOf);
  const { labels, scores } = rows;
  const n = labels.length;
  const fault = unusable(rows);
  if (fault) return none(fault, n);
  const mse = momentsOf(n, (i) => (scores[i]! - labels[i]!) ** 2).mean;
  if (name === 'rmse') return { ok: true, value: Math.sqrt(mse), n };
  const sst = momentsOf(n, (i) => labels[i]!).m2;
  return sst === 0 ? none('all labels are the same', n) : { ok: true, value: 1 - (mse * n) / sst, n };
}
