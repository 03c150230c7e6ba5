// Metrics in words a stranger understands, with the method of each interval.
import { metrics } from '../../stats/metrics.ts';
import { none, type Figure } from '../../stats/figure.ts';
import type { MetricRow } from './model.ts';

const meanings: Readonly<Record<keyof typeof metrics, string>> = {
  roc_auc: 'Chance that a positive row scores above a negative one; 0.5 is a coin',
  pr_auc: 'Precision averaged over recall; the share of positives is what guessing gives',
  log_loss: 'Mean surprise at the outcomes, in nats',
  brier: 'Mean squared distance of probability and outcome',
  accuracy: 'Share of rows called right when 0.5 and above is called positive',
  precision: 'Of the rows called positive at 0.5, the share that was; n counts those called positive',
  recall: 'Of the positive rows, the share called positive at 0.5; n counts the positives',
  f1: 'Harmonic mean of precision and recall at 0.5',
  calibration_error: 'Mean gap of predicted and observed share over ten bins of equal size',
  mae: 'Mean distance of prediction and outcome, in units of the label',
  rmse: 'Root of the mean squared distance, in units of the label',
  r2: 'Share of the variance of the outcome that the model explains',
};

const known = (name: string): name is keyof typeof metrics => Object.hasOwn(metrics, name);

/** A metric with its words; a name that the catalogue does not have stays as it is. */
export const metricRow = (name: string, figure: Figure): MetricRow => ({
  metric: name,
  title: known(name) ? metrics[name].title : name,
  meaning: known(name) ? meanings[name] : '',
  better: known(name) && !metrics[name].higherIsBetter ? 'lower' : 'higher',
  figure,
});

/** Rows in the order of the catalogue. */
export const metricRows = (figures: Readonly<Record<string, Figure>>): MetricRow[] => {
  const order = Object.keys(metrics);
  return Object.entries(figures)
    .sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
    .map(([name, figure]) => metricRow(name, figure));
};

export const metricOf = (figures: Readonly<Record<string, Figure>>, name: string): MetricRow =>
  metricRow(name, figures[name] ?? none('it was not computed', 0));
