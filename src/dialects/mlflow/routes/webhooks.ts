import {
  createWebhook,
  deleteWebhook,
  getWebhook,
  isWebhookEvent,
  listWebhooks,
  testWebhook,
  updateWebhook,
  webhookEvents,
  type Webhook,
  type WebhookEvent,
  type WebhookStatus,
} from '../../../domains/webhooks/public.ts';
import { invalid, mlflowRoutes, omitEmpty, type Args } from '../wire.ts';

const permission = 'system:admin';

// In the order of their numbers on the wire, which begin at 0 with "unspecified" (statuses at 1).
const ENTITIES = [
  '',
  'registered_model',
  'model_version',
  'model_version_tag',
  'model_version_alias',
  'prompt',
  'prompt_version',
  'prompt_tag',
  'prompt_version_tag',
  'prompt_alias',
  'budget_policy',
];
const ACTIONS = ['', 'created', 'updated', 'deleted', 'set', 'exceeded'];
const STATUSES = ['', 'active', 'disabled'];

/** A member of an enumeration by name or number, in small letters. */
function wordOf(a: Args, name: string, words: readonly string[], path: string): string {
  const given = a.word(name);
  const word = /^\d+$/.test(given) ? words[Number(given)] : words.find((w) => w !== '' && w === given.toLowerCase());
  return word ? word : invalid(`Invalid value ${JSON.stringify(given)} for parameter '${path}${name}' supplied.`);
}

function eventOf(a: Args, path: string): WebhookEvent {
  const [entity, action] = [wordOf(a, 'entity', ENTITIES, path), wordOf(a, 'action', ACTIONS, path)];
  const event = `${entity}.${action}`;
  if (isWebhookEvent(event)) return event;
  const valid = webhookEvents.filter((e) => e.startsWith(`${entity}.`)).map((e) => `'${e.split('.')[1]!}'`);
  return invalid(`Invalid action '${action}' for entity '${entity}'. Valid actions are: [${valid.toSorted().join(', ')}]`);
}

const eventsOf = (a: Args): WebhookEvent[] => a.list('events').map(({ at, path }) => eventOf(at, path));
const statusOf = (a: Args): WebhookStatus | undefined =>
  a.has('status') ? (wordOf(a, 'status', STATUSES, '').toUpperCase() as WebhookStatus) : undefined;

const toWire = (w: Webhook) =>
  omitEmpty({
    webhook_id: w.id,
    name: w.name,
    description: w.description || undefined,
    url: w.url,
    events: w.events.map((event) => {
      const [entity = '', action = ''] = event.toUpperCase().split('.');
      return { entity, action };
    }),
    status: w.status,
    creation_timestamp: w.createdMs,
    last_updated_timestamp: w.updatedMs,
  });

/** The token holds what the next page begins behind. */
function positionOf(token: string): readonly [number, string] {
  if (token === '') return [Number.MAX_SAFE_INTEGER, ''];
  try {
    const [ms, id] = JSON.parse(Buffer.from(token, 'base64').toString()) as unknown[];
    if (Number.isSafeInteger(ms) && typeof id === 'string') return [ms as number, id];
  } catch {
    // Refused below.
  }
  return invalid('Invalid page token');
}

const present = <T extends object>(values: T) =>
  Object.fromEntries(Object.entries(values).filter(([, v]) => v !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };

export const webhookProtocolRoutes = mlflowRoutes([
  {
    methods: ['POST'],
    path: 'webhooks',
    permission,
    summary: 'create a webhook',
    handler: async (ctx, a) => {
      const [name, url] = [a.required('name'), a.required('url')];
      const events = eventsOf(a);
      if (!a.has('events')) a.required('events');
      const { status } = present({ status: statusOf(a) });
      const more = { description: a.text('description'), secret: a.text('secret') };
      return { webhook: toWire(await createWebhook(ctx, { name, url, events, ...more, ...(status ? { status } : {}) })) };
    },
  },
  {
    methods: ['GET'],
    path: 'webhooks',
    permission,
    summary: 'webhooks',
    handler: async (ctx, a) => {
      const limit = a.int('max_results') || 100;
      if (limit < 1 || limit > 1000) return invalid('max_results must be between 1 and 1000.');
      const found = await listWebhooks(ctx.db, ctx.workspace, positionOf(a.text('page_token')), limit + 1);
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return omitEmpty({
        webhooks: page.map(toWire),
        next_page_token:
          last && found.length > limit ? Buffer.from(JSON.stringify([last.createdMs, last.id])).toString('base64') : undefined,
      });
    },
  },
  {
    methods: ['GET'],
    path: 'webhooks/:webhook_id',
    permission,
    summary: 'a webhook',
    handler: async (ctx, a) => ({ webhook: toWire(await getWebhook(ctx, a.required('webhook_id'))) }),
  },
  {
    methods: ['PATCH'],
    path: 'webhooks/:webhook_id',
    permission,
    summary: 'change a webhook',
    handler: async (ctx, a) => {
      // A name, an address or a list that is empty changes nothing; a description and a secret may become empty.
      const events = eventsOf(a);
      const patch = {
        name: a.text('name') || undefined,
        url: a.text('url') || undefined,
        events: events.length > 0 ? events : undefined,
        description: a.has('description') ? a.text('description') : undefined,
        secret: a.has('secret') ? a.text('secret') : undefined,
        status: statusOf(a),
      };
      return { webhook: toWire(await updateWebhook(ctx, a.required('webhook_id'), present(patch))) };
    },
  },
  {
    methods: ['DELETE'],
    path: 'webhooks/:webhook_id',
    permission,
    summary: 'remove a webhook',
    handler: (ctx, a) => deleteWebhook(ctx, a.required('webhook_id')),
  },
  {
    methods: ['POST'],
    path: 'webhooks/:webhook_id/test',
    permission,
    summary: 'send an example to a webhook',
    handler: async (ctx, a) => {
      const event = a.has('event') ? eventOf(a.child('event'), 'event.') : undefined;
      const { success, status, text, error } = await testWebhook(ctx, a.required('webhook_id'), event);
      return {
        result: omitEmpty({
          success,
          response_status: status,
          response_body: text || undefined,
          error_message: status === null ? `Failed to test webhook: ${error}` : undefined,
        }),
      };
    },
  },
]);
