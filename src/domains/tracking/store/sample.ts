// A chart of a metric in a time that does not grow with it. Of its points as they were logged, every so many-th is in the
// sample that each block carries beside its points; a chart of very many is drawn from the samples and the two ends.
import type { Db } from '../../../kernel/db/database.ts';
import { statement } from '../../../kernel/db/statement.ts';
import { unpack, type Head } from './blocks.ts';
import { byStep, countOf, joined, ordered, pointsIn, slice, stepAt, type Packed } from './points.ts';

/** One of so many points is in a sample. */
export const SHARE = 32;
/** So many points are looked at one by one soon enough. */
const FEW = 20_000;
/** So many times more are read than shown. */
const SPARE = 2;

export interface Steps {
  readonly first: number;
  readonly last: number;
}

type Sampled = Pick<Head, 'number' | 'count' | 'least_step' | 'greatest_step'> & { readonly sample: Uint8Array };
const samples = statement<Sampled>(
  `select number, count, least_step, greatest_step, sample from metric_blocks
    where workspace_id = ? and run_id = ? and key = ? and greatest_step >= ? and least_step <= ?`,
);

/** At most `most` points by step: the first of as many equal parts, and the last of all. */
export async function drawPoints(
  db: Db,
  workspace: string,
  runId: string,
  key: string,
  most: number,
  { first, last }: Steps,
): Promise<{ readonly points: Packed; readonly looked: 'all' | 'samples' }> {
  const blocks = await samples(db, workspace, runId, key, first, last);
  const among = (parts: Iterable<Packed>) => inSight(ordered(joined([...parts, new Float64Array()]), byStep), first, last);
  const read = (some: readonly Sampled[]) =>
    unpack(
      db,
      workspace,
      runId,
      key,
      some.map((b) => b.number),
    );
  const count = blocks.reduce((sum, b) => sum + b.count, 0);
  if (count > FEW) {
    const drawn = blocks.map((b) => pointsIn(b.sample));
    if (drawn.reduce((sum, s) => sum + countOf(s), 0) >= SPARE * most) {
      // The first and the last in sight are in the blocks that reach farthest.
      const least = blocks.reduce((a, b) => (b.least_step < a.least_step ? b : a));
      const greatest = blocks.reduce((a, b) => (b.greatest_step > a.greatest_step ? b : a));
      const ends = await read(least === greatest ? [least] : [least, greatest]);
      const [one, other] = [among(ends.values()), among(drawn)];
      const points = ordered(joined([slice(one, 0, 1), other, slice(one, countOf(one) - 1, countOf(one))]), byStep);
      if (countOf(points) >= most) return { points: partsOf(points, most), looked: 'samples' };
    }
  }
  return { points: partsOf(among((await read(blocks)).values()), most), looked: 'all' };
}

/** Of points by step those in sight. */
function inSight(points: Packed, first: number, last: number): Packed {
  let [from, to] = [0, countOf(points)];
  while (from < to && stepAt(points, from) < first) from++;
  while (to > from && stepAt(points, to - 1) > last) to--;
  return slice(points, from, to);
}

/** The first of each of so many equal parts, of which the first ones have one more if they cannot be equal; and the last of all. */
function partsOf(points: Packed, most: number): Packed {
  const count = countOf(points);
  if (count <= most) return points;
  const [size, longer] = [Math.floor(count / most), count % most];
  const parts = Array.from({ length: most }, (_, part) => {
    const first = part * size + Math.min(part, longer);
    return slice(points, first, first + 1);
  });
  // Some part is longer than one, so that the last of all is first of none unless the last part has it alone.
  parts[most - 1] = slice(points, count - 1, count);
  return joined(parts);
}
