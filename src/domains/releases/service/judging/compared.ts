// What guardrails look at: both variants within one step, as counted from the log. Pure.
import type { Histogram } from '../../../../stats/always-valid/quantile.ts';
import type { ReleasePolicy } from '../../../projects/public.ts';
import { stateOfStep, type StepFigures } from '../../model.ts';

/** One variant within one step. */
export interface Counted {
  readonly requests: number;
  readonly errors: number;
  /** Answers that have no score: null, NaN, infinite. */
  readonly nulls: number;
  /** Scores by bin; the bins are those of both variants. */
  readonly bins: readonly number[];
  readonly latency: Histogram;
  readonly scores: readonly number[];
  /** By position of `scores`. */
  readonly labels: readonly number[];
  /** Outcomes of all requests, scored or not. */
  readonly rewards: readonly number[];
}

/** Events of which one of the two has one on a row, and the other none. */
export interface Lone {
  readonly candidateOnly: number;
  readonly otherOnly: number;
}

/** Rows that both answered: one to its caller, the other in the shadow. */
export interface Paired {
  readonly n: number;
  readonly errors: Lone;
  /** Rows that both answered without an error, */
  readonly answered: number;
  readonly nulls: Lone;
  /** and with a score. */
  readonly scored: number;
  readonly disagree: number;
  /** By bin: rows that only one of the two put there. */
  readonly moved: readonly (readonly [candidateOnly: number, otherOnly: number])[];
}

/** What the callers of both variants sent in one column, by bin. */
export interface FeatureBins {
  readonly column: string;
  readonly candidate: readonly number[];
  readonly stable: readonly number[];
}

export interface Compared {
  readonly state: StepFigures['state'];
  readonly step: number;
  /** Planned share of the candidate. */
  readonly share: number;
  readonly candidate: Counted;
  readonly stable: Counted;
  /** In a shadow and a bake. */
  readonly pairs: Paired | null;
  /** Where a guardrail asks for them and enough was sent to tell bins apart. */
  readonly features: readonly FeatureBins[] | null;
  /** Chance of a false alarm that one guardrail has in this step. */
  readonly alpha: number;
  /** Requests of both at which a decision is expected; fixed from the start. */
  readonly expected: number;
  readonly isLive: boolean;
}

/** Chance that a release whose candidate is as good as the stable variant is rolled back: all guardrails, steps and looks together. */
const FALSE_ALARM = 0.05;

const inShadowOnly = ['disagreement'];
const inSplitOnly = ['latency', 'latency_p99', 'feature_drift', 'reward'];

/** Whether a guardrail has something to compare in a state. */
export const applies = (metric: string, state: StepFigures['state']): boolean =>
  inShadowOnly.includes(metric) ? state === 'shadow' : state === 'canary' || !inSplitOnly.includes(metric);

/** A replay is not served at the speed of its callers, so its latencies decide nothing. */
export const decides = (metric: string, isLive: boolean): boolean => isLive || !metric.startsWith('latency');

/** The share of one guardrail in one step: each of each step has an equal part. */
export function alphaOf(policy: ReleasePolicy, isLive: boolean): number {
  const first = policy.shadow ? -1 : 0;
  const states = Array.from({ length: policy.steps.length - first }, (_, i) => stateOfStep(policy, first + i)).filter(
    (s) => s !== 'promoted',
  );
  const judged = states.flatMap((state) => policy.guardrails.filter((g) => decides(g.metric, isLive) && applies(g.metric, state)));
  return FALSE_ALARM / Math.max(1, judged.length);
}
