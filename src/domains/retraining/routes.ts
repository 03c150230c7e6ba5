import Type from '../../kernel/http/json-schema.ts';
import { decodeCursor, pageOf, pageQuery, toPage } from '../../kernel/http/paging.ts';
import { Reply, route, type AnyRoute } from '../../kernel/http/route.ts';
import { currentRevision } from '../projects/public.ts';
import { policyView, triggerView, wholeTriggerView } from './queries.ts';
import * as schema from './schema.ts';
import { resumeRetraining, stopRetraining } from './service/break-glass.ts';
import { scopeOf } from './service/facts.ts';
import { approveTrigger, rejectTrigger, requestTrigger, requirePolicy, requireTrigger } from './service/request.ts';
import type { Work } from './service/work.ts';
import { listTriggers } from './store/triggers.ts';

const name = Type.String({ maxLength: 200 });
const OfProject = Type.Object({ project: name });
const OfPolicy = Type.Object({ project: name, policy: name });
const OfTrigger = Type.Object({ id: name });

export const retrainingRoutes = (work: Work): readonly AnyRoute[] => [
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/retraining',
    permission: 'retraining:read',
    summary: 'Retraining policies of the current revision and where each stands',
    errors: ['project-not-found'],
    params: OfProject,
    reply: { 200: Type.Object({ items: Type.Array(schema.PolicyView) }) },
    handler: async (ctx, { params }) => {
      const { definition } = await currentRevision(ctx, params.project);
      return { items: await Promise.all(Object.values(definition.retraining).map((p) => policyView(ctx, definition, p))) };
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/retraining/:policy',
    permission: 'retraining:read',
    summary: 'A retraining policy and where it stands',
    errors: ['project-not-found', 'retraining-policy-not-found'],
    params: OfPolicy,
    reply: { 200: schema.PolicyView },
    handler: async (ctx, { params }) => {
      const { definition, policy } = await requirePolicy(ctx, params.project, params.policy);
      return policyView(ctx, definition, policy);
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/retraining/:policy/trigger',
    permission: 'retraining:write',
    summary: 'Ask for a retraining now; the answer says whether it was accepted, and if not, why',
    errors: ['project-not-found', 'retraining-policy-not-found'],
    params: OfPolicy,
    body: schema.RequestTrigger,
    reply: { 201: schema.TriggerView },
    idempotent: true,
    handler: async (ctx, { params, body }) => {
      const trigger = await requestTrigger(ctx, { ...params, reason: body.reason ?? 'asked for', force: body.force ?? false }, work);
      return new Reply(201, await wholeTriggerView(ctx, trigger));
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/triggers',
    permission: 'retraining:read',
    summary: 'Every reason to retrain, accepted or suppressed, newest first',
    errors: ['cursor-invalid'],
    params: OfProject,
    query: Type.Object({ ...pageQuery, policy: Type.Optional(name) }),
    reply: { 200: pageOf(schema.TriggerView) },
    handler: async (ctx, { params, query }) => {
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['string']) : ['~'];
      const rows = await listTriggers(ctx.db, ctx.workspace, params.project, { policy: query.policy, before, limit: limit + 1 });
      return toPage(
        rows,
        limit,
        (t) => [t.id],
        (t) => triggerView(t),
      );
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/triggers/:id',
    permission: 'retraining:read',
    summary: 'A trigger: its cause, what the guard rails said, its run, decision and release',
    errors: ['trigger-not-found'],
    params: OfTrigger,
    reply: { 200: schema.TriggerView },
    handler: async (ctx, { params }) => wholeTriggerView(ctx, await requireTrigger(ctx, params.id)),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/triggers/:id/approve',
    permission: 'retraining:write',
    summary: 'Approve a trigger that waits for a person',
    errors: ['person-needed', 'trigger-not-found', 'trigger-not-waiting', 'retraining-held'],
    params: OfTrigger,
    reply: { 200: schema.TriggerView },
    handler: async (ctx, { params }) => triggerView(await approveTrigger(ctx, params.id, work)),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/triggers/:id/reject',
    permission: 'retraining:write',
    summary: 'Reject a trigger that waits for a person',
    errors: ['trigger-not-found', 'trigger-not-waiting'],
    params: OfTrigger,
    body: schema.Approval,
    reply: { 200: schema.TriggerView },
    handler: async (ctx, { params, body }) => triggerView(await rejectTrigger(ctx, params.id, body.reason ?? '')),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/retraining/stop',
    permission: 'retraining:write',
    summary: 'Stop retraining of a policy or of the project: what is open ends, its runs are cancelled',
    errors: ['project-not-found', 'retraining-policy-not-found'],
    params: OfProject,
    body: schema.StopRetraining,
    reply: { 200: schema.Stopped },
    handler: async (ctx, { params, body }) => {
      const scope = { project: params.project, policy: body.policy ?? '' };
      return { scope: scopeOf(scope), ended: (await stopRetraining(ctx, scope, body.reason, work)).map((t) => t.id) };
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/retraining/resume',
    permission: 'retraining:write',
    summary: 'Let retraining go on that was stopped, or that halted after tries that did not help',
    errors: ['project-not-found', 'retraining-policy-not-found'],
    params: OfProject,
    body: schema.ResumeRetraining,
    reply: { 200: schema.Resumed },
    handler: async (ctx, { params, body }) => {
      const scope = { project: params.project, policy: body.policy ?? '' };
      const wider = await resumeRetraining(ctx, scope, work);
      return { scope: scopeOf(scope), stillStopped: wider ? `${scopeOf(wider)}, by ${wider.actor}: ${wider.reason}` : null };
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/retraining/stop',
    permission: 'retraining:write',
    summary: 'Stop retraining of every project of the workspace',
    errors: [],
    body: Type.Object({ reason: Type.String({ minLength: 1, maxLength: 500 }) }),
    reply: { 200: schema.Stopped },
    handler: async (ctx, { body }) => {
      const scope = { project: '', policy: '' };
      return { scope: scopeOf(scope), ended: (await stopRetraining(ctx, scope, body.reason, work)).map((t) => t.id) };
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/retraining/resume',
    permission: 'retraining:write',
    summary: 'Lift the stop of every project of the workspace; stops of one project or policy stay',
    errors: [],
    reply: { 200: schema.Resumed },
    handler: async (ctx) => {
      await resumeRetraining(ctx, { project: '', policy: '' }, work);
      return { scope: scopeOf({ project: '', policy: '' }), stillStopped: null };
    },
  }),
];
