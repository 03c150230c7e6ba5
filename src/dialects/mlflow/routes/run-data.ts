// What a run records.
import {
  deleteTag,
  logBatch,
  logInputs,
  logMetric,
  logOutputs,
  logParam,
  recordModel,
  setTag,
  type DatasetInput,
  type Metric,
  type Pair,
} from '../../../domains/tracking/public.ts';
import type { Rule } from '../proto.ts';
import { metric, pair } from '../requests.ts';
import { mlflowRoutes, type Args } from '../wire.ts';
import { runIdOf } from './runs.ts';

function metricOf(a: Args, item?: { readonly path: string }): Metric {
  const metric = {
    key: a.text('key'),
    value: a.double('value', item),
    timestampMs: a.requiredInt('timestamp', item),
    step: a.int('step') ?? 0,
  };
  const [modelId, datasetName, datasetDigest] = [a.text('model_id'), a.text('dataset_name'), a.text('dataset_digest')];
  if (!modelId && !datasetName && !datasetDigest) return metric;
  return { ...metric, ...(modelId && { modelId }), ...(datasetName && { datasetName }), ...(datasetDigest && { datasetDigest }) };
}
const pairOf = (a: Args): Pair => ({ key: a.text('key'), value: a.text('value') });

const datasetOf = (at: Args, path: string): DatasetInput => {
  const d = at.child('dataset', path);
  return {
    name: d.required('name', `${path}dataset.`),
    digest: d.required('digest', `${path}dataset.`),
    sourceType: d.text('source_type'),
    source: d.text('source'),
    schema: d.text('schema') || null,
    profile: d.text('profile') || null,
    tags: at.list('tags').map((tag) => pairOf(tag.at)),
  };
};

const isNothing = (value: unknown): boolean => value === undefined || value === null || value === '';

/** Each object of a list has these members. */
const each =
  (list: string, ...members: readonly string[]): Rule =>
  (items) => {
    for (const [i, item] of (Array.isArray(items) ? (items as unknown[]) : []).entries()) {
      if (typeof item !== 'object' || item === null) continue;
      const lacking = members.find((m) => isNothing((item as Readonly<Record<string, unknown>>)[m]));
      if (lacking) return `Missing value for required parameter '${list}[${i}].${lacking}'.`;
    }
    return undefined;
  };

const run = { run_id: 'string', run_uuid: 'string' } as const;
const required: readonly Rule[] = ['required', 'string'];

export const runDataRoutes = mlflowRoutes([
  {
    methods: ['POST'],
    path: 'runs/log-metric',
    permission: 'tracking:write',
    summary: 'log a metric',
    request: {
      fields: { ...run, ...metric },
      rules: {
        run_id: required,
        key: required,
        value: ['required', 'float'],
        timestamp: ['int', 'required'],
        step: ['int'],
        model_id: ['string'],
        dataset_name: ['string'],
        dataset_digest: ['string'],
      },
    },
    handler: (ctx, a) => logMetric(ctx, runIdOf(a), metricOf(a)),
  },
  {
    methods: ['POST'],
    path: 'runs/log-parameter',
    permission: 'tracking:write',
    summary: 'log a param',
    request: { fields: { ...run, ...pair }, rules: { run_id: required, key: required, value: ['string'] } },
    handler: (ctx, a) => logParam(ctx, runIdOf(a), pairOf(a)),
  },
  {
    methods: ['POST'],
    path: 'runs/set-tag',
    permission: 'tracking:write',
    summary: 'set a tag',
    request: { fields: { ...run, ...pair }, rules: { run_id: required, key: required, value: ['string'] } },
    handler: (ctx, a) => setTag(ctx, runIdOf(a), pairOf(a)),
  },
  {
    methods: ['POST'],
    path: 'runs/delete-tag',
    permission: 'tracking:write',
    summary: 'delete a tag',
    request: { fields: { run_id: 'string', key: 'string' }, rules: { run_id: required, key: required } },
    handler: (ctx, a) => deleteTag(ctx, a.text('run_id'), a.text('key')),
  },
  {
    methods: ['POST'],
    path: 'runs/log-batch',
    permission: 'tracking:write',
    summary: 'log metrics, params and tags at once',
    request: {
      fields: { run_id: 'string', metrics: [metric], params: [pair], tags: [pair] },
      rules: {
        run_id: ['string', 'required'],
        metrics: ['array', each('metrics', 'key', 'value', 'timestamp')],
        params: ['array', each('params', 'key')],
        tags: ['array', each('tags', 'key')],
      },
    },
    handler: (ctx, a) =>
      logBatch(ctx, a.text('run_id'), {
        metrics: a.list('metrics').map((item) => metricOf(item.at, item)),
        params: a.list('params').map(({ at }) => pairOf(at)),
        tags: a.list('tags').map(({ at }) => pairOf(at)),
      }),
  },
  {
    methods: ['POST'],
    path: 'runs/log-model',
    permission: 'tracking:write',
    summary: 'say that the run logged a model, the way of MLflow 2',
    request: {
      fields: { run_id: 'string', model_json: 'string' },
      rules: { run_id: ['string', 'required'], model_json: ['string', 'required'] },
    },
    handler: (ctx, a) => recordModel(ctx, a.text('run_id'), a.text('model_json')),
  },
  {
    methods: ['POST'],
    path: 'runs/log-inputs',
    permission: 'tracking:write',
    summary: 'log input datasets and models',
    request: {
      fields: {
        run_id: 'string',
        datasets: [
          {
            tags: [pair],
            dataset: { name: 'string', digest: 'string', source_type: 'string', source: 'string', schema: 'string', profile: 'string' },
          },
        ],
        models: [{ model_id: 'string' }],
      },
      rules: { run_id: required, datasets: ['array'], models: ['array'] },
    },
    handler: (ctx, a) =>
      logInputs(
        ctx,
        a.text('run_id'),
        a.list('datasets').map(({ at, path }) => datasetOf(at, path)),
        a.list('models').map(({ at, path }) => at.required('model_id', path)),
      ),
  },
  {
    methods: ['POST'],
    path: 'runs/outputs',
    permission: 'tracking:write',
    summary: 'log output models',
    request: {
      fields: { run_id: 'string', models: [{ model_id: 'string', step: 'int64' }] },
      rules: { run_id: required, models: ['required', 'array'] },
    },
    handler: (ctx, a) =>
      logOutputs(
        ctx,
        a.text('run_id'),
        a.list('models').map(({ at, path }) => ({ id: at.required('model_id', path), step: at.int('step') ?? 0 })),
      ),
  },
]);
