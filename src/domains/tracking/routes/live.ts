import { eventStream } from '../../../kernel/http/event-stream.ts';
import { Reply, route, type AnyRoute } from '../../../kernel/http/route.ts';
import * as schema from '../schema.ts';
import { getExperiment } from '../service/experiments.ts';
import { ENDED, liveMetrics, liveRuns } from '../service/live/follow.ts';
import { getRun } from '../service/runs.ts';

const lastEventId = (headers: Readonly<Record<string, string | string[] | undefined>>): string | undefined => {
  const given = headers['last-event-id'];
  return typeof given === 'string' && given !== '' ? given : undefined;
};

export const liveRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: '/api/gyre/v1/tracking-runs/:id/metrics/live',
    permission: 'tracking:read',
    summary: 'New points of a run’s metrics as server-sent events, until the run ends',
    errors: ['tracking-run-not-found', 'too-many-streams'],
    params: schema.OfId,
    query: schema.FollowMetrics,
    reply: { 200: 'text/event-stream' },
    handler: async (ctx, { params, query, headers }) => {
      const run = await getRun(ctx, params.id);
      const last = lastEventId(headers);
      // A browser comes again until it hears that there is nothing more.
      if (last === ENDED && run.status !== 'RUNNING' && run.status !== 'SCHEDULED') return new Reply(204, undefined);
      const asked = {
        runId: run.id,
        keys: query.key,
        from: query.from ?? ('latest' as const),
        lastEventId: last === ENDED ? undefined : last,
      };
      return eventStream(ctx, (signal) => liveMetrics(ctx, asked, signal));
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/experiments/:id/runs/live',
    permission: 'tracking:read',
    summary: 'Runs of an experiment that begin, move and end, as server-sent events',
    errors: ['experiment-not-found', 'tracking-invalid', 'too-many-streams'],
    params: schema.OfId,
    reply: { 200: 'text/event-stream' },
    handler: async (ctx, { params, headers }) => {
      const { id } = await getExperiment(ctx, params.id);
      return eventStream(ctx, (signal) => liveRuns(ctx, id, lastEventId(headers), signal));
    },
  }),
];
