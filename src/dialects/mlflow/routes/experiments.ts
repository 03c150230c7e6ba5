import {
  createExperiment,
  experimentByName,
  getExperiment,
  renameExperiment,
  searchExperiments,
  setExperimentLifecycle,
  setExperimentTag,
  type Experiment,
  type ViewType,
} from '../../../domains/tracking/public.ts';
import { decodeToken, encodeToken, invalid, mlflowRoutes, omitEmpty, type Args } from '../wire.ts';

const views: Readonly<Record<string, ViewType>> = {
  '': 'ACTIVE_ONLY',
  '1': 'ACTIVE_ONLY',
  '2': 'DELETED_ONLY',
  '3': 'ALL',
  ACTIVE_ONLY: 'ACTIVE_ONLY',
  DELETED_ONLY: 'DELETED_ONLY',
  ALL: 'ALL',
};
export const viewOf = (args: Args, name: string): ViewType =>
  views[args.text(name)] ?? invalid(`Invalid value "${args.text(name)}" for parameter '${name}' supplied`);

const toWire = (e: Experiment) =>
  omitEmpty({
    experiment_id: e.id,
    name: e.name,
    artifact_location: e.artifactLocation,
    lifecycle_stage: e.lifecycle,
    last_update_time: e.updatedMs,
    creation_time: e.createdMs,
    tags: e.tags,
  });

export const experimentRoutes = mlflowRoutes([
  {
    methods: ['POST'],
    path: 'experiments/create',
    permission: 'tracking:write',
    summary: 'create an experiment',
    handler: async (ctx, a) => ({
      experiment_id: await createExperiment(ctx, {
        name: a.required('name'),
        artifactLocation: a.text('artifact_location'),
        tags: a.pairs('tags'),
      }),
    }),
  },
  {
    methods: ['GET'],
    path: 'experiments/get-by-name',
    permission: 'tracking:read',
    summary: 'an experiment by name',
    handler: async (ctx, a) => ({ experiment: toWire(await experimentByName(ctx, a.required('experiment_name'))) }),
  },
  {
    methods: ['GET'],
    path: 'experiments/get',
    permission: 'tracking:read',
    summary: 'an experiment by id',
    handler: async (ctx, a) => ({ experiment: toWire(await getExperiment(ctx, a.required('experiment_id'))) }),
  },
  {
    methods: ['POST', 'GET'],
    path: 'experiments/search',
    permission: 'tracking:read',
    summary: 'search experiments',
    handler: async (ctx, a) => {
      const limit = a.requiredInt('max_results');
      if (limit < 1 || limit > 50_000)
        return invalid(`Invalid value ${limit} for parameter 'max_results' supplied: it must be a positive integer no greater than 50000.`);
      if (a.text('filter') !== '')
        return invalid(`Invalid clause(s) in filter string: filters of experiments are not offered yet: '${a.text('filter')}'`);
      const offset = decodeToken(a.text('page_token'));
      const found = await searchExperiments(ctx, viewOf(a, 'view_type'), offset, limit + 1);
      return omitEmpty({
        experiments: found.slice(0, limit).map(toWire),
        next_page_token: found.length > limit ? encodeToken(offset + limit) : undefined,
      });
    },
  },
  {
    methods: ['POST'],
    path: 'experiments/set-experiment-tag',
    permission: 'tracking:write',
    summary: 'tag an experiment',
    handler: (ctx, a) => setExperimentTag(ctx, a.required('experiment_id'), { key: a.required('key'), value: a.text('value') }),
  },
  {
    methods: ['POST'],
    path: 'experiments/delete',
    permission: 'tracking:write',
    summary: 'delete an experiment',
    handler: (ctx, a) => setExperimentLifecycle(ctx, a.required('experiment_id'), 'deleted'),
  },
  {
    methods: ['POST'],
    path: 'experiments/restore',
    permission: 'tracking:write',
    summary: 'restore an experiment',
    handler: (ctx, a) => setExperimentLifecycle(ctx, a.required('experiment_id'), 'active'),
  },
  {
    methods: ['POST'],
    path: 'experiments/update',
    permission: 'tracking:write',
    summary: 'rename an experiment',
    handler: (ctx, a) => renameExperiment(ctx, a.required('experiment_id'), a.required('new_name')),
  },
]);
