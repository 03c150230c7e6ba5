// Small questions that are asked again and again while somebody follows.
import { sql } from 'kysely';
import { statement } from '../../../kernel/db/statement.ts';
import type { Db } from '../../../kernel/db/database.ts';
import type { Lifecycle, RunStatus } from '../model.ts';
import { findHeads, groupsOf, inTime } from './blocks.ts';
import { countOf, stepAt, timeAt, valueAt } from './points.ts';
import type { MetricRow } from './tables.ts';

export type Mark = Pick<MetricRow, 'key' | 'timestamp_ms' | 'step' | 'value' | 'is_nan'>;

const marks = statement<Mark>(
  'select key, timestamp_ms, step, value, is_nan from latest_metrics where workspace_id = ? and run_id = ? order by key limit ?',
);

/** The latest point of each key, of at most so many. */
export async function latestMarks(
  db: Db,
  workspace: string,
  runId: string,
  keys: readonly string[] | undefined,
  most: number,
): Promise<readonly Mark[]> {
  if (keys === undefined) return marks(db, workspace, runId, most);
  const { rows } = await sql<Mark>`select key, timestamp_ms, step, value, is_nan from latest_metrics
    where workspace_id = ${workspace} and run_id = ${runId} and key in (${sql.join(keys.map((k) => sql`${k}`))}) order by key`.execute(db);
  return rows;
}

/** Points by time, step and value, behind one; without a value behind all of its time and step. */
export async function pointsAfter(
  db: Db,
  workspace: string,
  runId: string,
  key: string,
  after: { readonly timestamp_ms: number; readonly step: number; readonly value?: number } | undefined,
  limit: number,
): Promise<readonly Mark[]> {
  const heads = (await findHeads(db, workspace, [runId], key)).filter((h) => !after || h.greatest_ms >= after.timestamp_ms);
  // NaN is 0 to whoever says how far he has come.
  const isBehind = (m: Mark): boolean => {
    if (!after) return true;
    const far = m.timestamp_ms - after.timestamp_ms || m.step - after.step;
    return far > 0 || (far === 0 && m.value > (after.value ?? Number.MAX_VALUE));
  };
  const found: Mark[] = [];
  for await (const points of inTime(db, workspace, runId, key, groupsOf(heads), limit)) {
    for (let i = 0; i < countOf(points); i++) {
      const value = valueAt(points, i);
      const isNan = Number.isNaN(value) ? 1 : 0;
      const point = { key, timestamp_ms: timeAt(points, i), step: stepAt(points, i), value: isNan ? 0 : value, is_nan: isNan };
      if (!isBehind(point)) continue;
      found.push(point);
      if (found.length === limit) return found;
    }
  }
  return found;
}

export interface RunChange {
  readonly id: string;
  readonly name: string;
  readonly status: RunStatus;
  readonly lifecycle: Lifecycle;
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly deletedMs: number | null;
  /** The last step and moment of any of its metrics. */
  readonly lastStep: number | null;
  readonly lastTimestampMs: number | null;
}

const newest = statement<RunChange>(
  `select r.id, r.name, r.status, r.lifecycle, r.start_ms as "startMs", r.end_ms as "endMs", r.deleted_ms as "deletedMs",
    max(m.step) as "lastStep", max(m.timestamp_ms) as "lastTimestampMs"
    from (select * from tracking_runs where workspace_id = ? and experiment_id = ? order by start_ms desc limit ?) r
    left join latest_metrics m on m.workspace_id = r.workspace_id and m.run_id = r.id and r.status in ('RUNNING', 'SCHEDULED')
    group by r.id, r.name, r.status, r.lifecycle, r.start_ms, r.end_ms, r.deleted_ms`,
);
const number = (n: number | null): number | null => (n === null ? null : Number(n));

/** The newest runs of an experiment, as far as one sees at a glance whether they moved. */
export const changesOf = async (db: Db, workspace: string, experimentId: string, limit: number): Promise<RunChange[]> =>
  (await newest(db, workspace, experimentId, limit)).map((r) => ({
    ...r,
    lastStep: number(r.lastStep),
    lastTimestampMs: number(r.lastTimestampMs),
  }));
