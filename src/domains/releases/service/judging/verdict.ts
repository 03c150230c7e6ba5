// What becomes of a staged release at a tick of event time. Pure.
import { percent, stateOfStep, type Release, type StepFigures, type Waiting } from '../../model.ts';

export type Verdict =
  | { readonly kind: 'roll-back' | 'pause' | 'wait'; readonly why: string }
  | { readonly kind: 'hold'; readonly lack: 'sample' | 'leave'; readonly why: string }
  | { readonly kind: 'await'; readonly waiting: Waiting; readonly why: string }
  | { readonly kind: 'next'; readonly step: number; readonly why: string };

/** Mismatch of the traffic shares below this p-value pauses a release. */
export const RATIO_ALPHA = 0.001;

/** Guardrails of which something must be known before a step ends: what they look at comes with the answers. */
export const knownAtOnce = ['error_rate', 'prediction_drift', 'disagreement', 'null_rate', 'feature_drift', 'latency', 'latency_p99'];

/** `frozen` says by what; undefined = it is not. Of a release that only warms up there are no figures. */
export function judgeStep(
  release: Pick<Release, 'state' | 'step' | 'policy' | 'sinceUs' | 'waiting'>,
  figures: StepFigures | null,
  nowUs: number,
  frozen?: string,
): Verdict {
  const policy = release.policy!;
  const harmful = (figures?.guardrails ?? []).filter((g) => g.verdict === 'harm');
  const [back, pause] = [harmful.filter((g) => g.then === 'rollback'), harmful.filter((g) => g.then === 'pause')];
  if (back.length > 0) return { kind: 'roll-back', why: back.map((g) => g.why).join('; ') };
  if (release.state === 'paused') return { kind: 'wait', why: 'paused' };
  if (pause.length > 0) return { kind: 'pause', why: pause.map((g) => g.why).join('; ') };
  if (figures) {
    const lack = lackOf(release, figures, nowUs);
    if (lack) return lack;
  }
  if (frozen !== undefined) return { kind: 'hold', lack: 'leave', why: `the endpoint is frozen: ${frozen}` };
  const step = nextStep(release);
  if (policy.approve[step]) {
    const waiting = release.waiting ?? { for: 'approval', step, sinceUs: nowUs };
    return { kind: 'await', waiting, why: `it waits to be let into ${percent(policy.steps[step]!)} of the traffic` };
  }
  const deciding = (figures?.guardrails ?? []).filter((g) => g.step === release.step && g.verdict !== 'reported').map((g) => g.why);
  const held = figures
    ? [`held ${days(nowUs - release.sinceUs)}, ${figures.candidate.requests} requests`]
    : ['every data plane has it loaded'];
  return { kind: 'next', step, why: [...held, ...deciding].join('; ') };
}

/** The step after the one that a release stands in; of one that bakes, the end. */
export const nextStep = ({ state, step, policy }: Pick<Release, 'state' | 'step' | 'policy'>): number =>
  state === 'warming' && policy!.shadow ? -1 : Math.min(step + 1, policy!.steps.length);

/** Too little time or too few data never pass. */
function lackOf(
  { step, policy: declared, sinceUs, waiting }: Pick<Release, 'step' | 'policy' | 'sinceUs' | 'waiting'>,
  { ratio, candidate, stable, guardrails }: StepFigures,
  nowUs: number,
): Verdict | undefined {
  const policy = declared!;
  const phase = stateOfStep(policy, step);
  const holdUs = phase === 'shadow' ? policy.shadow!.holdUs : phase === 'baking' ? policy.bakeUs! : policy.holdUs;
  const minSample = phase === 'shadow' ? policy.shadow!.minSample : policy.minSample;
  if (ratio.pValue < RATIO_ALPHA)
    return {
      kind: 'pause',
      why: `the candidate got ${percent(ratio.found ?? 0)} of ${ratio.units} assignments where ${percent(ratio.planned)} were planned (p = ${ratio.pValue.toExponential(1)} at every look)`,
    };
  const elapsedUs = nowUs - sinceUs;
  if (elapsedUs < holdUs) return { kind: 'wait', why: `held ${days(elapsedUs)} of ${days(holdUs)}` };
  if (waiting?.for === 'overdue') return { kind: 'await', waiting, why: `it stays as it is until a person decides` };
  const blind = guardrails.filter((g) => g.step === step && g.verdict === 'too-little-data' && knownAtOnce.includes(g.metric));
  const lack =
    candidate.requests < minSample
      ? `the candidate answered ${candidate.requests} of at least ${minSample} requests`
      : stable.requests === 0
        ? 'the stable variant answered no request to compare with'
        : blind[0]?.why;
  if (lack === undefined) return undefined;
  if (policy.maxHoldUs === null || elapsedUs < policy.maxHoldUs) return { kind: 'hold', lack: 'sample', why: lack };
  const why = `lack of evidence: ${lack} within ${days(policy.maxHoldUs)}`;
  switch (policy.afterMaxHold) {
    case 'rollback':
      return { kind: 'roll-back', why };
    case 'pause':
      return { kind: 'pause', why };
    case 'promote-never':
      return { kind: 'await', waiting: { for: 'overdue', step: step + 1, sinceUs: nowUs }, why };
  }
}

const days = (us: number): string => {
  const hours = us / 3_600_000_000;
  return hours >= 48
    ? `${Number((hours / 24).toFixed(1))} d`
    : hours >= 1
      ? `${Number(hours.toFixed(1))} h`
      : `${Math.round(hours * 60)} min`;
};
