// The part of gyre.yaml that keeps a model good: staged releases, monitors, alerts, receivers, retraining.
import Type from '../../../kernel/http/json-schema.ts';

const name = Type.String({ pattern: '^[a-z][a-z0-9_-]{0,62}$' });
const closed = { additionalProperties: false } as const;
const duration = Type.String({ pattern: '^\\d+(s|m|h|d|w)$', description: 'A duration: 10s, 5m, 6h, 14d, 2w' });
const scalar = Type.Union([Type.String(), Type.Number(), Type.Boolean()]);

const share = Type.String({ pattern: '^\\d{1,3}(\\.\\d+)?%$' });

export const InferenceLogInFile = Type.Object(
  { share },
  { ...closed, description: 'Which predictions are written to the inference log while one variant answers; without it all are' },
);

export const StagedRelease = Type.Object(
  {
    shadow: Type.Optional(
      Type.Union(
        [
          duration,
          Type.Object(
            {
              share: Type.Optional(share),
              hold: Type.Optional(duration),
              min_sample: Type.Optional(Type.Integer({ minimum: 1 })),
            },
            closed,
          ),
        ],
        { description: 'Before it gets traffic, the candidate answers copies of requests, and nobody gets its answers' },
      ),
    ),
    steps: Type.Array(
      Type.Union([
        share,
        Type.Object(
          {
            share,
            approve: Type.Optional(Type.Boolean({ description: 'A person lets the release into this step: gyre release approve' })),
            pause: Type.Optional(Type.Literal('manual', { description: 'A person lets the release out of this step' })),
          },
          closed,
        ),
      ]),
      { minItems: 1, description: 'Shares of live traffic that the candidate gets, one after the other; the last is 100%' },
    ),
    hold: Type.Optional(duration),
    max_hold: Type.Optional(duration),
    after_max_hold: Type.Optional(
      Type.Enum(['rollback', 'pause', 'promote-never'], {
        description: 'What becomes of a step without enough data by then; promote-never: it stays as it is until a person decides',
      }),
    ),
    min_sample: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'Requests that the candidate must have answered in a step before it may go on; default 300',
      }),
    ),
    bake: Type.Optional(
      Type.String({
        pattern: '^\\d+(s|m|h|d|w)$',
        description: 'So long the former version stays loaded and is compared with once the candidate has all traffic',
      }),
    ),
    rollback_window: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 100,
        description: 'So many promoted revisions back "gyre rollback" skips the steps; default 10',
      }),
    ),
    guardrails: Type.Optional(
      Type.Array(
        Type.Union([
          Type.String(),
          Type.Object(
            {
              metric: Type.String(),
              margin: Type.Optional(Type.Number({ minimum: 0 })),
              then: Type.Optional(Type.Enum(['rollback', 'pause'], { description: 'What harm leads to; default rollback' })),
            },
            closed,
          ),
        ]),
        {
          description:
            'error_rate, latency, latency_p99, prediction_drift, disagreement, null_rate, feature_drift, reward or a performance metric: the candidate against the concurrent stable variant',
        },
      ),
    ),
  },
  closed,
);

export const FreezeWindow = Type.Object(
  {
    cron: Type.String({ description: 'When it begins, in event time: five fields' }),
    for: duration,
    zone: Type.Optional(Type.String({ description: 'An IANA time zone; default UTC' })),
    reason: Type.Optional(Type.String({ maxLength: 200 })),
  },
  { ...closed, description: 'While it lasts no release begins or takes a step; going back stays possible' },
);

const DriftMethod = Type.Enum(['js', 'psi', 'ks', 'chi2', 'wasserstein', 'hellinger']);
export const Monitor = Type.Object(
  {
    endpoint: Type.Optional(
      Type.String({
        description: 'The endpoint that is watched; default: the one of the monitor’s own name, else a model served elsewhere',
      }),
    ),
    model: Type.Optional(
      Type.String({ description: 'Of a model served elsewhere: the registered model whose baselines are compared with' }),
    ),
    task: Type.Optional(Type.Enum(['binary', 'regression'])),
    window: Type.Optional(duration),
    lateness: Type.Optional(duration),
    labels: Type.Optional(
      Type.Object(
        {
          from: Type.Optional(
            Type.Union([
              Type.Literal('feedback'),
              Type.Object(
                {
                  dataset: name,
                  label: Type.String({ description: 'Expression: the outcome' }),
                  where: Type.Optional(Type.String()),
                  at: Type.Optional(Type.String({ description: 'Expression: the moment of the prediction' })),
                  key: Type.Array(Type.String(), { minItems: 1, description: 'Columns that the request and the dataset share' }),
                },
                closed,
              ),
            ]),
          ),
          every: Type.Optional(duration),
          within: Type.Optional(duration),
        },
        closed,
      ),
    ),
    performance: Type.Optional(Type.Array(Type.String())),
    slices: Type.Optional(Type.Array(Type.String(), { uniqueItems: true, description: 'Columns of the request or the inputs' })),
    columns: Type.Optional(Type.Array(Type.String(), { uniqueItems: true, description: 'Watched inputs; default all' })),
    drift: Type.Optional(
      Type.Object(
        {
          numeric: Type.Optional(DriftMethod),
          categorical: Type.Optional(DriftMethod),
          columns: Type.Optional(
            Type.Record(
              Type.String(),
              Type.Object({ method: Type.Optional(DriftMethod), threshold: Type.Optional(Type.Number({ minimum: 0 })) }, closed),
            ),
          ),
        },
        closed,
      ),
    ),
    estimate: Type.Optional(
      Type.Boolean({ description: 'Estimate performance before labels are there (CBPE); default for binary models' }),
    ),
    trailing: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 60, description: 'Windows that are pooled before performance is compared with the baseline' }),
    ),
    baseline: Type.Optional(
      Type.Union([
        Type.Object(
          { dataset: name, score: Type.Optional(Type.String()), label: Type.Optional(Type.String()), at: Type.Optional(Type.String()) },
          closed,
        ),
        Type.Object({ first: duration }, closed),
      ]),
    ),
  },
  closed,
);

export const AlertRule = Type.Object(
  {
    name: Type.Optional(name),
    when: Type.String({ description: 'MONITOR.SIGNAL CONDITION, for example: late-arrival.roc_auc below baseline by 0.03' }),
    for: Type.Optional(
      Type.String({
        pattern: '^([1-9]\\d*( of [1-9]\\d*)? windows?|\\d+(s|m|h|d|w))$',
        description: 'How long it must hold: 2 windows (in a row), 2 of 3 windows, or a duration',
      }),
    ),
    keep_firing_for: Type.Optional(duration),
    severity: Type.Optional(Type.Enum(['page', 'warn', 'info'])),
    receivers: Type.Optional(Type.Array(name, { uniqueItems: true })),
    summary: Type.Optional(Type.String()),
  },
  closed,
);

const secretRef = Type.String({ description: 'A reference: env:NAME or file:/path' });
const receiving = { repeat: Type.Optional(duration), send_resolved: Type.Optional(Type.Boolean()) };
export const Receiver = Type.Union([
  Type.Object(
    {
      webhook: Type.Object(
        {
          url: Type.String({ description: 'The address, or env:NAME' }),
          secret: Type.Optional(secretRef),
          format: Type.Optional(
            Type.Enum(['gyre', 'alertmanager'], {
              description: 'alertmanager: the shape of its own webhooks (version 4), for tools that read those',
            }),
          ),
        },
        closed,
      ),
      ...receiving,
    },
    closed,
  ),
  Type.Object({ alertmanager: Type.Object({ url: Type.String() }, closed), ...receiving }, closed),
  Type.Object({ slack: Type.Object({ url: Type.String({ description: 'The address, or env:NAME' }) }, closed), ...receiving }, closed),
  Type.Object(
    {
      email: Type.Object(
        {
          to: Type.Array(Type.String(), { minItems: 1 }),
          from: Type.String(),
          server: Type.String({ description: 'smtp://host:port or smtps://host:port, or env:NAME for one with a password' }),
        },
        closed,
      ),
      ...receiving,
    },
    closed,
  ),
]);

const causes = 'alert, "alert: NAME", finding, "finding: KIND", "data: DATASET", "cron: 0 3 * * 1", push, api';
export const Retraining = Type.Object(
  {
    pipeline: name,
    endpoint: Type.Optional(
      Type.String({ description: 'The endpoint that a better model is released to; default: the policy’s own name' }),
    ),
    on: Type.Array(Type.String({ pattern: '^(alert|finding|push|api|(alert|finding|data|cron): .+)$', description: causes }), {
      minItems: 1,
      description: causes,
    }),
    params: Type.Optional(
      Type.Record(Type.String(), scalar, {
        description: 'Parameters of the run; "now - 60d" is the day of event time so long before the trigger',
      }),
    ),
    cooldown: Type.Optional(duration),
    budget: Type.Optional(Type.Object({ runs: Type.Integer({ minimum: 1 }), per: duration }, closed)),
    min_new_labels: Type.Optional(Type.Integer({ minimum: 0 })),
    approval: Type.Optional(Type.Enum(['auto', 'person'])),
    approve_within: Type.Optional(duration),
    stop_after: Type.Optional(Type.Integer({ minimum: 1, description: 'Stops after so many tries in a row that did not help; default 3' })),
    release: Type.Optional(Type.Boolean({ description: 'Release what passes the gate; default true' })),
  },
  closed,
);
