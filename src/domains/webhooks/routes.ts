import Type from '../../kernel/http/json-schema.ts';
import type { Ctx } from '../../kernel/ctx.ts';
import { decodeCursor, toPage } from '../../kernel/http/paging.ts';
import { route, type AnyRoute } from '../../kernel/http/route.ts';
import type { Delivery, Webhook } from './model.ts';
import * as schema from './schema.ts';
import { testWebhook } from './service/try.ts';
import { createWebhook, deleteWebhook, getWebhook, updateWebhook } from './service/webhooks.ts';
import { listDeliveries } from './store/deliveries.ts';
import { listWebhooks } from './store/webhooks.ts';

const base = '/api/gyre/v1/webhooks';
// Who may see or set one learns, or decides, where the news of the registry goes.
const permission = 'system:admin';

const iso = (ms: number): string => new Date(ms).toISOString();
const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms));

const webhookView = (w: Webhook) => ({
  id: w.id,
  name: w.name,
  url: w.url,
  events: [...w.events],
  description: w.description,
  signed: w.secret !== null,
  status: w.status,
  createdAt: iso(w.createdMs),
  updatedAt: iso(w.updatedMs),
});
const deliveryView = (d: Delivery) => ({
  id: d.id,
  event: d.event,
  state: d.state,
  attempts: d.attempts,
  lastStatus: d.lastStatus,
  lastError: d.lastError,
  createdAt: iso(d.createdMs),
  nextAt: isoOrNull(d.nextMs),
  deliveredAt: isoOrNull(d.deliveredMs),
});

async function paged<R extends { readonly createdMs: number; readonly id: string }, V>(
  query: { cursor?: string; limit?: number },
  list: (before: readonly [number, string], limit: number) => Promise<R[]>,
  view: (row: R) => V,
) {
  const limit = query.limit ?? 100;
  const before = query.cursor ? decodeCursor(query.cursor, ['number', 'string']) : ([Number.MAX_SAFE_INTEGER, ''] as const);
  return toPage(await list(before, limit + 1), limit, (r) => [r.createdMs, r.id], view);
}

export const webhookRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: base,
    permission,
    summary: 'Webhooks, newest first',
    errors: ['cursor-invalid'],
    query: schema.PageQuery,
    reply: { 200: schema.WebhookPage },
    handler: (ctx, { query }) => paged(query, (before, limit) => listWebhooks(ctx.db, ctx.workspace, before, limit), webhookView),
  }),
  route({
    method: 'POST',
    path: base,
    permission,
    summary: 'Send news of the registry to an address',
    errors: ['webhook-invalid'],
    body: schema.CreateWebhook,
    reply: { 201: schema.WebhookView },
    handler: async (ctx, { body }) => webhookView(await createWebhook(ctx, body)),
  }),
  route({
    method: 'GET',
    path: `${base}/:id`,
    permission,
    summary: 'A webhook; its secret is never shown',
    errors: ['webhook-not-found'],
    params: schema.WebhookParams,
    reply: { 200: schema.WebhookView },
    handler: async (ctx, { params }) => webhookView(await getWebhook(ctx, params.id)),
  }),
  route({
    method: 'PATCH',
    path: `${base}/:id`,
    permission,
    summary: 'Change a webhook, or disable it',
    errors: ['webhook-not-found', 'webhook-invalid', 'conflict'],
    params: schema.WebhookParams,
    body: schema.PatchWebhook,
    reply: { 200: schema.WebhookView },
    handler: async (ctx, { params, body }) => webhookView(await updateWebhook(ctx, params.id, body)),
  }),
  route({
    method: 'DELETE',
    path: `${base}/:id`,
    permission,
    summary: 'Remove a webhook and the record of its deliveries',
    errors: ['webhook-not-found'],
    params: schema.WebhookParams,
    reply: { 204: Type.Null() },
    handler: (ctx: Ctx, { params }) => deleteWebhook(ctx, params.id),
  }),
  route({
    method: 'POST',
    path: `${base}/:id/test`,
    permission,
    summary: 'Send an example at once and show what is answered',
    errors: ['webhook-not-found'],
    params: schema.WebhookParams,
    body: schema.TestWebhook,
    reply: { 200: schema.TestResult },
    handler: async (ctx, { params, body }) => {
      const { success, status, text, error } = await testWebhook(ctx, params.id, body.event);
      return { success, status, answer: text, error };
    },
  }),
  route({
    method: 'GET',
    path: `${base}/:id/deliveries`,
    permission,
    summary: 'What was sent to a webhook in the last 30 days, newest first',
    errors: ['webhook-not-found', 'cursor-invalid'],
    params: schema.WebhookParams,
    query: schema.PageQuery,
    reply: { 200: schema.DeliveryPage },
    handler: async (ctx, { params, query }) => {
      await getWebhook(ctx, params.id);
      return paged(query, (before, limit) => listDeliveries(ctx.db, ctx.workspace, params.id, before, limit), deliveryView);
    },
  }),
];
