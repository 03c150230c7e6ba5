import Type from '../../kernel/http/json-schema.ts';
import type { Ctx } from '../../kernel/ctx.ts';
import { decodeCursor, toPage, encodeCursor } from '../../kernel/http/paging.ts';
import { route, type AnyRoute } from '../../kernel/http/route.ts';
import { fail } from './errors.ts';
import type { AlertState } from './model.ts';
import * as schema from './schema.ts';
import { isSilenced } from './service/notify.ts';
import { findDelivery, redeliver, sendTest } from './service/receivers.ts';
import { listRuleStates, replayRule } from './service/replay.ts';
import { createRule, removeRule } from './service/rules.ts';
import { sceneOf } from './service/scene.ts';
import { signalsOf } from './service/signals.ts';
import { createSilence, removeSilence } from './service/silences.ts';
import * as alerts from './store/alerts.ts';
import { listDeliveries } from './store/deliveries.ts';
import { alertView, deliveryView, receiverView, replayView, ruleView, silenceView } from './views.ts';

const base = '/api/gyre/v1/projects/:project';
const us = (iso: string): number => Date.parse(iso) * 1000;
const usOf = (iso: string | undefined): number | undefined => (iso === undefined ? undefined : us(iso));

async function findAlert(ctx: Ctx, project: string, id: string) {
  const found = await alerts.getAlert(ctx.db, ctx.workspace, id);
  return found?.project === project ? found : fail('alert-not-found', { id });
}

async function nowOf(ctx: Ctx, project: string): Promise<number> {
  await sceneOf(ctx, project);
  return (await ctx.timeline.read(ctx.db, ctx.workspace, project)).nowUs;
}

export const alertRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: `${base}/alert-rules`,
    permission: 'alerts:read',
    summary: 'Alert rules of a project, of gyre.yaml, the API and by default, each with its state',
    errors: ['project-not-found'],
    params: schema.ProjectParams,
    reply: { 200: schema.RuleList },
    handler: async (ctx, { params }) => ({ items: (await listRuleStates(ctx, params.project)).map(ruleView) }),
  }),
  route({
    method: 'POST',
    path: `${base}/alert-rules`,
    permission: 'alerts:write',
    summary: 'Add an alert rule that gyre.yaml does not have',
    errors: ['project-not-found', 'alert-rule-invalid', 'alert-rule-exists'],
    params: schema.ProjectParams,
    body: schema.CreateRule,
    reply: { 201: schema.RuleView },
    handler: async (ctx, { params, body }) => {
      const rule = await createRule(ctx, params.project, body);
      return ruleView({ rule, state: 'normal', noDataSinceUs: null, noDataReason: '' });
    },
  }),
  route({
    method: 'DELETE',
    path: `${base}/alert-rules/:rule`,
    permission: 'alerts:write',
    summary: 'Remove an alert rule of the API; an alert of it that is open ends',
    errors: ['project-not-found', 'alert-rule-not-found', 'alert-rule-managed'],
    params: schema.RuleParams,
    reply: { 204: Type.Null() },
    handler: (ctx, { params }) => removeRule(ctx, params.project, params.rule),
  }),
  route({
    method: 'GET',
    path: `${base}/alerts`,
    permission: 'alerts:read',
    summary: 'Alerts of a project, newest first',
    errors: ['project-not-found', 'cursor-invalid'],
    params: schema.ProjectParams,
    query: schema.AlertQuery,
    reply: { 200: schema.AlertPage },
    handler: async (ctx, { params, query }) => {
      const nowUs = await nowOf(ctx, params.project);
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['string']) : ['~'];
      const states: readonly AlertState[] | undefined =
        query.state === undefined ? undefined : query.state === 'active' ? ['firing', 'recovering'] : [query.state];
      const rows = await alerts.listAlerts(ctx.db, ctx.workspace, params.project, { monitor: query.monitor, states }, before, limit + 1);
      const items = await Promise.all(
        rows.slice(0, limit).map(async (a) => alertView(a, a.endedUs === null && (await isSilenced(ctx, a, nowUs)))),
      );
      return { items, nextCursor: rows.length > limit ? encodeCursor([rows[limit - 1]!.id]) : null };
    },
  }),
  route({
    method: 'GET',
    path: `${base}/alerts/:id`,
    permission: 'alerts:read',
    summary: 'An alert with each of its states and the figures that brought it there',
    errors: ['project-not-found', 'alert-not-found'],
    params: schema.AlertParams,
    reply: { 200: schema.AlertView },
    handler: async (ctx, { params }) => {
      const nowUs = await nowOf(ctx, params.project);
      const alert = await findAlert(ctx, params.project, params.id);
      return alertView(alert, alert.endedUs === null && (await isSilenced(ctx, alert, nowUs)));
    },
  }),
  route({
    method: 'POST',
    path: `${base}/alerts/test`,
    permission: 'alerts:read',
    summary: 'What a rule, written or not, would have done over past windows',
    errors: ['project-not-found', 'alert-rule-not-found', 'alert-rule-invalid'],
    params: schema.ProjectParams,
    body: schema.TestRule,
    reply: { 200: schema.TestResult },
    handler: async (ctx, { params, body }) => {
      const { when, for: holding, keepFiringFor } = body;
      if ((when === undefined) === (body.rule === undefined))
        fail('alert-rule-invalid', { rule: body.rule ?? '', why: 'name a rule, or write one with "when"; one of the two' });
      const written = when === undefined ? undefined : { when, for: holding, keepFiringFor };
      const asked = { rule: body.rule, written, instead: { for: holding, keepFiringFor }, fromUs: usOf(body.from), toUs: usOf(body.to) };
      return replayView(await replayRule(ctx, params.project, asked, signalsOf(ctx, params.project)));
    },
  }),
  route({
    method: 'GET',
    path: `${base}/silences`,
    permission: 'alerts:read',
    summary: 'Silences of a project that have not ended',
    errors: ['project-not-found'],
    params: schema.ProjectParams,
    query: schema.SilenceQuery,
    reply: { 200: schema.SilenceList },
    handler: async (ctx, { params, query }) => {
      const nowUs = await nowOf(ctx, params.project);
      const rows = await alerts.listSilences(ctx.db, ctx.workspace, params.project, query.expired ? -1 : nowUs);
      return { items: rows.map((s) => silenceView(s, nowUs)) };
    },
  }),
  route({
    method: 'POST',
    path: `${base}/silences`,
    permission: 'alerts:write',
    summary: 'Hold back what is told of alerts whose labels match, until a moment of event time',
    errors: ['project-not-found', 'silence-matcher-invalid', 'silence-span-invalid'],
    params: schema.ProjectParams,
    body: schema.CreateSilence,
    reply: { 201: schema.SilenceView },
    handler: async (ctx, { params, body }) => {
      const { matchers, comment } = body;
      const silence = await createSilence(ctx, params.project, {
        matchers,
        comment,
        startsUs: usOf(body.startsAt),
        endsUs: us(body.endsAt),
      });
      return silenceView(silence, await nowOf(ctx, params.project));
    },
  }),
  route({
    method: 'DELETE',
    path: `${base}/silences/:id`,
    permission: 'alerts:write',
    summary: 'End a silence now; what still fires is told',
    errors: ['project-not-found', 'silence-not-found'],
    params: schema.AlertParams,
    reply: { 204: Type.Null() },
    handler: (ctx, { params }) => removeSilence(ctx, params.project, params.id),
  }),
  route({
    method: 'GET',
    path: `${base}/alert-deliveries`,
    permission: 'alerts:read',
    summary: 'What was told to whom, newest first',
    errors: ['project-not-found', 'cursor-invalid'],
    params: schema.ProjectParams,
    query: schema.DeliveryQuery,
    reply: { 200: schema.DeliveryPage },
    handler: async (ctx, { params, query }) => {
      await sceneOf(ctx, params.project);
      const limit = query.limit ?? 100;
      const before = query.cursor ? decodeCursor(query.cursor, ['number', 'string']) : ([Number.MAX_SAFE_INTEGER, '~'] as const);
      const filter = { alert: query.alert, state: query.state };
      const rows = await listDeliveries(ctx.db, ctx.workspace, params.project, filter, before, limit + 1);
      return toPage(rows, limit, (d) => [d.createdMs, d.id], deliveryView);
    },
  }),
  route({
    method: 'GET',
    path: `${base}/alert-deliveries/:id`,
    permission: 'alerts:read',
    summary: 'A delivery with its last attempt',
    errors: ['delivery-not-found'],
    params: schema.AlertParams,
    reply: { 200: schema.DeliveryView },
    handler: async (ctx, { params }) => deliveryView(await findDelivery(ctx, params.project, params.id)),
  }),
  route({
    method: 'POST',
    path: `${base}/alert-deliveries/:id/redeliver`,
    permission: 'alerts:write',
    summary: 'Deliver once more, under the same id',
    errors: ['delivery-not-found', 'delivery-not-ended'],
    params: schema.AlertParams,
    reply: { 200: schema.DeliveryView },
    handler: async (ctx, { params }) => deliveryView(await redeliver(ctx, params.project, params.id)),
  }),
  route({
    method: 'GET',
    path: `${base}/receivers`,
    permission: 'alerts:read',
    summary: 'Receivers of a project and the rules that name them',
    errors: ['project-not-found'],
    params: schema.ProjectParams,
    reply: { 200: schema.ReceiverList },
    handler: async (ctx, { params }) => {
      const { receivers, rules } = await sceneOf(ctx, params.project);
      return { items: Object.values(receivers).map((r) => receiverView(r, rules)) };
    },
  }),
  route({
    method: 'POST',
    path: `${base}/receivers/:receiver/test`,
    permission: 'alerts:write',
    summary: 'Send a receiver a message that says it is a test; answers what came of it',
    errors: ['project-not-found', 'receiver-not-found'],
    params: schema.ReceiverParams,
    reply: { 200: schema.DeliveryView },
    handler: async (ctx, { params }) => deliveryView(await sendTest(ctx, params.project, params.receiver)),
  }),
];
