import type { Ctx } from '../../../kernel/ctx.ts';
import { fail as failAny } from '../../../kernel/errors.ts';
import { isAllowed, reach, Refused } from '../../../kernel/http/outgoing/reach.ts';
import { newId } from '../../../kernel/ids.ts';
import { sealText } from '../../../kernel/sealed-text.ts';
import { fail } from '../errors.ts';
import { checkEvents, checkLengths, checkName, type Webhook, type WebhookEvent, type WebhookStatus } from '../model.ts';
import * as store from '../store/webhooks.ts';

export interface NewWebhook {
  readonly name: string;
  readonly url: string;
  readonly events: readonly WebhookEvent[];
  readonly description?: string;
  /** What deliveries are signed with; empty = they are not. */
  readonly secret?: string;
  readonly status?: WebhookStatus;
}

export type WebhookPatch = { readonly [K in keyof NewWebhook]?: NewWebhook[K] };

/** The parts of an address that may be asked. Raises `Refused`. */
export function checkedUrl(allowed: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const scheme = url?.protocol.slice(0, -1) ?? /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1] ?? '';
  const host = url?.hostname.replace(/^\[|\]$/g, '').toLowerCase() ?? '';
  // Plain http only to where an administrator allowed it by name.
  const plain = scheme === 'http' && isAllowed(allowed, host, Number(url?.port) || 80);
  if (scheme !== 'https' && !plain) throw new Refused(`Invalid webhook URL scheme: '${scheme}'. Allowed schemes are: https.`);
  if (!url || host === '') throw new Refused(`Webhook URL must include a hostname: '${text.slice(0, 200)}'`);
  return url;
}

/** Looks where an address leads, now; every delivery looks again. Raises `webhook-invalid`. */
async function checkUrl(ctx: Ctx, text: string): Promise<void> {
  if (text.trim() === '') fail('webhook-invalid', { message: `Webhook URL cannot be empty or just whitespace: '${text}'` });
  checkLengths({ url: text });
  const allowed = ctx.settings.webhookAllowHosts;
  try {
    const url = checkedUrl(allowed, text);
    await reach(url.hostname, Number(url.port) || (url.protocol === 'https:' ? 443 : 80), allowed, 'GYRE_WEBHOOK_ALLOW_HOSTS');
  } catch (error) {
    const why = error instanceof Refused ? error.message : `its name does not resolve (${(error as { code?: string }).code ?? 'unknown'})`;
    fail('webhook-invalid', {
      message: error instanceof Refused && /^(Invalid w|W)ebhook/.test(why) ? why : `Invalid webhook URL: ${why}.`,
    });
  }
}

const sealed = (ctx: Ctx, secret: string, id: string): string | null => (secret === '' ? null : sealText(ctx.settings, secret, id));

const event = (type: string, w: Webhook) => ({
  type,
  subject: { kind: 'webhook', id: w.id },
  label: w.name,
  payload: { status: w.status },
});

/** Raises `webhook-invalid`. */
export async function createWebhook(ctx: Ctx, input: NewWebhook): Promise<Webhook> {
  checkName(input.name);
  checkLengths({ description: input.description ?? '', secret: input.secret ?? '' });
  const events = checkEvents(input.events);
  await checkUrl(ctx, input.url);
  const id = newId('whk', ctx.ids);
  return ctx.tx(async (tx) => {
    const now = tx.clock.now();
    const webhook: Webhook = {
      id,
      name: input.name,
      url: input.url,
      events,
      description: input.description ?? '',
      secret: sealed(tx, input.secret ?? '', id),
      status: input.status ?? 'ACTIVE',
      createdMs: now,
      updatedMs: now,
      version: 1,
    };
    await store.insertWebhook(tx.db, tx.workspace, webhook);
    await tx.emit(event('webhook.created', webhook));
    return webhook;
  });
}

/** Raises `webhook-not-found`. */
export const getWebhook = async (ctx: Ctx, id: string): Promise<Webhook> =>
  (await store.getWebhook(ctx.db, ctx.workspace, id)) ?? fail('webhook-not-found', { id });

/** Changes what is named. Raises `webhook-not-found`, `webhook-invalid`, `conflict`. */
export async function updateWebhook(ctx: Ctx, id: string, patch: WebhookPatch): Promise<Webhook> {
  await getWebhook(ctx, id);
  if (patch.name !== undefined) checkName(patch.name);
  checkLengths({ ...(patch.description === undefined ? {} : { description: patch.description }), secret: patch.secret ?? '' });
  const events = patch.events === undefined ? undefined : checkEvents(patch.events);
  if (patch.url !== undefined) await checkUrl(ctx, patch.url);
  return ctx.tx(async (tx) => {
    const before = await getWebhook(tx, id);
    const webhook: Webhook = {
      ...before,
      name: patch.name ?? before.name,
      url: patch.url ?? before.url,
      events: events ?? before.events,
      description: patch.description ?? before.description,
      secret: patch.secret === undefined ? before.secret : sealed(tx, patch.secret, id),
      status: patch.status ?? before.status,
      updatedMs: tx.clock.now(),
    };
    if (!(await store.updateWebhook(tx.db, tx.workspace, webhook))) failAny('conflict', { kind: 'webhook', id });
    await tx.emit(event('webhook.changed', webhook));
    return webhook;
  });
}

/** Raises `webhook-not-found`. */
export const deleteWebhook = (ctx: Ctx, id: string): Promise<void> =>
  ctx.tx(async (tx) => {
    const webhook = await getWebhook(tx, id);
    await store.deleteWebhook(tx.db, tx.workspace, id);
    await tx.emit(event('webhook.deleted', webhook));
  });
