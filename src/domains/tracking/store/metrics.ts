// Points of metrics, and the latest of each.
import type { Db } from '../../../kernel/db/database.ts';
import { insertMany } from '../../../kernel/db/insert-many.ts';
import { statement } from '../../../kernel/db/statement.ts';
import { isLater, storedValue, type Metric } from '../model.ts';
import { rarityOf } from './sample.ts';
import type { MetricRow } from './tables.ts';

export const toMetric = (r: Pick<MetricRow, 'key' | 'value' | 'is_nan' | 'timestamp_ms' | 'step'>): Metric => ({
  key: r.key,
  value: r.is_nan ? Number.NaN : r.value,
  timestampMs: r.timestamp_ms,
  step: r.step,
});

const columns = {
  workspace_id: 'id',
  run_id: 'id',
  key: 'text',
  timestamp_ms: 'int',
  step: 'int',
  value: 'real',
  is_nan: 'bool',
} as const;
const insertPoints = insertMany({ table: 'tracking_metrics', columns: { ...columns, rarity: 'int' }, then: 'on conflict do nothing' });
const putLatest = insertMany({
  table: 'latest_metrics',
  columns,
  then: `on conflict (workspace_id, run_id, key) do update
    set timestamp_ms = excluded.timestamp_ms, step = excluded.step, value = excluded.value, is_nan = excluded.is_nan
    where (excluded.step, excluded.timestamp_ms, excluded.value) > (latest_metrics.step, latest_metrics.timestamp_ms, latest_metrics.value)`,
});

/** Adds points (an exact duplicate is nothing new) and moves the latest values. */
export async function addMetrics(db: Db, workspace: string, runId: string, metrics: readonly Metric[]): Promise<void> {
  const stored = metrics.map((m) => ({ ...storedValue(m.value), key: m.key, timestampMs: m.timestampMs, step: m.step }));
  const toList = (p: (typeof stored)[number]) => [workspace, runId, p.key, p.timestampMs, p.step, p.value, p.isNan ? 1 : 0];
  await insertPoints(
    db,
    stored.map((p) => [...toList(p), rarityOf(p)]),
  );
  const latest = new Map<string, (typeof stored)[number]>();
  for (const point of stored) {
    const held = latest.get(point.key);
    if (!held || isLater(point, held)) latest.set(point.key, point);
  }
  // In one order, so that two who write the same ones never wait for each other.
  const inOrder = [...latest.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  await putLatest(db, inOrder.map(toList));
}

const historyPage = statement<MetricRow>(
  `select * from tracking_metrics where workspace_id = ? and run_id = ? and key = ?
    order by timestamp_ms, step, value limit ? offset ?`,
);

export const metricHistory = async (
  db: Db,
  workspace: string,
  runId: string,
  key: string,
  offset: number,
  limit: number,
): Promise<Metric[]> => (await historyPage(db, workspace, runId, key, limit, offset)).map(toMetric);
