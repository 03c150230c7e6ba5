// Wire shapes of our own interface; MLflow's are in dialects/mlflow.
import Type from '../../kernel/http/json-schema.ts';
import { pageOf } from '../../kernel/http/paging.ts';
import { runStatuses } from './model.ts';

const id = Type.String({ minLength: 1, maxLength: 256 });
const moment = Type.Union([Type.String({ format: 'date-time' }), Type.Null()]);
const lifecycle = Type.Enum(['active', 'deleted'] as const);
const status = Type.Enum([...runStatuses]);

export const OfId = Type.Object({ id });
export const lifecycles = Type.Enum(['active', 'deleted', 'all'] as const, {
  description: 'Deleted ones, active ones (the default) or both',
});
const filter = Type.String({
  maxLength: 60_000,
  description: "An expression, for example: metrics.auc > 0.8 AND (params.depth IN ('4', '6') OR tags.team IS NULL)",
});
const experimentIds = Type.Array(id, { maxItems: 1000, description: 'All that the caller may read if left out' });
const cursor = Type.String({ minLength: 1, maxLength: 60_000, description: 'nextCursor of the previous page' });

export const ListExperiments = Type.Object({
  filter: Type.Optional(filter),
  lifecycle: Type.Optional(lifecycles),
  cursor: Type.Optional(cursor),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
});
export const ExperimentView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  artifactLocation: Type.String(),
  lifecycle,
  createdAt: moment,
  updatedAt: moment,
  tags: Type.Record(Type.String(), Type.String()),
});
export const ExperimentPage = pageOf(ExperimentView);
export const ExperimentDetail = Type.Object({
  ...ExperimentView.properties,
  runs: Type.Object({ active: Type.Integer(), deleted: Type.Integer(), byStatus: Type.Record(Type.String(), Type.Integer()) }),
});

const asked = { experimentIds: Type.Optional(experimentIds), filter: Type.Optional(filter), lifecycle: Type.Optional(lifecycles) };
export const SearchRuns = Type.Object({
  ...asked,
  orderBy: Type.Optional(
    Type.Array(Type.String({ maxLength: 600 }), {
      maxItems: 20,
      description: 'As MLflow’s, for example "metrics.auc DESC"; the newest first otherwise',
    }),
  ),
  fields: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 300 }), {
      minItems: 1,
      maxItems: 200,
      description:
        'Only these are read: info, inputs, models, metrics.<key>, params.<key>, tags.<key>; "*" at the end of a key stands for any ending',
    }),
  ),
  count: Type.Optional(Type.Boolean({ description: 'Also how many match altogether' })),
  cursor: Type.Optional(cursor),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
});
export const CountRuns = Type.Object({
  ...asked,
  by: Type.Optional(
    Type.String({ maxLength: 300, description: 'Counts for each value of it: status, experimentId, params.<key> or tags.<key>' }),
  ),
});

export const MetricValue = Type.Union([Type.Number(), Type.Literal('NaN')]);
const MetricView = Type.Object({ value: MetricValue, step: Type.Integer(), timestampMs: Type.Integer() });
const InputView = Type.Object({
  name: Type.String(),
  digest: Type.String(),
  sourceType: Type.String(),
  source: Type.String(),
  tags: Type.Record(Type.String(), Type.String()),
});
export const RunView = Type.Object({
  id: Type.String(),
  info: Type.Optional(
    Type.Object({
      name: Type.String(),
      experimentId: Type.String(),
      status,
      user: Type.String(),
      startedAt: moment,
      endedAt: moment,
      artifactUri: Type.String(),
      lifecycle,
    }),
  ),
  metrics: Type.Optional(Type.Record(Type.String(), MetricView)),
  params: Type.Optional(Type.Record(Type.String(), Type.String())),
  tags: Type.Optional(Type.Record(Type.String(), Type.String())),
  inputs: Type.Optional(Type.Array(InputView)),
  models: Type.Optional(
    Type.Array(Type.Object({ id: Type.String(), role: Type.Enum(['input', 'output'] as const), step: Type.Integer() })),
  ),
});
export const RunPage = Type.Object({ ...pageOf(RunView).properties, count: Type.Optional(Type.Integer()) });
export const RunCount = Type.Object({
  count: Type.Integer(),
  groups: Type.Array(Type.Object({ value: Type.Union([Type.String(), Type.Null()]), count: Type.Integer() }), {
    description: 'The most frequent first, at most 1000; null stands for runs without the key',
  }),
});
export const FieldsOf = Type.Object({
  fields: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 300 }), { maxItems: 200 })),
});
export const SampleAsked = Type.Object({
  key: Type.Array(Type.String({ minLength: 1, maxLength: 250 }), { minItems: 1, maxItems: 20, description: 'May be repeated' }),
  run: Type.Array(id, { minItems: 1, maxItems: 100, description: 'May be repeated' }),
  points: Type.Optional(Type.Integer({ minimum: 1, maximum: 2500, default: 250, description: 'At most so many of each run and key' })),
  fromStep: Type.Optional(Type.Integer()),
  toStep: Type.Optional(Type.Integer()),
});
export const Samples = Type.Object({
  items: Type.Array(
    Type.Object({
      run: Type.String(),
      key: Type.String(),
      points: Type.Array(Type.Object({ step: Type.Integer(), timestampMs: Type.Integer(), value: MetricValue })),
    }),
  ),
});

export const RequestPurge = Type.Object({
  experimentIds: Type.Optional(
    Type.Array(id, { minItems: 1, maxItems: 1000, description: 'Only these, if they are deleted, and what is deleted in them' }),
  ),
  runIds: Type.Optional(Type.Array(id, { minItems: 1, maxItems: 1000, description: 'Only these runs; each is deleted' })),
  olderThanDays: Type.Optional(Type.Number({ minimum: 0, maximum: 36_500, default: 0, description: 'Deleted at least so long ago' })),
  dryRun: Type.Optional(Type.Boolean({ description: 'Removes nothing; tells what would go and what would stay' })),
  confirm: Type.Optional(Type.String({ maxLength: 100, description: 'The word "purge", unless it is a dry run' })),
});
const Counts = {
  runs: Type.Integer(),
  loggedModels: Type.Integer(),
  points: Type.Integer({ description: 'Points of metrics' }),
  files: Type.Integer({ description: 'Artifacts' }),
  bytes: Type.Integer({ description: 'Bytes of artifacts' }),
};
export const PurgeView = Type.Object({
  id: Type.String(),
  state: Type.Enum(['running', 'done'] as const),
  dryRun: Type.Boolean(),
  deletedBy: moment,
  experiments: Type.Array(Type.Object({ id: Type.String(), removed: Type.Boolean({ description: 'The experiment itself' }), ...Counts })),
  total: Type.Object({ experiments: Type.Integer(), ...Counts }),
  kept: Type.Array(
    Type.Object({
      kind: Type.Enum(['run', 'logged-model', 'experiment'] as const),
      id: Type.String(),
      experimentId: Type.String(),
      why: Type.String(),
    }),
    { description: 'The first 1000 that have to stay' },
  ),
  keptCount: Type.Integer(),
  artifactsLeft: Type.Integer({ description: 'Folders that this server does not look into, or that are not theirs alone; they stay' }),
  actor: Type.String(),
  requestedAt: moment,
  finishedAt: moment,
});
export const PurgePage = pageOf(PurgeView);
export const OfMetric = Type.Object({ key: Type.String({ minLength: 1, maxLength: 250 }) });
export const MetricPurged = Type.Object({ points: Type.Integer() });

export const FollowMetrics = Type.Object({
  key: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 250 }), {
      minItems: 1,
      maxItems: 50,
      description: 'May be repeated; the first 50 keys there are otherwise',
    }),
  ),
  from: Type.Optional(
    Type.Enum(['start', 'latest'] as const, { description: 'From the first point on, or from the latest (the default)' }),
  ),
});
