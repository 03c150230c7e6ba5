// Points of metrics as they are logged, and the latest of each.
//
// The row of the latest point also says where the next ones go: `blocks` there are so far, and so many points are `in_last`.
// Whoever logs changes this row first and so has his place, and everybody else who logs the same metric waits for him.
import type { Db } from '../../../kernel/db/database.ts';
import { insertMany } from '../../../kernel/db/insert-many.ts';
import { isLater, type Metric } from '../model.ts';
import {
  byTime,
  bytesOf,
  countOf,
  metricAt,
  ordered,
  packedValue,
  POINT_BYTES,
  slice,
  stepAt,
  timeAt,
  valueAt,
  WIDTH,
  type Packed,
} from './points.ts';
import { findHeads, groupsOf, inTime } from './blocks.ts';
import { SHARE } from './sample.ts';
import type { MetricRow } from './tables.ts';

export const toMetric = (r: Pick<MetricRow, 'key' | 'value' | 'is_nan' | 'timestamp_ms' | 'step'>): Metric => ({
  key: r.key,
  value: r.is_nan ? Number.NaN : r.value,
  timestampMs: r.timestamp_ms,
  step: r.step,
});

/** Few points join those of the last block while it has no more than these: with its key and sample it fills a page of SQLite's. */
const FEW = 144;
/** Of more a block of their own is made, and of still more another one. */
const MOST = 1000;

const isNews =
  '(excluded.step, excluded.timestamp_ms, excluded.value) > (latest_metrics.step, latest_metrics.timestamp_ms, latest_metrics.value)';
const newer = (column: string) => `${column} = case when ${isNews} then excluded.${column} else latest_metrics.${column} end`;
const joins = `latest_metrics.in_last + excluded.points <= ${FEW}`;
const putLatest = insertMany({
  table: 'latest_metrics',
  columns: {
    workspace_id: 'id',
    run_id: 'id',
    key: 'text',
    timestamp_ms: 'int',
    step: 'int',
    value: 'real',
    is_nan: 'bool',
    points: 'int',
    blocks: 'int',
    in_last: 'int',
  },
  then: `on conflict (workspace_id, run_id, key) do update set ${['timestamp_ms', 'step', 'value', 'is_nan'].map(newer).join(', ')},
    points = latest_metrics.points + excluded.points,
    blocks = latest_metrics.blocks + case when ${joins} then 0 else 1 end,
    in_last = excluded.points + case when ${joins} then latest_metrics.in_last else 0 end`,
});

const columns = {
  workspace_id: 'id',
  run_id: 'id',
  key: 'text',
  count: 'int',
  in_order: 'bool',
  least_step: 'int',
  greatest_step: 'int',
  least_ms: 'int',
  greatest_ms: 'int',
  least: 'real',
  greatest: 'real',
  sample: 'bytes',
  points: 'bytes',
} as const;
// The greater of two as both databases say it, where only one of them ignores a null in a function of the kind.
const outer = (
  column: string,
  isOuter: '<' | '>',
) => `${column} = case when b.${column} is null or excluded.${column} ${isOuter} b.${column}
    then excluded.${column} else b.${column} end`;
const behind = `excluded.least_ms > b.greatest_ms or (excluded.least_ms = b.greatest_ms and excluded.least_step > b.greatest_step)`;
const appending = (bytes: (column: string) => string) => `on conflict (workspace_id, run_id, key, number) do update set
    count = b.count + excluded.count,
    in_order = case when excluded.in_order = 1 and (${behind}) then b.in_order else 0 end,
    ${outer('least_step', '<')}, ${outer('greatest_step', '>')}, ${outer('least_ms', '<')}, ${outer('greatest_ms', '>')},
    ${outer('least', '<')}, ${outer('greatest', '>')}, sample = ${bytes('sample')}, points = ${bytes('points')}`;
// Which of few points is in the sample, the place of the first of them tells.
const place = `cast((${SHARE} - (l.points - g.count) % ${SHARE}) % ${SHARE} as integer)`;
const sampled = `case when g.count < ${SHARE} and ${place} < g.count then substr(g.points, ${place} * ${POINT_BYTES} + 1, ${POINT_BYTES}) else g.sample end`;
const putBlocks = insertMany({
  table: 'metric_blocks as b',
  columns,
  select: {
    into: `number, ${Object.keys(columns).join(', ')}`,
    query: `select l.blocks, ${Object.keys(columns)
      .map((c) => (c === 'sample' ? sampled : `g.${c}`))
      .join(', ')}
      from given g join latest_metrics l on l.workspace_id = g.workspace_id and l.run_id = g.run_id and l.key = g.key`,
  },
  then: {
    // What is concatenated is a text to SQLite, whatever it was, and has the same bytes.
    sqlite: appending((c) => `cast(b.${c} || excluded.${c} as blob)`),
    postgres: appending((c) => `b.${c} || excluded.${c}`),
  },
});

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
  await putLatest(
    db,
    logged.map(({ key, points }) => {
      const at = latestOf(points);
      const value = valueAt(points, at);
      const isNan = Number.isNaN(value);
      const count = countOf(points);
      return [workspace, runId, key, timeAt(points, at), stepAt(points, at), isNan ? 0 : value, isNan ? 1 : 0, count, 1, count];
    }),
  );
  await putBlocks(
    db,
    logged.map(({ key, points }) => {
      const { count, leastStep, greatestStep, leastMs, greatestMs, least, greatest } = headOf(points);
      const extent = [leastStep, greatestStep, leastMs, greatestMs, least, greatest];
      return [workspace, runId, key, count, 1, ...extent, bytesOf(count < SHARE ? EMPTY : sampleOf(points)), bytesOf(points)];
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
