import type { Ctx } from '../../../kernel/ctx.ts';
import {
  checkSource,
  createModel,
  describeModel,
  describeVersion,
  findVersion,
  getModel,
  lineageOf,
  locate,
  registerVersion,
  removeAlias,
  removeModelTag,
  searchModels,
  searchVersions,
  setAlias,
  setModelTag,
  versionByAlias,
  withDetails,
  withTags,
  type FoundModel,
  type FoundVersion,
  type ModelVersion,
} from '../../../domains/registry/public.ts';
import { decodeToken, encodeToken, invalid, mlflowRoutes, omitEmpty, type Args } from '../wire.ts';

const versionToWire = ({ version: v, tags, aliases }: FoundVersion) =>
  omitEmpty({
    name: v.model,
    version: String(v.number),
    creation_timestamp: v.createdMs,
    last_updated_timestamp: v.updatedMs,
    current_stage: 'None',
    description: v.description || undefined,
    source: v.source,
    run_id: v.trackingRunId,
    // The client waits for anything else. Whether it is sealed is our own matter, told in the message.
    status: 'READY',
    status_message: v.unsealedBecause === null ? undefined : `Not served here: ${v.unsealedBecause}.`,
    run_link: v.runLink,
    model_id: v.loggedModelId,
    tags,
    aliases,
  });
const oneToWire = async (ctx: Ctx, version: ModelVersion) => versionToWire((await withTags(ctx, [version]))[0]!);

const modelToWire = ({ model: m, tags, aliases, latest }: FoundModel) =>
  omitEmpty({
    name: m.name,
    creation_timestamp: m.createdMs,
    last_updated_timestamp: m.updatedMs,
    description: m.description || undefined,
    latest_versions: latest ? [versionToWire(latest)] : [],
    tags,
    aliases: aliases.map((a) => ({ alias: a.alias, version: String(a.number) })),
  });
const modelNamed = async (ctx: Ctx, name: string) => modelToWire((await withDetails(ctx, [await getModel(ctx, name)]))[0]!);

// A version is a number, and MLflow's clients send it as text.
function numberOf(a: Args): number {
  const text = a.word('version') || a.required('version');
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : invalid('Model version must be an integer.');
}
const versionOf = async (ctx: Ctx, a: Args): Promise<ModelVersion> => findVersion(ctx, a.required('name'), String(numberOf(a)));

const tagOf = (a: Args) => ({ key: a.required('key'), value: a.text('value') });

async function createVersion(ctx: Ctx, a: Args) {
  const [model, source] = [a.required('name'), a.required('source')];
  await getModel(ctx, model);
  const behind = await lineageOf(ctx, source, { runId: a.text('run_id') || null, loggedModelId: a.text('model_id') || null });
  await checkSource(ctx, source, behind);
  const version = await registerVersion(
    ctx,
    {
      model,
      source,
      loggedModelId: behind.loggedModelId,
      trackingRunId: behind.runId,
      runLink: a.text('run_link') || null,
      description: a.text('description'),
      evidence: {},
      baseline: null,
    },
    'lenient',
  );
  for (const tag of a.pairs('tags')) await setModelTag(ctx, model, version.number, tag, 'made with');
  return { model_version: await oneToWire(ctx, version) };
}

export const registryRoutes = mlflowRoutes([
  {
    methods: ['POST'],
    path: 'registered-models/create',
    permission: 'models:write',
    summary: 'create a registered model',
    handler: (ctx, a) =>
      ctx.tx(async (tx) => {
        const { name } = await createModel(tx, { name: a.required('name'), description: a.text('description') });
        for (const tag of a.pairs('tags')) await setModelTag(tx, name, 0, tag, 'made with');
        return { registered_model: await modelNamed(tx, name) };
      }),
  },
  {
    methods: ['GET'],
    path: 'registered-models/get',
    permission: 'models:read',
    summary: 'a registered model',
    handler: async (ctx, a) => ({ registered_model: await modelNamed(ctx, a.required('name')) }),
  },
  {
    methods: ['GET'],
    path: 'registered-models/search',
    permission: 'models:read',
    summary: 'search registered models',
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
    handler: async (ctx, a) => {
      const { name } = await describeModel(ctx, a.required('name'), a.text('description'));
      return { registered_model: await modelNamed(ctx, name) };
    },
  },
  {
    methods: ['POST', 'GET'],
    path: 'registered-models/get-latest-versions',
    permission: 'models:read',
    summary: 'the newest version of a registered model',
    handler: async (ctx, a) => {
      const [found] = await withDetails(ctx, [await getModel(ctx, a.required('name'))]);
      const wanted = a.texts('stages').map((s) => s.toLowerCase());
      // Every version is in the stage "None".
      const has = found?.latest && (wanted.length === 0 || wanted.includes('none'));
      return omitEmpty({ model_versions: has ? [versionToWire(found.latest!)] : [] });
    },
  },
  {
    methods: ['POST'],
    path: 'registered-models/set-tag',
    permission: 'models:write',
    summary: 'tag a registered model',
    handler: (ctx, a) => setModelTag(ctx, a.required('name'), 0, tagOf(a)),
  },
  {
    methods: ['DELETE'],
    path: 'registered-models/delete-tag',
    permission: 'models:write',
    summary: 'remove a tag of a registered model',
    handler: (ctx, a) => removeModelTag(ctx, a.required('name'), 0, a.required('key')),
  },
  {
    methods: ['POST'],
    path: 'registered-models/alias',
    permission: 'models:write',
    summary: 'point an alias at a version',
    handler: (ctx, a) => setAlias(ctx, a.required('name'), a.required('alias'), numberOf(a)),
  },
  {
    methods: ['DELETE'],
    path: 'registered-models/alias',
    permission: 'models:write',
    summary: 'remove an alias',
    handler: (ctx, a) => removeAlias(ctx, a.required('name'), a.required('alias')),
  },
  {
    methods: ['GET'],
    path: 'registered-models/alias',
    permission: 'models:read',
    summary: 'the version an alias points at',
    handler: async (ctx, a) => ({
      model_version: await oneToWire(ctx, await versionByAlias(ctx, a.required('name'), a.required('alias'))),
    }),
  },
  { methods: ['POST'], path: 'model-versions/create', permission: 'models:write', summary: 'register a version', handler: createVersion },
  {
    methods: ['GET'],
    path: 'model-versions/get',
    permission: 'models:read',
    summary: 'a version',
    handler: async (ctx, a) => ({ model_version: await oneToWire(ctx, await versionOf(ctx, a)) }),
  },
  {
    methods: ['GET'],
    path: 'model-versions/get-download-uri',
    permission: 'models:read',
    summary: 'where the files of a version are',
    handler: async (ctx, a) => ({ artifact_uri: await locate(ctx, (await versionOf(ctx, a)).source) }),
  },
  {
    methods: ['GET'],
    path: 'model-versions/search',
    permission: 'models:read',
    summary: 'search versions',
    handler: async (ctx, a) => {
      const limit = a.int('max_results') ?? 200_000;
      const offset = decodeToken(a.text('page_token'));
      const found = await searchVersions(ctx, { filter: a.text('filter'), orderBy: a.texts('order_by'), offset, limit });
      return omitEmpty({
        model_versions: found.versions.map(versionToWire),
        next_page_token: found.more ? encodeToken(offset + limit) : undefined,
      });
    },
  },
  {
    methods: ['PATCH'],
    path: 'model-versions/update',
    permission: 'models:write',
    summary: 'describe a version',
    handler: async (ctx, a) => ({
      model_version: await oneToWire(ctx, await describeVersion(ctx, a.required('name'), String(numberOf(a)), a.text('description'))),
    }),
  },
  {
    methods: ['POST'],
    path: 'model-versions/set-tag',
    permission: 'models:write',
    summary: 'tag a version',
    handler: (ctx, a) => setModelTag(ctx, a.required('name'), numberOf(a), tagOf(a)),
  },
  {
    methods: ['DELETE'],
    path: 'model-versions/delete-tag',
    permission: 'models:write',
    summary: 'remove a tag of a version',
    handler: (ctx, a) => removeModelTag(ctx, a.required('name'), numberOf(a), a.required('key')),
  },
]);
