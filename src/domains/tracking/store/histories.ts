// Points of many runs at once, and a sample of one run's for a chart.
import type { Db } from '../../../kernel/db/database.ts';
import type { Metric } from '../model.ts';
import { findHeads, unpackRuns } from './blocks.ts';
import { packedHistory } from './metrics.ts';
import { byTime, countOf, metricAt, ordered, slice, type Packed } from './points.ts';
import { drawPoints, type Steps } from './sample.ts';

export type { Steps } from './sample.ts';
export type PointOfRun = Metric & { readonly runId: string };

const toPoints = (points: Packed, runId: string, key: string): PointOfRun[] =>
  Array.from({ length: countOf(points) }, (_, i) => ({ ...metricAt(points, i, key), runId }));

/** Metrics with no more points are unpacked whole, several runs at once. */
const SHORT = 50_000;

/** The first points by run, then time. */
export async function pointsOf(db: Db, workspace: string, runIds: readonly string[], key: string, limit: number): Promise<PointOfRun[]> {
  const counts = new Map<string, number>();
  for (const h of await findHeads(db, workspace, runIds, key)) counts.set(h.run_id, (counts.get(h.run_id) ?? 0) + h.count);
  const ids = [...counts.keys()].sort();
  const found: PointOfRun[] = [];
  for (let from = 0; from < ids.length && found.length < limit;) {
    const some: string[] = [];
    for (let left = SHORT; from < ids.length; from++) {
      left -= counts.get(ids[from]!)!;
      if (left < 0) break;
      some.push(ids[from]!);
    }
    if (some.length > 0) {
      const points = await unpackRuns(db, workspace, some, key);
      for (const id of some) {
        const all = ordered(points.get(id) ?? new Float64Array(), byTime);
        found.push(...toPoints(slice(all, 0, limit - found.length), id, key));
      }
    } else {
      const id = ids[from++]!;
      for (const points of await packedHistory(db, workspace, id, key, 0, limit - found.length)) found.push(...toPoints(points, id, key));
    }
  }
  return found;
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
  steps: Steps = { first: Number.MIN_SAFE_INTEGER, last: Number.MAX_SAFE_INTEGER },
): Promise<PointOfRun[]> {
  return toPoints((await drawPoints(db, workspace, runId, key, most, steps)).points, runId, key);
}
