// News of the registry on its way out. At least once: a process that dies between the receiver's answer and
// our record of it sends the same delivery id again.
import { createHash } from 'node:crypto';
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { afterAttempt, type Attempt } from '../../../kernel/http/outgoing/attempts.ts';
import { base32 } from '../../../kernel/ids.ts';
import { defineJob } from '../../../kernel/jobs/jobs.ts';
import { bodyOf, type Delivery, type WebhookEvent } from '../model.ts';
import { getDelivery, insertDelivery, updateDelivery } from '../store/deliveries.ts';
import { findListening, getWebhook } from '../store/webhooks.ts';
import { neverTold, send } from './send.ts';

export const deliverJob = defineJob<{ delivery: string }>({
  name: 'webhooks.deliver',
  timeoutMs: 60_000,
  retry: { limit: 5, backoffMs: 1000 },
  // One that does not answer is waited for ten seconds: so many of them may hang before another receiver has to wait.
  ownSlots: 32,
  run: (ctx, { delivery }) => deliver(ctx, delivery),
});

export const queueAttempt = (tx: Ctx, delivery: string, attempt: number, runAtMs: number): Promise<string> =>
  tx.enqueue({ job: deliverJob, payload: { delivery }, uniqueKey: `${delivery} ${attempt}`, runAtMs });

/** The same news has the same id, however often it is told. */
const deliveryId = (webhook: string, event: string): string =>
  `dlv_${base32(
    createHash('sha256')
      .update(JSON.stringify(['webhook', webhook, event]))
      .digest()
      .subarray(0, 16),
  )}`;

export interface News {
  /** The event of the log that it comes from. */
  readonly id: string;
  readonly atMs: number;
  readonly event: WebhookEvent;
  readonly data: unknown;
}

/**
 * Queues news for every webhook that listens to one of `events`; `read` says which of them it is and makes the
 * data, and is asked only when somebody listens. Inside a transaction.
 */
export async function tell(tx: Ctx, events: readonly WebhookEvent[], read: () => Promise<News | undefined>): Promise<void> {
  const listening = await findListening(tx.db, tx.workspace, events);
  const news = listening.length === 0 ? undefined : await read();
  if (!news) return;
  const nowMs = tx.clock.now();
  for (const webhook of listening.filter((w) => w.events.includes(news.event))) {
    const delivery: Delivery = {
      id: deliveryId(webhook.id, news.id),
      webhookId: webhook.id,
      event: news.event,
      state: 'queued',
      attempts: 0,
      lastStatus: null,
      lastError: '',
      nextMs: nowMs,
      createdMs: nowMs,
      deliveredMs: null,
      version: 1,
    };
    if (await insertDelivery(tx.db, tx.workspace, delivery, bodyOf(news.event, news.data, news.atMs, tx.workspace)))
      await queueAttempt(tx, delivery.id, 0, nowMs);
  }
}

async function deliver(ctx: Ctx, id: string): Promise<void> {
  const found = await getDelivery(ctx.db, ctx.workspace, id);
  if (!found || (found.delivery.state !== 'queued' && found.delivery.state !== 'failed')) return;
  const webhook = await getWebhook(ctx.db, ctx.workspace, found.delivery.webhookId);
  failpoint('webhooks.before-sent');
  const attempt =
    webhook?.status === 'ACTIVE'
      ? await send(ctx, webhook, { id, body: found.body })
      : neverTold('the webhook was disabled in the meantime');
  failpoint('webhooks.before-delivered');
  await ctx.tx((tx) => record(tx, found.delivery, attempt));
}

async function record(tx: Ctx, before: Delivery, attempt: Attempt): Promise<void> {
  const nowMs = tx.clock.now();
  const next: Delivery = { ...before, ...afterAttempt(before, attempt, nowMs, tx.ids.random(1)[0]! / 255) };
  if (!(await updateDelivery(tx.db, tx.workspace, next))) return;
  if (next.nextMs !== null) await queueAttempt(tx, next.id, next.attempts, next.nextMs);
  if (next.state !== 'dead') return;
  // What was never told is for an administrator to know.
  const self = { kind: 'webhook-delivery', id: next.id };
  await tx.emit({
    type: 'webhook-delivery.dead',
    subject: self,
    label: next.event,
    payload: { webhook: next.webhookId, attempts: next.attempts, answer: next.lastStatus },
    edges: [{ from: self, to: { kind: 'webhook', id: next.webhookId }, relation: 'tells' }],
  });
}
