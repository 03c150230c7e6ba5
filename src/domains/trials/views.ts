// What is told of trials.
import type { Static } from 'typebox';
import Type from '../../kernel/http/json-schema.ts';
import { usToIso } from '../../kernel/timeline/timeline.ts';
import {
  corrections,
  drawnBy,
  managers,
  rewardKinds,
  stepKinds,
  trialRules,
  trialStates,
  type Decision,
  type Readout,
  type Step,
  type Trial,
} from './model.ts';
import { DAY_US, Metric } from './schema.ts';

const Rule = Type.Enum([...trialRules]);
const CorrectionName = Type.Enum([...corrections]);
const NumberOrNull = Type.Union([Type.Number(), Type.Null()]);
const TextOrNull = Type.Union([Type.String(), Type.Null()]);
const HOUR_US = 3_600_000_000;

const SizeView = Type.Object({
  units: Type.Number({ description: 'Of all arms together' }),
  unitsPerDay: Type.Number(),
  days: Type.Number(),
  baseline: Type.Object({ mean: Type.Number(), variance: Type.Number(), units: Type.Number(), from: Type.Enum(['log', 'given']) }),
  reduction: Type.Number({ description: 'Share of the variance that the covariate is expected to take away' }),
});

const VerdictView = Type.Object({
  kind: Type.Enum(['continue', 'winner', 'keep-control', 'no-difference', 'invalid']),
  arm: TextOrNull,
  rule: Type.String(),
  why: Type.String(),
});

const SpanView = Type.Object({
  low: Type.Number(),
  high: Type.Number(),
  pValue: Type.Number(),
  adjustedP: Type.Number({ description: 'To be held against the plan’s alpha' }),
  method: Type.String(),
});

const Valued = Type.Union([Type.Object({ value: Type.Number(), low: Type.Number(), high: Type.Number() }), Type.Null()]);
const WeightedView = Type.Object({
  share: Type.Number({ description: 'Of the next traffic' }),
  chance: Type.Union([Type.Number(), Type.Null()], { description: 'To be the best arm' }),
  plain: Type.Union([Type.Number(), Type.Null()], { description: 'Mean without weights: biased in a bandit' }),
  ips: Valued,
  snips: Valued,
  effectiveSize: Type.Number({ description: 'Rewards of one share that would tell as much' }),
});

export const ReadoutView = Type.Object({
  at: Type.String({ description: 'Event time' }),
  rule: Rule,
  kind: Type.Enum(['shares', 'means', 'ratios', 'weighted']),
  arms: Type.Array(
    Type.Object({
      name: Type.String(),
      version: NumberOrNull,
      assigned: Type.Number(),
      units: Type.Number({ description: 'With a value of the metric' }),
      requests: Type.Number(),
      value: NumberOrNull,
      weighted: Type.Union([WeightedView, Type.Null()], { description: 'Of a bandit: rewards by propensity' }),
    }),
  ),
  comparisons: Type.Array(
    Type.Object({
      arm: Type.String(),
      difference: Type.Number({ description: 'Arm less control' }),
      relative: NumberOrNull,
      fixed: Type.Union([SpanView, Type.Null()], { description: 'Of the first planned units; null before they are there' }),
      always: Type.Union([SpanView, Type.Null()], { description: 'Valid at every look' }),
    }),
  ),
  units: Type.Number(),
  planned: Type.Number(),
  ratio: Type.Object({ pValue: Type.Number({ description: 'Valid at every look' }), chiSquareP: Type.Number() }),
  exposedTwice: Type.Number({ description: 'Units that met more than one arm' }),
  reduction: NumberOrNull,
  asRun: Type.Union([Type.Object({ value: NumberOrNull, waiting: Type.Number() }), Type.Null()], {
    description: 'Of a bandit: mean reward of all its traffic, and predictions still too young to count',
  }),
  verdict: VerdictView,
});

const GuardView = Type.Object({
  metric: Metric,
  arm: Type.String(),
  verdict: Type.Enum(['harm', 'ok', 'too-little-data']),
  units: Type.Number(),
  control: NumberOrNull,
  value: NumberOrNull,
  worse: Type.Union([Type.Number(), Type.Null()], { description: 'By how much the arm is worse' }),
  atLeast: Type.Union([Type.Number(), Type.Null()], { description: 'The truth is above this, at every look' }),
  margin: Type.Number(),
  alpha: Type.Number(),
  method: Type.String(),
});
const Weights = Type.Record(Type.String(), Type.Number());
const ActorView = Type.Object({ kind: Type.String(), id: Type.String() });

export const StepView = Type.Object({
  number: Type.Number(),
  kind: Type.Enum([...stepKinds] as [string, ...string[]]),
  revision: NumberOrNull,
  weights: Type.Union([Weights, Type.Null()], { description: 'By arm, from here on: the propensities of what follows' }),
  why: Type.String(),
  update: Type.Union(
    [
      Type.Object({
        seed: Type.Number(),
        draws: Type.Number(),
        arms: Type.Array(
          Type.Object({
            name: Type.String(),
            rewards: Type.Number(),
            posterior: Type.Record(Type.String(), Type.Union([Type.Number(), Type.String()])),
            chance: Type.Number(),
            share: Type.Number(),
          }),
        ),
      }),
      Type.Null(),
    ],
    { description: 'What the weights were computed from; with the seed they can be computed again' },
  ),
  by: ActorView,
  at: Type.String({ description: 'Event time' }),
  recordedAt: Type.String(),
});

export const TrialView = Type.Object({
  id: Type.String(),
  project: Type.String(),
  endpoint: Type.String(),
  name: Type.String(),
  state: Type.Enum([...trialStates] as [string, ...string[]]),
  standing: Type.String(),
  kind: Type.Enum(['ab', 'aa', 'bandit']),
  hypothesis: Type.String(),
  arms: Type.Array(Type.Object({ name: Type.String(), version: TextOrNull, weight: Type.Number() })),
  metric: Metric,
  higherIsBetter: Type.Boolean(),
  effect: Type.Number(),
  alpha: Type.Number(),
  power: Type.Number(),
  rule: Rule,
  correction: CorrectionName,
  covariate: Type.Union([Type.Object({ column: Type.String() }), Type.Object({ beforeDays: Type.Number() }), Type.Null()]),
  guardrails: Type.Array(Type.Object({ metric: Metric, margin: Type.Number() })),
  guardAlpha: Type.Number(),
  guardUnits: Type.Number(),
  maxDurationDays: NumberOrNull,
  bandit: Type.Union([
    Type.Object({
      reward: Type.Enum([...rewardKinds]),
      everyHours: Type.Number(),
      floor: Type.Number(),
      cap: Type.Number(),
      minRewards: Type.Number(),
      halfLifeHours: NumberOrNull,
      delayHours: Type.Number(),
      missing: NumberOrNull,
      assign: Type.Enum([...drawnBy]),
      draws: Type.Number(),
      seed: Type.Number(),
    }),
    Type.Null(),
  ]),
  size: SizeView,
  steering: Type.Union(
    [
      Type.Object({
        weights: Weights,
        updates: Type.Number(),
        nextAt: Type.String({ description: 'Event time' }),
        fixed: Type.Union([Type.Object({ by: ActorView, reason: Type.String(), at: Type.String() }), Type.Null()]),
      }),
      Type.Null(),
    ],
    { description: 'Where a bandit stands; null before its start' },
  ),
  guards: Type.Array(GuardView, { description: 'What the guardrails said at the last look' }),
  managedBy: Type.Enum([...managers], { description: 'detached: it was in gyre.yaml, and is not any more' }),
  revision: TextOrNull,
  startedAt: Type.Union([Type.String(), Type.Null()], { description: 'Event time' }),
  endedAt: Type.Union([Type.String(), Type.Null()], { description: 'Event time' }),
  decision: Type.Union([
    Type.Object({
      verdict: VerdictView,
      readout: ReadoutView,
      by: ActorView,
      reason: Type.String(),
      at: Type.String({ description: 'Event time' }),
    }),
    Type.Null(),
  ]),
  release: Type.Union([Type.String(), Type.Null()], { description: 'The release that brings the winner to all traffic' }),
  createdAt: Type.String(),
});

export const readoutView = ({ atUs, arms, comparisons, ...r }: Readout): Static<typeof ReadoutView> => ({
  ...r,
  at: usToIso(atUs),
  arms: arms.map((a) => ({ ...a, weighted: a.weighted && { ...a.weighted } })),
  comparisons: comparisons.map((c) => ({ ...c })),
  ratio: { pValue: r.ratio.pValue, chiSquareP: r.ratio.chiSquareP },
});

const decisionView = ({ verdict, readout, by, reason, atUs }: Decision) => ({
  ...{ verdict: { ...verdict }, by: { ...by }, reason },
  readout: readoutView(readout),
  at: usToIso(atUs),
});

const byArm = ({ plan }: Pick<Trial, 'plan'>, weights: readonly number[]): Record<string, number> =>
  Object.fromEntries(plan.arms.map(({ name }, i) => [name, weights[i]!]));

export const stepView = (trial: Trial, { actor, atUs, atMs, weights, update, ...step }: Step): Static<typeof StepView> => ({
  ...step,
  weights: weights && byArm(trial, weights),
  update: update && { ...update, arms: update.arms.map((a) => ({ ...a, posterior: { ...a.posterior } })) },
  by: { ...actor },
  at: usToIso(atUs),
  recordedAt: new Date(atMs).toISOString(),
});

export const trialView = ({ plan, ...t }: Trial): Static<typeof TrialView> => ({
  ...{ id: t.id, project: t.project, endpoint: t.endpoint, name: t.name, state: t.state, standing: t.standing },
  ...{ kind: plan.kind, hypothesis: plan.hypothesis, metric: plan.metric, higherIsBetter: plan.higherIsBetter, effect: plan.effect },
  ...{ alpha: plan.alpha, power: plan.power, rule: plan.rule, correction: plan.correction },
  arms: plan.arms.map((a) => ({ ...a })),
  covariate:
    plan.covariate === null
      ? null
      : 'column' in plan.covariate
        ? { column: plan.covariate.column }
        : { beforeDays: plan.covariate.beforeUs / DAY_US },
  guardrails: plan.guardrails.map((g) => ({ ...g })),
  ...{ guardAlpha: plan.guardAlpha, guardUnits: plan.guardUnits, managedBy: t.managedBy },
  maxDurationDays: plan.longestUs === null ? null : plan.longestUs / DAY_US,
  bandit: plan.bandit && {
    ...{ reward: plan.bandit.reward, floor: plan.bandit.floor, cap: plan.bandit.cap, minRewards: plan.bandit.fewest },
    ...{ everyHours: plan.bandit.everyUs / HOUR_US, delayHours: plan.bandit.delayUs / HOUR_US, missing: plan.bandit.missing },
    halfLifeHours: plan.bandit.halfLifeUs === null ? null : plan.bandit.halfLifeUs / HOUR_US,
    ...{ assign: plan.bandit.drawnBy, draws: plan.bandit.draws, seed: plan.bandit.seed },
  },
  size: { ...plan.size, baseline: { ...plan.size.baseline } },
  steering: t.steering && {
    ...{ weights: byArm({ plan }, t.steering.weights), updates: t.steering.updates, nextAt: usToIso(t.steering.nextUs) },
    fixed: t.steering.fixed && { by: { ...t.steering.fixed.by }, reason: t.steering.fixed.reason, at: usToIso(t.steering.fixed.atUs) },
  },
  guards: t.guards.map((g) => ({ ...g })),
  revision: t.started?.revision ?? null,
  startedAt: t.started && usToIso(t.started.atUs),
  endedAt: t.endedUs === null ? null : usToIso(t.endedUs),
  decision: t.decision && decisionView(t.decision),
  release: t.release,
  createdAt: new Date(t.createdMs).toISOString(),
});
