import type { Static } from 'typebox';
import Type from '../../../kernel/http/json-schema.ts';
import { decodeCursor, pageQuery, toPage } from '../../../kernel/http/paging.ts';
import { Reply, route, type AnyRoute } from '../../../kernel/http/route.ts';
import { purge as job } from '../jobs.ts';
import * as schema from '../schema.ts';
import type { Purge } from '../service/purge/run-purge.ts';
import { getPurge, listPurges, purgeMetric, requestPurge } from '../service/purge/request.ts';
import { isoOrNull } from './views.ts';

const DAY_MS = 24 * 3600 * 1000;

const view = (p: Purge): Static<typeof schema.PurgeView> => {
  const tallies = Object.entries(p.result.removed).map(([id, { experiment, ...counts }]) => ({ id, removed: experiment, ...counts }));
  const sum = (key: 'runs' | 'loggedModels' | 'points' | 'files' | 'bytes'): number => tallies.reduce((n, t) => n + t[key], 0);
  return {
    id: p.id,
    state: p.state,
    dryRun: p.dryRun,
    deletedBy: isoOrNull(p.scope.deletedByMs),
    experiments: tallies,
    total: {
      experiments: tallies.filter((t) => t.removed).length,
      runs: sum('runs'),
      loggedModels: sum('loggedModels'),
      points: sum('points'),
      files: sum('files'),
      bytes: sum('bytes'),
    },
    kept: p.result.kept,
    keptCount: p.result.keptCount,
    artifactsLeft: p.result.artifactsLeft,
    actor: p.actor,
    requestedAt: isoOrNull(p.createdMs),
    finishedAt: isoOrNull(p.finishedMs),
  };
};

export const purgeRoutes: readonly AnyRoute[] = [
  route({
    method: 'POST',
    path: '/api/gyre/v1/tracking-purges',
    permission: 'tracking:write',
    summary: 'Remove for good what is deleted; answers at once and goes on by itself',
    errors: ['purge-unconfirmed', 'purge-not-deleted', 'experiment-not-found', 'tracking-run-not-found', 'run-out-of-scope'],
    body: schema.RequestPurge,
    reply: { 202: schema.PurgeView },
    idempotent: true,
    handler: async (ctx, { body }) =>
      new Reply(
        202,
        view(
          await requestPurge(
            ctx,
            {
              experimentIds: body.experimentIds,
              runIds: body.runIds,
              olderThanMs: (body.olderThanDays ?? 0) * DAY_MS,
              dryRun: body.dryRun ?? false,
              confirm: body.confirm,
            },
            job,
          ),
        ),
      ),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/tracking-purges',
    permission: 'tracking:read',
    summary: 'Purges of the workspace, newest first',
    errors: ['cursor-invalid'],
    query: Type.Object(pageQuery),
    reply: { 200: schema.PurgePage },
    handler: async (ctx, { query }) => {
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['string']) : ['~'];
      return toPage(await listPurges(ctx, before, limit + 1), limit, (p) => [p.id], view);
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/tracking-purges/:id',
    permission: 'tracking:read',
    summary: 'What a purge removed so far, or would remove, and what has to stay',
    errors: ['purge-not-found'],
    params: schema.OfId,
    reply: { 200: schema.PurgeView },
    handler: async (ctx, { params }) => view(await getPurge(ctx, params.id)),
  }),
  route({
    method: 'DELETE',
    path: '/api/gyre/v1/tracking-runs/:id/metrics',
    permission: 'tracking:write',
    summary: 'Remove the whole history of one metric of a run, for good',
    errors: ['metric-not-found', 'tracking-run-not-found', 'tracking-run-inactive', 'run-out-of-scope'],
    params: schema.OfId,
    query: schema.OfMetric,
    reply: { 200: schema.MetricPurged },
    handler: async (ctx, { params, query }) => ({ points: await purgeMetric(ctx, params.id, query.key) }),
  }),
];
