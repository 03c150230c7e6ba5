// What is sent to plan a trial.
import type { Static } from 'typebox';
import Type from '../../kernel/http/json-schema.ts';
import { durationMs } from '../projects/public.ts';
import { corrections, drawnBy, rewardKinds, trialMetrics, trialRules, type TrialMetric } from './model.ts';
import type { NewTrial } from './service/plan.ts';

const metricNames = Object.keys(trialMetrics) as [TrialMetric, ...TrialMetric[]];
export const Metric = Type.Enum(metricNames, {
  description: Object.entries(trialMetrics)
    .map(([name, m]) => `${name}: ${m.title}`)
    .join('; '),
});
const Name = Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,62}$' });
const MAX_DAYS = 365;
export const DAY_US = 86_400_000_000;
const Duration = (description: string) =>
  Type.String({ pattern: '^\\d{1,6}(s|m|h|d|w)$', description: `${description}: 30m, 6h, 1d, 2w of event time` });
const us = (duration: string): number => durationMs(duration) * 1000;

const Guard = Type.Union([
  Metric,
  Type.Object({
    metric: Metric,
    margin: Type.Number({ minimum: 0, description: 'Harm up to this is tolerated, in the unit of the metric' }),
  }),
]);

const BanditBody = Type.Object(
  {
    reward: Type.Optional(
      Type.Enum([...rewardKinds], {
        description: 'Of the metric: 0 or 1 (Beta posterior) or any number (Gaussian); absent: as the metric is',
      }),
    ),
    every: Type.Optional(Duration('Time between updates; absent: 1d')),
    floor: Type.Optional(Type.Number({ minimum: 0, maximum: 0.5, default: 0.05, description: 'Share that every arm gets at least' })),
    cap: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1, default: 1, description: 'Share that every arm gets at most' })),
    minRewards: Type.Optional(
      Type.Integer({ minimum: 10, maximum: 1e9, default: 100, description: 'Of every arm, before the weights move' }),
    ),
    halfLife: Type.Optional(Duration('A reward weighs half after so long; absent: all weigh the same')),
    delay: Type.Optional(Duration('Only predictions older than this count; absent: all with a reward')),
    missing: Type.Optional(
      Type.Number({ description: 'What a prediction without a reward counts as after the delay; absent: not at all' }),
    ),
    assign: Type.Optional(Type.Enum([...drawnBy], { default: 'key', description: 'An arm for each key, or for each request' })),
    draws: Type.Optional(Type.Integer({ minimum: 1000, maximum: 100_000, default: 10_000 })),
    seed: Type.Optional(Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1, description: 'Absent: from project, endpoint and name' })),
  },
  { description: 'Of a bandit: its weights move to the arms that are rewarded' },
);

export const NewTrialBody = Type.Object({
  name: Name,
  kind: Type.Optional(
    Type.Enum(['ab', 'aa', 'bandit'], {
      default: 'ab',
      description: 'aa: all arms serve the same version; bandit: the weights follow the rewards (Thompson sampling)',
    }),
  ),
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
  guardrails: Type.Optional(Type.Array(Guard, { maxItems: 10, description: 'What stops it, if an arm does harm; absent: error_rate' })),
  guardAlpha: Type.Optional(
    Type.Number({ minimum: 1e-6, maximum: 0.2, default: 0.01, description: 'Chance that they stop it without harm' }),
  ),
  guardUnits: Type.Optional(
    Type.Integer({ minimum: 10, maximum: 1e9, default: 100, description: 'Units of an arm before they are asked' }),
  ),
  maxDuration: Type.Optional(Duration('It ends after so long, with what its rule says then; absent: never by itself')),
  bandit: Type.Optional(BanditBody),
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

/** A body as `planTrial` takes it. */
export const toNewTrial = (
  of: { readonly project: string; readonly endpoint: string },
  { covariate, given, guardrails, maxDuration, bandit, ...plan }: Static<typeof NewTrialBody>,
): NewTrial => ({
  ...{ ...of, name: plan.name, arms: plan.arms, metric: plan.metric, higherIsBetter: plan.higherIsBetter, effect: plan.effect },
  kind: plan.kind ?? (bandit ? 'bandit' : 'ab'),
  hypothesis: plan.hypothesis ?? '',
  ...{ alpha: plan.alpha ?? 0.05, power: plan.power ?? 0.8, rule: plan.rule ?? 'fixed-horizon', correction: plan.correction ?? 'holm' },
  covariate: !covariate ? null : 'column' in covariate ? { column: covariate.column } : { beforeUs: covariate.beforeDays * DAY_US },
  guardrails: guardrails?.map((g) => (typeof g === 'string' ? { metric: g, margin: 0 } : g)),
  ...{ guardAlpha: plan.guardAlpha, guardUnits: plan.guardUnits, longestUs: maxDuration === undefined ? null : us(maxDuration) },
  bandit: bandit && {
    ...(bandit.reward ? { reward: bandit.reward } : {}),
    ...(bandit.every ? { everyUs: us(bandit.every) } : {}),
    ...(bandit.halfLife ? { halfLifeUs: us(bandit.halfLife) } : {}),
    ...(bandit.delay ? { delayUs: us(bandit.delay) } : {}),
    ...(bandit.floor === undefined ? {} : { floor: bandit.floor }),
    ...(bandit.cap === undefined ? {} : { cap: bandit.cap }),
    ...(bandit.minRewards === undefined ? {} : { fewest: bandit.minRewards }),
    ...(bandit.missing === undefined ? {} : { missing: bandit.missing }),
    ...(bandit.assign ? { drawnBy: bandit.assign } : {}),
    ...(bandit.draws === undefined ? {} : { draws: bandit.draws }),
    ...(bandit.seed === undefined ? {} : { seed: bandit.seed }),
  },
  given: given ?? {},
});
