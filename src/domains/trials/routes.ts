import Type from '../../kernel/http/json-schema.ts';
import { decodeCursor, pageOf, pageQuery, toPage } from '../../kernel/http/paging.ts';
import { Reply, route, type AnyRoute } from '../../kernel/http/route.ts';
import { requireEndpoint } from '../releases/public.ts';
import { NewTrialBody, toNewTrial } from './schema.ts';
import { decideTrial } from './service/decide.ts';
import { planTrial } from './service/plan.ts';
import { readTrial } from './service/readout.ts';
import { findTrial, freezeWeights, pauseTrial, resumeTrial, startTrial, stopTrial, thawWeights } from './service/steer.ts';
import * as store from './store.ts';
import { ReadoutView, readoutView, StepView, stepView, TrialView, trialView } from './views.ts';

const name = Type.String({ maxLength: 200 });
const OfEndpoint = Type.Object({ project: name, endpoint: name });
const OfTrial = Type.Object({ project: name, endpoint: name, trial: name });
const base = '/api/gyre/v1/projects/:project/endpoints/:endpoint/trials';
const reason = Type.String({ minLength: 1, maxLength: 500 });
const begun = [
  ...['trial-action-not-possible', 'trial-arm-unusable', 'trial-not-taken', 'endpoint-in-trial', 'endpoint-frozen', 'release-under-way'],
  ...['gate-not-passed', 'model-version-not-found', 'endpoint-signature-mismatch'],
];
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
      const made = await planTrial(ctx, toNewTrial(params, body));
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
    errors: [...missing, ...begun],
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
    path: `${base}/:trial/pause`,
    permission: 'releases:write',
    summary: 'All traffic to the control until it is resumed',
    errors: [...missing, 'trial-action-not-possible'],
    params: OfTrial,
    body: Type.Object({ reason }),
    reply: { 200: TrialView },
    handler: async (ctx, { params, body }) => trialView(await pauseTrial(ctx, params, body.reason)),
  }),
  route({
    method: 'POST',
    path: `${base}/:trial/resume`,
    permission: 'releases:write',
    summary: 'Split the traffic again; after a fault of the measurement it counts anew',
    errors: [...missing, ...begun],
    params: OfTrial,
    body: Type.Object({ reason }),
    reply: { 200: TrialView },
    handler: async (ctx, { params, body }) => trialView(await resumeTrial(ctx, params, body.reason)),
  }),
  route({
    method: 'POST',
    path: `${base}/:trial/freeze-weights`,
    permission: 'releases:write',
    summary: 'The kill switch of a bandit: its weights stay as they are, or as given, until they are let go',
    errors: [...missing, 'trial-action-not-possible', 'trial-weights-invalid'],
    params: OfTrial,
    body: Type.Object({
      reason,
      weights: Type.Optional(
        Type.Record(Type.String(), Type.Number({ minimum: 0, maximum: 1 }), { description: 'By arm; one that is left out gets the rest' }),
      ),
    }),
    reply: { 200: TrialView },
    handler: async (ctx, { params, body }) =>
      trialView(await freezeWeights(ctx, params, { reason: body.reason, weights: body.weights ?? {} })),
  }),
  route({
    method: 'POST',
    path: `${base}/:trial/thaw-weights`,
    permission: 'releases:write',
    summary: 'Let the weights of a bandit follow its rewards again',
    errors: [...missing, 'trial-action-not-possible'],
    params: OfTrial,
    body: Type.Object({ reason }),
    reply: { 200: TrialView },
    handler: async (ctx, { params, body }) => trialView(await thawWeights(ctx, params, body.reason)),
  }),
  route({
    method: 'GET',
    path: `${base}/:trial/history`,
    permission: 'releases:read',
    summary: 'What moved its traffic, and what every update of a bandit was computed from; oldest first',
    errors: [...missing, 'cursor-invalid'],
    params: OfTrial,
    query: Type.Object(pageQuery),
    reply: { 200: pageOf(StepView) },
    handler: async (ctx, { params, query }) => {
      const trial = await findTrial(ctx, params);
      const limit = query.limit ?? 100;
      const [after] = query.cursor ? decodeCursor(query.cursor, ['number']) : [0];
      const steps = await store.listSteps(ctx.db, ctx.workspace, trial.id, after, limit + 1);
      return toPage(
        steps,
        limit,
        (s) => [s.number],
        (s) => stepView(trial, s),
      );
    },
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
