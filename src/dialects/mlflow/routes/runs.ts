import { createRun, getRun, runStatuses, searchRuns, setRunLifecycle, updateRun } from '../../../domains/tracking/public.ts';
import type { Request } from '../proto.ts';
import { pair, viewOf, viewTypes, within } from '../requests.ts';
import { decodeToken, encodeToken, mlflowRoutes, omitEmpty, type Args } from '../wire.ts';
import { foundToWire, infoToWire, newRunToWire, runToWire } from './run-wire.ts';

export { metricToWire } from './run-wire.ts';

const statuses: ReadonlyMap<string, number> = new Map(runStatuses.map((s, i) => [s, i + 1]));

export const runIdOf = (a: Args): string => a.text('run_id') || a.text('run_uuid');
const ofRun: Request = { fields: { run_id: 'string' }, rules: { run_id: ['required', 'string'] } };

export const runRoutes = mlflowRoutes([
  {
    methods: ['POST'],
    path: 'runs/create',
    permission: 'tracking:write',
    summary: 'create a run',
    request: {
      fields: { experiment_id: 'string', user_id: 'string', run_name: 'string', start_time: 'int64', tags: [pair] },
      rules: { experiment_id: ['string'], start_time: ['int'], run_name: ['string'] },
    },
    handler: async (ctx, a) => ({
      run: newRunToWire(
        await createRun(ctx, {
          experimentId: a.text('experiment_id') || '0',
          userId: a.text('user_id'),
          name: a.text('run_name'),
          startMs: a.int('start_time') ?? 0,
          tags: a.list('tags').map(({ at }) => ({ key: at.text('key'), value: at.text('value') })),
        }),
      ),
    }),
  },
  {
    methods: ['GET'],
    path: 'runs/get',
    permission: 'tracking:read',
    summary: 'a run with its data',
    request: { fields: { run_id: 'string', run_uuid: 'string' }, rules: { run_id: ['required', 'string'] } },
    handler: async (ctx, a) => ({ run: await runToWire(ctx, await getRun(ctx, runIdOf(a))) }),
  },
  {
    methods: ['POST'],
    path: 'runs/update',
    permission: 'tracking:write',
    summary: 'change a run',
    request: {
      fields: { run_id: 'string', run_uuid: 'string', status: statuses, end_time: 'int64', run_name: 'string' },
      rules: { run_id: ['required', 'string'], end_time: ['int'], status: ['string'], run_name: ['string'] },
    },
    handler: async (ctx, a) => {
      const status = runStatuses[(a.int('status') ?? 0) - 1];
      const endMs = a.int('end_time');
      return {
        run_info: infoToWire(
          await updateRun(ctx, runIdOf(a), {
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
    request: ofRun,
    handler: (ctx, a) => setRunLifecycle(ctx, a.text('run_id'), 'deleted'),
  },
  {
    methods: ['POST'],
    path: 'runs/restore',
    permission: 'tracking:write',
    summary: 'restore a run',
    request: ofRun,
    handler: (ctx, a) => setRunLifecycle(ctx, a.text('run_id'), 'active'),
  },
  {
    methods: ['POST'],
    path: 'runs/search',
    permission: 'tracking:read',
    summary: 'search runs',
    request: {
      fields: {
        experiment_ids: ['string'],
        filter: 'string',
        run_view_type: viewTypes,
        max_results: 'int64',
        order_by: ['string'],
        page_token: 'string',
      },
      rules: {
        experiment_ids: ['array'],
        filter: ['string'],
        max_results: ['int', (v) => (within(v, -Infinity, 50_000) ? undefined : '')],
        order_by: ['array', 'strings'],
      },
    },
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
]);
