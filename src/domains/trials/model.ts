// Trials: what was planned, where it stands, what was found. Pure; `service/verdict.ts` says what follows.
import type { Correction } from '../../stats/trial/corrections.ts';

/** Where a trial may go from each state. */
export const trialMoves = {
  // Written in gyre.yaml; there is no plan yet, for want of traffic to plan from.
  declared: ['planned', 'stopped'],
  planned: ['running', 'stopped'],
  // Back, if no data plane could take its arms.
  running: ['planned', 'paused', 'stopped', 'decided'],
  // All traffic is with the control until somebody resumes it.
  paused: ['running', 'stopped'],
  stopped: [],
  decided: [],
} as const satisfies Readonly<Record<string, readonly string[]>>;
export type TrialState = keyof typeof trialMoves;
export const trialStates = Object.keys(trialMoves) as readonly TrialState[];

export const trialRules = ['fixed-horizon', 'confidence-sequence'] as const;
export type TrialRule = (typeof trialRules)[number];
export const corrections = ['holm', 'benjamini-hochberg'] as const satisfies readonly Correction[];

/** A value of each answered request; `higher` says which way is better. */
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

/** An arm that is worse than the control by more than this stops the trial. */
export interface Guardrail {
  readonly metric: TrialMetric;
  readonly margin: number;
}

export const rewardKinds = ['binary', 'continuous'] as const;
export const drawnBy = ['key', 'request'] as const;

/** The reward is the plan's metric. */
export interface BanditPlan {
  readonly reward: (typeof rewardKinds)[number];
  /** Event time between updates. */
  readonly everyUs: number;
  /** Shares that every arm gets at least and at most. */
  readonly floor: number;
  readonly cap: number;
  /** Rewards that every arm needs before the first update. */
  readonly fewest: number;
  readonly draws: number;
  /** A reward weighs half after so long; null = all weigh the same. */
  readonly halfLifeUs: number | null;
  /** Only predictions older than this count, so that early rewards have no lead over late ones. */
  readonly delayUs: number;
  /** What a prediction without a reward counts as then; null = not at all. */
  readonly missing: number | null;
  /** An arm for each key, or for each request. */
  readonly drawnBy: (typeof drawnBy)[number];
  readonly seed: number;
}

/** Fixed before the trial starts, and never changed. */
export interface Plan {
  /** `aa`: all arms serve the same version, so that whatever is found is a fault of the measurement. */
  readonly kind: 'ab' | 'aa' | 'bandit';
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
  readonly guardrails: readonly Guardrail[];
  /** Chance that a guardrail stops a trial without harm, all of them, all arms and all looks together. */
  readonly guardAlpha: number;
  /** Units that an arm and the control need before a guardrail is asked. */
  readonly guardUnits: number;
  /** Event time after which it ends, with whatever its rule says then. */
  readonly longestUs: number | null;
  readonly bandit: BanditPlan | null;
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
    /** Revisions that split for it, as the log has them: first and last of each stretch without a pause. */
    readonly spans: readonly (readonly [number, number])[];
    readonly previous: string;
    /** It was resumed; and before that paused for a fault of the measurement, so that it counts anew when it is resumed. */
    readonly again: boolean;
    readonly invalid: boolean;
    readonly versions: readonly { readonly id: string; readonly model: string; readonly number: number }[];
    readonly atUs: number;
  } | null;
  /** null while it has not started, and for a trial whose weights stay as planned. */
  readonly steering: Steering | null;
  /** Whether the data planes have taken what its state says. */
  readonly settled: boolean;
  /** Event time of the last look, and what the guardrails said then. */
  readonly judgedUs: number;
  readonly guards: readonly GuardFigures[];
  readonly managedBy: ManagedBy;
  /** Project revision whose file declares it as it is. */
  readonly declaredBy: string | null;
  readonly standing: string;
  readonly decision: Decision | null;
  /** The release that brings its winner to all traffic. */
  readonly release: string | null;
  readonly endedUs: number | null;
  readonly createdMs: number;
  readonly version: number;
}

/** `detached`: it was declared in gyre.yaml, and is not any more. */
export const managers = ['file', 'api', 'detached'] as const;
export type ManagedBy = (typeof managers)[number];

/** Where a bandit stands. */
export interface Steering {
  readonly weights: readonly number[];
  readonly updates: number;
  /** Event time of the next update. */
  readonly nextUs: number;
  /** Nothing moves them until somebody lets them go. */
  readonly fixed: { readonly by: Actor; readonly reason: string; readonly atUs: number } | null;
  /** Where the weights go back to, if no data plane can take the new ones. */
  readonly before: { readonly revision: string; readonly weights: readonly number[] } | null;
}

export interface GuardFigures {
  readonly metric: TrialMetric;
  readonly arm: string;
  readonly verdict: 'harm' | 'ok' | 'too-little-data';
  readonly units: number;
  readonly control: number | null;
  readonly value: number | null;
  /** How much worse the arm is; positive is worse, whichever way is better. */
  readonly worse: number | null;
  /** The truth is above this at every look, with confidence 1 - alpha. */
  readonly atLeast: number | null;
  readonly margin: number;
  readonly alpha: number;
  readonly method: string;
}

/** What moved the traffic, or might have. */
export const stepKinds = ['started', 'weights', 'kept', 'frozen', 'thawed', 'paused', 'resumed', 'stopped', 'decided'] as const;
export type StepKind = (typeof stepKinds)[number];

export interface Step {
  readonly number: number;
  readonly kind: StepKind;
  /** Of the endpoint, from here on. */
  readonly revision: number | null;
  /** From here on; null = the control alone. */
  readonly weights: readonly number[] | null;
  readonly why: string;
  /** What an update was computed from, so that it can be told again. */
  readonly update: Update | null;
  readonly actor: Actor;
  readonly atUs: number;
  readonly atMs: number;
}

export interface Update {
  readonly seed: number;
  readonly draws: number;
  readonly arms: readonly {
    readonly name: string;
    readonly rewards: number;
    /** Beta: successes and failures; Gaussian: effective number, mean, variance. */
    readonly posterior: Readonly<Record<string, number | string>>;
    readonly chance: number;
    readonly share: number;
  }[];
}

export interface ArmFigures {
  readonly name: string;
  readonly version: number | null;
  /** Units that were assigned to it, and those of them with a value of the metric. */
  readonly assigned: number;
  readonly units: number;
  readonly requests: number;
  readonly value: number | null;
  readonly weighted: WeightedFigures | null;
}

/** Of an arm whose share moved: its reward by propensity, which is what it would have brought with all the traffic. */
export interface WeightedFigures {
  /** Share of the next traffic, and chance to be the best by the rewards that count now. */
  readonly share: number;
  readonly chance: number | null;
  /** Without weights: biased, for comparison. */
  readonly plain: number | null;
  readonly ips: { readonly value: number; readonly low: number; readonly high: number } | null;
  readonly snips: { readonly value: number; readonly low: number; readonly high: number } | null;
  readonly effectiveSize: number;
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
  readonly fixed: Span | null;
  readonly always: Span | null;
}

export interface Readout {
  readonly atUs: number;
  readonly rule: TrialRule;
  readonly kind: 'shares' | 'means' | 'ratios' | 'weighted';
  readonly arms: readonly ArmFigures[];
  readonly comparisons: readonly Comparison[];
  readonly units: number;
  readonly planned: number;
  readonly ratio: { readonly pValue: number; readonly chiSquareP: number };
  /** Units that met more than one arm. */
  readonly exposedTwice: number;
  readonly reduction: number | null;
  /** Mean reward of all traffic as it was split, and the predictions still too young to count; null without a bandit. */
  readonly asRun: { readonly value: number | null; readonly waiting: number } | null;
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

export const roundTo = (x: number): number => Number(x.toPrecision(4));
export const percent = (share: number): string => `${Number((100 * share).toFixed(1))} %`;
