import type { Db } from '../../../kernel/db/database.ts';
import type { Webhook, WebhookEvent } from '../model.ts';
import { webhooksIn, type WebhookRow } from './tables.ts';

const toWebhook = (r: WebhookRow): Webhook => ({
  id: r.id,
  name: r.name,
  url: r.url,
  events: JSON.parse(r.events) as WebhookEvent[],
  description: r.description,
  secret: r.secret,
  status: r.status,
  createdMs: r.created_ms,
  updatedMs: r.updated_ms,
  version: r.version,
});

const toRow = (w: Webhook) => ({
  name: w.name,
  url: w.url,
  events: JSON.stringify(w.events),
  description: w.description,
  secret: w.secret,
  status: w.status,
  created_ms: w.createdMs,
  updated_ms: w.updatedMs,
});

export async function getWebhook(db: Db, workspace: string, id: string): Promise<Webhook | undefined> {
  const row = await webhooksIn(db)
    .selectFrom('webhooks')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toWebhook(row);
}

/** Newest first; `before` is what the last one of the page before was sorted by. */
export async function listWebhooks(db: Db, workspace: string, before: readonly [number, string], limit: number): Promise<Webhook[]> {
  const rows = await webhooksIn(db)
    .selectFrom('webhooks')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where((eb) => eb.or([eb('created_ms', '<', before[0]), eb.and([eb('created_ms', '=', before[0]), eb('id', '<', before[1])])]))
    .orderBy('created_ms', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return rows.map(toWebhook);
}

/** Those that are active and listen to one of these. They are few, so what they listen to is looked at here. */
export async function findListening(db: Db, workspace: string, events: readonly WebhookEvent[]): Promise<Webhook[]> {
  const rows = await webhooksIn(db)
    .selectFrom('webhooks')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('status', '=', 'ACTIVE')
    .orderBy('id')
    .execute();
  return rows.map(toWebhook).filter((w) => w.events.some((e) => events.includes(e)));
}

export const insertWebhook = (db: Db, workspace: string, w: Webhook) =>
  webhooksIn(db)
    .insertInto('webhooks')
    .values({ workspace_id: workspace, id: w.id, ...toRow(w), version: w.version })
    .execute();

/** False if it was changed since it was read. */
export async function updateWebhook(db: Db, workspace: string, w: Webhook): Promise<boolean> {
  const { numUpdatedRows } = await webhooksIn(db)
    .updateTable('webhooks')
    .set({ ...toRow(w), version: w.version + 1 })
    .where('workspace_id', '=', workspace)
    .where('id', '=', w.id)
    .where('version', '=', w.version)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** With all that was delivered to it. */
export async function deleteWebhook(db: Db, workspace: string, id: string): Promise<void> {
  await webhooksIn(db).deleteFrom('webhook_deliveries').where('workspace_id', '=', workspace).where('webhook_id', '=', id).execute();
  await webhooksIn(db).deleteFrom('webhooks').where('workspace_id', '=', workspace).where('id', '=', id).execute();
}
