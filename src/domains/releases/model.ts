// Endpoints and releases. Pure.
import type { ReleasePolicy } from '../projects/public.ts';

/** Where a release may go from each state. What nothing follows is its end. */
export const releaseMoves = {
  started: ['canary', 'promoted', 'aborted', 'failed'],
  canary: ['canary', 'paused', 'promoted', 'rolled-back', 'aborted', 'failed'],
  paused: ['canary', 'promoted', 'rolled-back', 'aborted', 'failed'],
  promoted: [],
  'rolled-back': [],
  aborted: [],
  failed: [],
} as const satisfies Readonly<Record<string, readonly string[]>>;
export type ReleaseState = keyof typeof releaseMoves;
export const releaseStates = Object.keys(releaseMoves) as readonly ReleaseState[];
export const activeStates = releaseStates.filter((state) => releaseMoves[state].length > 0);
export const isActive = (state: ReleaseState): boolean => releaseMoves[state].length > 0;

export interface Variant {
  /** `v<number of the version>`: the same in all revisions, so that a key keeps its variant while the weights grow. */
  readonly id: string;
  readonly versionId: string;
  readonly model: string;
  readonly number: number;
  /** Share of the traffic; the weights of a revision sum to 1. */
  readonly weight: number;
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
  readonly to: 'canary' | 'promoted' | 'rolled-back' | 'aborted';
  readonly step: number;
  readonly revision: string;
  readonly actor: Actor;
  readonly reason: string;
  readonly figures: StepFigures | null;
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
  /** Position in `policy.steps`; -1 before the first. */
  readonly step: number;
  readonly move: Move | null;
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

/** Share of the traffic that the candidate has in a step. */
export const shareOf = ({ policy, step, state }: Pick<Release, 'policy' | 'step' | 'state'>): number =>
  state === 'promoted' ? 1 : state === 'canary' || state === 'paused' ? (policy?.steps[step] ?? 0) : 0;

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

/** What one variant did within a step. */
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

export type Verdict =
  | { readonly kind: 'roll-back' | 'pause' | 'wait'; readonly why: string }
  | { readonly kind: 'hold'; readonly lack: 'sample' | 'leave'; readonly why: string }
  | { readonly kind: 'next'; readonly step: number; readonly why: string };

/** Mismatch of the traffic shares below this p-value pauses a release. */
export const RATIO_ALPHA = 0.001;

/** What becomes of a release at a tick of event time. */
export function judgeStep(
  release: Pick<Release, 'state' | 'step' | 'policy' | 'sinceUs'>,
  figures: StepFigures,
  nowUs: number,
  frozen: boolean,
): Verdict {
  const policy = release.policy!;
  const harmful = figures.guardrails.filter((g) => g.verdict === 'harm');
  if (harmful.length > 0) return { kind: 'roll-back', why: harmful.map((g) => g.why).join('; ') };
  if (release.state === 'paused') return { kind: 'wait', why: 'paused' };
  const { ratio, candidate, stable } = figures;
  if (ratio.pValue < RATIO_ALPHA)
    return {
      kind: 'pause',
      why: `the candidate got ${percent(ratio.found ?? 0)} of ${ratio.units} assignments where ${percent(ratio.planned)} were planned (p = ${ratio.pValue.toExponential(1)} at every look)`,
    };
  const elapsedUs = nowUs - release.sinceUs;
  if (elapsedUs < policy.holdUs) return { kind: 'wait', why: `held ${days(elapsedUs)} of ${days(policy.holdUs)}` };
  if (candidate.requests < policy.minSample || stable.requests === 0) {
    const lack =
      candidate.requests < policy.minSample
        ? `the candidate answered ${candidate.requests} of at least ${policy.minSample} requests`
        : 'the stable variant answered no request to compare with';
    return policy.maxHoldUs !== null && elapsedUs >= policy.maxHoldUs
      ? { kind: 'roll-back', why: `lack of evidence: ${lack} within ${days(policy.maxHoldUs)}` }
      : { kind: 'hold', lack: 'sample', why: lack };
  }
  if (frozen) return { kind: 'hold', lack: 'leave', why: 'the endpoint is frozen' };
  const deciding = figures.guardrails.filter((g) => g.step === release.step && g.verdict !== 'reported').map((g) => g.why);
  return {
    kind: 'next',
    step: release.step + 1,
    why: [`held ${days(elapsedUs)}, ${candidate.requests} requests`, ...deciding].join('; '),
  };
}

export const percent = (share: number): string => `${Number((share * 100).toFixed(2))} %`;

const days = (us: number): string => {
  const hours = us / 3_600_000_000;
  return hours >= 48
    ? `${Number((hours / 24).toFixed(1))} d`
    : hours >= 1
      ? `${Number(hours.toFixed(1))} h`
      : `${Math.round(hours * 60)} min`;
};
