// A readout: both kinds of interval for each arm, whether the measurement can be trusted, and what the plan's rule says.
import type { Ctx } from '../../../kernel/ctx.ts';
import { cuped, meanOf, ratioOf, shareOf, type ArmEstimate } from '../../../stats/trial/arms.ts';
import { adjusted, sampleMismatch } from '../../../stats/trial/corrections.ts';
import { compareAlways, compareMeans, compareShares, relative, type Compared } from '../../../stats/trial/readout.ts';
import { comparisonAlpha } from '../../../stats/trial/sample-size.ts';
import type { Comparison, Plan, Readout, Trial } from '../model.ts';
import { fail } from '../errors.ts';
import * as store from '../store.ts';
import { armsInOrder, compareWeighted, ratioOfUnits, weightedFigures } from './bandit.ts';
import { measureRewards, type Rewarded } from './measure-rewards.ts';
import { measure, type Measured, type Question } from './measure.ts';
import { judgeTrial } from './verdict.ts';

/** Reads a trial that runs as of now; of one that has ended, up to its end. Raises `trial-action-not-possible`. */
export async function readTrial(ctx: Ctx, trial: Trial, momentUs?: number): Promise<Readout> {
  const { started, plan, project, endpoint, name } = trial;
  if (!started) return fail('trial-action-not-possible', { trial: name, action: 'be read', why: 'it has not started' });
  const atUs = trial.endedUs ?? momentUs ?? (await ctx.timeline.read(ctx.db, ctx.workspace, project)).nowUs;
  const span = { project, endpoint, fromUs: started.atUs, toUs: atUs, metric: plan.metric };
  if (plan.bandit) {
    const { delayUs, missing, halfLifeUs } = plan.bandit;
    const found = await measureRewards(ctx, { ...span, spans: started.spans, delayUs, missing, halfLifeUs });
    return toWeightedReadout(trial, found, await store.listWeights(ctx.db, ctx.workspace, trial.id), atUs);
  }
  const question: Question = { ...span, covariate: plan.covariate, of: { spans: started.spans } };
  const all = await measure(ctx, question);
  // The first units that were planned and no others: whoever looks later, or twice, finds the same.
  const isFull = all.reduce((sum, arm) => sum + arm.means.n, 0) >= plan.size.units;
  const fixed = isFull ? await measure(ctx, { ...question, first: plan.size.units }) : [];
  return toReadout(plan, started.versions, all, fixed, atUs);
}

const nobody = (arm: string): Measured => ({
  ...{ arm, assigned: 0, exposedTwice: 0, requests: 0, shares: null },
  ratio: { n: 0, numerator: 0, denominator: 1, numeratorVariance: 0, denominatorVariance: 0, covariance: 0 },
  means: { n: 0, mean: 0, variance: 0, before: 0, beforeVariance: 0, covariance: 0 },
});

interface Estimated {
  readonly kind: Readout['kind'];
  readonly arms: readonly ArmEstimate[];
  readonly reduction: number | null;
}

/** Shares, means or ratios: one kind for all arms. With a covariate, means per unit without what it explains. */
function estimate(plan: Plan, arms: readonly Measured[]): Estimated {
  if (plan.covariate) {
    const found = cuped(arms.map((a) => a.means));
    return { kind: 'means', arms: found.arms, reduction: found.reduction };
  }
  if (arms.every((a) => a.shares)) return { kind: 'shares', arms: arms.map((a) => shareOf(a.shares!)), reduction: null };
  const isOnce = arms.every((a) => a.ratio.denominatorVariance === 0 && a.ratio.denominator === 1);
  return isOnce
    ? { kind: 'means', arms: arms.map((a) => meanOf(a.means)), reduction: null }
    : { kind: 'ratios', arms: arms.map((a) => ratioOf(a.ratio)), reduction: null };
}

/** Pure: a readout from what was measured, of all units and of those that a fixed horizon looks at. */
export function toReadout(
  plan: Plan,
  versions: readonly { readonly number: number }[],
  found: readonly Measured[],
  atHorizon: readonly Measured[],
  atUs: number,
): Readout {
  const inOrder = (rows: readonly Measured[]): Measured[] => plan.arms.map(({ name }) => rows.find((r) => r.arm === name) ?? nobody(name));
  const all = inOrder(found);
  const now = estimate(plan, all);
  const alpha = comparisonAlpha(plan.alpha, plan.arms.length - 1);
  const always = correct(
    plan,
    pairs(now.arms, (a, b) => compareAlways(a, b, alpha, plan.size.units)),
  );
  const horizon = atHorizon.length === 0 ? undefined : fixedOf(plan, inOrder(atHorizon), alpha);
  const known = now.arms.map((arm) => arm.n > 0);
  const comparisons = plan.arms.slice(1).map(({ name }, i): Comparison => {
    const [control, arm] = [now.arms[0]!, now.arms[i + 1]!];
    const isKnown = known[0]! && known[i + 1]!;
    return {
      arm: name,
      difference: isKnown ? arm.value - control.value : 0,
      relative: isKnown ? (relative(control, arm)?.difference ?? null) : null,
      fixed: horizon?.[i] ?? null,
      always: isKnown && Number.isFinite(always[i]!.low) ? always[i]! : null,
    };
  });
  const read: Omit<Readout, 'verdict'> = {
    ...{ atUs, rule: plan.rule, kind: now.kind, comparisons, reduction: now.reduction },
    arms: all.map((arm, i) => ({
      name: arm.arm,
      version: versions[i]?.number ?? null,
      assigned: arm.assigned,
      units: arm.means.n,
      requests: arm.requests,
      value: known[i]! ? now.arms[i]!.value : null,
      weighted: null,
    })),
    units: all.reduce((sum, arm) => sum + arm.means.n, 0),
    planned: plan.size.units,
    ratio: sampleMismatch(
      all.map((arm) => arm.assigned),
      plan.arms.map((arm) => arm.weight),
    ),
    exposedTwice: Math.max(...all.map((arm) => arm.exposedTwice)),
    asRun: null,
  };
  return { ...read, verdict: judgeTrial(plan, read) };
}

/** Pure: a readout of a bandit. Its units are rewarded requests. */
export function toWeightedReadout(
  { plan, started, steering }: Trial,
  found: Rewarded,
  weights: ReadonlyMap<number, readonly number[]>,
  atUs: number,
): Readout {
  const arms = armsInOrder(plan, found);
  const figures = weightedFigures(plan, plan.bandit!, found, steering!.weights, steering!.updates);
  const compared = compareWeighted(plan, found, comparisonAlpha(plan.alpha, plan.arms.length - 1));
  // One that says nothing yet has a p-value of 1.
  const spans = correct(
    plan,
    compared.map(({ difference, always }) => ({ difference, ...(always ?? { low: -Infinity, high: Infinity, pValue: 1, method: '' }) })),
  );
  const base = figures[0]!.snips?.value ?? 0;
  const read: Omit<Readout, 'verdict'> = {
    ...{ atUs, rule: plan.rule, kind: 'weighted' as const, reduction: null, exposedTwice: found.moved },
    arms: arms.map(({ arm, assigned, requests, sums }, i) => ({
      ...{ name: arm, version: started!.versions[i]?.number ?? null, assigned, units: sums.n, requests },
      ...{ value: figures[i]!.snips?.value ?? null, weighted: figures[i]! },
    })),
    comparisons: compared.map(({ difference, always }, i) => ({
      ...{ arm: plan.arms[i + 1]!.name, difference, fixed: null, always: always && spans[i]! },
      relative: always && base !== 0 ? difference / Math.abs(base) : null,
    })),
    ...{ units: found.all.requests, planned: plan.size.units },
    ratio: ratioOfUnits(plan, found, weights),
    asRun: { value: found.mean, waiting: found.waiting },
  };
  return { ...read, verdict: judgeTrial(plan, read) };
}

type Span = NonNullable<Comparison['fixed']>;

function fixedOf(plan: Plan, arms: readonly Measured[], alpha: number): (Span | null)[] {
  const { kind, arms: estimates } = estimate(plan, arms);
  if (estimates.some((arm) => arm.n < 2)) return [];
  return correct(
    plan,
    pairs(estimates, (control, arm, i) =>
      kind === 'shares' ? compareShares(arms[0]!.shares!, arms[i]!.shares!, alpha) : compareMeans(control, arm, alpha),
    ),
  ).map((span) => (Number.isFinite(span.low) ? span : null));
}

const pairs = (arms: readonly ArmEstimate[], compare: (control: ArmEstimate, arm: ArmEstimate, i: number) => Compared): Compared[] =>
  arms.slice(1).map((arm, i) => compare(arms[0]!, arm, i + 1));

/** p-values that may be held against the plan's alpha. The intervals hold together: each has alpha by the number of comparisons. */
function correct(plan: Plan, compared: readonly Compared[]): Span[] {
  const corrected = adjusted(
    compared.map((c) => c.pValue),
    plan.correction,
  );
  return compared.map(({ low, high, pValue, method }, i) => ({ low, high, pValue, adjustedP: corrected[i]!, method }));
}
