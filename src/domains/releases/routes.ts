import Type from 'typebox';
import type { Ctx } from '../../kernel/ctx.ts';
import { decodeCursor, pageOf, pageQuery, toPage } from '../../kernel/http/paging.ts';
import { Reply, route, type AnyRoute } from '../../kernel/http/route.ts';
import { usToIso } from '../../kernel/timeline/timeline.ts';
import { currentRevision } from '../projects/public.ts';
import { fail } from './errors.ts';
import type { EndpointRevision, Release } from './model.ts';
import { findFreeze, freezeEndpoint, unfreezeEndpoint, type Freeze } from './service/freeze.ts';
import { release, rollBack } from './service/release.ts';
import * as store from './store.ts';

const name = Type.String({ maxLength: 200 });
const OfEndpoint = Type.Object({ project: name, endpoint: name });
const View = Type.Unknown();
const FreezeView = Type.Object({ endpoint: Type.String(), reason: Type.String(), by: Type.String(), since: Type.String() });

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
const revisionView = ({ createdMs, ...r }: EndpointRevision) => ({ ...r, createdAt: iso(createdMs) });
const freezeView = (f: Freeze) => ({ endpoint: f.endpoint, reason: f.reason, by: f.actor, since: usToIso(f.sinceUs) });
const releaseView = ({ createdMs, finishedMs, ...r }: Release) => ({ ...r, createdAt: iso(createdMs), finishedAt: iso(finishedMs) });

async function requireEndpoint(ctx: Ctx, of: { project: string; endpoint: string }): Promise<void> {
  const { definition } = await currentRevision(ctx, of.project);
  if (!Object.hasOwn(definition.endpoints, of.endpoint)) fail('endpoint-not-found', of);
}

export const releaseRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/endpoints',
    permission: 'releases:read',
    summary: 'Endpoints of the current revision and what they serve',
    errors: ['project-not-found'],
    params: Type.Object({ project: name }),
    reply: { 200: View },
    handler: async (ctx, { params }) => {
      const { definition } = await currentRevision(ctx, params.project);
      const names = Object.keys(definition.endpoints);
      const revisions = await Promise.all(names.map((n) => store.findCurrent(ctx.db, ctx.workspace, params.project, n)));
      return {
        items: names.map((n, i) => ({
          name: n,
          model: definition.endpoints[n]!.model,
          current: revisions[i] ? revisionView(revisions[i]) : null,
        })),
      };
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/endpoints/:endpoint/releases',
    permission: 'releases:write',
    summary: 'Release a model version whose gate has passed; answers when the data planes serve it',
    errors: [
      'project-not-found',
      'endpoint-not-found',
      'model-version-not-found',
      'gate-not-passed',
      'endpoint-signature-mismatch',
      'dataset-empty',
      'endpoint-name-taken',
      'release-under-way',
      'endpoint-frozen',
      'release-not-taken',
    ],
    params: OfEndpoint,
    body: Type.Object({ version: Type.String({ maxLength: 256 }), reason: Type.Optional(Type.String({ maxLength: 500 })) }),
    reply: { 201: View },
    idempotent: true,
    handler: async (ctx, { params, body }) =>
      new Reply(
        201,
        releaseView(
          await release(ctx, {
            project: params.project,
            endpoint: params.endpoint,
            version: body.version,
            reason: body.reason ?? 'asked for',
          }),
        ),
      ),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/endpoints/:endpoint/rollback',
    permission: 'releases:write',
    summary: 'Go back to a revision that was promoted before; needs no new decision',
    errors: [
      'project-not-found',
      'endpoint-not-found',
      'rollback-not-possible',
      'endpoint-signature-mismatch',
      'release-under-way',
      'release-not-taken',
    ],
    params: OfEndpoint,
    body: Type.Object({
      revision: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
      reason: Type.Optional(Type.String({ maxLength: 500 })),
    }),
    reply: { 201: View },
    idempotent: true,
    handler: async (ctx, { params, body }) =>
      releaseView(await rollBack(ctx, { ...params, revision: body.revision, reason: body.reason ?? 'rolled back' })),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/endpoints/:endpoint/revisions',
    permission: 'releases:read',
    summary: 'Revisions of an endpoint, newest first',
    errors: ['cursor-invalid', 'endpoint-not-found'],
    params: OfEndpoint,
    query: Type.Object(pageQuery),
    reply: { 200: pageOf(View) },
    handler: async (ctx, { params, query }) => {
      await requireEndpoint(ctx, params);
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['number']) : [Number.MAX_SAFE_INTEGER];
      const rows = await store.listRevisions(ctx.db, ctx.workspace, params.endpoint, before, limit + 1);
      return toPage(rows, limit, (r) => [r.number], revisionView);
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/endpoints/:endpoint/releases',
    permission: 'releases:read',
    summary: 'Releases of an endpoint, newest first',
    errors: ['cursor-invalid', 'endpoint-not-found'],
    params: OfEndpoint,
    query: Type.Object(pageQuery),
    reply: { 200: pageOf(View) },
    handler: async (ctx, { params, query }) => {
      await requireEndpoint(ctx, params);
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['string']) : ['~'];
      return toPage(await store.listReleases(ctx.db, ctx.workspace, params.endpoint, before, limit + 1), limit, (r) => [r.id], releaseView);
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/endpoints/:endpoint/freeze',
    permission: 'releases:write',
    summary: 'Freeze an endpoint: no release of it begins or takes a step; a rollback stays possible',
    errors: ['project-not-found', 'endpoint-not-found'],
    params: OfEndpoint,
    body: Type.Object({ reason: Type.String({ minLength: 1, maxLength: 500 }) }),
    reply: { 200: FreezeView },
    handler: async (ctx, { params, body }) => freezeView(await freezeEndpoint(ctx, { ...params, reason: body.reason })),
  }),
  route({
    method: 'DELETE',
    path: '/api/gyre/v1/projects/:project/endpoints/:endpoint/freeze',
    permission: 'releases:write',
    summary: 'Let a frozen endpoint move again',
    errors: ['project-not-found', 'endpoint-not-found'],
    params: OfEndpoint,
    reply: { 204: Type.Null() },
    handler: (ctx, { params }) => unfreezeEndpoint(ctx, params),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/endpoints/:endpoint/freeze',
    permission: 'releases:read',
    summary: 'Whether an endpoint is frozen, by whom and why',
    errors: ['project-not-found', 'endpoint-not-found'],
    params: OfEndpoint,
    reply: { 200: Type.Object({ frozen: Type.Union([FreezeView, Type.Null()]) }) },
    handler: async (ctx, { params }) => {
      await requireEndpoint(ctx, params);
      const freeze = await findFreeze(ctx, params.project, params.endpoint);
      return { frozen: freeze ? freezeView(freeze) : null };
    },
  }),
];
