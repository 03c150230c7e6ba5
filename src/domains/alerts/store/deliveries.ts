import type { Db } from '../../../kernel/db/database.ts';
import type { Delivery, DeliveryState } from '../model.ts';
import { tablesIn, type DeliveryRow } from './tables.ts';

const toDelivery = (r: DeliveryRow): Delivery => ({
  id: r.id,
  project: r.project,
  alert: r.alert_id,
  receiver: r.receiver,
  status: r.status,
  reason: r.reason,
  atUs: r.at_us,
  state: r.state,
  attempts: r.attempts,
  lastStatus: r.last_status,
  lastError: r.last_error,
  nextMs: r.next_ms,
  createdMs: r.created_ms,
  deliveredMs: r.delivered_ms,
  version: r.version,
});

/** False if it is there already: the same news is delivered under one id. */
export async function insertDelivery(db: Db, workspace: string, d: Delivery, message: unknown): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tablesIn(db)
    .insertInto('alert_deliveries')
    .values({
      workspace_id: workspace,
      id: d.id,
      project: d.project,
      alert_id: d.alert,
      receiver: d.receiver,
      status: d.status,
      reason: d.reason,
      at_us: d.atUs,
      message: JSON.stringify(message),
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

export async function getDelivery(db: Db, workspace: string, id: string): Promise<{ delivery: Delivery; message: unknown } | undefined> {
  const row = await tablesIn(db)
    .selectFrom('alert_deliveries')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && { delivery: toDelivery(row), message: JSON.parse(row.message) as unknown };
}

/** What was told of an alert, newest first. */
export async function listOfAlert(db: Db, workspace: string, alert: string): Promise<Delivery[]> {
  const rows = await tablesIn(db)
    .selectFrom('alert_deliveries')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('alert_id', '=', alert)
    .orderBy('at_us', 'desc')
    // Of one moment: what ended comes after what began.
    .orderBy('status', 'desc')
    .limit(1000)
    .execute();
  return rows.map(toDelivery);
}

/** Of one alert and receiver, the oldest news that is not settled yet. */
export async function findOldestOpen(
  db: Db,
  workspace: string,
  { alert, receiver }: Pick<Delivery, 'alert' | 'receiver'>,
): Promise<{ id: string; attempts: number } | undefined> {
  return (
    tablesIn(db)
      .selectFrom('alert_deliveries')
      .select(['id', 'attempts'])
      .where('workspace_id', '=', workspace)
      .where('alert_id', '=', alert)
      .where('receiver', '=', receiver)
      .where('state', 'in', ['queued', 'failed'])
      .orderBy('at_us')
      // Of one moment: what began comes before what ended.
      .orderBy('status')
      .limit(1)
      .executeTakeFirst()
  );
}

/** Alerts that ended and whose end one of these receivers may not have been told, because it was silent then. */
export async function listOwedEnds(db: Db, workspace: string, project: string, receivers: readonly string[]): Promise<string[]> {
  if (receivers.length === 0) return [];
  const rows = await tablesIn(db)
    .selectFrom('alerts')
    .innerJoin('alert_deliveries as told', (j) =>
      j.onRef('told.workspace_id', '=', 'alerts.workspace_id').onRef('told.alert_id', '=', 'alerts.id').on('told.status', '=', 'firing'),
    )
    .leftJoin('alert_deliveries as ended', (j) =>
      j
        .onRef('ended.workspace_id', '=', 'alerts.workspace_id')
        .onRef('ended.alert_id', '=', 'alerts.id')
        .onRef('ended.receiver', '=', 'told.receiver')
        .on('ended.status', '=', 'resolved'),
    )
    .select('alerts.id')
    .distinct()
    .where('alerts.workspace_id', '=', workspace)
    .where('alerts.project', '=', project)
    .where('alerts.state', '=', 'resolved')
    .where('ended.id', 'is', null)
    .where('told.receiver', 'in', [...receivers])
    .orderBy('alerts.id', 'desc')
    .limit(1000)
    .execute();
  return rows.map((r) => r.id);
}

export interface DeliveryFilter {
  readonly alert?: string | undefined;
  readonly state?: DeliveryState | undefined;
}

/** Newest first. */
export async function listDeliveries(
  db: Db,
  workspace: string,
  project: string,
  { alert, state }: DeliveryFilter,
  before: readonly [number, string],
  limit: number,
): Promise<Delivery[]> {
  let select = tablesIn(db)
    .selectFrom('alert_deliveries')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where((eb) => eb.or([eb('created_ms', '<', before[0]), eb.and([eb('created_ms', '=', before[0]), eb('id', '<', before[1])])]));
  if (alert !== undefined) select = select.where('alert_id', '=', alert);
  if (state !== undefined) select = select.where('state', '=', state);
  return (await select.orderBy('created_ms', 'desc').orderBy('id', 'desc').limit(limit).execute()).map(toDelivery);
}

/** Deliveries that should have been tried before a moment. */
export const listOverdue = (db: Db, beforeMs: number): Promise<{ workspace: string; id: string; project: string; attempts: number }[]> =>
  tablesIn(db)
    .selectFrom('alert_deliveries')
    .select(['workspace_id as workspace', 'id', 'project', 'attempts'])
    .where('state', 'in', ['queued', 'failed'])
    .where('next_ms', '<', beforeMs)
    .orderBy('next_ms')
    .limit(1000)
    .execute();

/** False if it was changed since it was read, or is in none of these states. */
export async function updateDelivery(db: Db, workspace: string, d: Delivery, from: readonly DeliveryState[]): Promise<boolean> {
  const { numUpdatedRows } = await tablesIn(db)
    .updateTable('alert_deliveries')
    .set({
      state: d.state,
      attempts: d.attempts,
      last_status: d.lastStatus,
      last_error: d.lastError,
      next_ms: d.nextMs,
      created_ms: d.createdMs,
      delivered_ms: d.deliveredMs,
      version: d.version + 1,
    })
    .where('workspace_id', '=', workspace)
    .where('id', '=', d.id)
    .where('version', '=', d.version)
    .where('state', 'in', [...from])
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

export const updateMessage = (db: Db, workspace: string, id: string, message: unknown) =>
  tablesIn(db)
    .updateTable('alert_deliveries')
    .set({ message: JSON.stringify(message) })
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .execute();
