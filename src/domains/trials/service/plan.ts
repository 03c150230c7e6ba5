// A plan: how many units a trial needs, and in how many days the endpoint's own traffic brings them.
import type { Ctx } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { cuped, ratioOf } from '../../../stats/trial/arms.ts';
import type { Correction } from '../../../stats/trial/corrections.ts';
import { unitsForMeans, unitsForShares } from '../../../stats/trial/sample-size.ts';
import { findCurrentEndpointRevision, requireEndpoint } from '../../releases/public.ts';
import { fail } from '../errors.ts';
import {
  trialMetrics,
  type Arm,
  type Covariate,
  type Plan,
  type SampleSize,
  type Trial,
  type TrialMetric,
  type TrialRule,
} from '../model.ts';
import * as store from '../store.ts';
import { measure, type Measured } from './measure.ts';

export interface NewTrial {
  readonly project: string;
  readonly endpoint: string;
  readonly name: string;
  readonly kind: Plan['kind'];
  readonly hypothesis: string;
  /** Besides the control. */
  readonly arms: readonly { readonly name: string; readonly version?: string | undefined; readonly weight?: number | undefined }[];
  readonly metric: TrialMetric;
  readonly higherIsBetter?: boolean | undefined;
  readonly effect: number;
  readonly alpha: number;
  readonly power: number;
  readonly rule: TrialRule;
  readonly correction: Correction;
  readonly covariate: Covariate | null;
  /** What to plan from where the log says nothing. */
  readonly given: { readonly mean?: number | undefined; readonly variance?: number | undefined; readonly unitsPerDay?: number | undefined };
}

const DAY_US = 86_400_000_000;
/** Traffic of so many days before now says what to expect. */
const LOOK_BACK_DAYS = 14;
const CONTROL = 'control';

const refuse = (why: string): never => fail('trial-plan-invalid', { why });

/**
 * Records a plan. Raises `project-not-found`, `endpoint-not-found`, `trial-plan-invalid`, `trial-without-traffic`,
 * `trial-name-taken`.
 */
export async function planTrial(ctx: Ctx, input: NewTrial): Promise<Trial> {
  const { project, endpoint, name } = input;
  await requireEndpoint(ctx, { project, endpoint }, 'EDIT');
  if (await store.findByName(ctx.db, ctx.workspace, { project, endpoint }, name)) fail('trial-name-taken', { endpoint, trial: name });
  const arms = armsOf(input);
  const size = await sizeOf(ctx, input, arms);
  const { kind, hypothesis, metric, effect, alpha, power, rule, correction, covariate } = input;
  const higherIsBetter = input.higherIsBetter ?? trialMetrics[metric].higher;
  const plan: Plan = { kind, hypothesis, arms, metric, higherIsBetter, effect, alpha, power, rule, correction, covariate, size };
  return ctx.tx(async (tx) => {
    const trial: Trial = {
      ...{ id: newId('trl', tx.ids), project, endpoint, name, state: 'planned' as const, plan, started: null, settled: true },
      ...{ standing: 'planned', decision: null, release: null, endedUs: null, createdMs: tx.clock.now(), version: 1 },
    };
    if (!(await store.insertTrial(tx.db, tx.workspace, trial))) fail('trial-name-taken', { endpoint, trial: name });
    await tx.emit({
      type: 'trial.planned',
      subject: { kind: 'trial', id: trial.id },
      label: `trial ${name} on ${endpoint}`,
      project,
      payload: { endpoint, kind, metric, effect, rule, arms: arms.map((a) => ({ name: a.name, weight: a.weight })), units: size.units },
      edges: [{ from: { kind: 'trial', id: trial.id }, to: { kind: 'endpoint', id: endpoint }, relation: 'tries-on' }],
    });
    return trial;
  });
}

function armsOf({ kind, arms }: NewTrial): Arm[] {
  const names = [CONTROL, ...arms.map((a) => a.name)];
  if (new Set(names).size < names.length) refuse(`Two arms have the same name; the one that serves what is served now is "${CONTROL}".`);
  for (const { name, version } of arms) {
    if (kind === 'ab' && version === undefined) refuse(`The arm "${name}" names no version.`);
    if (kind === 'aa' && version !== undefined)
      refuse(`In an A/A check every arm serves what the control serves; the arm "${name}" names a version.`);
  }
  const given = arms.reduce((sum, a) => sum + (a.weight ?? 1 / names.length), 0);
  if (!(given < 1)) refuse('The weights of the arms leave nothing for the control; they are shares of the traffic.');
  return [
    { name: CONTROL, version: null, weight: Number((1 - given).toFixed(9)) },
    ...arms.map((a) => ({ name: a.name, version: a.version ?? null, weight: a.weight ?? 1 / names.length })),
  ];
}

async function sizeOf(ctx: Ctx, input: NewTrial, arms: readonly Arm[]): Promise<SampleSize> {
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
