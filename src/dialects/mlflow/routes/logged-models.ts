import type { Ctx } from '../../../kernel/ctx.ts';
import {
  createLoggedModel,
  deleteLoggedModel,
  deleteModelTag,
  finishLoggedModel,
  getLoggedModel,
  listLoggedModels,
  listModelMetrics,
  modelStatuses,
  setModelEntries,
  type LoggedModel,
} from '../../../domains/tracking/public.ts';
import { decodeToken, encodeToken, invalid, mlflowRoutes, omitEmpty } from '../wire.ts';
import { metricToWire } from './runs.ts';

async function toWire(ctx: Ctx, m: LoggedModel) {
  const metrics = await listModelMetrics(ctx.db, ctx.workspace, m.id);
  return {
    info: omitEmpty({
      model_id: m.id,
      experiment_id: m.experimentId,
      name: m.name,
      creation_timestamp_ms: m.createdMs,
      last_updated_timestamp_ms: m.updatedMs,
      artifact_uri: m.artifactUri,
      status: m.status,
      model_type: m.modelType || undefined,
      source_run_id: m.sourceRunId,
      status_message: m.statusMessage || undefined,
      tags: m.tags,
    }),
    data: omitEmpty({ params: m.params, metrics: metrics.map((x) => ({ ...metricToWire(x), run_id: x.runId })) }),
  };
}

export const loggedModelRoutes = mlflowRoutes([
  {
    methods: ['POST'],
    path: 'logged-models',
    permission: 'tracking:write',
    summary: 'create a logged model',
    handler: async (ctx, a) => ({
      model: await toWire(
        ctx,
        await createLoggedModel(ctx, {
          experimentId: a.text('experiment_id') || '0',
          name: a.text('name'),
          modelType: a.text('model_type'),
          sourceRunId: a.text('source_run_id') || null,
          params: a.pairs('params'),
          tags: a.pairs('tags'),
        }),
      ),
    }),
  },
  {
    methods: ['POST'],
    path: 'logged-models/search',
    permission: 'tracking:read',
    summary: 'search logged models',
    handler: async (ctx, a) => {
      const limit = a.int('max_results') ?? 50;
      const offset = decodeToken(a.text('page_token'));
      const filter = a.text('filter').trim();
      const clauses =
        filter === ''
          ? []
          : filter
              .split(/\s+and\s+/i)
              .map(
                (c) =>
                  /^(?:attributes\.)?(name|source_run_id)\s*=\s*(['"])(.*)\2$/i.exec(c) ??
                  invalid(`Invalid filter '${filter}': name = '...' and source_run_id = '...' are offered, joined by AND.`),
              );
      const value = (key: string): string | undefined => clauses.find((c) => c[1] === key)?.[3];
      const [name, sourceRunId] = [value('name'), value('source_run_id')];
      const found = await listLoggedModels(ctx.db, ctx.workspace, {
        experimentIds: a.texts('experiment_ids'),
        ...(name === undefined ? {} : { name }),
        ...(sourceRunId === undefined ? {} : { sourceRunId }),
        offset,
        limit: limit + 1,
      });
      const models = [];
      for (const m of found.slice(0, limit)) models.push(await toWire(ctx, m));
      return omitEmpty({ models, next_page_token: found.length > limit ? encodeToken(offset + limit) : undefined });
    },
  },
  {
    methods: ['GET'],
    path: 'logged-models/:model_id',
    permission: 'tracking:read',
    summary: 'a logged model',
    handler: async (ctx, a) => ({ model: await toWire(ctx, await getLoggedModel(ctx, a.required('model_id'), a.bool('allow_deleted'))) }),
  },
  {
    methods: ['PATCH'],
    path: 'logged-models/:model_id',
    permission: 'tracking:write',
    summary: 'end the upload of a logged model',
    handler: async (ctx, a) => {
      const given = a.required('status');
      const status =
        modelStatuses.find((s, i) => s === given || String(i + 1) === given) ??
        invalid(`Invalid value "${given}" for parameter 'status' supplied`);
      return { model: await toWire(ctx, await finishLoggedModel(ctx, a.required('model_id'), status, a.text('status_message'))) };
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
    handler: (ctx, a) => setModelEntries(ctx, a.required('model_id'), 'tag', a.pairs('tags')),
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
    handler: (ctx, a) => setModelEntries(ctx, a.required('model_id'), 'param', a.pairs('params')),
  },
]);
