// Points of metrics as they are logged, and the latest of each.
import type { Db } from '../../../kernel/db/database.ts';
import { isLater, type Metric } from '../model.ts';
import { byTime, bytesOf, countOf, metricAt, ordered, packedValue, slice, stepAt, timeAt, valueAt, WIDTH, type Packed } from './points.ts';
import { findHeads, groupsOf, inTime } from './blocks.ts';
import { putPoints } from './put-points.ts';
import { SHARE } from './sample.ts';
import type { MetricRow } from './tables.ts';

export const toMetric = (r: Pick<MetricRow, 'key' | 'value' | 'is_nan' | 'timestamp_ms' | 'step'>): Metric => ({
  key: r.key,
  value: r.is_nan ? Number.NaN : r.value,
  timestampMs: r.timestamp_ms,
  step: r.step,
});

/** Of more points of one metric several blocks are made. */
const MOST = 1000;

interface Logged {
  readonly key: string;
  /** In the order of time, and none twice. */
  readonly points: Packed;
}

/** Adds points (an exact duplicate is nothing new to any reader) and moves the latest values. */
export async function addMetrics(db: Db, workspace: string, runId: string, metrics: readonly Metric[]): Promise<void> {
  const byKey = new Map<string, number[]>();
  for (const m of metrics) {
    const list = byKey.get(m.key);
    if (list) list.push(m.timestampMs, m.step, packedValue(m.value));
    else byKey.set(m.key, [m.timestampMs, m.step, packedValue(m.value)]);
  }
  // In one order, so that two who write the same ones never wait for each other.
  let left = [...byKey]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, list]): Logged => ({ key, points: ordered(Float64Array.from(list), byTime) }));
  for (let from = 0; left.length > 0; from += MOST) {
    await addBlocks(
      db,
      workspace,
      runId,
      from === 0 && left.every(({ points }) => countOf(points) <= MOST)
        ? left
        : left.map(({ key, points }) => ({ key, points: slice(points, from, from + MOST) })),
    );
    left = left.filter(({ points }) => countOf(points) > from + MOST);
  }
}

async function addBlocks(db: Db, workspace: string, runId: string, logged: readonly Logged[]): Promise<void> {
  await putPoints(
    db,
    workspace,
    runId,
    logged.map(({ key, points }) => {
      const at = latestOf(points);
      const value = valueAt(points, at);
      const isNan = Number.isNaN(value);
      const head = headOf(points);
      return {
        key,
        count: head.count,
        latest: [timeAt(points, at), stepAt(points, at), isNan ? 0 : value, isNan ? 1 : 0],
        extent: [head.leastStep, head.greatestStep, head.leastMs, head.greatestMs, head.least, head.greatest],
        sample: bytesOf(head.count < SHARE ? EMPTY : sampleOf(points)),
        points: bytesOf(points),
      };
    }),
  );
}

function latestOf(points: Packed): number {
  const at = (i: number) => ({ step: stepAt(points, i), timestampMs: timeAt(points, i), value: valueAt(points, i) || 0 });
  let latest = 0;
  for (let i = 1; i < countOf(points); i++) if (isLater(at(i), at(latest))) latest = i;
  return latest;
}

function headOf(points: Packed) {
  let [leastStep, greatestStep, leastMs, greatestMs] = [Infinity, -Infinity, Infinity, -Infinity];
  let least: number | null = null;
  let greatest: number | null = null;
  const count = countOf(points);
  for (let i = 0; i < count; i++) {
    const [timestampMs, step, value] = [timeAt(points, i), stepAt(points, i), valueAt(points, i)];
    if (step < leastStep) leastStep = step;
    if (step > greatestStep) greatestStep = step;
    if (timestampMs < leastMs) leastMs = timestampMs;
    if (timestampMs > greatestMs) greatestMs = timestampMs;
    if (Number.isNaN(value)) continue;
    if (least === null || value < least) least = value;
    if (greatest === null || value > greatest) greatest = value;
  }
  return { count, leastStep, greatestStep, leastMs, greatestMs, least, greatest };
}

const EMPTY = new Float64Array();

/** Every so many-th point, from the first on. */
function sampleOf(points: Packed): Packed {
  const sample = new Float64Array(Math.ceil(countOf(points) / SHARE) * WIDTH);
  for (let i = 0; i < countOf(sample); i++) sample.set(slice(points, i * SHARE, i * SHARE + 1), i * WIDTH);
  return sample;
}

/** Some of the points of a metric in the order of time, step and value, from one of them on. */
export async function packedHistory(
  db: Db,
  workspace: string,
  runId: string,
  key: string,
  offset: number,
  limit: number,
): Promise<Packed[]> {
  const groups = groupsOf(await findHeads(db, workspace, [runId], key));
  let [first, skipped] = [0, 0];
  // What is in order need not be unpacked to be passed over.
  for (; groups[first]?.inOrder && skipped + groups[first]!.count <= offset; first++) skipped += groups[first]!.count;
  const found: Packed[] = [];
  let [from, left] = [offset - skipped, limit];
  for await (const points of inTime(db, workspace, runId, key, groups.slice(first), from + left)) {
    const some = slice(points, from, Math.min(countOf(points), from + left));
    from = Math.max(0, from - countOf(points));
    left -= countOf(some);
    if (countOf(some) > 0) found.push(some);
    if (left <= 0) break;
  }
  return found;
}

/** The same, as they were logged. */
export async function metricHistory(
  db: Db,
  workspace: string,
  runId: string,
  key: string,
  offset: number,
  limit: number,
): Promise<Metric[]> {
  const parts = await packedHistory(db, workspace, runId, key, offset, limit);
  return parts.flatMap((points) => Array.from({ length: countOf(points) }, (_, i) => metricAt(points, i, key)));
}
