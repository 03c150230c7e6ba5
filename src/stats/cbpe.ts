// Performance without labels: confidence-based performance estimation, CBPE (NannyML). A calibrated probability
// says how many labels to expect at each score; every figure follows from the labels expected.
import { aucOf } from './auc.ts';
import { brier, brierOf, figureAt, logLossOf, notProbabilities, type Confusion, type PerRow } from './classification.ts';
import { averagePrecisionOf } from './curves.ts';
import { fitIsotonic, isotonicAt, type Isotonic } from './estimate/isotonic.ts';
import { none, unusable, type Figure, type Scores } from './figure.ts';
import { scoreTable, type ScoreTable } from './figures/score-table.ts';
import { logitInterval, normalInterval } from './intervals.ts';
import type { MetricName } from './metrics.ts';

/** Turns scores into probabilities. A plain record, ready for JSON. */
export type Calibrator =
  | { readonly ok: true; readonly kind: 'as-is'; readonly n: number }
  | ({ readonly ok: true; readonly kind: 'isotonic'; readonly n: number } & Isotonic)
  | { readonly ok: false; readonly reason: string };

const FOLDS = 10;

/**
 * Calibrator from scores and labels that the model was not trained on. Isotonic regression, if that brings scores
 * closer to the labels: tenfold, each row judged by the nine parts that it is not in, the Brier score has to fall.
 * (NannyML asks whether the expected calibration error falls, which it does for nearly every sample: held-out means
 * of a bin are about its own mean. A proper score charges for the noise that a step function brings.) Scores that are
 * no probabilities are always calibrated. `always` leaves out the question.
 */
export function fitCalibrator(rows: Scores, when: 'needed' | 'always' = 'needed'): Calibrator {
  const fault = unusable(rows);
  if (fault) return { ok: false, reason: fault };
  const n = rows.labels.length;
  const table = scoreTable(rows);
  if (table.positive === 0 || table.negative === 0) return { ok: false, reason: 'all labels are the same' };
  const fitted: Calibrator = { ok: true, kind: 'isotonic', n, ...fitIsotonic(table) };
  if (when === 'always' || notProbabilities(rows) || Math.min(table.positive, table.negative) < FOLDS) return fitted;
  const before = brier(rows);
  const after = brier({ labels: rows.labels, scores: heldOut(rows) });
  return before.ok && after.ok && after.value < before.value ? fitted : { ok: true, kind: 'as-is', n };
}

/** Calibrated scores, each from the parts that its row is not in. */
function heldOut({ labels, scores }: Scores): Float64Array {
  const n = labels.length;
  // Parts follow the order of scores and labels, not that of the rows: every tenth row makes one.
  const order = Uint32Array.from({ length: n }, (_, i) => i).sort((a, b) => scores[a]! - scores[b]! || labels[a]! - labels[b]!);
  const part = new Uint8Array(n);
  order.forEach((row, i) => (part[row] = i % FOLDS));
  const found = new Float64Array(n);
  for (let fold = 0; fold < FOLDS; fold++) {
    const kept = order.filter((row) => part[row] !== fold);
    const fit = fitIsotonic(
      scoreTable({ labels: Array.from(kept, (i) => labels[i]!), scores: Float64Array.from(kept, (i) => scores[i]!) }),
    );
    for (const row of order) if (part[row] === fold) found[row] = isotonicAt(fit, scores[row]!);
  }
  return found;
}

/** Probability of a positive label at a score. */
export const calibrated = (calibrator: Calibrator & { ok: true }, score: number): number =>
  calibrator.kind === 'as-is' ? score : isotonicAt(calibrator, score);

/** The score table with the labels to be expected in place of those that are. */
function expectedTable(calibrator: Calibrator & { ok: true }, scores: ArrayLike<number>): ScoreTable {
  const { scores: distinct, negatives: counts } = scoreTable({ labels: new Uint8Array(scores.length), scores });
  const positives = counts.map((count, i) => count * calibrated(calibrator, distinct[i]!));
  const negatives = counts.map((count, i) => count - positives[i]!);
  const total = (xs: Float64Array): number => xs.reduce((sum, x) => sum + x, 0);
  return { scores: distinct, positives, negatives, positive: total(positives), negative: total(negatives) };
}

/** Expected counts at a threshold of the score: a score at or above it is called positive. */
export function expectedConfusion(calibrator: Calibrator & { ok: true }, scores: ArrayLike<number>, threshold = 0.5): Confusion {
  const counts = { truePositives: 0, falsePositives: 0, trueNegatives: 0, falseNegatives: 0 };
  for (let i = 0; i < scores.length; i++) {
    const p = calibrated(calibrator, scores[i]!);
    if (scores[i]! >= threshold) {
      counts.truePositives += p;
      counts.falsePositives += 1 - p;
    } else {
      counts.falseNegatives += p;
      counts.trueNegatives += 1 - p;
    }
  }
  return counts;
}

/** Mean of a loss over the labels to be expected, with the variance that rows and labels bring. */
function expectedLoss(table: ScoreTable, of: PerRow, n: number): Figure {
  let [mean, squares] = [0, 0];
  for (let i = 0; i < table.scores.length; i++) {
    const [hit, miss] = [of(1, table.scores[i]!), of(0, table.scores[i]!)];
    mean += (table.positives[i]! * hit + table.negatives[i]! * miss) / n;
    squares += (table.positives[i]! * hit ** 2 + table.negatives[i]! * miss ** 2) / n;
  }
  const error = Math.sqrt(Math.max(0, squares - mean ** 2) / n);
  return { ok: true, value: mean, n, ...(error > 0 ? { interval: normalInterval(mean, error) } : {}) };
}

/**
 * A metric of binary scores as it will be once labels come, if the calibrator still holds. Counts are sums of
 * probabilities: TP = sum of p over rows called positive, and so on; areas are taken over the same expected counts at
 * each score, ties together. The interval is that of the sampling error alone, by the formula of the metric itself
 * with expected labels for true ones: it tells how far the truth may lie from the estimate by chance.
 *
 * Holds if scores are calibrated, the relation of inputs to labels has not changed (concept drift goes unseen: watch
 * the gap to the truth when it comes), and rows lie where the calibrator has seen rows. Calls are made on the score,
 * at `threshold`. `calibration_error` cannot be estimated so; regression neither.
 */
export function estimateMetric(name: MetricName, calibrator: Calibrator, scores: ArrayLike<number>, threshold = 0.5): Figure {
  const n = scores.length;
  if (!calibrator.ok) return none(`there is no calibrator: ${calibrator.reason}`, n);
  const fault = unusable({ labels: scores, scores });
  if (fault) return none(fault, n);
  const table = expectedTable(calibrator, scores);
  switch (name) {
    case 'roc_auc': {
      const found = aucOf(table);
      if (!found) return none('only one class is to be expected', n);
      const fewer = Math.min(table.positive, table.negative);
      return { ok: true, value: found.auc, n, ...logitInterval(found.auc, Math.sqrt(found.variance), fewer, 'CBPE, DeLong') };
    }
    case 'pr_auc':
      return averagePrecisionOf(table, n);
    case 'accuracy':
    case 'precision':
    case 'recall':
    case 'f1':
      return figureAt(expectedConfusion(calibrator, scores, threshold), name, n);
    case 'log_loss':
    case 'brier': {
      const wrong = notProbabilities({ scores });
      return wrong ? none(wrong, n) : expectedLoss(table, name === 'brier' ? brierOf : logLossOf, n);
    }
    default:
      return none(`${name} cannot be estimated without labels`, n);
  }
}
