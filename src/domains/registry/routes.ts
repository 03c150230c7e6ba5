import Type from '../../kernel/http/json-schema.ts';
import { requireLevel, visibleSql } from '../../kernel/levels.ts';
import { decodeCursor, pageOf, pageQuery, toPage } from '../../kernel/http/paging.ts';
import { Reply, route, type AnyRoute } from '../../kernel/http/route.ts';
import { convertModel } from './jobs.ts';
import {
  ConversionView,
  conversionView,
  DecisionView,
  decisionView,
  EvaluationView,
  evaluationView,
  modelView,
  ModelView,
  ModelWithAliases,
  VersionInFull,
  VersionView,
  versionView,
} from './schema.ts';
import { pointAlias, removeAlias } from './service/aliases.ts';
import { decide, override } from './service/decide.ts';
import { getEvaluation } from './service/evaluate.ts';
import { deleteModel, deleteVersion } from './service/lifecycle.ts';
import { getModel } from './service/models.ts';
import { withTags } from './service/search.ts';
import { seal } from './service/seal.ts';
import { usesOf } from './service/uses.ts';
import { DEFAULT_TOLERANCE, getConversion, startConversion } from './service/start-conversion.ts';
import { findVersion } from './service/versions.ts';
import { findLatestDecision, listDecisions } from './store/evaluations.ts';
import { aliasesOf, listModels } from './store/models.ts';
import { listVersionFiles, listVersions } from './store/versions.ts';

const name = Type.String({ maxLength: 256 });
const OfModel = Type.Object({ model: name });
const OfVersion = Type.Object({ model: name, version: Type.String({ maxLength: 256, description: 'Number, alias or "latest"' }) });
const OfAlias = Type.Object({ model: name, alias: Type.String({ maxLength: 255 }) });
export const registryRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: '/api/gyre/v1/models',
    permission: 'models:read',
    summary: 'Registered models',
    errors: ['cursor-invalid'],
    query: Type.Object(pageQuery),
    reply: { 200: pageOf(ModelView) },
    handler: async (ctx, { query }) => {
      const limit = query.limit ?? 100;
      const [after] = query.cursor ? decodeCursor(query.cursor, ['string']) : [''];
      return toPage(
        await listModels(ctx.db, ctx.workspace, after, limit + 1, visibleSql(ctx, 'model', 'name')),
        limit,
        (m) => [m.name],
        modelView,
      );
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/models/:model',
    permission: 'models:read',
    summary: 'A model with its aliases',
    errors: ['model-not-found'],
    params: OfModel,
    reply: { 200: ModelWithAliases },
    handler: async (ctx, { params }) => {
      const model = await getModel(ctx, params.model);
      const aliases = await aliasesOf(ctx.db, ctx.workspace, [params.model]);
      return {
        ...modelView(model),
        managedBy: model.managedBy,
        aliases: Object.fromEntries(aliases.map((a) => [a.alias, a.number])),
        followedBy: (await usesOf(ctx, params.model)).followers,
      };
    },
  }),
  route({
    method: 'DELETE',
    path: '/api/gyre/v1/models/:model',
    permission: 'models:write',
    summary: 'Delete a model with its versions, aliases and tags; not while an endpoint uses it',
    errors: ['model-not-found', 'model-in-use'],
    params: OfModel,
    reply: { 204: Type.Null() },
    handler: (ctx, { params }) => deleteModel(ctx, params.model),
  }),
  route({
    method: 'DELETE',
    path: '/api/gyre/v1/models/:model/versions/:version',
    permission: 'models:write',
    summary: 'Delete a version; its number is not given again. Not while an endpoint uses it',
    errors: ['model-version-not-found', 'model-in-use'],
    params: OfVersion,
    reply: { 204: Type.Null() },
    handler: async (ctx, { params }) => deleteVersion(ctx, params.model, (await findVersion(ctx, params.model, params.version)).number),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/models/:model/versions',
    permission: 'models:read',
    summary: 'Versions of a model, newest first',
    errors: ['cursor-invalid', 'model-not-found'],
    params: OfModel,
    query: Type.Object(pageQuery),
    reply: { 200: pageOf(VersionView) },
    handler: async (ctx, { params, query }) => {
      await getModel(ctx, params.model);
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['number']) : [Number.MAX_SAFE_INTEGER];
      return toPage(await listVersions(ctx.db, ctx.workspace, params.model, before, limit + 1), limit, (v) => [v.number], versionView);
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/models/:model/versions/:version',
    permission: 'models:read',
    summary: 'A version with its evidence, files, what they would run on loading, and newest decision',
    errors: ['model-version-not-found'],
    params: OfVersion,
    reply: { 200: VersionInFull },
    handler: async (ctx, { params }) => {
      const version = await findVersion(ctx, params.model, params.version);
      const [found] = await withTags(ctx, [version]);
      const decision = await findLatestDecision(ctx.db, ctx.workspace, version.id);
      const files = await listVersionFiles(ctx.db, ctx.workspace, version.id);
      return {
        ...versionView(version),
        tags: Object.fromEntries(found!.tags.map((t) => [t.key, t.value])),
        aliases: found!.aliases,
        files: files.map((f) => ({ path: f.path, digest: f.digest, sizeBytes: f.size_bytes })),
        decision: decision ? decisionView(decision) : null,
      };
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/models/:model/versions/:version/seal',
    permission: 'models:write',
    summary: 'Seal a version whose files have come; it never changes again',
    errors: [
      'model-version-not-found',
      'model-not-loadable',
      'onnx-unreadable',
      'onnx-signature-unsupported',
      'logged-model-not-found',
      'conflict',
    ],
    params: OfVersion,
    reply: { 200: VersionView },
    handler: async (ctx, { params }) =>
      versionView(
        await seal(ctx, await findVersion(ctx, params.model, params.version), { score: (await usesOf(ctx, params.model)).score }),
      ),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/models/:model/versions/:version/convert',
    permission: 'code:execute',
    summary: 'Convert a version to ONNX in its own environment; registered as a version of its own if both answer the same',
    errors: [
      'model-version-not-found',
      'version-unsealed',
      'conversion-not-possible',
      'model-code-not-trusted',
      'dataset-empty',
      'dataset-version-not-found',
    ],
    params: OfVersion,
    body: Type.Object({
      to: Type.Optional(Type.Literal('onnx')),
      tolerance: Type.Optional(
        Type.Number({ exclusiveMinimum: 0, maximum: 1, description: 'Of a score, or of 1 where it is smaller; default 0.00001' }),
      ),
      rows: Type.Optional(
        Type.Object(
          { project: name, dataset: name, number: Type.Optional(Type.Integer({ minimum: 1, maximum: 2 ** 31 })) },
          { description: 'Dataset that both are compared on; default the rows of the version’s evaluation' },
        ),
      ),
    }),
    reply: { 202: ConversionView },
    handler: async (ctx, { params, body }) => {
      const { rows } = body;
      return new Reply(
        202,
        conversionView(
          await startConversion(
            ctx,
            {
              ...params,
              tolerance: body.tolerance ?? DEFAULT_TOLERANCE,
              ...(rows ? { rows: { project: rows.project, dataset: rows.dataset, number: rows.number ?? null } } : {}),
            },
            convertModel,
          ),
        ),
      );
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/models/:model/conversions/:id',
    permission: 'models:read',
    summary: 'How far a conversion is, and what it found',
    errors: ['conversion-not-found'],
    params: Type.Object({ model: name, id: name }),
    reply: { 200: ConversionView },
    handler: async (ctx, { params }) => conversionView(await getConversion(ctx, params.model, params.id)),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/models/:model/versions/:version/decide',
    permission: 'models:write',
    summary: 'Judge the gates on the version’s evaluation and record the decision',
    errors: ['model-not-found', 'model-version-not-found', 'version-unsealed', 'evaluation-not-found'],
    params: OfVersion,
    reply: { 200: DecisionView },
    handler: async (ctx, { params }) =>
      decisionView(await decide(ctx, await findVersion(ctx, params.model, params.version), (await usesOf(ctx, params.model)).gates)),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/models/:model/versions/:version/override',
    permission: 'gates:decide',
    summary: 'Let a version pass against its gates, with a recorded reason',
    errors: ['model-not-found', 'model-version-not-found', 'version-unsealed', 'override-needs-reason'],
    params: OfVersion,
    body: Type.Object({ reason: Type.String({ maxLength: 2000 }) }),
    reply: { 200: DecisionView },
    handler: async (ctx, { params, body }) =>
      decisionView(
        await override(ctx, await findVersion(ctx, params.model, params.version), (await usesOf(ctx, params.model)).gates, body.reason),
      ),
  }),
  route({
    method: 'PUT',
    path: '/api/gyre/v1/models/:model/aliases/:alias',
    permission: 'models:write',
    summary: 'Point an alias at a version; the one that endpoints follow only through the gate',
    errors: ['alias-invalid', 'model-not-found', 'model-version-not-found', 'version-unsealed', 'alias-not-passed', 'conflict'],
    params: OfAlias,
    body: Type.Object({ version: Type.Integer({ minimum: 1, maximum: 2 ** 31 }) }),
    reply: { 204: Type.Null() },
    handler: (ctx, { params, body }) => pointAlias(ctx, params.model, params.alias, body.version),
  }),
  route({
    method: 'DELETE',
    path: '/api/gyre/v1/models/:model/aliases/:alias',
    permission: 'models:write',
    summary: 'Remove an alias',
    errors: ['model-not-found', 'alias-followed'],
    params: OfAlias,
    reply: { 204: Type.Null() },
    handler: (ctx, { params }) => removeAlias(ctx, params.model, params.alias),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/models/:model/decisions',
    permission: 'models:read',
    summary: 'Gate decisions of a model, newest first',
    errors: ['cursor-invalid'],
    params: OfModel,
    query: Type.Object(pageQuery),
    reply: { 200: pageOf(DecisionView) },
    handler: async (ctx, { params, query }) => {
      requireLevel(ctx, 'model', params.model, 'READ');
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['string']) : ['~'];
      return toPage(await listDecisions(ctx.db, ctx.workspace, params.model, before, limit + 1), limit, (d) => [d.id], decisionView);
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/evaluations/:id',
    permission: 'models:read',
    summary: 'An evaluation: metrics with intervals, slices, curves',
    errors: ['evaluation-not-found'],
    params: Type.Object({ id: name }),
    reply: { 200: EvaluationView },
    handler: async (ctx, { params }) => {
      requireLevel(ctx, 'model', '*', 'READ');
      return evaluationView(await getEvaluation(ctx, params.id));
    },
  }),
];
