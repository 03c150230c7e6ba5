// Performance before labels are there (CBPE), and whether it says that the model got worse. Pure.
import { estimateMetric, type Calibrator } from '../../../../stats/cbpe.ts';
import { isMetricName } from '../../../../stats/metrics.ts';
import type { MonitorDefinition } from '../../../projects/public.ts';
import type { Baseline, DataFigures, NewFinding } from '../../model.ts';
import { higherIsBetter, marginOf } from './performance-figures.ts';

export type Estimates = DataFigures['estimate'];

export interface EstimateQuestion {
  readonly metrics: readonly string[];
  readonly calibrator: Calibrator | null;
  readonly scores: Float64Array;
  /** Why there is no calibrator. */
  readonly without: string;
}

const METHOD = 'CBPE on calibrated scores, 95 % band of sampling; holds while inputs and outcome keep their relation';

export function estimatesOf({ metrics, calibrator, scores, without }: EstimateQuestion): Estimates {
  return Object.fromEntries(
    metrics.map((name) => {
      const n = scores.length;
      if (calibrator === null) return [name, { ok: false, reason: without, n }];
      if (!isMetricName(name)) return [name, { ok: false, reason: `there is no metric ${name}`, n }];
      const figure = estimateMetric(name, calibrator, scores);
      if (!figure.ok) return [name, { ok: false, reason: figure.reason, n }];
      const { low, high } = figure.interval ?? { low: figure.value, high: figure.value };
      return [name, { ok: true, value: figure.value, n, low, high, method: METHOD }];
    }),
  );
}

/** What a window asks of its scores; nothing where the monitor wants no estimate. */
export const estimateQuestion = (
  m: MonitorDefinition,
  baseline: Baseline | null,
  scores: Float64Array,
  without: string,
): EstimateQuestion => ({
  metrics: m.estimate && m.task === 'binary' ? m.performance : [],
  calibrator: baseline?.calibrator ?? null,
  scores,
  without: baseline ? 'the baseline has no calibrator, for it has no labels' : without,
});

/** Three standard errors, as a band of 95 % has 1.96: by NannyML's rule for estimates. */
const WIDER = 3 / 1.959963984540054;

/** Worse than the baseline by what matters, and by more than chance. */
export function judgeEstimate(baseline: Baseline | null, estimate: Estimates): NewFinding[] {
  return Object.entries(estimate).flatMap(([name, e]): NewFinding[] => {
    const usual = baseline?.performance[name];
    if (!e.ok || !usual || 'ok' in usual) return [];
    const sign = higherIsBetter(name) ? 1 : -1;
    const fall = sign * (usual.value - e.value);
    const half = WIDER * (sign > 0 ? e.high - e.value : e.value - e.low);
    const certain = Math.max(marginOf(name, usual.value), Math.hypot(half, 3 * usual.standardError, 3 * usual.spread));
    if (!(fall >= certain)) return [];
    return [
      {
        kind: 'estimate',
        subject: name,
        method: METHOD,
        value: e.value,
        threshold: usual.value - sign * certain,
        n: e.n,
        detail: `estimated ${Number(e.value.toPrecision(4))}, baseline ${Number(usual.value.toPrecision(4))}`,
      },
    ];
  });
}
