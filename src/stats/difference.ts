// Two models on the same rows.
import { rocAucDifference } from './auc.ts';
import { notProbabilities, type PerRow } from './classification.ts';
import { unusable, type Difference } from './figure.ts';
import { normalInterval } from './intervals.ts';
import { metrics, type MetricName } from './metrics.ts';
import { momentsOf, standardError } from './moments.ts';

/**
 * How much better `scores` are than `baseline` on the same rows, by a metric: positive is better, whichever
 * way the metric points. ROC AUC by paired DeLong; a mean of values per row by the normal interval of the
 * mean of their differences (n of 30 or more). Both sides of the interval together miss with 1 - level.
 */
export function improvement(
  name: MetricName,
  labels: ArrayLike<number>,
  scores: ArrayLike<number>,
  baseline: ArrayLike<number>,
  level = 0.95,
): Difference {
  if (name === 'roc_auc') return rocAucDifference(labels, scores, baseline, level);
  const metric = metrics[name];
  if (!('perRow' in metric)) return { ok: false, reason: `a paired comparison of ${name} is not offered` };
  const fault =
    unusable({ labels, scores }) ??
    unusable({ labels, scores: baseline }) ??
    ('probabilities' in metric ? (notProbabilities({ scores }) ?? notProbabilities({ scores: baseline })) : undefined);
  if (fault) return { ok: false, reason: fault };
  return meanImprovement(labels, scores, baseline, metric.perRow, metric.higherIsBetter ? 1 : -1, level);
}

function meanImprovement(
  labels: ArrayLike<number>,
  scores: ArrayLike<number>,
  baseline: ArrayLike<number>,
  of: PerRow,
  sign: 1 | -1,
  level: number,
): Difference {
  const n = labels.length;
  if (n < 2) return { ok: false, reason: 'one row says nothing about a difference' };
  const moments = momentsOf(n, (i) => sign * (of(labels[i]!, scores[i]!) - of(labels[i]!, baseline[i]!)));
  const { low, high } = normalInterval(moments.mean, standardError(moments), level);
  return { ok: true, difference: moments.mean, low, high, n, method: `paired mean, ${level * 100} %` };
}
