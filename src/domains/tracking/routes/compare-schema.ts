// Wire shapes of a comparison of runs. Lists of values have one for each run, in the order of `runs`; null where it has none.
import type { TSchema } from 'typebox';
import Type from '../../../kernel/http/json-schema.ts';
import { MetricValue } from '../schema.ts';
import { runStatuses } from '../model.ts';

const orNull = <T extends TSchema>(of: T) => Type.Union([of, Type.Null()]);
const moment = orNull(Type.String({ format: 'date-time' }));
const textRow = Type.Object({ key: Type.String(), values: Type.Array(orNull(Type.String())) });

export const CompareRuns = Type.Object({
  runIds: Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { minItems: 1, maxItems: 100 }),
  groupBy: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 300 }), {
      minItems: 1,
      maxItems: 10,
      description: 'params.<key>, tags.<key>, experimentId, status; otherwise runs are together that repeat each other',
    }),
  ),
});

const Version = Type.Object({ id: Type.String(), project: Type.String(), dataset: Type.String(), number: Type.Integer() });
const Interval = Type.Object({ low: Type.Number(), high: Type.Number(), level: Type.Number(), method: Type.String() });

export const ComparisonView = Type.Object({
  runs: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      experimentId: Type.String(),
      status: Type.Enum([...runStatuses]),
      startedAt: moment,
      endedAt: moment,
    }),
  ),
  params: Type.Array(textRow, { description: 'Those that differ' }),
  sameParams: Type.Integer({ description: 'How many do not differ' }),
  tags: Type.Array(textRow, { description: 'Those that differ' }),
  environment: Type.Object({
    runs: Type.Array(
      Type.Object({
        python: orNull(Type.String()),
        packages: Type.Integer(),
        from: Type.Array(Type.String(), { description: 'Tags and artifacts that say so; none if nothing is on record' }),
      }),
    ),
    packages: Type.Array(textRow, { description: 'Versions of packages that differ' }),
  }),
  data: Type.Array(
    Type.Object({
      key: Type.String(),
      values: Type.Array(orNull(Type.Array(Type.Object({ digest: Type.String(), versions: Type.Array(Version) })))),
    }),
    { description: 'Inputs that differ, with the dataset versions of this server that they are' },
  ),
  sameData: Type.Array(Type.String()),
  code: Type.Array(
    Type.Object({
      commit: orNull(Type.String()),
      branch: orNull(Type.String()),
      source: orNull(Type.String()),
      dirty: orNull(Type.Boolean()),
      digest: orNull(Type.String()),
    }),
  ),
  metrics: Type.Array(
    Type.Object({
      key: Type.String(),
      values: Type.Array(
        orNull(
          Type.Object({
            last: MetricValue,
            step: Type.Integer(),
            least: orNull(Type.Number()),
            greatest: orNull(Type.Number()),
            points: Type.Integer(),
          }),
        ),
      ),
    }),
  ),
  groups: Type.Array(
    Type.Object({
      runs: Type.Array(Type.String()),
      by: Type.Record(Type.String(), orNull(Type.String())),
      metrics: Type.Array(
        Type.Object({
          key: Type.String(),
          n: Type.Integer(),
          mean: orNull(Type.Number()),
          deviation: orNull(Type.Number({ description: 'Standard deviation of the values' })),
          interval: orNull(Interval),
          because: orNull(Type.String({ description: 'Why there is no interval' })),
          notFinite: Type.Integer({ description: 'Runs whose value is NaN or infinite; they are in no mean' }),
        }),
      ),
    }),
  ),
  grouping: Type.Object({
    how: Type.Enum(['asked', 'repeats'] as const),
    seeds: Type.Array(Type.String(), { description: 'Params that do not keep runs from repeating each other' }),
  }),
});
