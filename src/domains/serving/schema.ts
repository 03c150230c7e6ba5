// The serving plan: everything a data plane needs to answer predictions without asking anybody.
import type { Static } from 'typebox';
import Type from '../../kernel/http/json-schema.ts';

const Name = Type.String({ minLength: 1, maxLength: 256 });
const Time = Type.Integer();

export const columnTypes = ['number', 'integer', 'string', 'boolean'] as const;
export const ColumnType = Type.Enum([...columnTypes]);

/** What happens when a value is missing or cannot be used: passed on as missing (NaN, ""), refused, replaced. */
export const Missing = Type.Union([
  Type.Null(),
  Type.Literal('reject'),
  Type.Object({ default: Type.Union([Type.Number(), Type.String(), Type.Boolean()]) }),
]);

export const PlanColumn = Type.Object({ name: Name, type: ColumnType, missing: Missing });

export const PlanView = Type.Object({
  view: Name,
  entity: Type.Array(Name, { minItems: 1, description: 'Request columns that hold the key, in the order of the view’s entity' }),
  columns: Type.Array(PlanColumn, { minItems: 1 }),
  ttlUs: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
  storePath: Type.String({ minLength: 1, description: 'Online store, relative to the data folder' }),
});

export const PlanVariant = Type.Object({
  id: Name,
  model: Name,
  modelVersion: Name,
  modelDigest: Name,
  modelPath: Type.String({ minLength: 1, description: 'Folder of the sealed files, or the ONNX file itself, relative to the data folder' }),
  weight: Type.Number({ minimum: 0 }),
  interpreter: Type.Optional(
    Type.String({ minLength: 1, description: 'Python of the model’s environment, relative to the data folder; absent for ONNX' }),
  ),
  process: Type.Optional(Type.Literal('own', { description: 'Runs in a process of its own, however quick it is' })),
  shadow: Type.Optional(
    Type.Number({
      exclusiveMinimum: 0,
      maximum: 1,
      description: 'Share of the requests that this variant answers a copy of; its weight is 0',
    }),
  ),
  fault: Type.Optional(
    Type.Object(
      { errorRate: Type.Number({ exclusiveMinimum: 0, maximum: 1 }) },
      { description: 'For rehearsals: share of this variant’s requests that fails on purpose' },
    ),
  ),
});

export const PlanEndpoint = Type.Object({
  name: Name,
  workspace: Name,
  project: Name,
  revision: Type.Integer({ minimum: 1 }),
  timeline: Type.Object({ mode: Type.Enum(['live', 'replay']), nowUs: Time }),
  assignBy: Type.Union([Name, Type.Null()]),
  salt: Type.String(),
  perRequest: Type.Optional(Type.Boolean({ description: 'Each request is drawn for itself, whatever its key' })),
  variants: Type.Array(PlanVariant, { minItems: 1 }),
  request: Type.Array(PlanColumn, { description: 'Columns the caller sends: entity keys and request-time columns' }),
  featureService: Type.Union([Type.Null(), Type.Object({ name: Name, views: Type.Array(PlanView) })]),
  unknownColumns: Type.Enum(['reject', 'ignore']),
  output: Type.Object({
    score: Type.String({ minLength: 1, description: 'Model output with the scores; of several columns the last is the positive class' }),
  }),
  log: Type.Object({
    personal: Type.Array(Type.Object({ column: Name, how: Type.Enum(['drop', 'hmac']) })),
    share: Type.Optional(
      Type.Number({ minimum: 0, maximum: 1, description: 'Part of the predictions that is logged, while one variant alone answers' }),
    ),
  }),
  suppressed: Type.Optional(
    Type.Array(Type.Object({ columns: Type.Array(Name), hmac: Type.String({ pattern: '^[0-9a-f]{64}$' }) }), {
      description: 'Erased subjects: predictions about one are answered and not logged',
    }),
  ),
});

export const PlanToken = Type.Object({
  digest: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the token' }),
  workspace: Name,
  endpoints: Type.Union([Type.Literal('*'), Type.Array(Name)]),
  expiresMs: Type.Union([Type.Integer(), Type.Null()]),
});

export const ServingPlan = Type.Object({
  format: Type.Literal(1),
  number: Type.Integer({ minimum: 1 }),
  access: Type.Object({
    open: Type.Boolean({ description: 'No token is needed: the loopback address of a server without users' }),
    tokens: Type.Array(PlanToken),
  }),
  suppression: Type.Integer({ minimum: 0, description: 'Number of the last erasure that this plan knows of' }),
  endpoints: Type.Array(PlanEndpoint),
});

/** What a data plane writes when it has taken a plan. */
export const PlanAck = Type.Object({
  replica: Name,
  number: Type.Integer({ minimum: 0 }),
  url: Type.String(),
  pid: Type.Integer(),
  atMs: Type.Integer(),
  endpoints: Type.Array(Type.Object({ workspace: Name, name: Name, revision: Type.Integer() }), {
    description: 'Revisions that are being served',
  }),
  failures: Type.Array(
    Type.Object({ workspace: Name, endpoint: Name, revision: Type.Integer(), code: Type.String(), why: Type.String() }),
    { description: 'Endpoints of the plan that could not be taken; an older revision goes on serving if there is one' },
  ),
});

export type ServingPlan = Static<typeof ServingPlan>;
export type PlanEndpoint = Static<typeof PlanEndpoint>;
export type PlanVariant = Static<typeof PlanVariant>;
export type PlanView = Static<typeof PlanView>;
export type PlanColumn = Static<typeof PlanColumn>;
export type PlanToken = Static<typeof PlanToken>;
export type Missing = Static<typeof Missing>;
export type ColumnType = (typeof columnTypes)[number];
export type PlanAck = Static<typeof PlanAck>;
