// Shapes on the wire. What is imported may be longer than clients may send, and is bound by the size of a request.
import Type from '../../kernel/http/json-schema.ts';
import { modelStatuses, runStatuses } from '../tracking/public.ts';
import { stages } from '../registry/public.ts';
import { importKinds } from './model.ts';

const oneOf = <T extends string>(values: readonly T[]) => Type.Unsafe<T>({ type: 'string', enum: [...values] });
const text = Type.String({ maxLength: 20_000_000 });
const id = Type.String({ minLength: 1, maxLength: 300 });
const ms = Type.Integer({ minimum: -(2 ** 53), maximum: 2 ** 53 });
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);
const lifecycle = oneOf(['active', 'deleted'] as const);
const pair = Type.Object({ key: text, value: text });
const pairs = Type.Array(pair);
/** JSON has no NaN and no infinities: these are words. */
const value = Type.Union([Type.Number(), oneOf(['NaN', 'Infinity', '-Infinity'] as const)]);
/** Milliseconds, step, value. */
const point = Type.Unsafe<[number, number, number | string]>({
  type: 'array',
  prefixItems: [Type.Integer(), Type.Integer(), value],
  items: false,
  minItems: 3,
  maxItems: 3,
});

export const ImportParams = Type.Object({ id });
export const Begin = Type.Object({
  source: Type.String({ pattern: '^[A-Za-z0-9:_.-]{1,200}$' }),
  origin: oneOf(['mlflow', 'gyre'] as const),
  place: Type.String({ maxLength: 4000 }),
});
export const ImportView = Type.Object({
  id,
  source: Type.String(),
  origin: Type.String(),
  place: Type.String(),
  state: Type.String(),
  counts: Type.Record(Type.String(), Type.Number()),
  startedAt: Type.String(),
  endedAt: orNull(Type.String()),
});

const experimentOf = { id, name: text, lifecycle, createdMs: ms, updatedMs: ms, tags: pairs, artifactLocation: orNull(text) };
export const Experiment = Type.Object(experimentOf);
/** `into`: an experiment of this name that is there already takes it in. */
export const TakeExperiment = Type.Object({ ...experimentOf, into: Type.Boolean() });
export const Taken = Type.Object({ id });

export const Ids = Type.Object({ kind: oneOf(importKinds), ids: Type.Array(id, { maxItems: 5000 }) });
export const IdsReply = Type.Object({
  items: Type.Array(Type.Object({ sourceId: id, targetId: id, fingerprint: orNull(Type.String()) })),
});
export const Done = Type.Object({
  kind: oneOf(importKinds),
  items: Type.Array(Type.Object({ sourceId: id, fingerprint: Type.String({ maxLength: 64 }) }), { maxItems: 5000 }),
});

/** What a run, a logged model and a registered model record; the files of exports hold the same. */
export const Run = Type.Object({
  id,
  experimentId: id,
  name: text,
  userId: text,
  status: oneOf(runStatuses),
  startMs: orNull(ms),
  endMs: orNull(ms),
  lifecycle,
  deletedMs: orNull(ms),
  artifactUri: orNull(text),
  params: pairs,
  tags: pairs,
  inputs: Type.Array(
    Type.Object({
      name: text,
      digest: text,
      sourceType: text,
      source: text,
      schema: orNull(text),
      profile: orNull(text),
      tags: pairs,
    }),
  ),
  models: Type.Array(Type.Object({ id, role: oneOf(['input', 'output'] as const), step: Type.Integer() })),
});
export const TakeRuns = Type.Object({ experimentId: id, runs: Type.Array(Run, { maxItems: 1000 }) });
export const TakePoints = Type.Object({
  metrics: Type.Array(
    Type.Object({
      run: id,
      key: text,
      points: Type.Array(point),
    }),
    { maxItems: 50_000 },
  ),
});
export const TakeLoggedModel = Type.Object({
  id,
  experimentId: id,
  name: text,
  modelType: text,
  sourceRunId: orNull(id),
  status: oneOf(modelStatuses),
  statusMessage: text,
  artifactUri: orNull(text),
  createdMs: ms,
  updatedMs: ms,
  lifecycle,
  params: pairs,
  tags: pairs,
  metrics: Type.Array(
    Type.Object({
      key: text,
      value,
      timestampMs: Type.Integer(),
      step: Type.Integer(),
      runId: text,
      datasetName: orNull(text),
      datasetDigest: orNull(text),
    }),
  ),
});
const modelOf = {
  name: text,
  description: text,
  createdMs: ms,
  updatedMs: ms,
  lastNumber: Type.Integer({ minimum: 0, maximum: 2 ** 31 }),
  tags: pairs,
  aliases: Type.Array(Type.Object({ alias: text, number: Type.Integer() })),
  versions: Type.Array(
    Type.Object({
      number: Type.Integer({ minimum: 1, maximum: 2 ** 31 }),
      createdMs: ms,
      updatedMs: ms,
      description: orNull(text),
      stage: oneOf(stages),
      source: text,
      location: orNull(text),
      trackingRunId: orNull(text),
      loggedModelId: orNull(text),
      runLink: orNull(text),
      tags: pairs,
    }),
    { maxItems: 1000 },
  ),
};
export const Model = Type.Object(modelOf);
export const TakeModel = Type.Object({ sourceName: text, ...modelOf });
export const TakeModelReply = Type.Object({
  made: Type.Integer(),
  sealed: Type.Integer(),
  refused: Type.Array(Type.Object({ alias: Type.String(), why: Type.String() })),
});

const ownerKind = oneOf(['run', 'logged-model'] as const);
export const ArtifactQuery = Type.Object({ kind: ownerKind, id, path: Type.String({ minLength: 1, maxLength: 4000 }) });
export const ArtifactReply = Type.Object({ sizeBytes: Type.Integer(), digest: Type.String() });
export const Owners = Type.Object({ owners: Type.Array(Type.Object({ kind: ownerKind, id }), { maxItems: 1000 }) });
export const OwnersReply = Type.Object({
  items: Type.Array(Type.Object({ kind: Type.String(), id, files: Type.Integer(), bytes: Type.Integer(), digest: Type.String() })),
});
export const Of = Type.Object({ kind: oneOf(['run', 'logged-model', 'model'] as const), ids: Type.Array(id, { maxItems: 1000 }) });
export const DigestsReply = Type.Object({
  items: Type.Array(
    Type.Object({
      id,
      record: Type.String(),
      params: Type.Integer(),
      tags: Type.Integer(),
      points: Type.Integer(),
      metrics: Type.String(),
    }),
  ),
});
export const Sealed = Type.Object({ ids: Type.Array(id, { maxItems: 1000 }) });
export const End = Type.Object({
  verified: Type.Boolean(),
  counts: Type.Record(Type.String({ maxLength: 100 }), Type.Integer({ minimum: 0 })),
});
