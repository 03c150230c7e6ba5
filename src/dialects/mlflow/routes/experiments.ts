import {
  createExperiment,
  deleteExperimentTag,
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
export const viewOf = (args: Args, name: string): ViewType => {
  const word = args.word(name);
  return Object.hasOwn(views, word) ? views[word]! : invalid(`Invalid value "${word}" for parameter '${name}' supplied`);
};

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
      const offset = decodeToken(a.text('page_token'));
      const found = await searchExperiments(ctx, {
        filter: a.text('filter'),
        view: viewOf(a, 'view_type'),
        orderBy: a.texts('order_by'),
        offset,
        limit,
      });
      return omitEmpty({
        experiments: found.experiments.map(toWire),
        next_page_token: found.more ? encodeToken(offset + limit) : undefined,
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
    path: 'experiments/delete-experiment-tag',
    permission: 'tracking:write',
    summary: 'remove a tag of an experiment',
    handler: (ctx, a) => deleteExperimentTag(ctx, a.required('experiment_id'), a.required('key')),
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
