import type { Db } from '../../../kernel/db/database.ts';
import type { Delivery } from '../model.ts';
import { webhooksIn, type DeliveryRow } from './tables.ts';

const toDelivery = (r: DeliveryRow): Delivery => ({
  id: r.id,
  webhookId: r.webhook_id,
  event: r.event,
  state: r.state,
  attempts: r.attempts,
  lastStatus: r.last_status,
  lastError: r.last_error,
  nextMs: r.next_ms,
  createdMs: r.created_ms,
  deliveredMs: r.delivered_ms,
  version: r.version,
});

/** False if it is there already: the same event is delivered under one id. */
export async function insertDelivery(db: Db, workspace: string, d: Delivery, body: string): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await webhooksIn(db)
    .insertInto('webhook_deliveries')
    .values({
      workspace_id: workspace,
      id: d.id,
      webhook_id: d.webhookId,
      event: d.event,
      body,
      state: d.state,
      attempts: d.attempts,
      last_status: d.lastStatus,
      last_error: d.lastError,
      next_ms: d.nextMs,
      created_ms: d.createdMs,
      delivered_ms: d.deliveredMs,
      version: d.version,
    })
    .onConflict((c) => c.columns(['workspace_id', 'id']).doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

export async function getDelivery(db: Db, workspace: string, id: string): Promise<{ delivery: Delivery; body: string } | undefined> {
  const row = await webhooksIn(db)
    .selectFrom('webhook_deliveries')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && { delivery: toDelivery(row), body: row.body };
}

/** Newest first. */
export async function listDeliveries(
  db: Db,
  workspace: string,
  webhook: string,
  before: readonly [number, string],
  limit: number,
): Promise<Delivery[]> {
  const rows = await webhooksIn(db)
    .selectFrom('webhook_deliveries')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('webhook_id', '=', webhook)
    .where((eb) => eb.or([eb('created_ms', '<', before[0]), eb.and([eb('created_ms', '=', before[0]), eb('id', '<', before[1])])]))
    .orderBy('created_ms', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return rows.map(toDelivery);
}

/** False if somebody recorded another attempt in the meantime. What is settled keeps no body. */
export async function updateDelivery(db: Db, workspace: string, d: Delivery): Promise<boolean> {
  const { numUpdatedRows } = await webhooksIn(db)
    .updateTable('webhook_deliveries')
    .set({
      state: d.state,
      attempts: d.attempts,
      last_status: d.lastStatus,
      last_error: d.lastError,
      next_ms: d.nextMs,
      delivered_ms: d.deliveredMs,
      version: d.version + 1,
      ...(d.state === 'failed' ? {} : { body: '' }),
    })
    .where('workspace_id', '=', workspace)
    .where('id', '=', d.id)
    .where('version', '=', d.version)
    .where('state', 'in', ['queued', 'failed'])
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Deliveries, of any workspace, that should have been tried before a moment. */
export const listOverdue = (db: Db, beforeMs: number): Promise<{ workspace: string; id: string; attempts: number }[]> =>
  webhooksIn(db)
    .selectFrom('webhook_deliveries')
    .select(['workspace_id as workspace', 'id', 'attempts'])
    .where('state', 'in', ['queued', 'failed'])
    .where('next_ms', '<', beforeMs)
    .orderBy('next_ms')
    .limit(1000)
    .execute();

export const deleteDeliveriesBefore = (db: Db, beforeMs: number) =>
  webhooksIn(db).deleteFrom('webhook_deliveries').where('created_ms', '<', beforeMs).execute();
