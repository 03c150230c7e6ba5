import type { Ctx } from '../../../kernel/ctx.ts';
import {
  checkPage,
  createRun,
  deleteTag,
  getRun,
  getRunData,
  inputsOf,
  linksOf,
  logBatch,
  logInputs,
  logOutputs,
  metricHistory,
  recordModel,
  runStatuses,
  searchRuns,
  setRunLifecycle,
  updateRun,
  type DatasetInput,
  type FoundRun,
  type Metric,
  type Pair,
  type RunInput,
  type RunStatus,
  type TrackingRun,
} from '../../../domains/tracking/public.ts';
import { decodeToken, encodeToken, invalid, mlflowRoutes, omitEmpty, wireDouble, type Args } from '../wire.ts';
import { viewOf } from './experiments.ts';

export const metricToWire = (m: Metric) =>
  omitEmpty({
    key: m.key,
    value: wireDouble(m.value),
    timestamp: m.timestampMs,
    step: m.step,
    model_id: m.modelId,
    dataset_name: m.datasetName,
    dataset_digest: m.datasetDigest,
  });

const infoToWire = (r: TrackingRun) =>
  omitEmpty({
    run_id: r.id,
    run_uuid: r.id,
    run_name: r.name,
    experiment_id: r.experimentId,
    user_id: r.userId,
    status: r.status,
    start_time: r.startMs,
    end_time: r.endMs,
    artifact_uri: r.artifactUri,
    lifecycle_stage: r.lifecycle,
  });

const dataToWire = (d: { metrics: readonly Metric[]; params: readonly Pair[]; tags: readonly Pair[] }) =>
  omitEmpty({ metrics: d.metrics.map(metricToWire), params: d.params, tags: d.tags });

const inputToWire = (i: RunInput) =>
  omitEmpty({
    tags: JSON.parse(i.tags) as unknown,
    dataset: omitEmpty({
      name: i.name,
      digest: i.digest,
      source_type: i.source_type,
      source: i.source,
      schema: i.schema,
      profile: i.profile,
    }),
  });

const outputsOf = (links: FoundRun['links']) =>
  links.filter((l) => l.role === 'output').map((l) => ({ model_id: l.model_id, step: l.step }));

async function runToWire(ctx: Ctx, run: TrackingRun) {
  const data = await getRunData(ctx, run.id);
  const inputs = (await inputsOf(ctx.db, ctx.workspace, [run.id])).get(run.id) ?? [];
  const links = (await linksOf(ctx.db, ctx.workspace, [run.id])).get(run.id) ?? [];
  return {
    info: infoToWire(run),
    data: dataToWire(data),
    inputs: omitEmpty({
      dataset_inputs: inputs.map(inputToWire),
      model_inputs: links.filter((l) => l.role === 'input').map((l) => ({ model_id: l.model_id })),
    }),
    outputs: omitEmpty({ model_outputs: outputsOf(links) }),
  };
}

// A search leaves the models that a run read out; `runs/get` has them.
const foundToWire = ({ run, data, inputs, links }: FoundRun) => ({
  info: infoToWire(run),
  data: dataToWire(data),
  inputs: omitEmpty({ dataset_inputs: inputs.map(inputToWire) }),
  outputs: omitEmpty({ model_outputs: outputsOf(links) }),
});

const runId = (a: Args): string => a.text('run_id') || a.text('run_uuid') || a.required('run_id');

const statusOf = (a: Args): RunStatus | undefined => {
  const text = a.word('status');
  if (text === '') return undefined;
  const byNumber = ['', 'RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'][Number(text)];
  return runStatuses.find((s) => s === text || s === byNumber) ?? invalid(`Invalid value "${text}" for parameter 'status' supplied`);
};

const metricOf = (a: Args, path: string): Metric => ({
  key: a.required('key', path),
  value: a.double('value', path),
  timestampMs: a.requiredInt('timestamp', path),
  step: a.int('step', path) ?? 0,
  ...(a.text('model_id') ? { modelId: a.text('model_id') } : {}),
  ...(a.text('dataset_name') ? { datasetName: a.text('dataset_name') } : {}),
  ...(a.text('dataset_digest') ? { datasetDigest: a.text('dataset_digest') } : {}),
});

const datasetOf = (at: Args): DatasetInput => {
  const d = at.child('dataset');
  return {
    name: d.required('name'),
    digest: d.required('digest'),
    sourceType: d.text('source_type'),
    source: d.text('source'),
    schema: d.text('schema') || null,
    profile: d.text('profile') || null,
    tags: at.pairs('tags'),
  };
};

const MAX_POINTS = 1_000_000;
const none = { metrics: [], params: [], tags: [] };

export const runRoutes = mlflowRoutes([
  {
    methods: ['POST'],
    path: 'runs/create',
    permission: 'tracking:write',
    summary: 'create a run',
    handler: async (ctx, a) => ({
      run: await runToWire(
        ctx,
        await createRun(ctx, {
          experimentId: a.text('experiment_id') || '0',
          userId: a.text('user_id'),
          name: a.text('run_name'),
          startMs: a.int('start_time') ?? null,
          tags: a.pairs('tags'),
        }),
      ),
    }),
  },
  {
    methods: ['GET'],
    path: 'runs/get',
    permission: 'tracking:read',
    summary: 'a run with its data',
    handler: async (ctx, a) => ({ run: await runToWire(ctx, await getRun(ctx, runId(a))) }),
  },
  {
    methods: ['POST'],
    path: 'runs/update',
    permission: 'tracking:write',
    summary: 'change a run',
    handler: async (ctx, a) => {
      const status = statusOf(a);
      const endMs = a.int('end_time');
      return {
        run_info: infoToWire(
          await updateRun(ctx, runId(a), {
            ...(status ? { status } : {}),
            ...(endMs === undefined ? {} : { endMs }),
            name: a.text('run_name'),
          }),
        ),
      };
    },
  },
  {
    methods: ['POST'],
    path: 'runs/delete',
    permission: 'tracking:write',
    summary: 'delete a run',
    handler: (ctx, a) => setRunLifecycle(ctx, runId(a), 'deleted'),
  },
  {
    methods: ['POST'],
    path: 'runs/restore',
    permission: 'tracking:write',
    summary: 'restore a run',
    handler: (ctx, a) => setRunLifecycle(ctx, runId(a), 'active'),
  },
  {
    methods: ['POST'],
    path: 'runs/log-metric',
    permission: 'tracking:write',
    summary: 'log a metric',
    handler: (ctx, a) => logBatch(ctx, runId(a), { ...none, metrics: [metricOf(a, '')] }),
  },
  {
    methods: ['POST'],
    path: 'runs/log-parameter',
    permission: 'tracking:write',
    summary: 'log a param',
    handler: (ctx, a) => logBatch(ctx, runId(a), { ...none, params: [{ key: a.required('key'), value: a.text('value') }] }),
  },
  {
    methods: ['POST'],
    path: 'runs/set-tag',
    permission: 'tracking:write',
    summary: 'set a tag',
    handler: (ctx, a) => logBatch(ctx, runId(a), { ...none, tags: [{ key: a.required('key'), value: a.text('value') }] }),
  },
  {
    methods: ['POST'],
    path: 'runs/delete-tag',
    permission: 'tracking:write',
    summary: 'delete a tag',
    handler: (ctx, a) => deleteTag(ctx, runId(a), a.required('key')),
  },
  {
    methods: ['POST'],
    path: 'runs/log-batch',
    permission: 'tracking:write',
    summary: 'log metrics, params and tags at once',
    handler: (ctx, a) =>
      logBatch(ctx, a.required('run_id'), {
        metrics: a.list('metrics').map(({ at, path }) => metricOf(at, path)),
        params: a.pairs('params'),
        tags: a.pairs('tags'),
      }),
  },
  {
    methods: ['POST'],
    path: 'runs/search',
    permission: 'tracking:read',
    summary: 'search runs',
    handler: async (ctx, a) => {
      const limit = a.int('max_results') ?? 1000;
      const offset = decodeToken(a.text('page_token'));
      const found = await searchRuns(ctx, {
        experimentIds: a.texts('experiment_ids'),
        filter: a.text('filter'),
        view: viewOf(a, 'run_view_type'),
        orderBy: a.texts('order_by'),
        offset,
        limit,
      });
      return omitEmpty({ runs: found.runs.map(foundToWire), next_page_token: found.more ? encodeToken(offset + limit) : undefined });
    },
  },
  {
    methods: ['POST'],
    path: 'runs/log-model',
    permission: 'tracking:write',
    summary: 'say that the run logged a model, the way of MLflow 2',
    handler: (ctx, a) => recordModel(ctx, a.required('run_id'), a.required('model_json')),
  },
  {
    methods: ['POST'],
    path: 'runs/log-inputs',
    permission: 'tracking:write',
    summary: 'log input datasets and models',
    handler: (ctx, a) =>
      logInputs(
        ctx,
        a.required('run_id'),
        a.list('datasets').map(({ at }) => datasetOf(at)),
        a.list('models').map(({ at }) => at.required('model_id')),
      ),
  },
  {
    methods: ['POST'],
    path: 'runs/outputs',
    permission: 'tracking:write',
    summary: 'log output models',
    handler: (ctx, a) =>
      logOutputs(
        ctx,
        a.required('run_id'),
        a.list('models').map(({ at }) => ({ id: at.required('model_id'), step: at.int('step') ?? 0 })),
      ),
  },
  {
    methods: ['GET'],
    path: 'metrics/get-history',
    permission: 'tracking:read',
    summary: 'all points of a metric',
    handler: async (ctx, a) => {
      const id = runId(a);
      await getRun(ctx, id);
      const limit = a.int('max_results') ?? MAX_POINTS;
      checkPage(limit, MAX_POINTS);
      const offset = decodeToken(a.text('page_token'));
      const points = await metricHistory(ctx.db, ctx.workspace, id, a.required('metric_key'), offset, limit + 1);
      return omitEmpty({
        metrics: points.slice(0, limit).map(metricToWire),
        next_page_token: points.length > limit ? encodeToken(offset + limit) : undefined,
      });
    },
  },
]);
