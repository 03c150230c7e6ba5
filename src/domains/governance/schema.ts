import type { TSchema } from 'typebox';
import Type from '../../kernel/http/json-schema.ts';

export const name = Type.String({ maxLength: 100 });
const actor = Type.Object({ kind: Type.String(), id: Type.String() });
const time = Type.String({ format: 'date-time' });
const nullable = <T extends TSchema>(t: T) => Type.Union([t, Type.Null()]);

export const PlaceCount = Type.Object({ place: Type.String(), searched: Type.Integer(), rowsRemoved: Type.Integer() });
const VersionChange = Type.Object({
  id: Type.String(),
  dataset: Type.String(),
  number: Type.Integer(),
  generation: Type.Integer(),
  rowsBefore: Type.Integer(),
  rowsAfter: Type.Integer(),
  logicalDigestBefore: Type.String(),
  logicalDigestAfter: Type.String(),
});
const ModelAffected = Type.Object({
  loggedModel: Type.String(),
  versions: Type.Array(Type.Object({ id: Type.String(), model: Type.String(), number: Type.Integer() })),
  pipelineRun: Type.String(),
  datasetVersions: Type.Array(Type.String()),
  rows: Type.Integer(),
});
const NotCovered = Type.Object({
  what: Type.String(),
  refs: Type.Array(Type.String()),
  why: Type.String(),
  action: Type.String(),
});

export const Certificate = Type.Object({
  format: Type.Literal(1),
  erasure: Type.String(),
  workspace: Type.String(),
  project: Type.String(),
  subject: Type.Object({ kind: Type.String(), hmac: Type.String() }),
  actor,
  reason: Type.String(),
  requestedAt: time,
  completedAt: time,
  rewritten: Type.Array(
    Type.Object({
      place: Type.String(),
      digest: Type.String(),
      newDigest: nullable(Type.String()),
      rowsBefore: nullable(Type.Integer()),
      rowsRemoved: Type.Integer(),
      rowsCleared: Type.Integer({ description: 'Rows or texts that stayed, with a mark where the value stood' }),
      keptDigest: nullable(Type.String()),
    }),
  ),
  versions: Type.Array(VersionChange),
  places: Type.Array(PlaceCount),
  modelsAffected: Type.Array(ModelAffected),
  evaluationsMadeBefore: Type.Array(Type.String()),
  cacheEntriesDropped: Type.Integer(),
  notCovered: Type.Array(NotCovered),
  rowsRemoved: Type.Integer(),
  head: nullable(Type.Object({ seq: Type.Integer(), hash: Type.String() })),
});

export const RequestErasure = Type.Object({
  subject: Type.String({ minLength: 3, maxLength: 1200, description: 'kind=value, for example tailnum=N14228' }),
  reason: Type.String({ minLength: 1, maxLength: 2000 }),
  dryRun: Type.Optional(Type.Boolean({ description: 'Count, and change nothing' })),
});

export const ErasureView = Type.Object({
  id: Type.String(),
  project: Type.String(),
  subject: Type.Object({ kind: Type.String(), hmac: Type.String() }),
  reason: Type.String(),
  dryRun: Type.Boolean(),
  state: Type.String(),
  progress: nullable(Type.String()),
  places: Type.Array(PlaceCount),
  error: nullable(Type.String()),
  actor,
  requestedAt: time,
  finishedAt: nullable(time),
});

export const Lookup = Type.Object({
  subject: Type.Object({ kind: Type.String(), hmac: Type.String() }),
  suppressed: Type.Boolean(),
  places: Type.Array(PlaceCount),
  accesses: Type.Array(Type.Object({ kind: Type.String(), ref: Type.String(), reason: Type.String(), actor, recordedAt: time })),
});

export const Kept = Type.Object({ what: Type.String(), before: time, files: Type.Integer(), rows: Type.Integer() });

const texts = Type.Array(Type.String());
export const ProcessingRecord = Type.Object({
  project: Type.String(),
  revision: Type.String(),
  activities: Type.Array(
    Type.Object({
      dataset: Type.String(),
      description: Type.String(),
      personalColumns: texts,
      subjects: Type.Array(Type.Object({ kind: Type.String(), columns: texts })),
      purposes: texts,
      legalBasis: nullable(Type.String()),
      retentionUs: nullable(Type.Integer()),
      processedBy: Type.Array(
        Type.Object({ pipeline: Type.String(), purpose: nullable(Type.String()), runs: Type.Integer(), lastAt: nullable(time) }),
      ),
      servedBy: texts,
      missing: texts,
    }),
  ),
  recipients: texts,
  measures: texts,
  erasures: Type.Object({ completed: Type.Integer(), suppressed: Type.Integer() }),
  missing: texts,
});
