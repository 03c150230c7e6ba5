import type { Ctx } from '../../../kernel/ctx.ts';
import {
  createExperiment,
  deleteExperimentTag,
  experimentByName,
  getExperiment,
  renameExperiment,
  searchDatasets,
  searchExperiments,
  setExperimentLifecycle,
  setExperimentTag,
  type Experiment,
} from '../../../domains/tracking/public.ts';
import type { Request, Rule } from '../proto.ts';
import { pair, viewOf, viewTypes } from '../requests.ts';
import { decodeToken, encodeToken, invalid, mlflowRoutes, omitEmpty } from '../wire.ts';

const toWire = (ctx: Ctx, e: Experiment) =>
  omitEmpty({
    experiment_id: e.id,
    name: e.name,
    artifact_location: e.artifactLocation,
    lifecycle_stage: e.lifecycle,
    last_update_time: e.updatedMs,
    creation_time: e.createdMs,
    tags: e.tags,
    workspace: ctx.workspace,
  });

const required: readonly Rule[] = ['required', 'string'];
const ofExperiment: Request = { fields: { experiment_id: 'string' }, rules: { experiment_id: required } };
const MOST_SEARCHED = 20;

export const experimentRoutes = mlflowRoutes([
  {
    methods: ['POST'],
    path: 'experiments/create',
    permission: 'tracking:write',
    summary: 'create an experiment',
    request: {
      fields: { name: 'string', artifact_location: 'string', tags: [pair] },
      rules: { name: required, artifact_location: ['string'], tags: ['array'] },
    },
    handler: async (ctx, a) => ({
      experiment_id: await createExperiment(ctx, {
        name: a.text('name'),
        artifactLocation: a.text('artifact_location'),
        tags: a.list('tags').map(({ at }) => ({ key: at.text('key'), value: at.text('value') })),
      }),
    }),
  },
  {
    methods: ['GET'],
    path: 'experiments/get-by-name',
    permission: 'tracking:read',
    summary: 'an experiment by name',
    request: { fields: { experiment_name: 'string' }, rules: { experiment_name: required } },
    handler: async (ctx, a) => ({ experiment: toWire(ctx, await experimentByName(ctx, a.text('experiment_name'))) }),
  },
  {
    methods: ['GET'],
    path: 'experiments/get',
    permission: 'tracking:read',
    summary: 'an experiment by id',
    request: ofExperiment,
    handler: async (ctx, a) => ({ experiment: toWire(ctx, await getExperiment(ctx, a.text('experiment_id'))) }),
  },
  {
    methods: ['POST', 'GET'],
    path: 'experiments/search',
    permission: 'tracking:read',
    summary: 'search experiments',
    request: {
      fields: { max_results: 'int64', page_token: 'string', filter: 'string', order_by: ['string'], view_type: viewTypes },
      rules: { view_type: ['int'], max_results: ['int'], order_by: ['array'], filter: ['string'], page_token: ['string'] },
    },
    handler: async (ctx, a) => {
      // No default: a size that is not given is none.
      const limit = a.int('max_results') ?? 0;
      const offset = decodeToken(a.text('page_token'));
      const found = await searchExperiments(ctx, {
        filter: a.text('filter'),
        view: viewOf(a, 'view_type'),
        orderBy: a.texts('order_by'),
        offset,
        limit,
      });
      return omitEmpty({
        experiments: found.experiments.map((e) => toWire(ctx, e)),
        next_page_token: found.more ? encodeToken(offset + limit) : undefined,
      });
    },
  },
  {
    methods: ['POST'],
    path: 'experiments/set-experiment-tag',
    permission: 'tracking:write',
    summary: 'tag an experiment',
    request: {
      fields: { experiment_id: 'string', ...pair },
      rules: { experiment_id: required, key: required, value: ['string'] },
    },
    handler: (ctx, a) => setExperimentTag(ctx, a.text('experiment_id'), { key: a.text('key'), value: a.text('value') }),
  },
  {
    methods: ['POST'],
    path: 'experiments/delete-experiment-tag',
    permission: 'tracking:write',
    summary: 'remove a tag of an experiment',
    request: { fields: { experiment_id: 'string', key: 'string' }, rules: { experiment_id: required, key: required } },
    handler: (ctx, a) => deleteExperimentTag(ctx, a.text('experiment_id'), a.text('key')),
  },
  {
    methods: ['POST'],
    path: 'experiments/delete',
    permission: 'tracking:write',
    summary: 'delete an experiment',
    request: ofExperiment,
    handler: (ctx, a) => setExperimentLifecycle(ctx, a.text('experiment_id'), 'deleted'),
  },
  {
    methods: ['POST'],
    path: 'experiments/restore',
    permission: 'tracking:write',
    summary: 'restore an experiment',
    request: ofExperiment,
    handler: (ctx, a) => setExperimentLifecycle(ctx, a.text('experiment_id'), 'active'),
  },
  {
    methods: ['POST'],
    path: 'experiments/update',
    permission: 'tracking:write',
    summary: 'rename an experiment',
    request: {
      fields: { experiment_id: 'string', new_name: 'string' },
      rules: { experiment_id: required, new_name: ['string', 'required'] },
    },
    handler: (ctx, a) => renameExperiment(ctx, a.text('experiment_id'), a.text('new_name')),
  },
  {
    methods: ['POST'],
    path: 'experiments/search-datasets',
    permission: 'tracking:read',
    summary: 'datasets that runs of experiments read',
    request: { fields: { experiment_ids: ['string'] } },
    handler: async (ctx, a) => {
      const ids = a.texts('experiment_ids');
      if (ids.length === 0) return invalid('SearchDatasets request must specify at least one experiment_id.');
      if (ids.length > MOST_SEARCHED)
        return invalid(
          `SearchDatasets request cannot specify more than ${MOST_SEARCHED} experiment_ids. Received ${ids.length} experiment_ids.`,
        );
      const summaries = (await searchDatasets(ctx, ids)).map((d) =>
        omitEmpty({ experiment_id: d.experimentId, name: d.name, digest: d.digest, context: d.context }),
      );
      return omitEmpty({ dataset_summaries: summaries });
    },
  },
]);
