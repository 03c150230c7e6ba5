// Trials: what was planned, what was found, and what follows from it by the rule that was fixed before. Pure.
import type { Correction } from '../../stats/trial/corrections.ts';

/** Where a trial may go from each state. */
export const trialMoves = {
  planned: ['running'],
  // Back, if no data plane could take its arms.
  running: ['planned', 'stopped', 'decided'],
  stopped: [],
  decided: [],
} as const satisfies Readonly<Record<string, readonly string[]>>;
export type TrialState = keyof typeof trialMoves;
export const trialStates = Object.keys(trialMoves) as readonly TrialState[];

export const trialRules = ['fixed-horizon', 'confidence-sequence'] as const;
export type TrialRule = (typeof trialRules)[number];
export const corrections = ['holm', 'benjamini-hochberg'] as const satisfies readonly Correction[];

/** What a trial may be about: a value of each answered request; `higher` says which way is better. */
export const trialMetrics = {
  label: { higher: true, title: 'the outcome itself', needsLabels: true },
  accuracy: { higher: true, title: 'accuracy at 0.5', needsLabels: true },
  brier: { higher: false, title: 'Brier score', needsLabels: true },
  log_loss: { higher: false, title: 'log loss', needsLabels: true },
  mae: { higher: false, title: 'absolute error', needsLabels: true },
  error_rate: { higher: false, title: 'share of requests that failed', needsLabels: false },
  latency_ms: { higher: false, title: 'latency in milliseconds', needsLabels: false },
} as const;
export type TrialMetric = keyof typeof trialMetrics;

export interface Arm {
  readonly name: string;
  /** As it was asked for; null = what the endpoint serves when the trial starts. */
  readonly version: string | null;
  readonly weight: number;
}

/** A value known before a unit was assigned, that explains part of the metric. */
export type Covariate = { readonly column: string } | { readonly beforeUs: number };

/** Fixed before the trial starts, and never changed. */
export interface Plan {
  /** `aa`: all arms serve the same version, so that whatever is found is a fault of the measurement. */
  readonly kind: 'ab' | 'aa';
  readonly hypothesis: string;
  /** The control first. */
  readonly arms: readonly Arm[];
  readonly metric: TrialMetric;
  readonly higherIsBetter: boolean;
  /** Smallest difference worth finding, in the unit of the metric. */
  readonly effect: number;
  readonly alpha: number;
  readonly power: number;
  readonly rule: TrialRule;
  readonly correction: Correction;
  readonly covariate: Covariate | null;
  readonly size: SampleSize;
}

export interface SampleSize {
  /** Units of all arms together. */
  readonly units: number;
  readonly unitsPerDay: number;
  readonly days: number;
  /** What it was computed from. */
  readonly baseline: { readonly mean: number; readonly variance: number; readonly units: number; readonly from: 'log' | 'given' };
  /** Share of the variance that the covariate is expected to take away. */
  readonly reduction: number;
}

export interface Actor {
  readonly kind: string;
  readonly id: string;
}

export interface Trial {
  readonly id: string;
  readonly project: string;
  readonly endpoint: string;
  readonly name: string;
  readonly state: TrialState;
  readonly plan: Plan;
  /** Versions that the arms serve, and the revision that splits; null before the start. */
  readonly started: {
    readonly revision: string;
    /** As the log has it. */
    readonly revisionNumber: number;
    readonly previous: string;
    readonly versions: readonly { readonly id: string; readonly model: string; readonly number: number }[];
    readonly atUs: number;
  } | null;
  /** Whether the data planes have taken what its state says. */
  readonly settled: boolean;
  readonly standing: string;
  readonly decision: Decision | null;
  /** The release that brings its winner to all traffic. */
  readonly release: string | null;
  readonly endedUs: number | null;
  readonly createdMs: number;
  readonly version: number;
}

export interface ArmFigures {
  readonly name: string;
  readonly version: number | null;
  /** Units that were assigned to it, and those of them with a value of the metric. */
  readonly assigned: number;
  readonly units: number;
  readonly requests: number;
  readonly value: number | null;
}

interface Span {
  readonly low: number;
  readonly high: number;
  readonly pValue: number;
  readonly adjustedP: number;
  readonly method: string;
}

export interface Comparison {
  readonly arm: string;
  /** Arm less control. */
  readonly difference: number;
  /** As a share of the control's value. */
  readonly relative: number | null;
  /** At the planned sample, once. */
  readonly fixed: Span | null;
  /** At every look. */
  readonly always: Span | null;
}

export interface Readout {
  readonly atUs: number;
  readonly rule: TrialRule;
  readonly kind: 'shares' | 'means' | 'ratios';
  readonly arms: readonly ArmFigures[];
  readonly comparisons: readonly Comparison[];
  /** Units with a value, and those that were planned. */
  readonly units: number;
  readonly planned: number;
  readonly ratio: { readonly pValue: number; readonly chiSquareP: number };
  /** Units that met more than one arm. */
  readonly exposedTwice: number;
  /** Share of the variance that the covariate took away; null without one. */
  readonly reduction: number | null;
  readonly verdict: Verdict;
}

export interface Verdict {
  readonly kind: 'continue' | 'winner' | 'keep-control' | 'no-difference' | 'invalid';
  readonly arm: string | null;
  /** The rule that says so, in words. */
  readonly rule: string;
  readonly why: string;
}

export interface Decision {
  readonly verdict: Verdict;
  readonly readout: Readout;
  readonly by: Actor;
  readonly reason: string;
  readonly atUs: number;
}

/** Mismatch of the arms' units below this p-value, and a share of units with several arms above that one, make a trial invalid. */
export const RATIO_ALPHA = 0.001;
export const EXPOSED_TWICE = 0.01;

const CORRECTED = { holm: 'Holm', 'benjamini-hochberg': 'Benjamini and Hochberg' } as const;

/** The rule of a plan as a decision names it. */
export const ruleInWords = ({ rule, alpha, correction, arms, size }: Plan): string =>
  [
    rule === 'fixed-horizon' ? `fixed horizon at ${size.units} units` : 'confidence sequence, valid at every look',
    `two-sided alpha ${alpha}`,
    ...(arms.length > 2 ? [`${CORRECTED[correction]} over ${arms.length - 1} comparisons`] : []),
  ].join(', ');

/** What follows from a readout. */
export function judgeTrial(plan: Plan, found: Omit<Readout, 'verdict'>): Verdict {
  const rule = ruleInWords(plan);
  const say = (kind: Verdict['kind'], why: string, arm: string | null = null): Verdict => ({ kind, arm, rule, why });
  const assigned = found.arms.reduce((sum, arm) => sum + arm.assigned, 0);
  if (found.ratio.pValue < RATIO_ALPHA)
    return say(
      'invalid',
      `the units did not go where they were sent: ${found.arms.map((a) => `${a.name} ${a.assigned}`).join(', ')} of ${assigned} (p = ${found.ratio.pValue.toExponential(1)} at every look)`,
    );
  if (found.exposedTwice > EXPOSED_TWICE * (assigned + found.exposedTwice))
    return say('invalid', `${found.exposedTwice} of ${assigned + found.exposedTwice} units met more than one arm`);
  const isFixed = plan.rule === 'fixed-horizon';
  const isFull = found.units >= found.planned;
  if (isFixed && !isFull) return say('continue', `${found.units} of ${found.planned} planned units have an outcome`);
  const sure = found.comparisons.flatMap((c) => {
    const span = isFixed ? c.fixed : c.always;
    return span && span.adjustedP <= plan.alpha ? [{ ...c, p: span.adjustedP }] : [];
  });
  if (plan.kind === 'aa') {
    if (sure[0])
      return say(
        'invalid',
        `arms that serve the same version differ (${sure[0].arm}: ${short(sure[0].difference)}, p = ${short(sure[0].p)}): assignment, log or outcomes are at fault, or chance, which is as rare as alpha`,
      );
    return isFull
      ? say('no-difference', `the same version in all arms, and no difference in ${found.units} units`)
      : say('continue', `no difference yet in ${found.units} of ${found.planned} planned units`);
  }
  const better = (c: Comparison): number => (plan.higherIsBetter ? c.difference : -c.difference);
  const [best] = sure.filter((c) => better(c) > 0).sort((a, b) => better(b) - better(a));
  if (best) return say('winner', `${best.arm} is better by ${short(Math.abs(best.difference))} (p = ${short(best.p)})`, best.arm);
  const worse = sure.filter((c) => better(c) < 0);
  if (worse.length === plan.arms.length - 1)
    return say('keep-control', `all others are worse: ${worse.map((c) => `${c.arm} by ${short(Math.abs(c.difference))}`).join(', ')}`);
  return isFull
    ? say('keep-control', `no arm is shown to be better in ${found.units} units, ${found.planned} were planned: what is served stays`)
    : say('continue', `nothing is shown yet; ${found.units} of ${found.planned} planned units have an outcome`);
}

const short = (x: number): string => String(Number(x.toPrecision(3)));
