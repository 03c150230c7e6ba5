// Reads for charts and lists of MLflow's pages: histories of many runs, samples of long ones, datasets of experiments.
import { sql } from 'kysely';
import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel, visibleSql } from '../../../kernel/levels.ts';
import { experimentIdOf, type Metric } from '../model.ts';
import { pointsOf, samplePoints, type PointOfRun, type Steps } from '../store/histories.ts';
import { metricHistory } from '../store/metrics.ts';
import { getRun } from '../store/runs.ts';

export type { PointOfRun, Steps } from '../store/histories.ts';

/** Those of the runs that are there and may be read. */
async function readable(ctx: Ctx, runIds: readonly string[]): Promise<Set<string>> {
  if (runIds.length === 0) return new Set();
  const { rows } = await sql<{ id: string }>`select r.id from tracking_runs r where r.workspace_id = ${ctx.workspace}
    and r.id in (${sql.join([...new Set(runIds)].map((id) => sql`${id}`))}) and ${visibleSql(ctx, 'experiment', 'r.experiment_id')}`.execute(
    ctx.db,
  );
  return new Set(rows.map((r) => r.id));
}

/** A page of one run's points by time; nothing of a run that is not there, as in MLflow. */
export async function metricPoints(ctx: Ctx, runId: string, key: string, offset: number, limit: number): Promise<Metric[]> {
  const run = await getRun(ctx.db, ctx.workspace, runId);
  if (!run) return [];
  requireLevel(ctx, 'experiment', run.experimentId, 'READ');
  return metricHistory(ctx.db, ctx.workspace, runId, key, offset, limit);
}

/** The first points of many runs, by run and time. */
export const metricHistories = async (ctx: Ctx, runIds: readonly string[], key: string, limit: number): Promise<PointOfRun[]> =>
  pointsOf(ctx.db, ctx.workspace, [...(await readable(ctx, runIds))], key, limit);

/** At most `most` points of each run, evenly over its history; its first and last are among them. */
export async function sampledHistory(
  ctx: Ctx,
  runIds: readonly string[],
  key: string,
  most: number,
  steps: Steps | undefined,
): Promise<PointOfRun[]> {
  const known = await readable(ctx, runIds);
  const points: PointOfRun[] = [];
  for (const id of runIds) if (known.has(id)) points.push(...(await samplePoints(ctx.db, ctx.workspace, id, key, most, steps)));
  return points;
}

export interface DatasetSummary {
  readonly experimentId: string;
  readonly name: string;
  readonly digest: string;
  readonly context: string | null;
}

const MOST_SUMMARIES = 1000;

/** The datasets that runs of these experiments read, each once for each use. Raises `tracking-invalid`. */
export async function searchDatasets(ctx: Ctx, experimentIds: readonly string[]): Promise<DatasetSummary[]> {
  const ids = experimentIds.map(experimentIdOf);
  if (ids.length === 0) return [];
  const { rows } = await sql<DatasetSummary>`select distinct i.experiment_id as "experimentId", i.name, i.digest, i.context
    from tracking_inputs i where i.workspace_id = ${ctx.workspace} and i.experiment_id in (${sql.join(ids.map((id) => sql`${id}`))})
    and ${visibleSql(ctx, 'experiment', 'i.experiment_id')} order by 1, 2, 3, 4 limit ${MOST_SUMMARIES}`.execute(ctx.db);
  return [...rows];
}
