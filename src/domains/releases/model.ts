// Endpoints and releases. Pure.
import type { ReleasePolicy } from '../projects/public.ts';

/** Where a release may go from each state. What nothing follows is its end. */
export const releaseMoves = {
  // Its first plan is on its way.
  pending: ['warming', 'promoted', 'aborted', 'failed'],
  // Every data plane has the candidate loaded and warm; it gets nothing yet.
  warming: ['warming', 'shadow', 'canary', 'baking', 'promoted', 'rolled-back', 'aborted', 'failed'],
  // It answers copies of requests.
  shadow: ['shadow', 'canary', 'baking', 'paused', 'promoted', 'rolled-back', 'aborted', 'failed'],
  canary: ['canary', 'baking', 'paused', 'promoted', 'rolled-back', 'aborted', 'failed'],
  // It has all traffic; the former version stays loaded and answers copies.
  baking: ['baking', 'paused', 'promoted', 'rolled-back', 'aborted', 'failed'],
  paused: ['shadow', 'canary', 'baking', 'promoted', 'rolled-back', 'aborted', 'failed'],
  promoted: [],
  'rolled-back': [],
  aborted: [],
  failed: [],
} as const satisfies Readonly<Record<string, readonly string[]>>;
export type ReleaseState = keyof typeof releaseMoves;
export const releaseStates = Object.keys(releaseMoves) as readonly ReleaseState[];
export const activeStates = releaseStates.filter((state) => releaseMoves[state].length > 0);
/** States in which ticks of event time judge a release. */
export const judgedStates = ['warming', 'shadow', 'canary', 'baking', 'paused'] as const satisfies readonly ReleaseState[];
export const isJudged = (state: ReleaseState): boolean => (judgedStates as readonly string[]).includes(state);
/** Those that a release was not promoted from. */
export const failedEnds = ['rolled-back', 'aborted', 'failed'] as const satisfies readonly ReleaseState[];
export const isActive = (state: ReleaseState): boolean => releaseMoves[state].length > 0;

export interface Variant {
  /** `v<number of the version>`: the same in all revisions, so that a key keeps its variant while the weights grow. */
  readonly id: string;
  readonly versionId: string;
  readonly model: string;
  readonly number: number;
  /** Share of the traffic; the weights of a revision sum to 1. */
  readonly weight: number;
  /** Share of the requests that it answers a copy of; its weight is then 0. */
  readonly shadow?: number;
}

/** Variants of a canary's revision: the stable one first. */
export const splitBetween = (stable: Variant, candidate: Variant, share: number): Variant[] =>
  share >= 1
    ? [{ ...candidate, weight: 1 }]
    : [
        // 1 - 0.7 is not 0.3 in binary.
        { ...stable, weight: Number((1 - share).toFixed(9)) },
        { ...candidate, weight: share },
      ];

/** Share of the requests that the former version answers a copy of while the candidate bakes, where no shadow says another. */
const BAKE_MIRROR = 0.1;

/** Copies that go to whoever has no traffic, in the states where there are some. */
export const mirrorOf = ({ shadow }: ReleasePolicy): number => shadow?.share ?? BAKE_MIRROR;

/** The state that a step of a policy is: -1 is the shadow, the last one the end or its bake. */
export const stateOfStep = ({ steps, bakeUs }: ReleasePolicy, step: number): 'shadow' | 'canary' | 'baking' | 'promoted' =>
  step < 0 ? 'shadow' : step < steps.length - 1 ? 'canary' : bakeUs === null ? 'promoted' : 'baking';

/** What is served in a state of a staged release. The one with the traffic is first, except in a canary's split. */
export function variantsOf(to: Move['to'], policy: ReleasePolicy, step: number, stable: Variant, candidate: Variant): Variant[] {
  switch (to) {
    case 'warming':
      return [stable, { ...candidate, weight: 0 }];
    case 'shadow':
      return [stable, { ...candidate, weight: 0, shadow: mirrorOf(policy) }];
    case 'canary':
      return splitBetween(stable, candidate, policy.steps[step]!);
    case 'baking':
      return [
        { ...candidate, weight: 1 },
        { ...stable, weight: 0, shadow: mirrorOf(policy) },
      ];
    case 'promoted':
      return [{ ...candidate, weight: 1 }];
    case 'rolled-back':
    case 'aborted':
      return [stable];
  }
}

export interface EndpointRevision {
  readonly id: string;
  readonly project: string;
  readonly endpoint: string;
  readonly number: number;
  readonly variants: readonly Variant[];
  readonly projectRevision: string;
  readonly decision: string;
  /** The trial whose arms the variants are: keys are shuffled anew for each. */
  readonly trial: string | null;
  /** Drawn anew for each request, whatever its key: a trial may ask for it. */
  readonly perRequest: boolean;
  readonly createdMs: number;
}

export interface Actor {
  readonly kind: string;
  readonly id: string;
}

/** A change of the plan that is on its way: it is brought to its end whatever process dies meanwhile. */
export interface Move {
  readonly to: 'warming' | 'shadow' | 'canary' | 'baking' | 'promoted' | 'rolled-back' | 'aborted';
  readonly step: number;
  readonly revision: string;
  readonly actor: Actor;
  readonly reason: string;
  readonly figures: StepFigures | null;
}

/** What only a person lets a release go on from. */
export interface Waiting {
  /** `approval`: the next step wants one. `overdue`: it had too little data for longer than `max_hold`. */
  readonly for: 'approval' | 'overdue';
  /** The step that is next. */
  readonly step: number;
  readonly sinceUs: number;
}

export interface Release {
  readonly id: string;
  readonly project: string;
  readonly endpoint: string;
  /** The revision that it moves to, or has moved to. */
  readonly revision: string;
  /** What was served before, and is served again if it comes to nothing; null = nothing. */
  readonly previous: string | null;
  readonly candidate: Variant;
  readonly state: ReleaseState;
  /** null = at once. As the project said when it began. */
  readonly policy: ReleasePolicy | null;
  /** Position in `policy.steps`; -1 before the first, which is also the shadow. */
  readonly step: number;
  readonly move: Move | null;
  readonly waiting: Waiting | null;
  readonly reason: string;
  /** Why it stands where it stands, in words. */
  readonly standing: string;
  readonly figures: StepFigures | null;
  /** Looks taken in this step. */
  readonly looks: number;
  readonly startedUs: number;
  /** Records from then on count in this step. */
  readonly sinceUs: number;
  readonly judgedUs: number;
  readonly planNumber: number;
  readonly createdMs: number;
  readonly finishedMs: number | null;
  readonly version: number;
}

/** Share of the traffic that the candidate has. */
export const shareOf = ({ policy, step, state }: Pick<Release, 'policy' | 'step' | 'state'>): number =>
  state === 'promoted' || state === 'baking' ? 1 : state === 'canary' || state === 'paused' ? (policy?.steps[step] ?? 0) : 0;

export interface Transition {
  readonly number: number;
  readonly from: ReleaseState;
  readonly to: ReleaseState;
  readonly step: number;
  /** Share of the traffic that the candidate has from here on. */
  readonly share: number;
  readonly revision: string;
  readonly actor: Actor;
  readonly reason: string;
  readonly figures: StepFigures | null;
  readonly atUs: number;
  readonly atMs: number;
}

/** What one variant did within a step; in a shadow and a bake, on the requests of which the other answered a copy. */
export interface VariantFigures {
  readonly variant: string;
  readonly requests: number;
  readonly errors: number;
  readonly errorShare: number | null;
  readonly scoreMean: number | null;
  readonly latencyUs: { readonly p50: number; readonly p95: number; readonly p99: number } | null;
  /** Predictions whose outcome is known. */
  readonly labels: number;
}

export interface GuardrailFigures {
  readonly metric: string;
  /** Step that it was judged in: outcomes of earlier steps come later. */
  readonly step: number;
  /** `reported`: it does not decide. */
  readonly verdict: 'ok' | 'harm' | 'too-little-data' | 'reported';
  /** What harm leads to. */
  readonly then: 'rollback' | 'pause';
  readonly candidate: number | null;
  readonly stable: number | null;
  /** How much worse the candidate is: positive is harm. */
  readonly difference: number | null;
  /** One-sided, always valid: the truth is at least `low`. */
  readonly interval: { readonly low: number; readonly level: number } | null;
  readonly pValue: number | null;
  readonly margin: number;
  readonly method: string;
  readonly n: number;
  readonly why: string;
}

export interface StepFigures {
  readonly state: 'shadow' | 'canary' | 'baking';
  readonly step: number;
  readonly share: number;
  readonly sinceUs: number;
  readonly atUs: number;
  readonly looks: number;
  readonly candidate: VariantFigures;
  readonly stable: VariantFigures;
  readonly guardrails: readonly GuardrailFigures[];
  /** Traffic shares as found: units are assignment keys, or requests without one. `pValue` holds at every look, `chiSquareP` at one. */
  readonly ratio: {
    readonly planned: number;
    readonly found: number | null;
    readonly units: number;
    readonly pValue: number;
    readonly chiSquareP: number;
  };
  /** Since the release began: what the candidate answered, failed, and failed beyond the stable variant's share of errors. */
  readonly harmed: { readonly requests: number; readonly errors: number; readonly beyondStable: number };
}

export const percent = (share: number): string => `${Number((share * 100).toFixed(2))} %`;
