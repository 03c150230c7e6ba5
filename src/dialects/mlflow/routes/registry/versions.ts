import type { Ctx } from '../../../../kernel/ctx.ts';
import {
  checkSource,
  deleteVersion,
  describeVersion,
  getModel,
  lineageOf,
  locate,
  registerVersion,
  removeModelTag,
  searchVersions,
  setModelTag,
  transitionVersion,
  versionNamed,
  versionNumbered,
  type ModelVersion,
} from '../../../../domains/registry/public.ts';
import { recordRegistration } from '../../../../domains/tracking/public.ts';
import type { Request } from '../../proto.ts';
import { pair } from '../../requests.ts';
import { decodeToken, encodeToken, invalid, mlflowRoutes, omitEmpty, type Args } from '../../wire.ts';
import { downloadUri } from '../artifacts/sealed.ts';
import { checkTag, checkTagKey, nameOf, numberOf, required, tagsOf, text } from './checks.ts';
import { atMost } from './paging.ts';
import { isPrompt, oneToWire, versionToWire } from './wire.ts';

async function versionOf(ctx: Ctx, a: Args): Promise<ModelVersion> {
  const name = nameOf(a);
  return versionNumbered(ctx, name, numberOf(a));
}
const named = { fields: { name: 'string', version: 'string' }, rules: { name: required, version: required } } as const satisfies Request;
const MOST_VERSIONS = 200_000;

async function createVersion(ctx: Ctx, a: Args) {
  const model = nameOf(a);
  const tags = tagsOf(a);
  const given = a.text('source');
  const common = { model, runLink: a.text('run_link') || null, description: a.text('description'), evidence: {}, baseline: null };
  if (isPrompt(tags)) {
    if (/^(file:|\/)/i.test(given)) invalid(`Invalid prompt source: '${given}'. Local source paths are not allowed for prompts.`);
    await getModel(ctx, model);
    const version = await registerVersion(
      ctx,
      { ...common, source: given, kind: 'prompt', tags, loggedModelId: null, trackingRunId: null },
      'lenient',
    );
    return { model_version: await oneToWire(ctx, version) };
  }
  // What an alias or a stage names now is kept, not what it will name.
  const copied = await versionNamed(ctx, given);
  const source = copied ? `models:/${copied.model}/${copied.number}` : given;
  const behind = await lineageOf(ctx, source, { runId: a.text('run_id') || null, loggedModelId: a.text('model_id') || null });
  await checkSource(ctx, source, behind);
  await getModel(ctx, model);
  const version = await registerVersion(
    ctx,
    {
      ...common,
      source,
      location: source.startsWith('models:') ? (copied ? (copied.location ?? copied.source) : await locate(ctx, source)) : null,
      loggedModelId: behind.loggedModelId,
      trackingRunId: behind.runId,
      tags,
    },
    'lenient',
  );
  if (version.loggedModelId !== null) await recordRegistration(ctx, version.loggedModelId, version.model, version.number);
  return { model_version: await oneToWire(ctx, version) };
}

export const versionRoutes = mlflowRoutes([
  {
    methods: ['POST'],
    path: 'model-versions/create',
    permission: 'models:write',
    summary: 'register a version',
    request: {
      fields: {
        name: 'string',
        source: 'string',
        run_id: 'string',
        tags: [pair],
        run_link: 'string',
        description: 'string',
        model_id: 'string',
      },
      rules: { name: required, source: required, run_id: text, tags: ['array'], run_link: text, description: text, model_id: text },
    },
    handler: createVersion,
  },
  {
    methods: ['GET'],
    path: 'model-versions/get',
    permission: 'models:read',
    summary: 'a version',
    request: named,
    handler: async (ctx, a) => ({ model_version: await oneToWire(ctx, await versionOf(ctx, a)) }),
  },
  {
    methods: ['GET'],
    path: 'model-versions/get-download-uri',
    permission: 'models:read',
    summary: 'where the files of a version are',
    request: { fields: named.fields },
    handler: async (ctx, a) => {
      return { artifact_uri: downloadUri(ctx, await versionOf(ctx, a)) };
    },
  },
  {
    methods: ['GET'],
    path: 'model-versions/search',
    permission: 'models:read',
    summary: 'search versions',
    request: {
      fields: { filter: 'string', max_results: 'int64', order_by: ['string'], page_token: 'string' },
      rules: { filter: text, max_results: ['int', atMost(MOST_VERSIONS)], order_by: ['array', 'strings'], page_token: text },
    },
    handler: async (ctx, a) => {
      const limit = a.int('max_results') ?? MOST_VERSIONS;
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
    request: { fields: { ...named.fields, description: 'string' }, rules: { ...named.rules, description: text } },
    handler: async (ctx, a) => {
      const { model, number } = await versionOf(ctx, a);
      // What is not said is taken away, as MLflow does.
      const description = a.has('description') ? a.text('description') : null;
      return { model_version: await oneToWire(ctx, await describeVersion(ctx, model, String(number), description)) };
    },
  },
  {
    methods: ['POST'],
    path: 'model-versions/transition-stage',
    permission: 'models:write',
    summary: 'move a version to a stage',
    request: {
      fields: { ...named.fields, stage: 'string', archive_existing_versions: 'bool' },
      rules: { ...named.rules, stage: required },
    },
    handler: async (ctx, a) => {
      const name = nameOf(a);
      const wanted = { stage: a.text('stage'), archiveExisting: a.bool('archive_existing_versions') };
      return { model_version: await oneToWire(ctx, await transitionVersion(ctx, name, numberOf(a), wanted)) };
    },
  },
  {
    methods: ['DELETE'],
    path: 'model-versions/delete',
    permission: 'models:write',
    summary: 'delete a version',
    request: named,
    handler: (ctx, a) => {
      const name = nameOf(a);
      return deleteVersion(ctx, name, numberOf(a));
    },
  },
  {
    methods: ['POST'],
    path: 'model-versions/set-tag',
    permission: 'models:write',
    summary: 'tag a version',
    request: {
      fields: { ...named.fields, key: 'string', value: 'string' },
      rules: { ...named.rules, key: required, value: text },
    },
    handler: async (ctx, a) => {
      const { model, number } = await versionOf(ctx, a);
      return setModelTag(ctx, model, number, checkTag({ key: a.text('key'), value: a.text('value') }));
    },
  },
  {
    methods: ['DELETE'],
    path: 'model-versions/delete-tag',
    permission: 'models:write',
    summary: 'remove a tag of a version',
    request: { fields: { ...named.fields, key: 'string' }, rules: { ...named.rules, key: required } },
    handler: async (ctx, a) => {
      checkTagKey(a.text('key'));
      const { model, number } = await versionOf(ctx, a);
      return removeModelTag(ctx, model, number, a.text('key'));
    },
  },
]);
