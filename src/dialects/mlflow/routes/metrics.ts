// Histories of metrics: a page, of many runs at once, and sampled for a chart.
import { metricHistories, metricPoints, sampledHistory, type PointOfRun } from '../../../domains/tracking/public.ts';
import type { Request } from '../proto.ts';
import { within } from '../requests.ts';
import { decodeToken, encodeToken, invalid, mlflowRoutes, omitEmpty, type Args } from '../wire.ts';
import { metricToWire } from './run-wire.ts';
import { runIdOf } from './runs.ts';

const MOST_RUNS = 100;
const MOST_SAMPLED = 2500;
const MOST_BULK = 25_000;
/** More than a run has; a page without a size is all of it. */
const ALL = Number.MAX_SAFE_INTEGER - 1;

const pointToWire = (p: PointOfRun) => ({ ...metricToWire(p), run_id: p.runId });

const sampleRequest: Request = {
  fields: { run_ids: ['string'], metric_key: 'string', start_step: 'int64', end_step: 'int64', max_results: 'int64' },
  rules: {
    run_ids: [
      'required',
      'array',
      'strings',
      (v) =>
        Array.isArray(v) && v.length > MOST_RUNS
          ? `GetMetricHistoryBulkInterval request must specify at most ${MOST_RUNS} run_ids. Received ${v.length} run_ids.`
          : undefined,
    ],
    metric_key: ['required', 'string'],
    start_step: ['int'],
    end_step: ['int'],
    max_results: ['int', (v) => (within(v, 1, MOST_SAMPLED) ? undefined : `max_results must be between 1 and ${MOST_SAMPLED}.`)],
  },
};

function stepsOf(a: Args) {
  const [first, last] = [a.int('start_step'), a.int('end_step')];
  if (first === undefined && last === undefined) return undefined;
  if (first === undefined || last === undefined) return invalid('If either start step or end step are specified, both must be specified.');
  if (first > last) return invalid(`end_step must be greater than start_step. Found start_step=${first} and end_step=${last}.`);
  return { first, last };
}

export const metricRoutes = mlflowRoutes([
  {
    methods: ['GET'],
    path: 'metrics/get-history',
    permission: 'tracking:read',
    summary: 'all points of a metric',
    request: {
      fields: { run_id: 'string', run_uuid: 'string', metric_key: 'string', page_token: 'string', max_results: 'int64' },
      rules: { run_id: ['string', 'required'], metric_key: ['string', 'required'], page_token: ['string'] },
    },
    handler: async (ctx, a) => {
      const limit = a.int('max_results') ?? ALL;
      if (limit <= 0) return invalid(`Invalid value ${limit} for parameter 'max_results' supplied. It must be a positive integer.`);
      const offset = decodeToken(a.text('page_token'));
      const asked = Math.min(limit, ALL) + 1;
      const points = await metricPoints(ctx, runIdOf(a), a.text('metric_key'), offset, asked);
      return omitEmpty({
        metrics: points.slice(0, limit).map(metricToWire),
        next_page_token: points.length > limit ? encodeToken(offset + limit) : undefined,
      });
    },
  },
  {
    methods: ['GET'],
    path: 'metrics/get-history-bulk',
    permission: 'tracking:read',
    summary: 'the points of a metric of many runs',
    request: { fields: { run_id: ['string'], metric_key: 'string', max_results: 'int64' } },
    handler: async (ctx, a) => {
      const ids = a.texts('run_id');
      if (ids.length === 0) return invalid('GetMetricHistoryBulk request must specify at least one run_id.');
      if (ids.length > MOST_RUNS)
        return invalid(`GetMetricHistoryBulk request cannot specify more than ${MOST_RUNS} run_ids. Received ${ids.length} run_ids.`);
      if (!a.has('metric_key')) return invalid('GetMetricHistoryBulk request must specify a metric_key.');
      const most = Math.max(0, Math.min(a.int('max_results') ?? MOST_BULK, MOST_BULK));
      return { metrics: (await metricHistories(ctx, ids, a.text('metric_key'), most)).map(pointToWire) };
    },
  },
  {
    methods: ['GET'],
    path: 'metrics/get-history-bulk-interval',
    permission: 'tracking:read',
    summary: 'points of a metric of many runs, sampled evenly',
    request: sampleRequest,
    handler: async (ctx, a) => {
      const most = a.int('max_results') ?? MOST_SAMPLED;
      const points = await sampledHistory(ctx, a.texts('run_ids'), a.text('metric_key'), most, stepsOf(a));
      return omitEmpty({ metrics: points.map(pointToWire) });
    },
  },
]);
