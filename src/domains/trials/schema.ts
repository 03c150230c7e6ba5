// Wire shapes of trials.
import type { Static } from 'typebox';
import Type from '../../kernel/http/json-schema.ts';
import { usToIso } from '../../kernel/timeline/timeline.ts';
import { corrections, trialMetrics, trialRules, trialStates, type Decision, type Readout, type Trial, type TrialMetric } from './model.ts';

const metricNames = Object.keys(trialMetrics) as [TrialMetric, ...TrialMetric[]];
const Metric = Type.Enum(metricNames, {
  description: Object.entries(trialMetrics)
    .map(([name, m]) => `${name}: ${m.title}`)
    .join('; '),
});
const Rule = Type.Enum([...trialRules]);
const CorrectionName = Type.Enum([...corrections]);
const NumberOrNull = Type.Union([Type.Number(), Type.Null()]);
const TextOrNull = Type.Union([Type.String(), Type.Null()]);
const Name = Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,62}$' });
const MAX_DAYS = 365;

export const NewTrialBody = Type.Object({
  name: Name,
  kind: Type.Optional(Type.Enum(['ab', 'aa'], { default: 'ab', description: 'aa: all arms serve the same version' })),
  hypothesis: Type.Optional(Type.String({ maxLength: 2000 })),
  arms: Type.Array(
    Type.Object({
      name: Name,
      version: Type.Optional(Type.String({ maxLength: 256, description: 'Number, alias or latest; absent in an A/A check' })),
      weight: Type.Optional(
        Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1, description: 'Share of the units; absent = equal shares' }),
      ),
    }),
    { minItems: 1, maxItems: 9, description: 'Besides the control, which is what the endpoint serves' },
  ),
  metric: Metric,
  higherIsBetter: Type.Optional(Type.Boolean({ description: 'Absent: as the metric is usually read' })),
  effect: Type.Number({ exclusiveMinimum: 0, description: 'Smallest difference worth finding, in the unit of the metric' }),
  alpha: Type.Optional(Type.Number({ minimum: 1e-6, maximum: 0.2, default: 0.05 })),
  power: Type.Optional(Type.Number({ minimum: 0.5, maximum: 0.999, default: 0.8 })),
  rule: Type.Optional(Type.Enum([...trialRules], { default: 'fixed-horizon' })),
  correction: Type.Optional(Type.Enum([...corrections], { default: 'holm' })),
  covariate: Type.Optional(
    Type.Union([
      Type.Object({ column: Type.String({ minLength: 1, maxLength: 256, description: 'A number that the request carries' }) }),
      Type.Object({
        beforeDays: Type.Integer({ minimum: 1, maximum: MAX_DAYS, description: 'The unit’s own metric in so many days before' }),
      }),
    ]),
  ),
  given: Type.Optional(
    Type.Object(
      {
        mean: Type.Optional(Type.Number()),
        variance: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
        unitsPerDay: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1e12 })),
      },
      { description: 'What to plan from instead of the traffic of the last 14 days' },
    ),
  ),
});

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

export const ReadoutView = Type.Object({
  at: Type.String({ description: 'Event time' }),
  rule: Rule,
  kind: Type.Enum(['shares', 'means', 'ratios']),
  arms: Type.Array(
    Type.Object({
      name: Type.String(),
      version: NumberOrNull,
      assigned: Type.Number(),
      units: Type.Number({ description: 'With a value of the metric' }),
      requests: Type.Number(),
      value: NumberOrNull,
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
  verdict: VerdictView,
});

export const TrialView = Type.Object({
  id: Type.String(),
  project: Type.String(),
  endpoint: Type.String(),
  name: Type.String(),
  state: Type.Enum([...trialStates] as [string, ...string[]]),
  standing: Type.String(),
  kind: Type.Enum(['ab', 'aa']),
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
  size: SizeView,
  revision: TextOrNull,
  startedAt: Type.Union([Type.String(), Type.Null()], { description: 'Event time' }),
  endedAt: Type.Union([Type.String(), Type.Null()], { description: 'Event time' }),
  decision: Type.Union([
    Type.Object({
      verdict: VerdictView,
      readout: ReadoutView,
      by: Type.Object({ kind: Type.String(), id: Type.String() }),
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
  arms: arms.map((a) => ({ ...a })),
  comparisons: comparisons.map((c) => ({ ...c })),
  ratio: { pValue: r.ratio.pValue, chiSquareP: r.ratio.chiSquareP },
});

const decisionView = ({ verdict, readout, by, reason, atUs }: Decision) => ({
  ...{ verdict: { ...verdict }, by: { ...by }, reason },
  readout: readoutView(readout),
  at: usToIso(atUs),
});

export const DAY_US = 86_400_000_000;

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
  size: { ...plan.size, baseline: { ...plan.size.baseline } },
  revision: t.started?.revision ?? null,
  startedAt: t.started && usToIso(t.started.atUs),
  endedAt: t.endedUs === null ? null : usToIso(t.endedUs),
  decision: t.decision && decisionView(t.decision),
  release: t.release,
  createdAt: new Date(t.createdMs).toISOString(),
});
