// Whether an arm does harm: worse than the control by more than a margin, one-sided and valid at every look.
import type { Ctx } from '../../../kernel/ctx.ts';
import { snipsDifference, varianceSequence } from '../../../stats/bandit/off-policy.ts';
import { excessShare, lowerConfidenceSequence } from '../../../stats/sequential.ts';
import { meanOf, ratioOf } from '../../../stats/trial/arms.ts';
import { FEWEST_ALWAYS, standardError } from '../../../stats/trial/readout.ts';
import { roundTo, trialMetrics, type Guardrail, type GuardFigures, type Plan, type Trial } from '../model.ts';
import { armsInOrder } from './bandit.ts';
import { measureRewards, type Rewarded } from './measure-rewards.ts';
import { measure, type Measured } from './measure.ts';

/** Chance of a false alarm of one guardrail and one arm (Bonferroni). */
const alphaOf = ({ guardAlpha, guardrails, arms }: Plan): number => guardAlpha / Math.max(1, guardrails.length * (arms.length - 1));

/** Every guardrail for every arm, from what the units of the trial did until now. */
export async function judgeGuardrails(ctx: Ctx, { plan, started, project, endpoint }: Trial, atUs: number): Promise<GuardFigures[]> {
  const span = { project, endpoint, fromUs: started!.atUs, toUs: atUs };
  const figures: GuardFigures[] = [];
  for (const guardrail of plan.guardrails) {
    const { metric } = guardrail;
    figures.push(
      ...(plan.bandit
        ? judgeMoved(
            plan,
            guardrail,
            await measureRewards(ctx, { ...span, spans: started!.spans, metric, delayUs: 0, missing: null, halfLifeUs: null }),
          )
        : judgeFixed(plan, guardrail, await measure(ctx, { ...span, metric, covariate: null, of: { spans: started!.spans } }))),
    );
  }
  return figures;
}

/** Of a trial whose weights stay. */
export function judgeFixed(plan: Plan, { metric, margin }: Guardrail, found: readonly Measured[]): GuardFigures[] {
  const alpha = alphaOf(plan);
  const [name, ...others] = plan.arms.map((a) => a.name);
  const control = found.find((m) => m.arm === name);
  const { higher } = trialMetrics[metric];
  return others.map((arm) => {
    const own = found.find((m) => m.arm === arm);
    const units = (control?.means.n ?? 0) + (own?.means.n ?? 0);
    const none = { ...{ metric, arm, units, margin, alpha, control: null, value: null, worse: null, atLeast: null }, method: 'none yet' };
    if (!control || !own || Math.min(control.means.n, own.means.n) < plan.guardUnits) return { ...none, verdict: 'too-little-data' };
    if (control.shares && own.shares) {
      // A share of failures is judged exactly, also where there is none; where more is better, those that lack it are counted.
      const counts = [own, control].map(({ shares }) => ({ events: higher ? shares!.n - shares!.events : shares!.events, n: shares!.n }));
      const { difference, low, pValue } = excessShare(counts[0]!, counts[1]!, alpha, margin);
      return {
        ...none,
        ...{ control: control.means.mean, value: own.means.mean, worse: difference, atLeast: low },
        verdict: pValue <= alpha ? 'harm' : 'ok',
        method: 'two-sample binomial e-process, one-sided, valid at every look',
      };
    }
    const isOnce = [control, own].every((m) => m.ratio.denominatorVariance === 0 && m.ratio.denominator === 1);
    const [a, b] = [control, own].map((m) => (isOnce ? meanOf(m.means) : ratioOf(m.ratio))) as [
      ReturnType<typeof meanOf>,
      ReturnType<typeof meanOf>,
    ];
    const error = standardError(a, b);
    if (!(error > 0) || Math.min(a.n, b.n) < FEWEST_ALWAYS)
      return { ...none, control: a.value, value: b.value, verdict: 'too-little-data' };
    const worse = higher ? a.value - b.value : b.value - a.value;
    const { low } = lowerConfidenceSequence({ difference: worse, standardError: error, n: a.n + b.n }, alpha, plan.size.units, margin);
    return {
      ...none,
      ...{ control: a.value, value: b.value, worse, atLeast: low },
      verdict: low > margin ? 'harm' : 'ok',
      method: 'asymptotic confidence sequence, one-sided, valid at every look',
    };
  });
}

/** Of a bandit: by propensity, so that a bad hour in which one arm had most of the traffic is not held against it. */
export function judgeMoved(plan: Plan, { metric, margin }: Guardrail, found: Rewarded): GuardFigures[] {
  const alpha = alphaOf(plan);
  const [control, ...others] = armsInOrder(plan, found);
  const { higher } = trialMetrics[metric];
  return others.map((own, i) => {
    const units = control!.weighted.n + own.weighted.n;
    const none = { metric, arm: own.arm, units, margin, alpha, control: null, value: null, worse: null, atLeast: null, method: 'none yet' };
    const d = snipsDifference(control!.weighted, own.weighted, own.cross, found.all);
    const isEnough = Math.min(control!.weighted.n, own.weighted.n) >= Math.max(plan.guardUnits, FEWEST_ALWAYS);
    if (!d || !isEnough) return { ...none, verdict: 'too-little-data' };
    const value = found.mean;
    // All rewards are the same: there is nothing that could be worse.
    if (!(found.variance > 0)) return { ...none, control: value, value, worse: 0, verdict: 'ok' };
    const expected = plan.size.units * found.variance * (1 / plan.arms[0]!.weight + 1 / plan.arms[i + 1]!.weight);
    const worse = higher ? -d.difference : d.difference;
    // Of the two sides one is asked: what is said of it holds with more confidence than alpha tells.
    const { low } = varianceSequence({ difference: worse, standardError: d.standardError, n: found.all.requests }, alpha, expected);
    return {
      ...none,
      control: control!.weighted.reward / control!.weighted.weight,
      value: own.weighted.reward / own.weighted.weight,
      ...{ worse, atLeast: low, verdict: low > margin ? 'harm' : 'ok' },
      method: 'confidence sequence of propensity-weighted means, valid at every look',
    };
  });
}

export const harmInWords = (g: GuardFigures): string =>
  `${g.metric} of ${g.arm} is ${roundTo(g.value ?? 0)}, that of the control ${roundTo(g.control ?? 0)}: worse by ${
    g.atLeast !== null && g.atLeast > g.margin ? `at least ${roundTo(g.atLeast)}` : roundTo(g.worse ?? 0)
  } at every look${g.margin > 0 ? `, ${g.margin} is tolerated` : ''} (${g.units} units, alpha ${roundTo(g.alpha)})`;
