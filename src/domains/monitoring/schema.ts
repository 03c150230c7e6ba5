// Wire shapes. Every figure comes with its method and its sample size, or with the reason why there is none.
import type { TSchema } from 'typebox';
import Type from '../../kernel/http/json-schema.ts';
import { pageOf } from '../../kernel/http/paging.ts';
import { findingKinds, windowKinds } from './model.ts';

const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const numbers = Type.Record(Type.String(), Type.Number());

export const NothingView = Type.Object({
  ok: Type.Literal(false),
  reason: Type.String(),
  n: Type.Number(),
  method: Type.Optional(Type.String()),
});

export const FigureView = Type.Union([
  Type.Object({
    ok: Type.Literal(true),
    value: Type.Number(),
    n: Type.Number(),
    method: Type.String(),
    interval: Type.Optional(Type.Object({ low: Type.Number(), high: Type.Number(), level: Type.Number(), method: Type.String() })),
  }),
  NothingView,
]);

export const DriftView = Type.Union([
  Type.Object({
    ok: Type.Literal(true),
    method: Type.String(),
    value: Type.Number(),
    corrected: Type.Number({ description: 'The value less what chance alone adds' }),
    threshold: Type.Number({ description: 'The greatest of the parts' }),
    parts: Type.Object({ practical: Type.Number(), sampling: Type.Number(), spread: orNull(Type.Number()) }),
    p: Type.Number(),
    n: Type.Number(),
    m: Type.Number({ description: 'Rows of the baseline' }),
    error: Type.Optional(Type.Number()),
    drifted: Type.Boolean(),
  }),
  NothingView,
]);

const QualityView = Type.Object({
  kind: Type.String(),
  share: Type.Number(),
  reference: Type.Number(),
  threshold: Type.Number(),
  count: Type.Number(),
  n: Type.Number(),
  examples: Type.Optional(Type.Array(Type.String())),
  broken: Type.Boolean(),
});

export const ColumnView = Type.Object({
  column: Type.String(),
  kind: Type.String(),
  n: Type.Number(),
  quality: Type.Array(QualityView),
  qualityMethod: Type.String(),
  drift: DriftView,
});

const VolumeView = Type.Object({
  records: Type.Number(),
  lead: Type.Number(),
  versions: Type.Array(Type.Object({ version: Type.String(), records: Type.Number() })),
});

const EstimateView = Type.Union([
  Type.Object({
    ok: Type.Literal(true),
    value: Type.Number(),
    n: Type.Number(),
    low: Type.Number(),
    high: Type.Number(),
    method: Type.String(),
  }),
  NothingView,
]);

export const DatasetDriftView = Type.Union([
  Type.Object({
    ok: Type.Literal(true),
    value: Type.Number(),
    threshold: Type.Number(),
    columns: Type.Array(Type.String()),
    of: Type.Number(),
    n: Type.Number(),
    method: Type.String(),
    drifted: Type.Boolean(),
  }),
  NothingView,
]);

const DataFiguresView = Type.Object({
  volume: VolumeView,
  errors: FigureView,
  latency: orNull(Type.Object({ n: Type.Number(), method: Type.String(), quantilesUs: numbers })),
  columns: Type.Array(ColumnView),
  added: Type.Optional(
    Type.Array(Type.Object({ column: Type.String(), n: Type.Number() }), {
      description: 'Inputs that the baseline does not know, and the records that have a value of them',
    }),
  ),
  prediction: DriftView,
  datasetDrift: DatasetDriftView,
  usualVolume: Type.Union([
    Type.Object({
      ok: Type.Literal(true),
      value: Type.Number(),
      low: Type.Number(),
      high: Type.Number(),
      windows: Type.Number(),
      method: Type.String(),
    }),
    NothingView,
  ]),
  estimate: Type.Record(Type.String(), EstimateView),
});

const PoolView = Type.Union([
  Type.Object({
    ok: Type.Literal(true),
    value: Type.Number(),
    standardError: Type.Number(),
    windows: Type.Number(),
    n: Type.Number(),
    baseline: Type.Number(),
    baselineStandardError: Type.Number(),
    spread: Type.Number(),
    higherIsBetter: Type.Boolean(),
    by: Type.Number(),
    method: Type.String(),
    verdict: Type.Union([
      Type.Object({
        ok: Type.Literal(true),
        fall: Type.Number(),
        low: Type.Number(),
        level: Type.Number(),
        standardError: Type.Number(),
        p: Type.Number(),
        threshold: Type.Number(),
        windows: Type.Number(),
        n: Type.Number(),
        fallen: Type.Boolean(),
      }),
      Type.Object({ ok: Type.Literal(false), reason: Type.String() }),
    ]),
  }),
  NothingView,
]);

const PerformanceFiguresView = Type.Object({
  volume: VolumeView,
  coverage: FigureView,
  metrics: Type.Record(Type.String(), FigureView),
  standardErrors: numbers,
  pools: Type.Record(Type.String(), PoolView),
  estimate: Type.Record(Type.String(), EstimateView),
  gaps: Type.Record(Type.String(), Type.Object({ value: Type.Number(), band: Type.Number(), outside: Type.Boolean() })),
  calibration: orNull(
    Type.Object({
      bins: Type.Array(
        Type.Object({ n: Type.Number(), predicted: Type.Number(), observed: Type.Number(), low: Type.Number(), high: Type.Number() }),
      ),
      error: FigureView,
      slope: FigureView,
    }),
  ),
  slices: Type.Array(
    Type.Object({ column: Type.String(), value: Type.String(), n: Type.Number(), metrics: Type.Record(Type.String(), FigureView) }),
  ),
});

const window = {
  id: Type.String(),
  monitor: Type.String(),
  kind: Type.Enum([...windowKinds]),
  from: Type.String(),
  to: Type.String(),
  generation: Type.Integer(),
  latest: Type.Boolean(),
  n: Type.Integer({ description: 'Records (data) or labelled predictions (performance) of the lead version' }),
  version: Type.String({ description: 'Model version with most records' }),
  baseline: orNull(Type.String()),
  findings: Type.Integer(),
  closedAt: Type.String({ description: 'Event time' }),
  recordedAt: Type.String(),
};

/** A figure in short: enough for a table, with its method and sample size. */
export const HeadlineView = Type.Object({
  value: orNull(Type.Number()),
  low: Type.Optional(Type.Number()),
  high: Type.Optional(Type.Number()),
  threshold: Type.Optional(Type.Number()),
  n: Type.Number(),
  method: Type.String(),
  reason: Type.Optional(Type.String()),
});

export const WindowSummary = Type.Object({ ...window, headline: Type.Record(Type.String(), HeadlineView) });
export const WindowView = Type.Union([
  Type.Object({ ...window, kind: Type.Literal('data'), figures: DataFiguresView }),
  Type.Object({ ...window, kind: Type.Literal('performance'), figures: PerformanceFiguresView }),
]);
export const WindowPage = pageOf(WindowSummary);

export const FindingView = Type.Object({
  id: Type.String(),
  monitor: Type.String(),
  window: Type.String(),
  from: Type.String(),
  to: Type.String(),
  kind: Type.Enum([...findingKinds]),
  subject: Type.String(),
  method: Type.String(),
  value: orNull(Type.Number()),
  threshold: orNull(Type.Number()),
  n: Type.Integer(),
  detail: Type.String(),
  recordedAt: Type.String(),
});
export const FindingPage = pageOf(FindingView);

export const MonitorView = Type.Object({
  name: Type.String(),
  endpoint: orNull(Type.String()),
  model: orNull(Type.String()),
  task: Type.String(),
  windowUs: Type.Integer(),
  latenessUs: Type.Integer(),
  labelsWithinUs: Type.Integer(),
  performance: Type.Array(Type.String()),
  slices: Type.Array(Type.String()),
  lead: Type.String(),
  /** All before it is closed; null while no record has come. */
  closedUntil: Type.Object({ data: orNull(Type.String()), performance: orNull(Type.String()) }),
  last: Type.Object({ data: orNull(WindowSummary), performance: orNull(WindowSummary) }),
});

export const BaselineView = Type.Object({
  id: Type.String(),
  of: Type.Object({ kind: Type.String(), id: Type.String() }),
  digest: Type.String(),
  windowUs: Type.Integer(),
  rows: Type.Integer(),
  span: orNull(Type.Object({ from: Type.String(), to: Type.String() })),
  columns: Type.Array(
    Type.Object({
      column: Type.String(),
      kind: Type.String(),
      n: Type.Integer(),
      nulls: Type.Integer(),
      bins: Type.Integer(),
      spread: orNull(
        Type.Record(Type.String(), Type.Object({ chunks: Type.Number(), mean: Type.Number(), sd: Type.Number(), max: Type.Number() })),
      ),
    }),
  ),
  scores: orNull(Type.Object({ n: Type.Integer(), mean: Type.Number(), min: orNull(Type.Number()), max: orNull(Type.Number()) })),
  labels: orNull(Type.Object({ n: Type.Integer(), mean: Type.Number() })),
  estimates: Type.Boolean({ description: 'Whether performance can be estimated without labels' }),
  performance: Type.Record(
    Type.String(),
    Type.Union([
      Type.Object({
        value: Type.Number(),
        standardError: Type.Number(),
        spread: Type.Number(),
        n: Type.Number(),
        windows: Type.Number(),
        method: Type.String(),
      }),
      NothingView,
    ]),
  ),
  lacks: Type.Array(Type.String()),
});

const Summary = Type.Object({
  n: Type.Integer(),
  nulls: Type.Integer(),
  mean: orNull(Type.Number()),
  sd: orNull(Type.Number()),
  min: orNull(Type.Number()),
  max: orNull(Type.Number()),
});
const table = { name: Type.String(), id: Type.String(), rows: Type.Integer() };

export const ReportView = Type.Object({
  reference: Type.Object({ ...table, stored: Type.Boolean({ description: 'Its baseline was there already' }) }),
  current: Type.Object(table),
  columns: Type.Array(
    Type.Object({
      column: Type.String(),
      kind: Type.String(),
      reference: Summary,
      current: Summary,
      drift: DriftView,
      quality: Type.Array(QualityView),
    }),
  ),
  missing: Type.Array(Type.String()),
  added: Type.Array(Type.String()),
  drifted: Type.Array(Type.String()),
  broken: Type.Array(Type.String()),
});
