import type { Ctx } from '../../../kernel/ctx.ts';
import {
  createLoggedModel,
  deleteLoggedModel,
  deleteModelTag,
  finishLoggedModel,
  getLoggedModel,
  modelMetricsOf,
  modelStatuses,
  searchLoggedModels,
  setModelEntries,
  type DatasetFilter,
  type LoggedModel,
  type ModelMetric,
} from '../../../domains/tracking/public.ts';
import type { Rule } from '../proto.ts';
import { pair } from '../requests.ts';
import { decodeModelToken, encodeModelToken } from './model-page-token.ts';
import { invalid, mlflowRoutes, omitEmpty, type Args } from '../wire.ts';
import { metricToWire } from './runs.ts';

const toWire = (m: LoggedModel, metrics: readonly ModelMetric[]) => ({
  info: omitEmpty({
    model_id: m.id,
    experiment_id: m.experimentId,
    name: m.name,
    creation_timestamp_ms: m.createdMs,
    last_updated_timestamp_ms: m.updatedMs,
    artifact_uri: m.artifactUri,
    status: m.status,
    model_type: m.modelType,
    source_run_id: m.sourceRunId ?? '',
    status_message: m.statusMessage || undefined,
    tags: m.tags,
  }),
  data: omitEmpty({ params: m.params, metrics: metrics.map((x) => ({ ...metricToWire(x), run_id: x.runId })) }),
});

async function allToWire(ctx: Ctx, models: readonly LoggedModel[]) {
  const metrics = await modelMetricsOf(
    ctx.db,
    ctx.workspace,
    models.map((m) => m.id),
  );
  return models.map((m) => toWire(m, metrics.get(m.id)!));
}
const oneToWire = async (ctx: Ctx, model: LoggedModel) => (await allToWire(ctx, [model]))[0];

const required: readonly Rule[] = ['required', 'string'];
const text: readonly Rule[] = ['string'];

const experimentOf = (id: string): string =>
  /^\d+$/.test(id) ? id : invalid(`Invalid experiment ID '${id}'. Experiment ID must be a valid integer.`);

const pairsOf = (a: Args, name: string): { key: string; value: string }[] =>
  a.list(name).map(({ at, path }) => ({ key: at.text('key', path), value: at.text('value', path) }));

const datasetOf = (a: Args): DatasetFilter => ({ name: a.text('dataset_name'), digest: a.text('dataset_digest') });

export const loggedModelRoutes = mlflowRoutes([
  {
    methods: ['POST'],
    path: 'logged-models',
    permission: 'tracking:write',
    summary: 'create a logged model',
    request: {
      fields: { experiment_id: 'string', name: 'string', model_type: 'string', source_run_id: 'string', params: [pair], tags: [pair] },
      rules: {
        experiment_id: required,
        name: text,
        model_type: text,
        source_run_id: text,
        params: ['array'],
        tags: ['array'],
      },
    },
    handler: async (ctx, a) => ({
      model: await oneToWire(
        ctx,
        await createLoggedModel(ctx, {
          experimentId: experimentOf(a.text('experiment_id')),
          name: a.text('name'),
          modelType: a.text('model_type'),
          sourceRunId: a.text('source_run_id') || null,
          params: pairsOf(a, 'params'),
          tags: pairsOf(a, 'tags'),
        }),
      ),
    }),
  },
  {
    methods: ['POST'],
    path: 'logged-models/search',
    permission: 'tracking:read',
    summary: 'search logged models',
    request: {
      fields: {
        experiment_ids: ['string'],
        filter: 'string',
        datasets: [{ dataset_name: 'string', dataset_digest: 'string' }],
        max_results: 'int64',
        order_by: [{ field_name: 'string', ascending: 'bool', dataset_name: 'string', dataset_digest: 'string' }],
        page_token: 'string',
      },
      rules: {
        experiment_ids: ['required', 'array', 'strings'],
        filter: text,
        datasets: ['array'],
        max_results: ['int'],
        order_by: ['array'],
        page_token: text,
      },
    },
    handler: async (ctx, a) => {
      // 0 is as good as nothing there.
      const limit = a.int('max_results') || 50;
      const experimentIds = a.texts('experiment_ids').map(experimentOf);
      const orderBy = a.list('order_by').map(({ at }) => ({
        field_name: at.text('field_name'),
        ascending: at.has('ascending') ? at.bool('ascending') : true,
        dataset_name: at.text('dataset_name') || null,
        dataset_digest: at.text('dataset_digest') || null,
      }));
      const search = {
        experiment_ids: experimentIds,
        filter_string: a.text('filter') || null,
        order_by: orderBy.length > 0 ? orderBy : null,
      };
      const offset = decodeModelToken(a.text('page_token'), search);
      const found = await searchLoggedModels(ctx, {
        experimentIds,
        filter: a.text('filter'),
        datasets: a.list('datasets').map(({ at }) => datasetOf(at)),
        orderBy: a.list('order_by').map(({ at }) => ({
          field: at.required('field_name'),
          ascending: at.has('ascending') ? at.bool('ascending') : true,
          dataset: at.text('dataset_name') === '' ? null : datasetOf(at),
        })),
        offset,
        limit,
      });
      return omitEmpty({
        models: await allToWire(ctx, found.models),
        next_page_token: found.more ? encodeModelToken(search, offset + limit) : undefined,
      });
    },
  },
  {
    methods: ['GET'],
    path: 'logged-models/:model_id',
    permission: 'tracking:read',
    summary: 'a logged model',
    handler: async (ctx, a) => ({
      model: await oneToWire(ctx, await getLoggedModel(ctx, a.required('model_id'), a.bool('allow_deleted'))),
    }),
  },
  {
    methods: ['PATCH'],
    path: 'logged-models/:model_id',
    permission: 'tracking:write',
    summary: 'end the upload of a logged model',
    handler: async (ctx, a) => {
      const given = a.word('status') || a.required('status');
      const status =
        modelStatuses.find((s, i) => s === given || String(i + 1) === given) ??
        invalid(`Invalid value "${given}" for parameter 'status' supplied`);
      return { model: await oneToWire(ctx, await finishLoggedModel(ctx, a.required('model_id'), status, a.text('status_message'))) };
    },
  },
  {
    methods: ['DELETE'],
    path: 'logged-models/:model_id',
    permission: 'tracking:write',
    summary: 'delete a logged model',
    handler: (ctx, a) => deleteLoggedModel(ctx, a.required('model_id')),
  },
  {
    methods: ['PATCH'],
    path: 'logged-models/:model_id/tags',
    permission: 'tracking:write',
    summary: 'tag a logged model',
    handler: async (ctx, a) => {
      await setModelEntries(ctx, a.required('model_id'), 'tag', pairsOf(a, 'tags'));
    },
  },
  {
    methods: ['DELETE'],
    path: 'logged-models/:model_id/tags/:key',
    permission: 'tracking:write',
    summary: 'remove a tag of a logged model',
    handler: (ctx, a) => deleteModelTag(ctx, a.required('model_id'), a.required('key')),
  },
  {
    methods: ['POST'],
    path: 'logged-models/:model_id/params',
    permission: 'tracking:write',
    summary: 'add params to a logged model',
    handler: (ctx, a) => setModelEntries(ctx, a.required('model_id'), 'param', pairsOf(a, 'params')),
  },
]);
