// One attempt of a delivery, and when the next one comes. At least once: a process that dies between the
// receiver's answer and our record of it sends the same delivery id again.
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { afterAttempt, type Attempt } from '../../../kernel/http/outgoing/attempts.ts';
import { currentRevision } from '../../projects/public.ts';
import type { Delivery } from '../model.ts';
import type { Mailing } from '../senders/email.ts';
import { send } from '../senders/send.ts';
import { findOldestOpen, getDelivery, updateDelivery, updateMessage } from '../store/deliveries.ts';
import type { Message } from './tell.ts';

export type QueueAttempt = (tx: Ctx, delivery: Pick<Delivery, 'id' | 'project'>, attempt: number, runAtMs: number) => Promise<unknown>;

/** News of one alert goes to a receiver in its order: an end that overtook its beginning would leave the alert open there. */
export async function deliver(ctx: Ctx, id: string, queue: QueueAttempt): Promise<void> {
  const found = await getDelivery(ctx.db, ctx.workspace, id);
  if (!found || (found.delivery.state !== 'queued' && found.delivery.state !== 'failed')) return;
  const { delivery, message } = found;
  // It is queued again when what comes before it has arrived, or is given up.
  if (delivery.alert !== '' && (await findOldestOpen(ctx.db, ctx.workspace, delivery))?.id !== id) return;
  const { definition } = await currentRevision(ctx, delivery.project);
  const receiver = Object.hasOwn(definition.receivers, delivery.receiver) ? definition.receivers[delivery.receiver] : undefined;
  failpoint('alerts.before-sent');
  const { mailing, ...told } = message as Message & { readonly mailing?: Mailing };
  const attempt: Attempt & { readonly mailing?: Mailing } = receiver
    ? await send(ctx, receiver, told, mailing)
    : { outcome: 'dead', status: null, error: 'the project has no such receiver any more', retryAfterMs: null };
  failpoint('alerts.before-delivered');
  await ctx.tx(async (tx) => {
    if (!(await record(tx, delivery, attempt, queue))) return;
    // Sent again by hand, it goes to everybody; until then only to those who lack it.
    const left = attempt.outcome === 'delivered' ? undefined : (attempt.mailing ?? mailing);
    if (JSON.stringify(left) !== JSON.stringify(mailing))
      await updateMessage(tx.db, tx.workspace, id, { ...told, ...(left ? { mailing: left } : {}) });
  });
  failpoint('alerts.after-delivered');
}

async function record(tx: Ctx, before: Delivery, attempt: Attempt, queue: QueueAttempt): Promise<boolean> {
  const nowMs = tx.clock.now();
  const next: Delivery = { ...before, ...afterAttempt(before, attempt, nowMs, tx.ids.random(1)[0]! / 255) };
  const { state, attempts, nextMs } = next;
  if (!(await updateDelivery(tx.db, tx.workspace, next, ['queued', 'failed']))) return false;
  const following = state === 'failed' || next.alert === '' ? undefined : await findOldestOpen(tx.db, tx.workspace, next);
  if (nextMs !== null) await queue(tx, next, attempts, nextMs);
  if (following) await queue(tx, { id: following.id, project: next.project }, following.attempts, nowMs);
  // Each attempt of a long outage would be an event; the first one and the end are news.
  if (state === 'failed' && attempts > 1) return true;
  tx.log.debug({ event: 'alerts.delivery', delivery: next.id, state, attempts });
  await tx.emit(deliveryEvent(next));
  return true;
}

const deliveryEvent = (d: Delivery) => {
  const self = { kind: 'alert-delivery', id: d.id };
  return {
    type: `alert-delivery.${d.state}`,
    subject: self,
    label: d.receiver,
    project: d.project,
    payload: { receiver: d.receiver, alert: d.alert, status: d.status, reason: d.reason, attempts: d.attempts, answer: d.lastStatus },
    edges: d.alert === '' ? [] : [{ from: self, to: { kind: 'alert', id: d.alert }, relation: 'tells' }],
  };
};
