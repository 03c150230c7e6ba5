// The part of gyre.yaml that plans trials.
import Type from '../../../kernel/http/json-schema.ts';

const closed = { additionalProperties: false } as const;
const share = Type.String({ pattern: '^\\d{1,3}(\\.\\d+)?%$', description: 'A share of the traffic: 30%' });
const duration = Type.String({ pattern: '^\\d+(s|m|h|d|w)$', description: 'A duration: 10s, 5m, 6h, 14d, 2w' });
const version = Type.Union([Type.Integer({ minimum: 1 }), Type.String({ minLength: 1 })], { description: 'Number, alias or latest' });

/** What a trial may be about; the trials' own room says what each one is. */
export const trialMetricNames = ['label', 'accuracy', 'brier', 'log_loss', 'mae', 'error_rate', 'latency_ms'] as const;
export type TrialMetricName = (typeof trialMetricNames)[number];
const metric = Type.Enum([...trialMetricNames]);

const Bandit = Type.Object(
  {
    reward: Type.Optional(Type.Enum(['binary', 'continuous'])),
    every: Type.Optional(duration),
    floor: Type.Optional(share),
    cap: Type.Optional(share),
    min_rewards: Type.Optional(Type.Integer({ minimum: 10, description: 'Of every arm, before the weights move; default 100' })),
    half_life: Type.Optional(duration),
    delay: Type.Optional(duration),
    missing: Type.Optional(Type.Number({ description: 'What a prediction without a reward counts as after the delay' })),
    assign: Type.Optional(Type.Enum(['key', 'request'])),
    draws: Type.Optional(Type.Integer({ minimum: 1000, maximum: 100_000 })),
    seed: Type.Optional(Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 })),
  },
  { ...closed, description: 'Its weights follow the rewards (Thompson sampling)' },
);

export const TrialInFile = Type.Object(
  {
    endpoint: Type.String(),
    kind: Type.Optional(Type.Enum(['ab', 'aa', 'bandit'], { description: 'Default ab, or bandit where "bandit" says how' })),
    hypothesis: Type.Optional(Type.String({ maxLength: 2000 })),
    arms: Type.Record(
      Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,62}$' }),
      Type.Union([version, Type.Object({ version: Type.Optional(version), weight: Type.Optional(share) }, closed)]),
      { minProperties: 1, maxProperties: 9, description: 'Versions beside the control, which is what the endpoint serves' },
    ),
    metric,
    higher_is_better: Type.Optional(Type.Boolean()),
    effect: Type.Number({ exclusiveMinimum: 0, description: 'Smallest difference worth finding, in the unit of the metric' }),
    alpha: Type.Optional(Type.Number({ minimum: 1e-6, maximum: 0.2 })),
    power: Type.Optional(Type.Number({ minimum: 0.5, maximum: 0.999 })),
    rule: Type.Optional(Type.Enum(['fixed-horizon', 'confidence-sequence'])),
    correction: Type.Optional(Type.Enum(['holm', 'benjamini-hochberg'])),
    covariate: Type.Optional(
      Type.Union([Type.Object({ column: Type.String({ minLength: 1 }) }, closed), Type.Object({ before: duration }, closed)]),
    ),
    guardrails: Type.Optional(
      Type.Array(Type.Union([metric, Type.Object({ metric, margin: Type.Optional(Type.Number({ minimum: 0 })) }, closed)]), {
        description: 'What stops it, if an arm does harm; default error_rate',
      }),
    ),
    guard_alpha: Type.Optional(Type.Number({ minimum: 1e-6, maximum: 0.2 })),
    guard_units: Type.Optional(Type.Integer({ minimum: 10 })),
    max_duration: Type.Optional(duration),
    bandit: Type.Optional(Bandit),
    given: Type.Optional(
      Type.Object(
        {
          mean: Type.Optional(Type.Number()),
          variance: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
          units_per_day: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
        },
        { ...closed, description: 'What to plan from instead of the traffic of the last 14 days' },
      ),
    ),
    start: Type.Optional(Type.Boolean({ description: 'Starts as soon as it is planned and the endpoint is free; default false' })),
  },
  closed,
);
