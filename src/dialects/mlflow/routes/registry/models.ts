import {
  createModel,
  deleteModel,
  describeModel,
  getModel,
  removeModelTag,
  renameModel,
  searchModels,
  setModelTag,
  stageNamed,
  stages,
  withDetails,
} from '../../../../domains/registry/public.ts';
import { pair } from '../../requests.ts';
import { decodeToken, encodeToken, invalid, mlflowRoutes, omitEmpty } from '../../wire.ts';
import { checkTag, checkTagKey, nameOf, required, tagsOf, text } from './checks.ts';
import { isPrompt, modelNamed, modelToWire, versionToWire } from './wire.ts';
import { atMost } from './paging.ts';

const MOST_MODELS = 1000;

export const modelRoutes = mlflowRoutes([
  {
    methods: ['POST'],
    path: 'registered-models/create',
    permission: 'models:write',
    summary: 'create a registered model',
    request: {
      fields: { name: 'string', tags: [pair], description: 'string', deployment_job_id: 'string' },
      rules: { name: required, tags: ['array'], description: text },
    },
    handler: (ctx, a) => {
      const name = nameOf(a);
      const tags = tagsOf(a);
      return ctx.tx(async (tx) => {
        await createModel(tx, { name, description: a.text('description'), kind: isPrompt(tags) ? 'prompt' : 'model' });
        for (const tag of tags) await setModelTag(tx, name, 0, tag, 'made with');
        return { registered_model: await modelNamed(tx, name) };
      });
    },
  },
  {
    methods: ['GET'],
    path: 'registered-models/get',
    permission: 'models:read',
    summary: 'a registered model',
    request: { fields: { name: 'string' }, rules: { name: required } },
    handler: async (ctx, a) => ({ registered_model: await modelNamed(ctx, nameOf(a)) }),
  },
  {
    methods: ['GET'],
    path: 'registered-models/search',
    permission: 'models:read',
    summary: 'search registered models',
    request: {
      fields: { filter: 'string', max_results: 'int64', order_by: ['string'], page_token: 'string' },
      rules: { filter: text, max_results: ['int', atMost(MOST_MODELS)], order_by: ['array', 'strings'], page_token: text },
    },
    handler: async (ctx, a) => {
      const limit = a.int('max_results') ?? 100;
      const offset = decodeToken(a.text('page_token'));
      const found = await searchModels(ctx, { filter: a.text('filter'), orderBy: a.texts('order_by'), offset, limit });
      return omitEmpty({
        registered_models: found.models.map(modelToWire),
        next_page_token: found.more ? encodeToken(offset + limit) : undefined,
      });
    },
  },
  {
    methods: ['PATCH'],
    path: 'registered-models/update',
    permission: 'models:write',
    summary: 'describe a registered model',
    request: {
      fields: { name: 'string', description: 'string', deployment_job_id: 'string' },
      rules: { name: required, description: text },
    },
    handler: async (ctx, a) => {
      const { name } = await describeModel(ctx, nameOf(a), a.text('description'));
      return { registered_model: await modelNamed(ctx, name) };
    },
  },
  {
    methods: ['POST'],
    path: 'registered-models/rename',
    permission: 'models:write',
    summary: 'rename a registered model',
    request: { fields: { name: 'string', new_name: 'string' }, rules: { name: required, new_name: required } },
    handler: async (ctx, a) => {
      const to = nameOf(a, 'new_name');
      const { name } = await renameModel(ctx, nameOf(a), to);
      return { registered_model: await modelNamed(ctx, name) };
    },
  },
  {
    methods: ['DELETE'],
    path: 'registered-models/delete',
    permission: 'models:write',
    summary: 'delete a registered model with its versions',
    request: { fields: { name: 'string' }, rules: { name: required } },
    handler: (ctx, a) => deleteModel(ctx, nameOf(a)),
  },
  {
    methods: ['POST', 'GET'],
    path: 'registered-models/get-latest-versions',
    permission: 'models:read',
    summary: 'the newest version of a registered model in each stage',
    request: { fields: { name: 'string', stages: ['string'] }, rules: { name: required, stages: ['array', 'strings'] } },
    handler: async (ctx, a) => {
      const [found] = await withDetails(ctx, [await getModel(ctx, nameOf(a))]);
      const wanted = a
        .texts('stages')
        .map((s) => stageNamed(s) ?? invalid(`Invalid Model Version stage: ${s}. Value must be one of ${stages.join(', ')}.`));
      const versions = found!.latest.filter((v) => wanted.length === 0 || (wanted as readonly string[]).includes(v.version.stage));
      return omitEmpty({ model_versions: versions.map(versionToWire) });
    },
  },
  {
    methods: ['POST'],
    path: 'registered-models/set-tag',
    permission: 'models:write',
    summary: 'tag a registered model',
    request: { fields: { name: 'string', key: 'string', value: 'string' }, rules: { name: required, key: required, value: text } },
    handler: (ctx, a) => {
      const name = nameOf(a);
      return setModelTag(ctx, name, 0, checkTag({ key: a.text('key'), value: a.text('value') }));
    },
  },
  {
    methods: ['DELETE'],
    path: 'registered-models/delete-tag',
    permission: 'models:write',
    summary: 'remove a tag of a registered model',
    request: { fields: { name: 'string', key: 'string' }, rules: { name: required, key: required } },
    handler: (ctx, a) => {
      const name = nameOf(a);
      checkTagKey(a.text('key'));
      return removeModelTag(ctx, name, 0, a.text('key'));
    },
  },
]);
