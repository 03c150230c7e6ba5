import Type from '../../kernel/http/json-schema.ts';
import type { Ctx } from '../../kernel/ctx.ts';
import { atLeast, levelOf } from '../../kernel/levels.ts';
import { decodeCursor, pageOf, pageQuery, toPage } from '../../kernel/http/paging.ts';
import { Reply, route, type AnyRoute } from '../../kernel/http/route.ts';
import { usToIso } from '../../kernel/timeline/timeline.ts';
import { currentRevision } from '../projects/public.ts';
import { fail } from './errors.ts';
import type { EndpointRevision, Release } from './model.ts';
import { plannedFaults } from './service/faults.ts';
import { findFreeze, freezeEndpoint, openWindow, requireEndpoint, unfreezeEndpoint, type Freeze } from './service/freeze.ts';
import { release, retryRelease, rollBack } from './service/release.ts';
import { abortRelease, approveRelease, pauseRelease, promoteRelease, resumeRelease, type Steering } from './service/steer.ts';
import { ReleaseStory, ReleaseView, RevisionView, releaseView, revisionView, transitionView } from './schema.ts';
import * as endpoints from './store/endpoints.ts';
import * as store from './store/releases.ts';

const name = Type.String({ maxLength: 200 });
const OfEndpoint = Type.Object({ project: name, endpoint: name });
const FreezeView = Type.Object({ endpoint: Type.String(), reason: Type.String(), by: Type.String(), since: Type.String() });

const freezeView = (f: Freeze) => ({ endpoint: f.endpoint, reason: f.reason, by: f.actor, since: usToIso(f.sinceUs) });

const optional = <K extends string, V>(key: K, value: V | undefined) => (value === undefined ? {} : ({ [key]: value } as Record<K, V>));

async function story(ctx: Ctx, found: Release) {
  const transitions = await store.listTransitions(ctx.db, ctx.workspace, found.id);
  return { release: releaseView(found), transitions: transitions.map(transitionView) };
}

const steering = (
  action: string,
  summary: string,
  errors: readonly string[],
  act: (ctx: Ctx, of: Steering) => Promise<Release>,
  permission: 'releases:write' | 'releases:approve' = 'releases:write',
): AnyRoute =>
  route({
    method: 'POST',
    path: `/api/gyre/v1/projects/:project/endpoints/:endpoint/release/${action}`,
    permission,
    summary,
    errors: ['project-not-found', 'endpoint-not-found', 'release-none', 'release-action-not-possible', ...errors],
    params: OfEndpoint,
    body: Type.Object({ reason: Type.String({ minLength: 1, maxLength: 500 }) }),
    reply: { 200: ReleaseView },
    handler: async (ctx, { params, body }) => {
      await requireEndpoint(ctx, params, 'EDIT');
      return releaseView(await act(ctx, { ...params, reason: body.reason }));
    },
  });

export const releaseRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/endpoints',
    permission: 'releases:read',
    summary: 'Endpoints of the current revision and what they serve',
    errors: ['project-not-found'],
    params: Type.Object({ project: name }),
    reply: {
      200: Type.Object({
        items: Type.Array(Type.Object({ name: Type.String(), model: Type.String(), current: Type.Union([RevisionView, Type.Null()]) })),
      }),
    },
    handler: async (ctx, { params }) => {
      const { definition } = await currentRevision(ctx, params.project);
      const names = Object.keys(definition.endpoints).filter((n) => atLeast(levelOf(ctx, 'endpoint', n), 'READ'));
      const revisions = await Promise.all(names.map((n) => endpoints.findCurrent(ctx.db, ctx.workspace, params.project, n)));
      const faults = plannedFaults(ctx);
      const faultOf = (endpoint: string, variant: string) => {
        const fault = faults.find((f) => f.endpoint === endpoint && f.variant === variant);
        return fault && { errorRate: fault.errorRate };
      };
      const withFaults = (r: EndpointRevision) => {
        const view = revisionView(r);
        const variants = view.variants.map((v) => ({ ...v, ...optional('fault', faultOf(r.endpoint, v.id)) }));
        return { ...view, variants };
      };
      return {
        items: names.map((n, i) => ({
          name: n,
          model: definition.endpoints[n]!.model,
          current: revisions[i] ? withFaults(revisions[i]) : null,
        })),
      };
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/endpoints/:endpoint/releases',
    permission: 'releases:write',
    summary:
      'Release a model version whose gate has passed, by steps where the project declares them; answers when the data planes serve it',
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
    body: Type.Object({
      version: Type.String({ maxLength: 256 }),
      reason: Type.Optional(Type.String({ maxLength: 500 })),
      atOnce: Type.Optional(Type.Boolean({ description: 'All traffic at once, without the steps that the project declares' })),
    }),
    reply: { 201: ReleaseView },
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
            atOnce: body.atOnce ?? false,
            // A newer version takes the place of the candidate under way.
            replaces: true,
          }),
        ),
      ),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/endpoints/:endpoint/rollback',
    permission: 'releases:write',
    summary:
      'Go back to a revision that was promoted before, on the decision of then: at once to a recent one, by the steps to an older one',
    errors: [
      'project-not-found',
      'endpoint-not-found',
      'endpoint-frozen',
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
    reply: { 201: ReleaseView },
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
    reply: { 200: pageOf(RevisionView) },
    handler: async (ctx, { params, query }) => {
      await requireEndpoint(ctx, params);
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['number']) : [Number.MAX_SAFE_INTEGER];
      const rows = await endpoints.listRevisions(ctx.db, ctx.workspace, params.endpoint, before, limit + 1);
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
    reply: { 200: pageOf(ReleaseView) },
    handler: async (ctx, { params, query }) => {
      await requireEndpoint(ctx, params);
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['string']) : ['~'];
      return toPage(await store.listReleases(ctx.db, ctx.workspace, params.endpoint, before, limit + 1), limit, (r) => [r.id], releaseView);
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/endpoints/:endpoint/release',
    permission: 'releases:read',
    summary: 'The release that runs now, or the last one, with every transition and its figures',
    errors: ['project-not-found', 'endpoint-not-found', 'release-none'],
    params: OfEndpoint,
    reply: { 200: ReleaseStory },
    handler: async (ctx, { params }) => {
      await requireEndpoint(ctx, params);
      const [last] = await store.listReleases(ctx.db, ctx.workspace, params.endpoint, '~', 1);
      return story(ctx, last ?? fail('release-none', params));
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/endpoints/:endpoint/releases/:release',
    permission: 'releases:read',
    summary: 'One release with every transition and its figures',
    errors: ['project-not-found', 'endpoint-not-found', 'release-none'],
    params: Type.Object({ ...OfEndpoint.properties, release: name }),
    reply: { 200: ReleaseStory },
    handler: async (ctx, { params }) => {
      await requireEndpoint(ctx, params);
      const found = await store.findRelease(ctx.db, ctx.workspace, params.release);
      return story(ctx, found?.endpoint === params.endpoint ? found : fail('release-none', params));
    },
  }),
  steering('pause', 'Keep the split of the traffic and take no further step; the guardrails go on watching', [], pauseRelease),
  steering('resume', 'Go on with the step; its hold and its sample begin anew', ['endpoint-frozen'], resumeRelease),
  steering(
    'promote',
    'Skip the steps that are left; the gate must still hold',
    ['endpoint-frozen', 'gate-not-passed', 'release-not-taken'],
    promoteRelease,
  ),
  steering(
    'approve',
    'Let a release into the step that waits for a person',
    ['person-needed', 'endpoint-frozen', 'gate-not-passed', 'release-not-taken'],
    approveRelease,
    'releases:approve',
  ),
  steering('abort', 'Go back to the stable variant alone', [], abortRelease),
  steering(
    'retry',
    'Release the candidate of the last release once more, from its first step',
    [
      ...['gate-not-passed', 'endpoint-signature-mismatch', 'dataset-empty', 'model-version-not-found'],
      ...['release-under-way', 'endpoint-frozen', 'endpoint-in-trial', 'release-not-taken'],
    ],
    retryRelease,
  ),
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
    reply: {
      200: Type.Object({
        frozen: Type.Union([FreezeView, Type.Null()]),
        calendar: Type.Union([Type.Object({ reason: Type.String(), until: Type.String({ description: 'Event time' }) }), Type.Null()], {
          description: 'The window of the project that holds now',
        }),
      }),
    },
    handler: async (ctx, { params }) => {
      await requireEndpoint(ctx, params);
      const freeze = await findFreeze(ctx, params.project, params.endpoint);
      const open = await openWindow(ctx, params);
      return {
        frozen: freeze ? freezeView(freeze) : null,
        calendar: open ? { reason: open.window.reason, until: usToIso(open.untilUs) } : null,
      };
    },
  }),
];
