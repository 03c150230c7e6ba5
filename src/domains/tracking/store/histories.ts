// Points of many runs at once, and a sample of one run's for a chart.
import { sql, type RawBuilder } from 'kysely';
import type { Db } from '../../../kernel/db/database.ts';
import type { Metric } from '../model.ts';
import { toMetric } from './metrics.ts';
import { drawPoints } from './sample.ts';
import type { MetricRow } from './tables.ts';

export type PointOfRun = Metric & { readonly runId: string };
const toPoint = (r: MetricRow): PointOfRun => ({ ...toMetric(r), runId: r.run_id });

/** The first points by run, then time. */
export async function pointsOf(db: Db, workspace: string, runIds: readonly string[], key: string, limit: number): Promise<PointOfRun[]> {
  if (runIds.length === 0) return [];
  const { rows } = await sql<MetricRow>`select * from tracking_metrics where workspace_id = ${workspace} and key = ${key}
    and run_id in (${sql.join(runIds.map((id) => sql`${id}`))})
    order by run_id, timestamp_ms, step, value limit ${limit}`.execute(db);
  return rows.map(toPoint);
}

export interface Steps {
  readonly first: number;
  readonly last: number;
}

/**
 * At most `most` points, evenly over all of them by step: the first of as many equal parts, and the last of all. Of very
 * many, the parts are of those that were drawn when they were logged.
 */
export async function samplePoints(
  db: Db,
  workspace: string,
  runId: string,
  key: string,
  most: number,
  steps: Steps | undefined,
): Promise<PointOfRun[]> {
  const drawn = await drawPoints(db, workspace, runId, key, most, steps);
  if (drawn) return drawn.map(toPoint);
  const within: RawBuilder<unknown> = steps ? sql`and step between ${steps.first} and ${steps.last}` : sql``;
  const of = sql`from tracking_metrics where workspace_id = ${workspace} and run_id = ${runId} and key = ${key} ${within}`;
  const order = sql`step, timestamp_ms, value, is_nan`;
  const { rows } = await sql<MetricRow>`select * from (
      select p.*, row_number() over (partition by part order by ${order}) as place from (
        select m.*, ntile(cast(${most} as integer)) over (order by ${order}) as part from (select * ${of}) m
      ) p
    ) q where place = 1 order by ${order}`.execute(db);
  const { rows: ends } =
    await sql<MetricRow>`select * ${of} order by step desc, timestamp_ms desc, value desc, is_nan desc limit 1`.execute(db);
  const points = rows.map(toPoint);
  const [end] = ends.map(toPoint);
  if (end && !isSame(points.at(-1)!, end)) points.splice(points.length < most ? points.length : -1, 1, end);
  return points;
}

const isSame = (a: Metric, b: Metric): boolean => a.step === b.step && a.timestampMs === b.timestampMs && Object.is(a.value, b.value);
