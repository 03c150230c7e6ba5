// What receivers are owed becomes deliveries, in the transaction of the transition that owes them.
import { createHash } from 'node:crypto';
import type { Ctx } from '../../../kernel/ctx.ts';
import { base32 } from '../../../kernel/ids.ts';
import { defineJob } from '../../../kernel/jobs/jobs.ts';
import { matchesAll } from '../matchers.ts';
import { owed, type Alert, type Delivery, type DeliveryReason } from '../model.ts';
import { listSilences } from '../store/alerts.ts';
import { insertDelivery, listOfAlert } from '../store/deliveries.ts';
import { deliver } from './deliver.ts';
import type { Scene } from './scene.ts';
import { messageOf } from './tell.ts';

/** One attempt; the next one is a job of its own, because how long it waits is the receiver's matter. */
export const deliverJob = defineJob<{ delivery: string }>({
  name: 'alerts.deliver',
  timeoutMs: 60_000,
  retry: { limit: 5, backoffMs: 1000 },
  // One that does not answer is waited for ten seconds: so many of them may hang before another receiver has to wait.
  ownSlots: 32,
  run: (ctx, { delivery }) => deliver(ctx, delivery, queueAttempt),
});

/** Of its project, so that a receiver which hangs holds up nobody who waits for another project. */
export const queueAttempt = (
  tx: Ctx,
  { id, project }: Pick<Delivery, 'id' | 'project'>,
  attempt: number,
  runAtMs: number,
): Promise<string> => tx.enqueue({ job: deliverJob, payload: { delivery: id }, project, uniqueKey: `${id} ${attempt}`, runAtMs });

/** The same news has the same id, whoever comes to tell it and however often. */
export const deliveryId = (...parts: readonly (string | number)[]): string =>
  `dlv_${base32(createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 16))}`;

/** Queues what the receivers of an alert are owed at a moment of event time. Inside a transaction. */
export async function notify(tx: Ctx, scene: Scene, alert: Alert, atUs: number): Promise<void> {
  const named = alert.receivers.filter((name) => Object.hasOwn(scene.receivers, name));
  if (named.length === 0 || alert.firedUs === null) return;
  const silenced = await isSilenced(tx, alert, atUs);
  const told = await listOfAlert(tx.db, tx.workspace, alert.id);
  for (const name of named) {
    const last = told.find((d) => d.receiver === name);
    const reason = owed(alert, scene.receivers[name]!, last, { nowUs: atUs, silenced });
    if (reason === 'repeat' && (await isLongPast(tx, alert.project, atUs, scene.receivers[name]!.repeatUs))) continue;
    if (reason) await queueDelivery(tx, scene, alert, name, reason, atUs);
  }
}

/**
 * Windows of a week may close within a second, when a server was away or a history came in. Nobody wants to be reminded
 * of last week seven times at once: where event time is wall time, the next minute reminds of what still fires.
 */
async function isLongPast(ctx: Ctx, project: string, atUs: number, repeatUs: number): Promise<boolean> {
  const { mode, nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
  return mode === 'live' && nowUs - atUs >= repeatUs;
}

export async function isSilenced(ctx: Ctx, alert: Pick<Alert, 'project' | 'labels'>, atUs: number): Promise<boolean> {
  const silences = await listSilences(ctx.db, ctx.workspace, alert.project, atUs);
  return silences.some((s) => s.startsUs <= atUs && matchesAll(s.matchers, alert.labels));
}

async function queueDelivery(tx: Ctx, scene: Scene, alert: Alert, receiver: string, reason: DeliveryReason, atUs: number): Promise<void> {
  const nowMs = tx.clock.now();
  const delivery: Delivery = {
    id: deliveryId(tx.workspace, alert.project, alert.rule, alert.id, receiver, reason === 'repeat' ? atUs : reason),
    project: alert.project,
    alert: alert.id,
    receiver,
    status: reason === 'resolved' ? 'resolved' : 'firing',
    reason,
    atUs,
    state: 'queued',
    attempts: 0,
    lastStatus: null,
    lastError: '',
    nextMs: nowMs,
    createdMs: nowMs,
    deliveredMs: null,
    version: 1,
  };
  const when = scene.rules.find((r) => r.name === alert.rule)?.when ?? '';
  if (!(await insertDelivery(tx.db, tx.workspace, delivery, messageOf(tx.workspace, delivery, alert, when)))) return;
  await queueAttempt(tx, delivery, 0, nowMs);
}
