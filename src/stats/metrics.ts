// The catalogue of metrics that evaluations compute and gates name.
import { rocAuc } from './auc.ts';
import { atThreshold, brier, brierOf, isRight, logLoss, logLossOf, type PerRow } from './classification.ts';
import { averagePrecision, calibrationError } from './curves.ts';
import { none, type Figure, type Scores } from './figure.ts';
import { absoluteErrorOf, regressionFigure } from './figures/regression.ts';

export interface Metric {
  readonly task: 'binary' | 'regression';
  readonly higherIsBetter: boolean;
  readonly title: string;
  readonly compute: (rows: Scores) => Figure;
  /** What the metric is the mean of, if it is one; two models are compared by it. */
  readonly perRow?: PerRow;
  /** Scores must lie in 0..1. */
  readonly probabilities?: true;
}

export const metrics = {
  roc_auc: { task: 'binary', higherIsBetter: true, title: 'ROC AUC', compute: (rows) => rocAuc(rows) },
  pr_auc: { task: 'binary', higherIsBetter: true, title: 'Average precision', compute: averagePrecision },
  log_loss: { task: 'binary', higherIsBetter: false, title: 'Log loss', compute: logLoss, perRow: logLossOf, probabilities: true },
  brier: { task: 'binary', higherIsBetter: false, title: 'Brier score', compute: brier, perRow: brierOf, probabilities: true },
  accuracy: {
    task: 'binary',
    higherIsBetter: true,
    title: 'Accuracy at 0.5',
    compute: (rows) => atThreshold(rows, 'accuracy'),
    perRow: isRight,
  },
  precision: { task: 'binary', higherIsBetter: true, title: 'Precision at 0.5', compute: (rows) => atThreshold(rows, 'precision') },
  recall: { task: 'binary', higherIsBetter: true, title: 'Recall at 0.5', compute: (rows) => atThreshold(rows, 'recall') },
  f1: { task: 'binary', higherIsBetter: true, title: 'F1 at 0.5', compute: (rows) => atThreshold(rows, 'f1') },
  calibration_error: { task: 'binary', higherIsBetter: false, title: 'Calibration error', compute: (rows) => calibrationError(rows) },
  mae: {
    task: 'regression',
    higherIsBetter: false,
    title: 'Mean absolute error',
    compute: (rows) => regressionFigure(rows, 'mae'),
    perRow: absoluteErrorOf,
  },
  rmse: { task: 'regression', higherIsBetter: false, title: 'Root mean squared error', compute: (rows) => regressionFigure(rows, 'rmse') },
  r2: { task: 'regression', higherIsBetter: true, title: 'R²', compute: (rows) => regressionFigure(rows, 'r2') },
} as const satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof metrics;

export const isMetricName = (name: string): name is MetricName => Object.hasOwn(metrics, name);

/** Every metric of a task over the same rows. Rows whose labels are neither 0 nor 1 give no binary figure. */
export function computeMetrics(task: 'binary' | 'regression', rows: Scores): Record<string, Figure> {
  const notBinary = task === 'binary' && Array.prototype.some.call(rows.labels, (y: number) => y !== 0 && y !== 1);
  const own = Object.entries(metrics).filter(([, m]) => m.task === task);
  return Object.fromEntries(
    own.map(([name, m]) => [name, notBinary ? none('labels must be 0 or 1', rows.labels.length) : m.compute(rows)]),
  );
}
