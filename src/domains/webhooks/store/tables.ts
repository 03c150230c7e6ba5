// Rows of the tables of webhooks.
import type { Db } from '../../../kernel/db/database.ts';
import type { DeliveryState, WebhookEvent, WebhookStatus } from '../model.ts';

export type WebhookRow = {
  workspace_id: string;
  id: string;
  name: string;
  url: string;
  events: string;
  description: string;
  secret: string | null;
  status: WebhookStatus;
  created_ms: number;
  updated_ms: number;
  version: number;
};
export type DeliveryRow = {
  workspace_id: string;
  id: string;
  webhook_id: string;
  event: WebhookEvent;
  body: string;
  state: DeliveryState;
  attempts: number;
  last_status: number | null;
  last_error: string;
  next_ms: number | null;
  created_ms: number;
  delivered_ms: number | null;
  version: number;
};

export const webhooksIn = (db: Db) => db.withTables<{ webhooks: WebhookRow; webhook_deliveries: DeliveryRow }>();
