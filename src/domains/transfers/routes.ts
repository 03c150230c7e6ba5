import Type from '../../kernel/http/json-schema.ts';
import { decodeCursor, pageOf, pageQuery, toPage } from '../../kernel/http/paging.ts';
import { route, type AnyRoute } from '../../kernel/http/route.ts';
import type { Import } from './model.ts';
import * as schema from './schema.ts';
import { artifactDigests, takeArtifact } from './service/artifacts.ts';
import { digestsOf } from './service/compare.ts';
import { beginImport, becameOf, endImport, getImport, markDone } from './service/imports.ts';
import { sealSome, takeOneExperiment, takeOneLoggedModel, takeOneModel, takeSomePoints, takeSomeRuns } from './service/take.ts';
import { listImports } from './store.ts';

const iso = (ms: number): string => new Date(ms).toISOString();
const view = ({ startedMs, endedMs, ...i }: Import) => ({
  ...i,
  startedAt: iso(startedMs),
  endedAt: endedMs === null ? null : iso(endedMs),
});

const at = '/api/gyre/v1/imports';
const known = ['import-not-found', 'import-ended', 'import-foreign'];
const none = { 204: Type.Null() };

export const transferRoutes: readonly AnyRoute[] = [
  route({
    method: 'POST',
    path: at,
    permission: 'system:admin',
    summary: 'Begin an import, or go on with the one of this source that was cut short',
    errors: [],
    body: schema.Begin,
    reply: { 200: schema.ImportView },
    handler: async (ctx, { body }) => view(await beginImport(ctx, body)),
  }),
  route({
    method: 'GET',
    path: at,
    permission: 'system:admin',
    summary: 'Imports, newest first',
    errors: ['cursor-invalid'],
    query: Type.Object(pageQuery),
    reply: { 200: pageOf(schema.ImportView) },
    handler: async (ctx, { query }) => {
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['string']) : ['~'];
      return toPage(await listImports(ctx.db, ctx.workspace, before, limit + 1), limit, (i) => [i.id], view);
    },
  }),
  route({
    method: 'GET',
    path: `${at}/:id`,
    permission: 'system:admin',
    summary: 'An import with what it brought',
    errors: ['import-not-found'],
    params: schema.ImportParams,
    reply: { 200: schema.ImportView },
    handler: async (ctx, { params }) => view(await getImport(ctx, params.id)),
  }),
  route({
    method: 'POST',
    path: `${at}/:id/experiments`,
    permission: 'system:admin',
    summary: 'Take over an experiment; answers the id it has here',
    errors: [...known, 'import-name-taken', 'tracking-invalid'],
    params: schema.ImportParams,
    body: schema.TakeExperiment,
    reply: { 200: schema.Taken },
    handler: async (ctx, { params, body }) => ({ id: await takeOneExperiment(ctx, params.id, body) }),
  }),
  route({
    method: 'POST',
    path: `${at}/:id/ids`,
    permission: 'system:admin',
    summary: 'What things of the source have become here, or are to become',
    errors: known,
    params: schema.ImportParams,
    body: schema.Ids,
    reply: { 200: schema.IdsReply },
    handler: async (ctx, { params, body }) => ({ items: await becameOf(ctx, params.id, body.kind, body.ids) }),
  }),
  route({
    method: 'POST',
    path: `${at}/:id/done`,
    permission: 'system:admin',
    summary: 'Note that all of these has arrived, so that it is not sent again',
    errors: known,
    params: schema.ImportParams,
    body: schema.Done,
    reply: none,
    handler: (ctx, { params, body }) => markDone(ctx, params.id, body.kind, body.items),
  }),
  route({
    method: 'POST',
    path: `${at}/:id/runs`,
    permission: 'system:admin',
    summary: 'Take over runs of one experiment, with params, tags, inputs and links to models',
    errors: [...known, 'experiment-not-found', 'tracking-invalid'],
    params: schema.ImportParams,
    body: schema.TakeRuns,
    reply: none,
    handler: (ctx, { params, body }) => takeSomeRuns(ctx, params.id, body.experimentId, body.runs),
  }),
  route({
    method: 'POST',
    path: `${at}/:id/metrics`,
    permission: 'system:admin',
    summary: 'Take over points of metrics',
    errors: [...known, 'import-batch-too-large'],
    params: schema.ImportParams,
    body: schema.TakePoints,
    reply: none,
    handler: (ctx, { params, body }) => takeSomePoints(ctx, params.id, body.metrics),
  }),
  route({
    method: 'POST',
    path: `${at}/:id/logged-models`,
    permission: 'system:admin',
    summary: 'Take over a logged model with its metrics',
    errors: [...known, 'experiment-not-found', 'tracking-invalid'],
    params: schema.ImportParams,
    body: schema.TakeLoggedModel,
    reply: none,
    handler: (ctx, { params, body }) => takeOneLoggedModel(ctx, params.id, body),
  }),
  route({
    method: 'PUT',
    path: `${at}/:id/artifacts`,
    permission: 'system:admin',
    summary: 'Take over a file of a run or logged model; answers its digest',
    errors: [...known, 'import-artifacts-elsewhere', 'path-invalid', 'storage-full'],
    params: schema.ImportParams,
    query: schema.ArtifactQuery,
    body: 'stream',
    reply: { 200: schema.ArtifactReply },
    handler: (ctx, { params, query, stream }) => takeArtifact(ctx, params.id, query, query.path, stream),
  }),
  route({
    method: 'POST',
    path: `${at}/:id/seal`,
    permission: 'system:admin',
    summary: 'Seal logged models whose files have come',
    errors: known,
    params: schema.ImportParams,
    body: schema.Sealed,
    reply: none,
    handler: (ctx, { params, body }) => sealSome(ctx, params.id, body.ids),
  }),
  route({
    method: 'POST',
    path: `${at}/:id/models`,
    permission: 'system:admin',
    summary: 'Take over a registered model with versions, tags and aliases',
    errors: [...known, 'import-name-taken', 'model-name-invalid'],
    params: schema.ImportParams,
    body: schema.TakeModel,
    reply: { 200: schema.TakeModelReply },
    handler: (ctx, { params, body: { sourceName, ...model } }) => takeOneModel(ctx, params.id, sourceName, model),
  }),
  route({
    method: 'POST',
    path: `${at}/:id/digests`,
    permission: 'system:admin',
    summary: 'Counts and digests of what arrived',
    errors: known,
    params: schema.ImportParams,
    body: schema.Of,
    reply: { 200: schema.DigestsReply },
    handler: async (ctx, { params, body }) => ({ items: await digestsOf(ctx, params.id, body.kind, body.ids) }),
  }),
  route({
    method: 'POST',
    path: `${at}/:id/artifact-digests`,
    permission: 'system:admin',
    summary: 'Counts and digests of the files that arrived, read anew',
    errors: [...known, 'import-artifacts-elsewhere'],
    params: schema.ImportParams,
    body: schema.Owners,
    reply: { 200: schema.OwnersReply },
    handler: async (ctx, { params, body }) => ({ items: await artifactDigests(ctx, params.id, body.owners) }),
  }),
  route({
    method: 'POST',
    path: `${at}/:id/end`,
    permission: 'system:admin',
    summary: 'End an import with what it brought, and whether it is what the source has',
    errors: known,
    params: schema.ImportParams,
    body: schema.End,
    reply: { 200: schema.ImportView },
    handler: async (ctx, { params, body }) => view(await endImport(ctx, params.id, body.verified, body.counts)),
  }),
];
