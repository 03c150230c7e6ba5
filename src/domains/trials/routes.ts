import Type from '../../kernel/http/json-schema.ts';
import { decodeCursor, pageOf, pageQuery, toPage } from '../../kernel/http/paging.ts';
import { Reply, route, type AnyRoute } from '../../kernel/http/route.ts';
import { requireEndpoint } from '../releases/public.ts';
import { DAY_US, NewTrialBody, ReadoutView, readoutView, TrialView, trialView } from './schema.ts';
import { planTrial } from './service/plan.ts';
import { readTrial } from './service/readout.ts';
import { decideTrial, findTrial, startTrial, stopTrial } from './service/steer.ts';
import * as store from './store.ts';

const name = Type.String({ maxLength: 200 });
const OfEndpoint = Type.Object({ project: name, endpoint: name });
const OfTrial = Type.Object({ project: name, endpoint: name, trial: name });
const base = '/api/gyre/v1/projects/:project/endpoints/:endpoint/trials';
const reason = Type.String({ minLength: 1, maxLength: 500 });
const missing = ['project-not-found', 'endpoint-not-found', 'trial-not-found'];

export const trialRoutes: readonly AnyRoute[] = [
  route({
    method: 'POST',
    path: base,
    permission: 'releases:write',
    summary: 'Plan a trial: arms, metric, rule, and from live traffic how many units and days it needs; nothing is served yet',
    errors: ['project-not-found', 'endpoint-not-found', 'trial-plan-invalid', 'trial-without-traffic', 'trial-name-taken'],
    params: OfEndpoint,
    body: NewTrialBody,
    reply: { 201: TrialView },
    handler: async (ctx, { params, body }) => {
      const { covariate, given, ...plan } = body;
      const made = await planTrial(ctx, {
        ...params,
        name: plan.name,
        kind: plan.kind ?? 'ab',
        hypothesis: plan.hypothesis ?? '',
        arms: plan.arms,
        metric: plan.metric,
        higherIsBetter: plan.higherIsBetter,
        effect: plan.effect,
        alpha: plan.alpha ?? 0.05,
        power: plan.power ?? 0.8,
        rule: plan.rule ?? 'fixed-horizon',
        correction: plan.correction ?? 'holm',
        covariate: !covariate ? null : 'column' in covariate ? { column: covariate.column } : { beforeUs: covariate.beforeDays * DAY_US },
        given: given ?? {},
      });
      return new Reply(201, trialView(made));
    },
  }),
  route({
    method: 'GET',
    path: base,
    permission: 'releases:read',
    summary: 'Trials of an endpoint, newest first',
    errors: ['project-not-found', 'endpoint-not-found', 'cursor-invalid'],
    params: OfEndpoint,
    query: Type.Object(pageQuery),
    reply: { 200: pageOf(TrialView) },
    handler: async (ctx, { params, query }) => {
      await requireEndpoint(ctx, params);
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['string']) : ['~'];
      return toPage(await store.listTrials(ctx.db, ctx.workspace, params, before, limit + 1), limit, (t) => [t.id], trialView);
    },
  }),
  route({
    method: 'GET',
    path: `${base}/:trial`,
    permission: 'releases:read',
    summary: 'One trial: its plan, where it stands, its decision',
    errors: missing,
    params: OfTrial,
    reply: { 200: TrialView },
    handler: async (ctx, { params }) => trialView(await findTrial(ctx, params)),
  }),
  route({
    method: 'GET',
    path: `${base}/:trial/readout`,
    permission: 'releases:read',
    summary: 'What the trial shows now: both kinds of interval, the sample ratio, and what its rule says',
    errors: [...missing, 'trial-action-not-possible'],
    params: OfTrial,
    reply: { 200: ReadoutView },
    handler: async (ctx, { params }) => readoutView(await readTrial(ctx, await findTrial(ctx, params))),
  }),
  route({
    method: 'POST',
    path: `${base}/:trial/start`,
    permission: 'releases:write',
    summary: 'Split the traffic; every arm’s gate must hold. Answers when the data planes serve the arms',
    errors: [
      ...missing,
      ...[
        'trial-action-not-possible',
        'trial-arm-unusable',
        'trial-not-taken',
        'endpoint-in-trial',
        'endpoint-frozen',
        'release-under-way',
      ],
      ...['gate-not-passed', 'model-version-not-found', 'endpoint-signature-mismatch'],
    ],
    params: OfTrial,
    reply: { 200: TrialView },
    handler: async (ctx, { params }) => trialView(await startTrial(ctx, params)),
  }),
  route({
    method: 'POST',
    path: `${base}/:trial/stop`,
    permission: 'releases:write',
    summary: 'All traffic to the control again, without a result',
    errors: [...missing, 'trial-action-not-possible'],
    params: OfTrial,
    body: Type.Object({ reason }),
    reply: { 200: TrialView },
    handler: async (ctx, { params, body }) => trialView(await stopTrial(ctx, params, body.reason)),
  }),
  route({
    method: 'POST',
    path: `${base}/:trial/decide`,
    permission: 'releases:write',
    summary: 'End the trial with what its rule says; with promote, a release brings the winner to all traffic',
    errors: [
      ...missing,
      ...[
        'trial-action-not-possible',
        'trial-undecided',
        'gate-not-passed',
        'endpoint-frozen',
        'release-under-way',
        'model-version-not-found',
      ],
    ],
    params: OfTrial,
    body: Type.Object({ reason, promote: Type.Optional(Type.Boolean({ default: false })) }),
    reply: { 200: TrialView },
    handler: async (ctx, { params, body }) =>
      trialView(await decideTrial(ctx, params, { reason: body.reason, promote: body.promote ?? false })),
  }),
];
