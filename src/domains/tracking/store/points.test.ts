import assert from 'node:assert/strict';
import { eachDatabase, openPlatform } from '../../../../test/support/platform.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { isLater, storedValue, type Metric } from '../model.ts';
import { createRun, logBatch } from '../public.ts';
import { pointsOf, samplePoints } from './histories.ts';
import { latestMarks, pointsAfter } from './live.ts';
import { addMetrics, metricHistory } from './metrics.ts';
import { byTime, countOf, ordered, pointsIn, stepAt, timeAt, valueAt } from './points.ts';
import { countPoints } from './purges.ts';
import { rangesOf } from './ranges.ts';
import { SHARE } from './sample.ts';
import { trackingIn } from './tables.ts';
import { pointsInOrder } from './taken.ts';

/** Numbers from 0 to 1 that are the same each time (mulberry32, public domain). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Point = readonly [timestampMs: number, step: number, value: number];
const stored = (m: Metric): Point => {
  const { value, isNan } = storedValue(m.value);
  return [m.timestampMs, m.step, isNan ? Number.NaN : value + 0];
};
const byValue = (a: number, b: number) => (a || 0) - (b || 0) || Number(Number.isNaN(a)) - Number(Number.isNaN(b));
const inTime = (a: Point, b: Point) => a[0] - b[0] || a[1] - b[1] || byValue(a[2], b[2]);
const inSteps = (a: Point, b: Point) => a[1] - b[1] || a[0] - b[0] || byValue(a[2], b[2]);
/** What readers have to say of points: each once, in this order. */
const told = (points: readonly Point[], order: (a: Point, b: Point) => number): Point[] =>
  points.toSorted(order).filter((p, i, all) => i === 0 || order(all[i - 1]!, p) !== 0);
const asPoint = (m: Omit<Metric, 'key'>): Point => [m.timestampMs, m.step, m.value];

/** The first of so many equal parts, and the last of all. */
function parts(points: readonly Point[], most: number): Point[] {
  if (points.length <= most) return [...points];
  const found: Point[] = [];
  for (let part = 0, at = 0; part < most; part++) {
    found.push(points[at]!);
    at += Math.floor(points.length / most) + (part < points.length % most ? 1 : 0);
  }
  found[most - 1] = points.at(-1)!;
  return found;
}

const VALUES = [Number.NaN, Infinity, -Infinity, 0, -0, 1e-310, Number.MAX_VALUE];
const START = 1_700_000_000_000;

function batchesOf(random: () => number): Metric[][] {
  const upTo = (n: number) => Math.floor(random() * n);
  const made: Metric[] = [];
  let now = START;
  return Array.from({ length: 40 }, (): Metric[] => {
    const size = [1, 1, 1, 2, 7, 60, 150, 1000, 1300][upTo(9)]!;
    const [inDisorder, atOnce, keys] = [random() < 0.2, random() < 0.3, 1 + upTo(3)];
    const batch = Array.from({ length: size }, (): Metric => {
      if (made.length > 0 && random() < 0.1) return made[upTo(made.length)]!;
      if (!atOnce) now += upTo(3);
      const timestampMs = inDisorder ? START + upTo(5000) : now;
      const step = inDisorder ? upTo(5000) - 2500 : made.length;
      const value = random() < 0.1 ? VALUES[upTo(VALUES.length)]! : random() < 0.3 ? upTo(3) : random();
      const metric = { key: `k${upTo(keys)}`, value, timestampMs, step };
      made.push(metric);
      return metric;
    });
    return random() < 0.1 ? [...batch, ...batch] : batch;
  });
}

const newRun = async (ctx: Ctx): Promise<string> =>
  (await createRun(ctx, { experimentId: '0', userId: '', name: '', startMs: 1, tags: [] })).id;

/** What blocks and the rows of the latest points say of themselves is so. */
async function checkBlocks(ctx: Ctx, runId: string): Promise<void> {
  const tables = trackingIn(ctx.db);
  const rows = await tables.selectFrom('metric_blocks').selectAll().where('run_id', '=', runId).orderBy('key').orderBy('number').execute();
  const blocks = Map.groupBy(rows, (b) => b.key);
  const latest = await tables.selectFrom('latest_metrics').selectAll().where('run_id', '=', runId).orderBy('key').execute();
  assert.deepEqual([...blocks.keys()].sort(), latest.map((l) => l.key).sort());
  for (const { key, points: logged, blocks: count, in_last: inLast } of latest) {
    const own = blocks.get(key)!;
    assert.deepEqual([own.reduce((n, b) => n + b.count, 0), own.length, own.at(-1)!.count], [logged, count, inLast], key);
    let [before, drawn] = [0, 0];
    for (const b of own) {
      const points = pointsIn(b.points);
      const all = Array.from({ length: countOf(points) }, (_, i): Point => [timeAt(points, i), stepAt(points, i), valueAt(points, i)]);
      const there = new Set(all.map(String));
      const sample = pointsIn(b.sample);
      for (let i = 0; i < countOf(sample); i++)
        assert.ok(there.has(String([timeAt(sample, i), stepAt(sample, i), valueAt(sample, i)])), 'a sample is of its block');
      drawn += countOf(sample);
      before += all.length;
      const ends = (list: number[]) => [Math.min(...list), Math.max(...list)];
      assert.equal(b.count, all.length);
      assert.deepEqual([b.least_step, b.greatest_step], ends(all.map((p) => p[1])));
      assert.deepEqual([b.least_ms, b.greatest_ms], ends(all.map((p) => p[0])));
      if (b.in_order === 1) assert.equal(ordered(points, byTime), points, 'it is in order if it says so');
      assert.ok(b.count > 0 && b.count <= 1000);
    }
    assert.ok(drawn >= before / SHARE && drawn <= before / SHARE + own.length * 5, `${drawn} of ${before} are in samples`);
  }
}

eachDatabase('whatever is logged, however it comes, readers tell each point once and in order', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const other = await newRun(ctx);
  await logBatch(ctx, other, { metrics: [{ key: 'k0', value: 1, timestampMs: 1, step: 1 }], params: [], tags: [] });
  for (let seed = 1; seed <= 4; seed++) {
    const random = randomFrom(seed);
    const id = await newRun(ctx);
    const batches = batchesOf(random);
    for (const batch of batches) await ctx.tx((tx) => addMetrics(tx.db, tx.workspace, id, batch), 'latest');
    await checkBlocks(ctx, id);
    const all = Map.groupBy(batches.flat(), (m) => m.key);
    const at = [ctx.db, ctx.workspace, id] as const;
    const ranges = new Map((await rangesOf(...at)).map((r) => [r.key, r]));
    const marks = new Map((await latestMarks(...at, undefined, 50)).map((m) => [m.key, m]));
    let count = 0;
    for (const [key, metrics] of all) {
      const what = `seed ${seed}, ${key}`;
      const points = told(metrics.map(stored), inTime);
      count += points.length;
      assert.deepEqual((await metricHistory(...at, key, 0, Number.MAX_SAFE_INTEGER)).map(asPoint), points, what);
      for (let i = 0; i < 6; i++) {
        const [offset, limit] = [Math.floor(random() * points.length * 1.1), 1 + Math.floor(random() * 700)];
        const page = (await metricHistory(...at, key, offset, limit)).map(asPoint);
        assert.deepEqual(page, points.slice(offset, offset + limit), `${what}, ${limit} from ${offset} on`);
        const mark = points[Math.min(offset, points.length - 1)]!;
        const after = { timestamp_ms: mark[0], step: mark[1], ...(i % 2 ? { value: mark[2] || 0 } : {}) };
        const compared = (p: Point) => p[0] - after.timestamp_ms || p[1] - after.step || (p[2] || 0) - (after.value ?? Number.MAX_VALUE);
        assert.deepEqual(
          (await pointsAfter(...at, key, after, limit)).map((m): Point => [m.timestamp_ms, m.step, m.is_nan ? Number.NaN : m.value]),
          points.filter((p) => compared(p) > 0).slice(0, limit),
          `${what}, behind ${mark.join(' ')}`,
        );
        const steps = i === 0 ? undefined : { first: mark[1] - limit, last: mark[1] + 2 * limit };
        const inSight = told(points, inSteps).filter((p) => !steps || (p[1] >= steps.first && p[1] <= steps.last));
        const most = [1, 2, 10, 100, 1000, 100_000][i]!;
        assert.deepEqual((await samplePoints(...at, key, most, steps)).map(asPoint), parts(inSight, most), `${what}, ${most} sampled`);
      }
      const taken: Point[] = [];
      for await (const some of pointsInOrder(...at, key)) taken.push(...some);
      assert.deepEqual(taken, points, what);
      const numbers = points.map((p) => p[2]).filter((v) => !Number.isNaN(v));
      const [least, greatest] = numbers.length === 0 ? [null, null] : [Math.min(...numbers), Math.max(...numbers)];
      assert.deepEqual({ ...ranges.get(key) }, { key, least, greatest, points: points.length }, what);
      const latest = points.reduce((a, b) => {
        const [x, y] = [a, b].map(([timestampMs, step, value]) => ({ timestampMs, step, value: value || 0 }));
        return isLater(y!, x!) ? b : a;
      });
      const mark = marks.get(key)!;
      assert.deepEqual([mark.timestamp_ms, mark.step, mark.value], [latest[0], latest[1], latest[2] || 0], what);
    }
    assert.equal(await countPoints(ctx.db, ctx.workspace, [id]), count);
    const points = told(all.get('k0')!.map(stored), inTime);
    const [first, second] = id < other ? [points, [[1, 1, 1] as const]] : [[[1, 1, 1] as const], points];
    for (const most of [1, 500, 100_000])
      assert.deepEqual(
        (await pointsOf(ctx.db, ctx.workspace, [other, id, 'none'], 'k0', most)).map(asPoint),
        [...first, ...second].slice(0, most),
      );
  }
});

eachDatabase('many who log the same metrics at once lose no point, and each finds a place of his own', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const id = await newRun(ctx);
  const metricsOf = (who: number, round: number): Metric[] => {
    const keys = ['a', 'b', 'c', `own${who}`];
    // Some alone, some with others, in another order each.
    const some = round % 3 === 0 ? ['a'] : who % 2 ? keys : keys.toReversed();
    return some.flatMap((key) =>
      Array.from({ length: round % 5 === 4 ? 200 : 1 }, (_, i) => ({
        key,
        value: who,
        timestampMs: START + round,
        step: round * 1000 + i,
      })),
    );
  };
  const [clients, rounds] = [8, 15];
  await Promise.all(
    Array.from({ length: clients }, async (_, who) => {
      for (let round = 0; round < rounds; round++) await logBatch(ctx, id, { metrics: metricsOf(who, round), params: [], tags: [] });
    }),
  );
  await checkBlocks(ctx, id);
  const logged = Array.from({ length: clients * rounds }, (_, i) => metricsOf(i % clients, Math.floor(i / clients))).flat();
  for (const [key, metrics] of Map.groupBy(logged, (m) => m.key)) {
    const history = await metricHistory(ctx.db, ctx.workspace, id, key, 0, Number.MAX_SAFE_INTEGER);
    assert.deepEqual(history.map(asPoint), told(metrics.map(stored), inTime), key);
  }
});

eachDatabase('a sample of very many points is made of them, holds both ends and is even', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const id = await newRun(ctx);
  const random = randomFrom(7);
  const points: Point[] = [];
  for (let i = 0; i < 30_000;) {
    const size = 1 + Math.floor(random() * 999);
    const batch = Array.from({ length: size }, (_, j): Metric => ({ key: 'm', value: random(), timestampMs: START, step: 2 * (i + j) }));
    await ctx.tx((tx) => addMetrics(tx.db, tx.workspace, id, random() < 0.5 ? batch : batch.toReversed()), 'latest');
    points.push(...batch.map(stored));
    i += size;
  }
  const all = told(points, inSteps);
  const places = new Map(all.map((p, i) => [p.join(' '), i]));
  for (const most of [2, 50, 400]) {
    const sample = (await samplePoints(ctx.db, ctx.workspace, id, 'm', most)).map(asPoint);
    assert.equal(sample.length, most);
    const found = sample.map((p) => places.get(p.join(' '))!);
    assert.deepEqual([found[0], found.at(-1)], [0, all.length - 1]);
    const gaps = found.slice(1).map((p, i) => p - found[i]!);
    const even = all.length / (most === 2 ? 1 : most);
    assert.ok(Math.min(...gaps) > 0 && Math.max(...gaps) <= even + 2 * SHARE + even, `gaps of ${Math.max(...gaps)} of ${even}`);
  }
});
