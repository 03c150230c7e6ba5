// Wire shapes of models, versions, evaluations and decisions, and how each is shown.
import type { Static } from 'typebox';
import Type from '../../kernel/http/json-schema.ts';
import {
  conversionStates,
  decisionOutcomes,
  stages,
  versionStates,
  type Conversion,
  type Decision,
  type Evaluation,
  type Model,
  type ModelVersion,
} from './model.ts';
import { verdicts, worstOf } from './scan/findings.ts';

const TextOrNull = Type.Union([Type.String(), Type.Null()]);
const Time = Type.String({ format: 'date-time' });
const iso = (ms: number): string => new Date(ms).toISOString();
const Verdict = Type.Enum([...verdicts] as [string, ...string[]]);

export const ModelView = Type.Object({
  name: Type.String(),
  description: Type.String(),
  project: TextOrNull,
  createdAt: Time,
});
export const modelView = (m: Model): Static<typeof ModelView> => ({
  name: m.name,
  description: m.description,
  project: m.project,
  createdAt: iso(m.createdMs),
});

export const ModelWithAliases = Type.Object({
  ...ModelView.properties,
  managedBy: Type.Enum(['file', 'api']),
  aliases: Type.Record(Type.String(), Type.Integer(), { description: 'Alias to number of the version' }),
  followedBy: Type.Array(Type.String(), { description: 'Endpoints that follow the alias champion' }),
});

const Tensor = Type.Object({
  name: Type.String(),
  type: Type.String(),
  shape: Type.Array(Type.Union([Type.Number(), Type.String()]), { description: 'A name stands for a size that varies' }),
});
const Signature = Type.Object({ inputs: Type.Array(Tensor), outputs: Type.Array(Tensor) });

const Manifest = Type.Object({
  flavors: Type.Array(Type.String()),
  signature: Type.Union([
    Type.Object({ inputs: Type.Optional(Type.String()), outputs: Type.Optional(Type.String()), params: Type.Optional(Type.String()) }),
    Type.Null(),
  ]),
  mlflowVersion: TextOrNull,
});

const Scan = Type.Object({
  executesOnLoad: Type.Boolean(),
  files: Type.Array(
    Type.Object({
      path: Type.String({ description: 'Within an archive "archive!entry"' }),
      kind: Type.Enum(['pickle', 'keras-lambda', 'python']),
      findings: Type.Array(Type.Object({ callable: Type.String(), verdict: Verdict })),
      unread: TextOrNull,
    }),
  ),
});

const Evidence = Type.Object({
  pipelineRun: Type.Optional(Type.String()),
  step: Type.Optional(Type.String()),
  projectRevision: Type.Optional(Type.String()),
  codeSnapshot: Type.Optional(Type.String()),
  commit: Type.Optional(Type.String()),
  environment: Type.Optional(Type.Object({ digest: Type.String(), lockDigest: Type.String() })),
  datasetVersions: Type.Optional(Type.Array(Type.String())),
  parameters: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: 'As the pipeline run was given them' })),
  evaluation: Type.Optional(Type.String()),
  trainingTable: Type.Optional(Type.Object({ digest: Type.String(), rows: Type.Integer() })),
  trainingCutoffUs: Type.Optional(Type.Integer({ description: 'Event time: every label the fit saw was known before it' })),
  derivedFrom: Type.Optional(
    Type.Object(
      {
        version: Type.String(),
        number: Type.Integer(),
        digest: TextOrNull,
        conversion: Type.String(),
        rows: Type.Integer({ description: 'On which both were compared' }),
        maxDifference: Type.Number(),
        tolerance: Type.Number(),
      },
      { description: 'The version that this one was converted from' },
    ),
  ),
});

export const VersionView = Type.Object({
  id: Type.String(),
  model: Type.String(),
  number: Type.Integer(),
  state: Type.Enum([...versionStates] as [string, ...string[]]),
  stage: Type.Enum([...stages] as [string, ...string[]]),
  source: Type.String(),
  location: TextOrNull,
  description: TextOrNull,
  trackingRunId: TextOrNull,
  loggedModelId: TextOrNull,
  runLink: TextOrNull,
  unsealedBecause: TextOrNull,
  unservableBecause: TextOrNull,
  manifest: Type.Union([Manifest, Type.Null()]),
  scan: Type.Union([Scan, Type.Null()]),
  signature: Type.Union([Signature, Type.Null()]),
  evidence: Evidence,
  baseline: Type.Unknown({ description: 'Profile of the training table, per column' }),
  digest: TextOrNull,
  servable: Type.Boolean(),
  executesOnLoad: Type.Union([Type.Boolean(), Type.Null()]),
  verdict: Type.Union([Verdict, Type.Null()], { description: 'Of what loading would run; null where nothing executes' }),
  createdAt: Time,
  updatedAt: Time,
});
export const versionView = (v: ModelVersion) => {
  const { createdMs, updatedMs, version: _, ...rest } = v;
  return {
    ...rest,
    servable: v.signature !== null,
    executesOnLoad: v.scan?.executesOnLoad ?? null,
    verdict: v.scan?.executesOnLoad ? worstOf(v.scan) : null,
    createdAt: iso(createdMs),
    updatedAt: iso(updatedMs),
  };
};

export const ConversionView = Type.Object({
  id: Type.String(),
  model: Type.String(),
  versionId: Type.String(),
  versionNumber: Type.Integer(),
  to: Type.Literal('onnx'),
  state: Type.Enum([...conversionStates] as [string, ...string[]]),
  doing: Type.String({ description: 'What is being done, in words' }),
  tolerance: Type.Number(),
  rowsOf: TextOrNull,
  environment: TextOrNull,
  sameness: Type.Union([
    Type.Object({
      rows: Type.Integer(),
      tolerance: Type.Number(),
      maxDifference: Type.Number(),
      differingLabels: Type.Union([Type.Integer(), Type.Null()]),
      labelRows: Type.Union([Type.Integer(), Type.Null()]),
      worst: Type.Union([Type.Object({ row: Type.Integer(), source: Type.String(), converted: Type.String() }), Type.Null()]),
    }),
    Type.Null(),
  ]),
  loggedModelId: TextOrNull,
  madeVersion: Type.Union([Type.Integer(), Type.Null()]),
  error: Type.Union([
    Type.Record(Type.String(), Type.Unknown(), { description: 'The problem, as a request would have got it' }),
    Type.Null(),
  ]),
  createdAt: Time,
  finishedAt: Type.Union([Time, Type.Null()]),
});
export const conversionView = ({ createdMs, finishedMs, ...rest }: Conversion) => ({
  ...rest,
  createdAt: iso(createdMs),
  finishedAt: finishedMs === null ? null : iso(finishedMs),
});

const Gate = Type.Object({
  metric: Type.String(),
  floor: Type.Optional(Type.Number()),
  ceiling: Type.Optional(Type.Number()),
  slice: Type.Optional(Type.String()),
  minRows: Type.Optional(Type.Integer()),
  notWorseThan: Type.Optional(Type.Literal('champion')),
  betterThan: Type.Optional(Type.Literal('champion')),
  margin: Type.Optional(Type.Number()),
  confidence: Type.Optional(Type.Number()),
  trust: Type.Optional(Type.Literal('reported')),
});

export const DecisionView = Type.Object({
  id: Type.String(),
  model: Type.String(),
  versionId: Type.String(),
  evaluationId: TextOrNull,
  championId: TextOrNull,
  gateDigest: Type.String({ description: 'Of the gates as they were: a decision expires when they change' }),
  outcome: Type.Enum([...decisionOutcomes] as [string, ...string[]]),
  results: Type.Array(Type.Object({ gate: Gate, passed: Type.Boolean(), found: Type.String(), why: Type.String() })),
  reason: Type.String(),
  actor: Type.Object({ kind: Type.String(), id: Type.String() }),
  recordedAt: Time,
});
export const decisionView = ({ recordedMs, ...d }: Decision) => ({ ...d, recordedAt: iso(recordedMs) });

export const VersionInFull = Type.Object({
  ...VersionView.properties,
  tags: Type.Record(Type.String(), Type.String()),
  aliases: Type.Array(Type.String()),
  files: Type.Array(Type.Object({ path: Type.String(), digest: Type.String(), sizeBytes: Type.Integer() })),
  decision: Type.Union([DecisionView, Type.Null()]),
});

const Interval = Type.Object({
  low: Type.Number(),
  high: Type.Number(),
  level: Type.Number({ description: 'Confidence' }),
  method: Type.String(),
});
const Figure = Type.Union([
  Type.Object({ ok: Type.Literal(true), value: Type.Number(), n: Type.Integer(), interval: Type.Optional(Interval) }),
  Type.Object({ ok: Type.Literal(false), reason: Type.String(), n: Type.Integer() }),
]);
const Figures = Type.Record(Type.String(), Figure);
const StoredTable = Type.Object({ digest: Type.String(), sizeBytes: Type.Integer() });

export const EvaluationView = Type.Object({
  id: Type.String(),
  loggedModelId: Type.String(),
  datasetVersion: Type.String(),
  task: Type.Enum(['binary', 'regression']),
  rows: Type.Integer(),
  metrics: Figures,
  slices: Type.Array(Type.Object({ column: Type.String(), value: Type.String(), n: Type.Integer(), metrics: Figures })),
  curves: Type.Record(Type.String(), Type.Unknown(), {
    description: 'By name: calibration, ROC and the like, each with points of its own',
  }),
  scoreTable: StoredTable,
  input: StoredTable,
  score: Type.String(),
  window: Type.Object({ fromUs: Type.Integer(), toUs: Type.Integer() }),
  createdAt: Time,
});
export const evaluationView = ({ createdMs, ...evaluation }: Evaluation) => ({ ...evaluation, createdAt: iso(createdMs) });
