import { none, unusable, type Figure, type Scores } from './figure.ts';
import { normalInterval } from './intervals.ts';

/** Mean absolute error, root mean squared error, and the share of variance explained (1 - SSE / SST). */
export function regressionFigure(rows: Scores, name: 'mae' | 'rmse' | 'r2'): Figure {
  const { labels, scores } = rows;
  const n = labels.length;
  const fault = unusable(rows);
  if (fault) return none(fault, n);
  let [abs, abs2, sse, mean, sst] = [0, 0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const e = Math.abs(scores[i]! - labels[i]!);
    abs += e;
    abs2 += e * e;
    const delta = labels[i]! - mean;
    mean += delta / (i + 1);
    sst += delta * (labels[i]! - mean);
  }
  sse = abs2;
  if (name === 'rmse') return { ok: true, value: Math.sqrt(sse / n), n };
  if (name === 'r2') return sst === 0 ? none('all labels are the same', n) : { ok: true, value: 1 - sse / sst, n };
  const mae = abs / n;
  return n < 2
    ? { ok: true, value: mae, n }
    : { ok: true, value: mae, n, interval: normalInterval(mae, Math.sqrt(Math.max(0, abs2 / n - mae * mae) / (n - 1))) };
}
