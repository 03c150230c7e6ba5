// Runs that training code logs, in our own words. Runs of pipelines are at /runs.
import Type from '../../../kernel/http/json-schema.ts';
import { Reply, route, type AnyRoute } from '../../../kernel/http/route.ts';
import { fail } from '../errors.ts';
import * as schema from '../schema.ts';
import { parseFields } from '../search/fields.ts';
import { countRuns, findRuns, project } from '../service/find-runs.ts';
import { sampledHistory } from '../service/history.ts';
import { getRun, setRunLifecycle } from '../service/runs.ts';
import { numberView, runView } from './views.ts';

const at = '/api/gyre/v1/tracking-runs';

export const runRoutes: readonly AnyRoute[] = [
  route({
    method: 'POST',
    path: `${at}/search`,
    permission: 'tracking:read',
    summary: 'Tracking runs that fulfil an expression, with the fields asked for',
    errors: ['filter-invalid', 'field-unknown', 'tracking-invalid', 'order-repeated', 'page-token-invalid'],
    body: schema.SearchRuns,
    reply: { 200: schema.RunPage },
    handler: async (ctx, { body }) => {
      const asked = { experimentIds: body.experimentIds, filter: body.filter ?? '', lifecycle: body.lifecycle ?? 'active' };
      const found = await findRuns(ctx, {
        ...asked,
        orderBy: body.orderBy ?? [],
        fields: body.fields,
        cursor: body.cursor,
        limit: body.limit ?? 100,
      });
      return {
        items: found.runs.map((r) => runView(r, found.fields)),
        nextCursor: found.nextCursor,
        ...(body.count ? { count: (await countRuns(ctx, asked, undefined)).count } : {}),
      };
    },
  }),
  route({
    method: 'POST',
    path: `${at}/count`,
    permission: 'tracking:read',
    summary: 'How many tracking runs fulfil an expression, and how many of each value',
    errors: ['filter-invalid', 'field-unknown', 'tracking-invalid'],
    body: schema.CountRuns,
    reply: { 200: schema.RunCount },
    handler: (ctx, { body }) =>
      countRuns(ctx, { experimentIds: body.experimentIds, filter: body.filter ?? '', lifecycle: body.lifecycle ?? 'active' }, body.by),
  }),
  route({
    method: 'GET',
    path: `${at}/:id`,
    permission: 'tracking:read',
    summary: 'A tracking run with the fields asked for',
    errors: ['tracking-run-not-found', 'field-unknown'],
    params: schema.OfId,
    query: schema.FieldsOf,
    reply: { 200: schema.RunView },
    handler: async (ctx, { params, query }) => {
      const fields = parseFields(query.fields);
      const [run] = await project(ctx, [await getRun(ctx, params.id)], fields);
      return runView(run!, fields);
    },
  }),
  route({
    method: 'DELETE',
    path: `${at}/:id`,
    permission: 'tracking:write',
    summary: 'Delete a tracking run; it can be restored until it is purged',
    errors: ['tracking-run-not-found', 'run-out-of-scope'],
    params: schema.OfId,
    reply: { 204: Type.Null() },
    handler: (ctx, { params }) => setRunLifecycle(ctx, params.id, 'deleted'),
  }),
  route({
    method: 'POST',
    path: `${at}/:id/restore`,
    permission: 'tracking:write',
    summary: 'Restore a deleted tracking run',
    errors: ['tracking-run-not-found', 'run-out-of-scope'],
    params: schema.OfId,
    reply: { 204: Type.Null() },
    handler: (ctx, { params }) => setRunLifecycle(ctx, params.id, 'active'),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/tracking-metrics/sample',
    permission: 'tracking:read',
    summary: 'Points of metrics of tracking runs for charts, sampled evenly by step',
    errors: ['tracking-invalid'],
    query: schema.SampleAsked,
    reply: { 200: schema.Samples },
    handler: async (ctx, { query }) => {
      const { fromStep, toStep } = query;
      if ((fromStep ?? 0) > (toStep ?? Infinity)) fail('tracking-invalid', { message: 'fromStep is beyond toStep.' });
      const steps =
        fromStep === undefined && toStep === undefined
          ? undefined
          : { first: fromStep ?? Number.MIN_SAFE_INTEGER, last: toStep ?? Number.MAX_SAFE_INTEGER };
      const items = [];
      for (const key of new Set(query.key)) {
        const points = Map.groupBy(await sampledHistory(ctx, [...new Set(query.run)], key, query.points ?? 250, steps), (p) => p.runId);
        for (const [run, of] of points)
          items.push({ run, key, points: of.map((p) => ({ step: p.step, timestampMs: p.timestampMs, value: numberView(p.value) })) });
      }
      return new Reply(200, { items });
    },
  }),
];
