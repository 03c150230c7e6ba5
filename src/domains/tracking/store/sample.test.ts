import assert from 'node:assert/strict';
import { eachDatabase, openPlatform } from '../../../../test/support/platform.ts';
import { createRun } from '../public.ts';
import { samplePoints } from './histories.ts';
import { addMetrics } from './metrics.ts';
import { drawPoints, SHARE } from './sample.ts';

const POINTS = 40_000;
const start = 1_700_000_000_000;

eachDatabase('a sample of many points is even, holds both ends, and is of what is in sight', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const { id } = await createRun(ctx, { experimentId: '0', userId: '', name: '', startMs: 1, tags: [] });
  const point = (i: number) => ({ key: 'm', value: i === 0 ? Number.NaN : i, timestampMs: start + i, step: i * 3 });
  for (let i = 0; i < POINTS; i += 1000)
    await ctx.tx((tx) =>
      addMetrics(
        tx.db,
        tx.workspace,
        id,
        Array.from({ length: 1000 }, (_, j) => point(i + j)),
      ),
    );
  const sample = (most: number, steps?: { first: number; last: number }) => samplePoints(ctx.db, ctx.workspace, id, 'm', most, steps);
  for (const most of [2, 10, 100, 2500]) {
    const points = await sample(most);
    assert.equal(points.length, Math.min(most, POINTS));
    assert.deepEqual([points[0]!.step, points.at(-1)!.step], [0, (POINTS - 1) * 3], String(most));
    const gaps = points.slice(1).map((p, i) => p.step - points[i]!.step);
    assert.ok(Math.min(...gaps) > 0, 'by step, and none twice');
    if (most === 100) assert.ok(Math.max(...gaps) < (7 * POINTS * 3) / most, `a gap of ${Math.max(...gaps)}`);
  }
  const all = { first: 0, last: POINTS * 3 };
  const drawn = await drawPoints(ctx.db, ctx.workspace, id, 'm', POINTS / SHARE / 2, all);
  assert.equal(drawn.looked, 'samples', 'not all points are looked at');
  assert.equal((await drawPoints(ctx.db, ctx.workspace, id, 'm', 10, { first: 0, last: 3 * 20_000 - 1 })).looked, 'all');
  assert.ok(Number.isNaN((await sample(10))[0]!.value));
  const near = await sample(20, { first: 3000, last: 100_000 });
  assert.equal(near.length, 20);
  assert.ok(near.every((p) => p.step >= 3000 && p.step <= 100_000));
  assert.deepEqual(
    (await sample(1)).map((p) => p.step),
    [(POINTS - 1) * 3],
  );
});
