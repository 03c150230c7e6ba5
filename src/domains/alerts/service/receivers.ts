// Deliveries by hand: a marked test message, and one more try.
import type { Ctx } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { usToIso } from '../../../kernel/timeline/timeline.ts';
import { currentRevision } from '../../projects/public.ts';
import { fail } from '../errors.ts';
import type { Delivery } from '../model.ts';
import { getDelivery, insertDelivery, updateDelivery } from '../store/deliveries.ts';
import { deliver } from './deliver.ts';
import { queueAttempt } from './notify.ts';
import type { Message } from './tell.ts';

/** Time in which nobody else takes up what is being sent here. */
const OWN_MS = 60_000;

/** Raises `delivery-not-found`. */
export async function findDelivery(ctx: Ctx, project: string, id: string): Promise<Delivery> {
  const found = await getDelivery(ctx.db, ctx.workspace, id);
  return found?.delivery.project === project ? found.delivery : fail('delivery-not-found', { id });
}

/** Sends a message that says it is a test, and answers what came of it. Raises `project-not-found`, `receiver-not-found`. */
export async function sendTest(ctx: Ctx, project: string, receiver: string): Promise<Delivery> {
  const { definition } = await currentRevision(ctx, project);
  if (!Object.hasOwn(definition.receivers, receiver)) fail('receiver-not-found', { project, receiver });
  const { nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
  const nowMs = ctx.clock.now();
  const delivery: Delivery = {
    id: newId('dlv', ctx.ids),
    project,
    alert: '',
    receiver,
    status: 'test',
    reason: 'test',
    atUs: nowUs,
    state: 'queued',
    attempts: 0,
    lastStatus: null,
    lastError: '',
    nextMs: nowMs + OWN_MS,
    createdMs: nowMs,
    deliveredMs: null,
    version: 1,
  };
  const at = usToIso(nowUs);
  const message: Message = {
    version: 1,
    delivery: delivery.id,
    workspace: ctx.workspace,
    project,
    receiver,
    status: 'test',
    reason: 'test',
    at,
    alert: {
      id: 'test',
      fingerprint: 'test',
      rule: 'test',
      monitor: 'none',
      signal: 'test',
      when: 'a test message',
      severity: 'info',
      summary: `This is a test of the receiver "${receiver}"; nothing is wrong`,
      labels: { project, rule: 'test', severity: 'info' },
      state: 'test',
      startedAt: at,
      firedAt: at,
      endedAt: null,
      why: '',
    },
    evidence: { window: null, value: null, threshold: null, n: 0, method: 'sent by hand' },
    link: `/api/gyre/v1/projects/${project}/alerts`,
  };
  await ctx.tx((tx) => insertDelivery(tx.db, tx.workspace, delivery, message));
  await deliver(ctx, delivery.id, queueAttempt);
  return findDelivery(ctx, project, delivery.id);
}

/** Puts a delivery that has ended, or waits for its next attempt, at the head of the queue. Raises `delivery-not-found`, `delivery-not-ended`. */
export async function redeliver(ctx: Ctx, project: string, id: string): Promise<Delivery> {
  await ctx.tx(async (tx) => {
    const before = await findDelivery(tx, project, id);
    const nowMs = tx.clock.now();
    const next: Delivery = { ...before, state: 'queued', nextMs: nowMs, createdMs: nowMs, lastError: '' };
    if (!(await updateDelivery(tx.db, tx.workspace, next, ['delivered', 'failed', 'dead']))) fail('delivery-not-ended', { id });
    await tx.emit({
      type: 'alert-delivery.requeued',
      subject: { kind: 'alert-delivery', id },
      project,
      payload: { receiver: before.receiver },
    });
    await queueAttempt(tx, { id, project }, before.attempts, nowMs);
  });
  return findDelivery(ctx, project, id);
}
