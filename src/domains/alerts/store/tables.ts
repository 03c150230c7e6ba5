import type { Db } from '../../../kernel/db/database.ts';
import type { AlertState, DeliveryReason, DeliveryState, Severity } from '../model.ts';

type RuleRow = { workspace_id: string; project: string; name: string; rule: string; actor_id: string; recorded_ms: number };
type InstanceRow = {
  workspace_id: string;
  project: string;
  fingerprint: string;
  monitor: string;
  rule: string;
  logic: string;
  memory: string;
  alert_id: string | null;
  version: number;
};
export type AlertRow = {
  workspace_id: string;
  id: string;
  project: string;
  monitor: string;
  rule: string;
  signal: string;
  severity: Severity;
  fingerprint: string;
  labels: string;
  summary: string;
  receivers: string;
  state: AlertState;
  muted: string;
  told: number;
  started_us: number;
  fired_us: number | null;
  ended_us: number | null;
  evidence: string;
  history: string;
  version: number;
  recorded_ms: number;
};
type SilenceRow = {
  workspace_id: string;
  id: string;
  project: string;
  matchers: string;
  starts_us: number;
  ends_us: number;
  author: string;
  comment: string;
  recorded_ms: number;
};
export type DeliveryRow = {
  workspace_id: string;
  id: string;
  project: string;
  alert_id: string;
  receiver: string;
  status: 'firing' | 'resolved' | 'test';
  reason: DeliveryReason;
  at_us: number;
  message: string;
  state: DeliveryState;
  attempts: number;
  last_status: number | null;
  last_error: string;
  next_ms: number | null;
  created_ms: number;
  delivered_ms: number | null;
  version: number;
};

export const tablesIn = (db: Db) =>
  db.withTables<{
    alert_rules: RuleRow;
    alert_instances: InstanceRow;
    alerts: AlertRow;
    alert_silences: SilenceRow;
    alert_deliveries: DeliveryRow;
  }>();
