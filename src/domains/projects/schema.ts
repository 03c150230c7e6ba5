// gyre.yaml as a JSON Schema. Editors complete it, the docs page is generated from it, `parse.ts` checks
// with it; what a schema cannot say (references, cycles) is checked there.
import Type from '../../kernel/http/json-schema.ts';
import { AlertRule, FreezeWindow, InferenceLogInFile, Monitor, Receiver, Retraining, StagedRelease } from './loop/schema.ts';
import { TrialInFile } from './trials/schema.ts';

const name = Type.String({ pattern: '^[a-z][a-z0-9_-]{0,62}$' });
const closed = { additionalProperties: false } as const;
const map = <T extends Parameters<typeof Type.Record>[1]>(of: T, description: string) =>
  Type.Record(Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_-]{0,62}$' }), of, { ...closed, description });
const duration = Type.String({ pattern: '^\\d+(s|m|h|d|w)$', description: 'A duration: 10s, 5m, 6h, 14d, 2w' });
const scalar = Type.Union([Type.String(), Type.Number(), Type.Boolean()]);
const oneOrMany = Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })]);

const Dataset = Type.Object(
  {
    source: Type.Optional(
      Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], {
        description: 'Globs of local Parquet files; the command line pushes them',
      }),
    ),
    sql: Type.Optional(Type.String({ description: 'A file with one SELECT over the datasets in "from"' })),
    from: Type.Optional(Type.Array(name, { minItems: 1, uniqueItems: true, description: 'Datasets that the SQL reads' })),
    key: Type.Array(Type.String(), { minItems: 1, uniqueItems: true, description: 'Columns that tell one row from another' }),
    occurred_at: Type.Optional(Type.String({ description: 'Expression over the columns: when it happened; absent = timeless' })),
    known_at: Type.Optional(Type.String({ description: 'Expression: when it could be known; default occurred_at' })),
    contract: Type.Optional(Type.String({ description: 'An ODCS file' })),
    description: Type.Optional(Type.String()),
    purposes: Type.Optional(Type.Array(name, { uniqueItems: true, description: 'What the data may be used for; absent = not limited' })),
    legal_basis: Type.Optional(Type.String({ description: 'Why it may be processed, for the record of processing' })),
    retention: Type.Optional(duration),
  },
  closed,
);

const View = Type.Object(
  {
    dataset: name,
    entity: Type.Array(Type.String(), { minItems: 1, uniqueItems: true, description: 'Key columns of what the features are about' }),
    ttl: Type.Optional(duration),
    columns: Type.Array(Type.String(), { minItems: 1, uniqueItems: true, description: 'The features' }),
    sql: Type.Optional(Type.String({ description: 'A file with a SELECT that gives the entity, the features, occurred_at and known_at' })),
    description: Type.Optional(Type.String()),
  },
  closed,
);

const Service = Type.Object(
  {
    views: Type.Array(name, { uniqueItems: true }),
    request: Type.Array(Type.String(), { minItems: 1, uniqueItems: true, description: 'Columns that the caller sends' }),
    description: Type.Optional(Type.String()),
  },
  closed,
);

const Spine = Type.Object(
  {
    dataset: name,
    at: Type.String({ description: 'Expression: the moment of prediction' }),
    label: Type.String({ description: 'Expression: the outcome' }),
    where: Type.Optional(Type.String()),
    between: Type.Array(Type.String(), { minItems: 2, maxItems: 2, description: 'From (inclusive) and to (exclusive), bounds of "at"' }),
    known_by: Type.Optional(Type.String({ description: '"none", or a moment; default the end of "between"' })),
  },
  closed,
);

const common = { needs: Type.Optional(Type.Array(name)), description: Type.Optional(Type.String()) };
const FeaturesStep = Type.Object({ features: name, spine: Spine, ...common }, closed);
const RunStep = Type.Object(
  {
    run: Type.String({ minLength: 1, description: 'The command; $name is a parameter' }),
    environment: Type.Optional(name),
    in: Type.Optional(Type.Array(Type.String())),
    code: Type.Optional(Type.Array(Type.String(), { description: 'Globs; default: the folder of the script' })),
    out: Type.Optional(
      Type.Record(Type.String(), Type.Union([Type.Enum(['folder', 'table']), Type.Object({ logged: Type.Literal('model') }, closed)])),
    ),
    env: Type.Optional(Type.Record(Type.String(), scalar)),
    secrets: Type.Optional(Type.Record(Type.String(), Type.String())),
    timeout: Type.Optional(duration),
    retry: Type.Optional(Type.Integer({ minimum: 0, maximum: 10 })),
    ...common,
  },
  closed,
);
const EvaluateStep = Type.Object(
  {
    evaluate: Type.String({ description: 'step.output of a model' }),
    on: Type.Object({ features: name, spine: Spine }, closed),
    slices: Type.Optional(Type.Array(Type.String())),
    ...common,
  },
  closed,
);
const ScoredSpine = Type.Object(
  {
    dataset: name,
    at: Type.Optional(Type.String({ description: 'Expression: the moment of prediction; default the dataset’s occurred_at' })),
    where: Type.Optional(Type.String()),
    between: Type.Optional(Spine.properties.between),
  },
  closed,
);
const PredictStep = Type.Object(
  {
    predict: Type.String({ minLength: 1, description: 'The registered model that scores the rows' }),
    version: Type.Optional(
      Type.Union([Type.String({ minLength: 1 }), Type.Integer({ minimum: 1 })], {
        description: 'A number, an alias, "latest", or the step that makes the model (fit.model, register); default champion',
      }),
    ),
    on: Type.Union([Type.String({ minLength: 1 }), ScoredSpine, Type.Object({ features: name, spine: ScoredSpine }, closed)], {
      description:
        'A table that a step made (step or step.output); rows of a dataset; or rows of a dataset with the features of a service, as they were known at each row’s moment',
    }),
    endpoint: Type.Optional(
      Type.String({ description: 'Its "missing:" rules and features hold; default the endpoint of the model, if it has one' }),
    ),
    out: Type.Object({ dataset: name }, { ...closed, description: 'The dataset that gets a new version with the scores' }),
    columns: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), { uniqueItems: true, description: 'Columns of the rows to keep beside the scores' }),
    ),
    monitor: Type.Optional(Type.String({ description: 'A monitor without an endpoint, which gets the scored rows as predictions' })),
    ...common,
  },
  closed,
);
const RegisterStep = Type.Object({ model: Type.String(), from: Type.String(), evaluation: name, ...common }, closed);

const Gate = Type.Object(
  {
    metric: Type.String(),
    floor: Type.Optional(Type.Number()),
    ceiling: Type.Optional(Type.Number()),
    slice: Type.Optional(Type.String()),
    min_rows: Type.Optional(Type.Integer({ minimum: 1 })),
    not_worse_than: Type.Optional(Type.Literal('champion', { description: 'The interval of the difference must stay above -margin' })),
    better_than: Type.Optional(Type.Literal('champion', { description: 'The interval of the difference must lie above margin' })),
    margin: Type.Optional(Type.Number({ minimum: 0 })),
    confidence: Type.Optional(Type.Number({ exclusiveMinimum: 0.5, exclusiveMaximum: 1 })),
    trust: Type.Optional(Type.Literal('reported', { description: 'Judge the figure that the training code reported' })),
  },
  closed,
);

export const ProjectFile = Type.Object(
  {
    project: Type.String({ pattern: '^[a-z][a-z0-9-]{0,62}$', description: 'The name of the project' }),
    description: Type.Optional(Type.String()),
    code: Type.Optional(Type.Array(Type.String(), { description: 'Globs of the code snapshot' })),
    timeline: Type.Optional(
      Type.Object({ mode: Type.Enum(['live', 'replay']), start: Type.Optional(Type.String({ format: 'date-time' })) }, closed),
    ),
    environments: Type.Optional(
      map(
        Type.Object({ lock: Type.String(), python: Type.Optional(Type.String({ pattern: '^3\\.\\d+$' })) }, closed),
        'Locked Python environments',
      ),
    ),
    datasets: Type.Optional(map(Dataset, 'Named tables')),
    features: Type.Optional(
      Type.Object(
        {
          views: Type.Optional(map(View, 'Features of an entity over time')),
          services: Type.Optional(map(Service, 'The features a model uses')),
        },
        closed,
      ),
    ),
    pipelines: Type.Optional(
      map(
        Type.Object(
          {
            params: Type.Optional(Type.Record(Type.String(), scalar)),
            purpose: Type.Optional(Type.String({ description: 'What its runs use data for; refused where a dataset does not allow it' })),
            steps: map(Type.Union([FeaturesStep, RunStep, EvaluateStep, PredictStep, RegisterStep]), 'Steps by name'),
          },
          closed,
        ),
        'Pipelines by name',
      ),
    ),
    models: Type.Optional(
      map(
        Type.Object(
          {
            task: Type.Optional(Type.Enum(['binary', 'regression'])),
            score: Type.Optional(Type.String()),
            gates: Type.Optional(Type.Array(Gate)),
            description: Type.Optional(Type.String()),
          },
          closed,
        ),
        'Registered models',
      ),
    ),
    endpoints: Type.Optional(
      map(
        Type.Object(
          {
            model: Type.String(),
            features: Type.Optional(name),
            assign_by: Type.Optional(oneOrMany),
            missing: Type.Optional(
              Type.Record(
                Type.String(),
                Type.Union([Type.Null(), Type.Literal('null'), Type.Literal('reject'), Type.Object({ default: scalar }, closed)]),
                {
                  description:
                    'What stands for a column that is not sent; without a rule, one that the model or a look-up reads is refused',
                },
              ),
            ),
            personal: Type.Optional(
              Type.Array(Type.String(), {
                description: 'Columns whose values are never written to the inference log; an HMAC stands for each',
              }),
            ),
            retention: Type.Optional(duration),
            log: Type.Optional(InferenceLogInFile),
            release: Type.Optional(StagedRelease),
            freeze: Type.Optional(Type.Array(FreezeWindow)),
            follow: Type.Optional(
              Type.Literal('champion', { description: 'Pointing this alias of the model at a version begins a release of it' }),
            ),
          },
          closed,
        ),
        'Addresses for predictions',
      ),
    ),
    monitors: Type.Optional(map(Monitor, 'What is watched')),
    alerts: Type.Optional(Type.Array(AlertRule, { description: 'When somebody is told' })),
    receivers: Type.Optional(map(Receiver, 'Who is told, and how')),
    retraining: Type.Optional(map(Retraining, 'What starts a pipeline again, within which limits')),
    trials: Type.Optional(map(TrialInFile, 'Versions that are compared on live traffic')),
    subjects: Type.Optional(
      map(oneOrMany, 'Whom the data is about: for each kind of subject the columns that hold its identifier, by whatever dataset'),
    ),
  },
  { ...closed, $id: 'https://gyre.dev/schemas/gyre.yaml.json', title: 'gyre.yaml' },
);
