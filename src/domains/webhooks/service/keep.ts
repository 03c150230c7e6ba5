import { makeCtx, systemActor, type Ctx } from '../../../kernel/ctx.ts';
import { deleteDeliveriesBefore, listOverdue } from '../store/deliveries.ts';
import { queueAttempt } from './deliver.ts';

const OVERDUE_MS = 10 * 60_000;
const KEPT_MS = 30 * 24 * 3_600_000;

/** Queues again what was left lying, by a job that failed too often, and forgets deliveries of a month ago. */
export async function keepDeliveries(ctx: Ctx): Promise<void> {
  const nowMs = ctx.clock.now();
  for (const { workspace, id, attempts } of await listOverdue(ctx.database.reader, nowMs - OVERDUE_MS))
    await makeCtx(ctx, { actor: systemActor, workspace }).tx((tx) => queueAttempt(tx, id, attempts, nowMs));
  await ctx.tx((tx) => deleteDeliveriesBefore(tx.db, nowMs - KEPT_MS));
}
