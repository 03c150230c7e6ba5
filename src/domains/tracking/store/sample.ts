// A chart of a metric in a time that does not grow with it. Of its points as they were logged, every so many-th is in the
// sample that each block carries beside its points; a chart of very many is drawn from the samples and the two ends.
import type { Db } from '../../../kernel/db/database.ts';
import { statement } from '../../../kernel/db/statement.ts';
import { unpack } from './blocks.ts';
import { byStep, countOf, joined, ordered, pointsIn, slice, stepAt, WIDTH, type Packed } from './points.ts';

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

const ofSteps = 'from metric_blocks where workspace_id = ? and run_id = ? and key = ? and greatest_step >= ? and least_step <= ?';
const numbers = statement<{ number: number }>(`select number ${ofSteps}`);
const leftmost = statement<{ number: number }>(`select number ${ofSteps} order by least_step limit 1`);
const rightmost = statement<{ number: number }>(`select number ${ofSteps} order by greatest_step desc limit 1`);
const samples = statement<{ count: number; sample: Uint8Array }>(`select count, sample ${ofSteps}`);
// The number is in the index, so that the others are not looked at.
const someSamples = statement<{ count: number; sample: Uint8Array }>(`select count, sample ${ofSteps} and number % ? = 0`);
const sizes = statement<{ points: number; blocks: number }>(
  'select points, blocks from latest_metrics where workspace_id = ? and run_id = ? and key = ?',
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
  const inRange = [workspace, runId, key, first, last] as const;
  const read = async (of: readonly { number: number }[]): Promise<Packed> => {
    const blocks = await unpack(db, workspace, runId, key, [...new Set(of.map((b) => b.number))]);
    return inSight(ordered(joined([...blocks.values()]), byStep), first, last);
  };
  const [size] = await sizes(db, workspace, runId, key);
  if (size && size.points > FEW) {
    // Of very many blocks some are as even as all, if there are more of them than points wanted.
    const every = Math.floor(Math.min(size.blocks / most, size.points / SHARE / (2 * SPARE * most)));
    const enough = (blocks: readonly { count: number; sample: Uint8Array }[], times: number): Packed | undefined => {
      if (blocks.reduce((sum, b) => sum + b.count, 0) * times <= FEW) return undefined;
      const drawn = inSight(ordered(joined(blocks.map((b) => pointsIn(b.sample))), byStep), first, last);
      return countOf(drawn) >= SPARE * most ? drawn : undefined;
    };
    const drawn =
      (every > 1 ? enough(await someSamples(db, ...inRange, every), every) : undefined) ?? enough(await samples(db, ...inRange), 1);
    if (drawn) {
      // The first and the last in sight are in the blocks that reach farthest.
      const ends = await read([...(await leftmost(db, ...inRange)), ...(await rightmost(db, ...inRange))]);
      // They may have gone meanwhile.
      const low = countOf(ends) > 0 && byStep(ends, 0, drawn, 0) < 0 ? [slice(ends, 0, 1)] : [];
      const [end, drawnEnd] = [countOf(ends) - 1, countOf(drawn) - 1];
      const high = end >= 0 && byStep(ends, end, drawn, drawnEnd) > 0 ? [slice(ends, end, end + 1)] : [];
      const points = joined([...low, drawn, ...high]);
      return { points: partsOf(points, most), looked: 'samples' };
    }
  }
  return { points: partsOf(await read(await numbers(db, ...inRange)), most), looked: 'all' };
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
  const parts = new Float64Array(most * WIDTH);
  for (let part = 0; part < most; part++) {
    // Some part is longer than one, so that the last of all is first of none, or of the last part, which it is alone.
    const first = part === most - 1 ? count - 1 : part * size + Math.min(part, longer);
    for (let i = 0; i < WIDTH; i++) parts[part * WIDTH + i] = points[first * WIDTH + i]!;
  }
  return parts;
}
