// Webhooks as MLflow has them: what they may listen to, what they are sent, and how often it is tried.
import { createHmac } from 'node:crypto';
import { fail } from './errors.ts';

/** Entity and what happened to it, in MLflow's words. */
export const webhookEvents = [
  'registered_model.created',
  'model_version.created',
  'model_version_tag.set',
  'model_version_tag.deleted',
  'model_version_alias.created',
  'model_version_alias.deleted',
  'prompt.created',
  'prompt_version.created',
  'prompt_tag.set',
  'prompt_tag.deleted',
  'prompt_version_tag.set',
  'prompt_version_tag.deleted',
  'prompt_alias.created',
  'prompt_alias.deleted',
  // Taken and kept, for clients that ask for all there are; nothing here exceeds a budget.
  'budget_policy.exceeded',
] as const;
export type WebhookEvent = (typeof webhookEvents)[number];
export const isWebhookEvent = (text: string): text is WebhookEvent => (webhookEvents as readonly string[]).includes(text);

export const webhookStatuses = ['ACTIVE', 'DISABLED'] as const;
export type WebhookStatus = (typeof webhookStatuses)[number];

export interface Webhook {
  readonly id: string;
  readonly name: string;
  readonly url: string;
  readonly events: readonly WebhookEvent[];
  readonly description: string;
  /** Encrypted. */
  readonly secret: string | null;
  readonly status: WebhookStatus;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly version: number;
}

/** queued -> delivered | failed | dead; failed -> delivered | failed | dead. */
export const deliveryStates = ['queued', 'delivered', 'failed', 'dead'] as const;
export type DeliveryState = (typeof deliveryStates)[number];

export interface Delivery {
  readonly id: string;
  readonly webhookId: string;
  readonly event: WebhookEvent;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly lastStatus: number | null;
  readonly lastError: string;
  readonly nextMs: number | null;
  readonly createdMs: number;
  readonly deliveredMs: number | null;
  readonly version: number;
}

export const limits = { url: 2000, description: 5000, secret: 1000 } as const;

/** Raises `webhook-invalid`, in MLflow's words. */
export function checkName(name: string): void {
  if (!/^(?=.{1,63}$)[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/i.test(name))
    fail('webhook-invalid', {
      message: `Webhook name '${name.slice(0, 200)}' is invalid. It must start and end with a letter or digit, be less than 63 characters long, and contain only letters, digits, dots (.), underscores (_), and hyphens (-).`,
    });
}

/** Without doubles, in their order. Raises `webhook-invalid`. */
export function checkEvents(events: readonly WebhookEvent[]): WebhookEvent[] {
  if (events.length === 0) fail('webhook-invalid', { message: 'Webhook events must be a non-empty list of WebhookEvent objects: [].' });
  return [...new Set(events)];
}

/** Raises `webhook-invalid`. */
export function checkLengths(texts: Readonly<Partial<Record<keyof typeof limits, string>>>): void {
  for (const [what, text] of Object.entries(texts)) {
    const most = limits[what as keyof typeof limits];
    if (text.length > most) fail('webhook-invalid', { message: `Webhook ${what} is longer than ${most} characters.` });
    if (text.includes('\0')) fail('webhook-invalid', { message: `Webhook ${what} contains a NUL character.` });
  }
}

/** `v1,` + HMAC-SHA256 of "id.timestamp.body" in base64 (as standardwebhooks.com has it). */
export const signatureOf = (secret: string, id: string, timestamp: string, body: string): string =>
  `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')}`;

/** Moments as Python writes them. */
export const isoOf = (ms: number): string => new Date(ms).toISOString().replace('Z', '+00:00');

/** What a receiver is sent. */
export function bodyOf(event: WebhookEvent, data: unknown, atMs: number, workspace: string): string {
  const [entity, action] = event.split('.');
  return JSON.stringify({
    entity,
    action,
    timestamp: isoOf(atMs),
    data,
    // MLflow says it only where there are workspaces.
    ...(workspace === 'default' ? {} : { workspace }),
  });
}

const version = { name: 'example_model', version: '1' };
const prompt = { name: 'example_prompt', version: '1' };
const tag = { key: 'example_key', value: 'example_value' };
const described = (what: string) => ({ tags: { example_key: 'example_value' }, description: `An example ${what}` });

/** What a test of a webhook sends: MLflow's own examples. */
export const examples: Readonly<Record<WebhookEvent, unknown>> = {
  'registered_model.created': { name: version.name, ...described('registered model') },
  'model_version.created': { ...version, source: 'models:/123', run_id: 'abcd1234abcd5678', ...described('model version') },
  'model_version_tag.set': { ...version, ...tag },
  'model_version_tag.deleted': { ...version, key: tag.key },
  'model_version_alias.created': { name: version.name, alias: 'example_alias', version: '1' },
  'model_version_alias.deleted': { name: version.name, alias: 'example_alias' },
  'prompt.created': { name: prompt.name, ...described('prompt') },
  'prompt_version.created': { ...prompt, template: 'Hello {{name}}!', ...described('prompt version') },
  'prompt_tag.set': { name: prompt.name, ...tag },
  'prompt_tag.deleted': { name: prompt.name, key: tag.key },
  'prompt_version_tag.set': { ...prompt, ...tag },
  'prompt_version_tag.deleted': { ...prompt, key: tag.key },
  'prompt_alias.created': { name: prompt.name, alias: 'example_alias', version: '1' },
  'prompt_alias.deleted': { name: prompt.name, alias: 'example_alias' },
  'budget_policy.exceeded': {
    budget_policy_id: 'bp-abc123',
    budget_unit: 'USD',
    budget_amount: 100,
    current_spend: 105.5,
    duration_unit: 'MONTHS',
    duration_value: 1,
    target_scope: 'ENDPOINT',
    workspace: 'default',
    target_value: 'ep-abc123',
    window_start: 1704067200000,
  },
};
