import Type from '../../../kernel/http/json-schema.ts';
import { decodeCursor, toPage } from '../../../kernel/http/paging.ts';
import { route, type AnyRoute } from '../../../kernel/http/route.ts';
import * as schema from '../schema.ts';
import { getExperiment, setExperimentLifecycle } from '../service/experiments.ts';
import { listExperiments, runsIn } from '../service/list-experiments.ts';
import { experimentView } from './views.ts';

const at = '/api/gyre/v1/experiments';

export const experimentRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: at,
    permission: 'tracking:read',
    summary: 'Experiments, the newest first; with a filter those that fulfil it',
    errors: ['filter-invalid', 'cursor-invalid'],
    query: schema.ListExperiments,
    reply: { 200: schema.ExperimentPage },
    handler: async (ctx, { query }) => {
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['number']) : [undefined];
      const found = await listExperiments(ctx, { filter: query.filter ?? '', lifecycle: query.lifecycle ?? 'active', before, limit });
      return toPage(
        found,
        limit,
        (e) => [e.number],
        (e) => experimentView(e.experiment),
      );
    },
  }),
  route({
    method: 'GET',
    path: `${at}/:id`,
    permission: 'tracking:read',
    summary: 'An experiment, and how many runs it has',
    errors: ['experiment-not-found', 'tracking-invalid'],
    params: schema.OfId,
    reply: { 200: schema.ExperimentDetail },
    handler: async (ctx, { params }) => {
      const experiment = await getExperiment(ctx, params.id);
      return { ...experimentView(experiment), runs: await runsIn(ctx, experiment.id) };
    },
  }),
  route({
    method: 'DELETE',
    path: `${at}/:id`,
    permission: 'tracking:write',
    summary: 'Delete an experiment with its runs; it can be restored until it is purged',
    errors: ['experiment-not-found', 'tracking-invalid', 'run-out-of-scope'],
    params: schema.OfId,
    reply: { 204: Type.Null() },
    handler: (ctx, { params }) => setExperimentLifecycle(ctx, params.id, 'deleted'),
  }),
  route({
    method: 'POST',
    path: `${at}/:id/restore`,
    permission: 'tracking:write',
    summary: 'Restore a deleted experiment with its runs',
    errors: ['experiment-not-found', 'tracking-invalid', 'run-out-of-scope'],
    params: schema.OfId,
    reply: { 204: Type.Null() },
    handler: (ctx, { params }) => setExperimentLifecycle(ctx, params.id, 'active'),
  }),
];
