// A plan, written down before anything is served.
import type { Ctx } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { banditDefaults } from '../../../stats/bandit/shares.ts';
import type { Correction } from '../../../stats/trial/corrections.ts';
import { currentRevision, monitorOfEndpoint } from '../../projects/public.ts';
import { requireEndpoint } from '../../releases/public.ts';
import { fail } from '../errors.ts';
import {
  roundTo,
  trialMetrics,
  type Arm,
  type BanditPlan,
  type Covariate,
  type Guardrail,
  type ManagedBy,
  type Plan,
  type SampleSize,
  type Trial,
  type TrialMetric,
  type TrialRule,
} from '../model.ts';
import * as store from '../store.ts';
import { seedOf } from './bandit.ts';
import { sizeOf } from './size.ts';

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
  /** Absent: requests that fail. */
  readonly guardrails?: readonly Guardrail[] | undefined;
  readonly guardAlpha?: number | undefined;
  readonly guardUnits?: number | undefined;
  readonly longestUs?: number | null | undefined;
  /** Makes it a bandit. */
  readonly bandit?: Partial<BanditPlan> | undefined;
  /** What to plan from where the log says nothing. */
  readonly given: { readonly mean?: number | undefined; readonly variance?: number | undefined; readonly unitsPerDay?: number | undefined };
}

const DAY_US = 86_400_000_000;
const CONTROL = 'control';

const refuse = (why: string): never => fail('trial-plan-invalid', { why });

/** Share of false stops, all guardrails, arms and looks together. */
const GUARD_ALPHA = 0.01;
const GUARD_UNITS = 100;
const REWARDS: Partial<Record<TrialMetric, BanditPlan['reward']>> = { label: 'binary', accuracy: 'binary', error_rate: 'binary' };

/**
 * Records a plan. Raises `project-not-found`, `endpoint-not-found`, `trial-plan-invalid`, `trial-without-traffic`,
 * `trial-name-taken`.
 */
export async function planTrial(ctx: Ctx, input: NewTrial): Promise<Trial> {
  const { project, endpoint, name } = input;
  await requireEndpoint(ctx, { project, endpoint }, 'EDIT');
  if (await store.findByName(ctx.db, ctx.workspace, { project, endpoint }, name)) fail('trial-name-taken', { endpoint, trial: name });
  const plan = await planOf(ctx, input);
  return ctx.tx(async (tx) => {
    const trial = newTrial(tx, { project, endpoint, name }, plan);
    if (!(await store.insertTrial(tx.db, tx.workspace, trial))) fail('trial-name-taken', { endpoint, trial: name });
    await tellPlanned(tx, trial);
    return trial;
  });
}

export const newTrial = (tx: Ctx, of: Pick<Trial, 'project' | 'endpoint' | 'name'>, plan: Plan, by: ManagedBy = 'api'): Trial => ({
  ...{
    id: newId('trl', tx.ids),
    ...of,
    state: 'planned' as const,
    plan,
    started: null,
    steering: null,
    settled: true,
    standing: 'planned',
  },
  ...{ judgedUs: 0, guards: [], managedBy: by, declaredBy: null },
  ...{ decision: null, release: null, endedUs: null, createdMs: tx.clock.now(), version: 1 },
});

export const tellPlanned = (tx: Ctx, { id, name, endpoint, project, plan }: Trial): Promise<unknown> =>
  tx.emit({
    type: 'trial.planned',
    subject: { kind: 'trial', id },
    label: `trial ${name} on ${endpoint}`,
    project,
    payload: {
      ...{ endpoint, kind: plan.kind, metric: plan.metric, effect: plan.effect, rule: plan.rule, units: plan.size.units },
      arms: plan.arms.map((a) => ({ name: a.name, weight: a.weight })),
    },
    edges: [{ from: { kind: 'trial', id }, to: { kind: 'endpoint', id: endpoint }, relation: 'tries-on' }],
  });

/** Raises `trial-plan-invalid` and `trial-without-traffic`. */
export async function planOf(ctx: Ctx, input: NewTrial): Promise<Plan> {
  const unsized = unsizedPlan(input);
  const { definition } = await currentRevision(ctx, input.project);
  const lacking = [input.metric, ...unsized.guardrails.map((g) => g.metric)].find((metric) => trialMetrics[metric].needsLabels);
  if (lacking && !monitorOfEndpoint(definition.monitors, input.endpoint))
    refuse(`"${lacking}" needs outcomes, and no monitor brings those of endpoint "${input.endpoint}"; declare one in gyre.yaml.`);
  return { ...unsized, size: await sizeOf(ctx, { ...input, rule: unsized.rule }, unsized.arms) };
}

export const noSize: SampleSize = {
  units: 0,
  unitsPerDay: 0,
  days: 0,
  baseline: { mean: 0, variance: 0, units: 0, from: 'log' },
  reduction: 0,
};

/** All of a plan but what depends on the traffic. Raises `trial-plan-invalid`. */
export function unsizedPlan(input: NewTrial): Omit<Plan, 'size'> {
  const arms = armsOf(input);
  const { kind, hypothesis, metric, effect, alpha, power, correction, covariate } = input;
  const bandit = kind === 'bandit' ? banditOf(input, arms) : null;
  if (input.bandit && kind !== 'bandit') refuse('Floor, cap, interval and the like are those of a bandit; plan one with kind "bandit".');
  const guardrails = input.guardrails ?? (metric === 'error_rate' ? [] : [{ metric: 'error_rate' as const, margin: 0 }]);
  if (new Set(guardrails.map((g) => g.metric)).size < guardrails.length) refuse('A metric is named twice among the guardrails.');
  return {
    ...{ kind, hypothesis, arms, metric, effect, alpha, power, correction, covariate, bandit, guardrails },
    // Weights that move have no fixed horizon.
    rule: bandit ? 'confidence-sequence' : input.rule,
    higherIsBetter: input.higherIsBetter ?? trialMetrics[metric].higher,
    guardAlpha: input.guardAlpha ?? GUARD_ALPHA,
    guardUnits: input.guardUnits ?? GUARD_UNITS,
    longestUs: input.longestUs ?? null,
  };
}

function banditOf({ project, endpoint, name, metric, covariate, bandit = {} }: NewTrial, arms: readonly Arm[]): BanditPlan {
  const reward = bandit.reward ?? REWARDS[metric] ?? 'continuous';
  const { floor = banditDefaults.floor, cap = 1, missing = null } = bandit;
  const k = arms.length;
  if (covariate) refuse('A bandit takes no covariate: it weights rewards by their propensity.');
  if (!(floor * k < 1)) refuse(`A floor of ${floor} for each of ${k} arms leaves nothing to move; it must be below ${roundTo(1 / k)}.`);
  if (!(cap * k >= 1) || cap <= floor)
    refuse(`A cap of ${cap} for each of ${k} arms does not give out all traffic; it must be at least ${roundTo(1 / k)}.`);
  for (const { name: arm, weight } of arms)
    if (weight < floor - 1e-9 || weight > cap + 1e-9)
      refuse(`The arm "${arm}" begins with ${weight}, which is not between the floor ${floor} and the cap ${cap}.`);
  if (missing !== null && !trialMetrics[metric].needsLabels) refuse(`"${metric}" needs no outcome, so that none can be missing.`);
  if (missing !== null && reward === 'binary' && missing !== 0 && missing !== 1)
    refuse(`A missing reward counts as ${missing}, but rewards are 0 or 1.`);
  return {
    ...{ reward, floor, cap, missing, draws: bandit.draws ?? banditDefaults.draws, fewest: bandit.fewest ?? banditDefaults.fewest },
    ...{ everyUs: bandit.everyUs ?? DAY_US, halfLifeUs: bandit.halfLifeUs ?? null, delayUs: bandit.delayUs ?? 0 },
    ...{ drawnBy: bandit.drawnBy ?? 'key', seed: bandit.seed ?? seedOf(`${project}/${endpoint}/${name}`) },
  };
}

function armsOf({ kind, arms }: NewTrial): Arm[] {
  const names = [CONTROL, ...arms.map((a) => a.name)];
  if (new Set(names).size < names.length) refuse(`Two arms have the same name; the one that serves what is served now is "${CONTROL}".`);
  for (const { name, version } of arms) {
    if (kind !== 'aa' && version === undefined) refuse(`The arm "${name}" names no version.`);
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
