// How many units a trial needs, and in how many days the endpoint's own traffic brings them.
import type { Ctx } from '../../../kernel/ctx.ts';
import { cuped, ratioOf } from '../../../stats/trial/arms.ts';
import { unitsForMeans, unitsForShares } from '../../../stats/trial/sample-size.ts';
import { findCurrentEndpointRevision } from '../../releases/public.ts';
import { fail } from '../errors.ts';
import { trialMetrics, type Arm, type SampleSize } from '../model.ts';
import { measure, type Measured } from './measure.ts';
import type { NewTrial } from './plan.ts';

const DAY_US = 86_400_000_000;
/** Traffic of so many days before now says what to expect. */
const LOOK_BACK_DAYS = 14;

const refuse = (why: string): never => fail('trial-plan-invalid', { why });

/** Raises `trial-plan-invalid` and `trial-without-traffic`. */
export async function sizeOf(ctx: Ctx, input: NewTrial, arms: readonly Arm[]): Promise<SampleSize> {
  const { project, endpoint, metric, effect, alpha, power, rule, covariate, given } = input;
  const current = await findCurrentEndpointRevision(ctx.db, ctx.workspace, project, endpoint);
  const served = current?.variants[0];
  if (!served) return fail('trial-without-traffic', { endpoint, lacking: 'anything' });
  const { nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
  const fromUs = nowUs - LOOK_BACK_DAYS * DAY_US;
  const column = covariate && 'column' in covariate ? covariate : null;
  const of = { model: served.model, version: served.number };
  const [found] = await measure(ctx, { project, endpoint, fromUs, toUs: nowUs, metric, covariate: column, of });
  const unitsPerDay = given.unitsPerDay ?? (found ? found.assigned / LOOK_BACK_DAYS : 0);
  if (!(unitsPerDay > 0)) fail('trial-without-traffic', { endpoint, lacking: 'how many units come a day (unitsPerDay)' });
  const known = baselineOf(found, covariate !== null);
  const mean = given.mean ?? known?.mean ?? fail('trial-without-traffic', { endpoint, lacking: 'the metric (mean)' });
  const isShare = given.variance === undefined && (known?.isShare ?? (mean >= 0 && mean <= 1));
  const variance = given.variance ?? (given.mean === undefined ? known?.variance : undefined) ?? mean * (1 - mean);
  const reduction = column && found && found.means.n >= FEWEST ? cuped([found.means]).reduction : 0;
  const wanted = { alpha, power, rule, weights: arms.map((a) => a.weight) };
  const signed = (input.higherIsBetter ?? trialMetrics[metric].higher) ? effect : -effect;
  if (isShare && (mean + signed < 0 || mean + signed > 1))
    refuse(`A share of ${mean} cannot change by ${effect} to the better; the effect is in the unit of the metric.`);
  if (!(variance > 0)) refuse('The metric did not vary at all until now; give a variance with the plan.');
  const units =
    isShare && covariate === null ? unitsForShares(mean, signed, wanted) : unitsForMeans(variance * (1 - reduction), effect, wanted);
  return {
    units,
    unitsPerDay,
    days: Math.ceil(units / unitsPerDay),
    baseline: { mean, variance, units: found?.means.n ?? 0, from: given.mean === undefined ? 'log' : 'given' },
    reduction,
  };
}

/** Below so many units the log says too little to plan from. */
const FEWEST = 30;

function baselineOf(found: Measured | undefined, hasCovariate: boolean): { mean: number; variance: number; isShare: boolean } | undefined {
  if (!found || found.means.n < FEWEST) return undefined;
  const { shares, means, ratio } = found;
  if (shares || hasCovariate || ratio.denominatorVariance === 0)
    return { mean: means.mean, variance: means.variance, isShare: shares !== null };
  const { value, variance } = ratioOf(ratio);
  return { mean: value, variance, isShare: false };
}
