// The metrics of a data plane. Never labelled by prediction, row or a caller's own text.
import { openRegistry, type MetricRegistry } from '../../../kernel/http/prometheus.ts';
import type { BatchBegun } from '../batching/batcher.ts';
import type { FaultKind } from '../model.ts';
import type { ModelSession } from '../runtime/onnx-runtime.ts';
import type { Placement } from '../runtime/placement.ts';
import type { LiveEndpoint } from './endpoint.ts';

interface QueueState {
  readonly queuedRows: number;
  readonly running: number;
}

export interface ServingMetrics {
  readonly registry: MetricRegistry;
  /** Of a variant of an endpoint, or of a version of a model that is served as it is. */
  readonly of: (endpoint: string, variant: string) => VariantMetrics;
  readonly refused: (dialect: string, code: string) => void;
  readonly fault: (endpoint: string, column: string, kind: FaultKind, outcome: string) => void;
  /** Where a model runs, and what waits for it. */
  readonly placed: (endpoint: string, variant: string, placement: Placement | undefined, state: () => QueueState) => void;
  /** The same of all variants of all endpoints, in place of what was told before. */
  readonly placedEndpoints: (endpoints: Iterable<LiveEndpoint>, stateOf: (session: ModelSession) => QueueState) => void;
  readonly unplaced: (endpoint: string, variant: string) => void;
  /** Requests that are being answered. */
  readonly inFlight: (change: 1 | -1) => void;
  readonly plan: (number: number) => void;
  readonly turnLimit: (read: () => number) => void;
  /** Of some variants of an endpoint together. */
  readonly statistics: (endpoint: string, variants: readonly string[]) => VariantStatistics;
}

/** What is told of every request; its labels are put together once. */
export interface VariantMetrics {
  readonly predicted: (rows: number, seconds: number) => void;
  readonly failed: (rows: number) => void;
  readonly batch: (batch: BatchBegun) => void;
  readonly stages: (laps: Readonly<Record<Stage, number>>) => void;
}

/** Of a request: reading it, its features, waiting for the model, the model, the inference log, writing the answer. */
export const stages = ['parse', 'features', 'queue', 'model', 'log', 'serialise'] as const;
export type Stage = (typeof stages)[number];

/** Since the process started. A request is counted once, a row by its own. */
export interface VariantStatistics {
  readonly succeeded: number;
  readonly succeededSeconds: number;
  readonly failed: number;
  readonly rows: number;
  /** 0 before the first. */
  readonly lastMs: number;
}

export function openServingMetrics(log: () => { dropped: number; written: number }): ServingMetrics {
  const registry = openRegistry();
  const perVariant = ['endpoint', 'variant'];
  const predictions = registry.counter({
    name: 'gyre_predictions_total',
    help: 'Rows predicted',
    labels: ['endpoint', 'variant'],
  });
  const failures = registry.counter({
    name: 'gyre_prediction_failures_total',
    help: 'Rows on which the model failed',
    labels: ['endpoint', 'variant'],
  });
  const seconds = registry.histogram({
    name: 'gyre_prediction_duration_seconds',
    help: 'From the parsed request to the logged prediction',
    labels: ['endpoint', 'variant'],
    buckets: [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1],
  });
  const refusals = registry.counter({
    name: 'gyre_serving_refused_total',
    help: 'Requests answered with a problem, by its code',
    labels: ['dialect', 'code'],
  });
  const faults = registry.counter({
    name: 'gyre_serving_input_faults_total',
    help: 'Values that could not be used as sent or found, and what became of them',
    labels: ['endpoint', 'column', 'kind', 'outcome'],
  });
  const batches = registry.histogram({
    name: 'gyre_serving_batch_rows',
    help: 'Rows per run of a model',
    labels: perVariant,
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
  });
  const counted = new Map<string, { -readonly [K in keyof VariantStatistics]: VariantStatistics[K] }>();
  const countOf = (endpoint: string, variant: string) => {
    const key = `${endpoint}\n${variant}`;
    let count = counted.get(key);
    if (!count) counted.set(key, (count = { succeeded: 0, succeededSeconds: 0, failed: 0, rows: 0, lastMs: 0 }));
    return count;
  };
  const waits = registry.histogram({
    name: 'gyre_serving_queue_seconds',
    help: 'How long the oldest request of a batch waited for the model',
    labels: perVariant,
    buckets: [0.0001, 0.0005, 0.001, 0.005, 0.02, 0.1, 0.5, 2],
  });
  const stageSeconds = registry.histogram({
    name: 'gyre_serving_stage_seconds',
    help: 'Time of a request by what it was spent on; one of several variants counts for the first of them',
    labels: [...perVariant, 'stage'],
    buckets: [0.00001, 0.00005, 0.0001, 0.0005, 0.002, 0.01, 0.1, 1],
  });
  const places = new Map<string, Parameters<ServingMetrics['placed']>>();
  const ofEndpoints: string[] = [];
  const ofPlaces = (value: (state: { queuedRows: number; running: number }) => number) => () =>
    [...places.values()].map(([endpoint, variant, , state]) => [{ endpoint, variant }, value(state())] as const);
  registry.sampled(
    { name: 'gyre_serving_queued_rows', help: 'Rows that wait for the model', labels: perVariant },
    'gauge',
    ofPlaces((s) => s.queuedRows),
  );
  registry.sampled(
    { name: 'gyre_serving_running_batches', help: 'Batches in a process of the model', labels: perVariant },
    'gauge',
    ofPlaces((s) => s.running),
  );
  registry.sampled(
    {
      name: 'gyre_serving_model_row_seconds',
      help: 'A run of one row in warm-up, and where the model runs',
      labels: [...perVariant, 'where'],
    },
    'gauge',
    () =>
      [...places.values()].map(
        ([endpoint, variant, placement]) =>
          [{ endpoint, variant, where: placement?.where ?? 'inline' }, (placement?.rowMs ?? Number.NaN) / 1000] as const,
      ),
  );
  const handles = new Map<string, Map<string, VariantMetrics>>();
  const handleOf = (endpoint: string, variant: string): VariantMetrics => {
    const labels = { endpoint, variant };
    const count = countOf(endpoint, variant);
    const [predicted, failed, took] = [predictions.of(labels), failures.of(labels), seconds.of(labels)];
    const [batchRows, waited] = [batches.of(labels), waits.of(labels)];
    const ofStages = stages.map((stage) => [stage, stageSeconds.of({ ...labels, stage })] as const);
    return {
      predicted: (rows, inSeconds) => {
        predicted(rows);
        took(inSeconds);
        count.succeeded++;
        count.succeededSeconds += inSeconds;
        count.rows += rows;
        count.lastMs = Date.now();
      },
      failed: (rows) => {
        failed(rows);
        count.failed++;
      },
      batch: ({ rows, waitedMs }) => {
        batchRows(rows);
        waited(waitedMs / 1000);
      },
      stages: (laps) => {
        for (const [stage, observe] of ofStages) if (laps[stage] > 0) observe(laps[stage] / 1000);
      },
    };
  };
  let answering = 0;
  registry.watched({ name: 'gyre_serving_requests_in_flight', help: 'Requests that are being answered' }, 'gauge', () => answering);
  let plan = 0;
  registry.watched({ name: 'gyre_serving_plan_number', help: 'Number of the plan in use' }, 'gauge', () => plan);
  registry.watched({ name: 'gyre_inference_records_written_total', help: 'Inference records appended' }, 'counter', () => log().written);
  registry.watched(
    { name: 'gyre_inference_records_dropped_total', help: 'Inference records not written because the disk was full or slow' },
    'counter',
    () => log().dropped,
  );
  return {
    registry,
    of: (endpoint, variant) => {
      let variants = handles.get(endpoint);
      if (!variants) handles.set(endpoint, (variants = new Map()));
      let handle = variants.get(variant);
      if (!handle) variants.set(variant, (handle = handleOf(endpoint, variant)));
      return handle;
    },
    statistics: (endpoint, variants) => {
      const counts = variants.map((variant) => countOf(endpoint, variant));
      const total = (of: (c: VariantStatistics) => number): number => counts.reduce((sum, c) => sum + of(c), 0);
      return {
        succeeded: total((c) => c.succeeded),
        succeededSeconds: total((c) => c.succeededSeconds),
        failed: total((c) => c.failed),
        rows: total((c) => c.rows),
        lastMs: Math.max(0, ...counts.map((c) => c.lastMs)),
      };
    },
    refused: (dialect, code) => refusals.inc({ dialect, code }),
    fault: (endpoint, column, kind, outcome) => faults.inc({ endpoint, column, kind, outcome }),
    placed: (...place) => void places.set(`${place[0]}\n${place[1]}`, place),
    placedEndpoints: (endpoints, stateOf) => {
      for (const key of ofEndpoints.splice(0)) places.delete(key);
      for (const { plan: of, variants } of endpoints)
        for (const { plan: variant, session } of variants) {
          const key = `${of.workspace}/${of.name}\n${variant.id}`;
          ofEndpoints.push(key);
          places.set(key, [of.name, variant.id, session.placement, () => stateOf(session)]);
        }
    },
    unplaced: (endpoint, variant) => void places.delete(`${endpoint}\n${variant}`),
    inFlight: (change) => void (answering += change),
    plan: (number) => void (plan = number),
    turnLimit: (read) =>
      registry.watched(
        { name: 'gyre_serving_turn_limit', help: 'Requests taken in one turn of the event loop at most, from what they took so far' },
        'gauge',
        read,
      ),
  };
}
