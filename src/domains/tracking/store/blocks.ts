// Blocks: rows of `metric_blocks` that hold points of one metric of one run, packed. What is asked first is their heads,
// which say how many they hold and from where to where; only blocks that are needed are unpacked.
//
// A point may have been sent twice, and blocks may overlap. Those that do are a group; groups follow one another in time, so
// that whoever reads in the order of time unpacks one after the other and holds no more than that.
import { boundTo, toBind, type Db } from '../../../kernel/db/database.ts';
import { numberBinds } from '../../../kernel/db/statement.ts';
import { byTime, countOf, joined, ordered, pointsIn, type Packed } from './points.ts';

export interface Head {
  readonly run_id: string;
  readonly key: string;
  readonly number: number;
  /** Of all that were logged, the repeated ones as well. */
  readonly count: number;
  /** In the order of time already, and none of them twice. */
  readonly in_order: number;
  readonly least_step: number;
  readonly greatest_step: number;
  readonly least_ms: number;
  readonly greatest_ms: number;
}

const columns = 'run_id, key, number, count, in_order, least_step, greatest_step, least_ms, greatest_ms';

/** A statement with a list of texts or numbers in the place of `(?)` behind `in`, the same words on both databases. */
function overList<Row>(text: string): (db: Db, binds: readonly (string | number)[], list: readonly (string | number)[]) => Promise<Row[]> {
  const sqlite = text.replace('in (?)', 'in (select value from json_each(?))');
  const postgres = numberBinds(text.replace('in (?)', '= any(?)'));
  return async (db, binds, list) => {
    const { dialect, connection } = boundTo(db);
    const isSqlite = dialect.name === 'sqlite';
    const { rows } = await connection.execute(isSqlite ? sqlite : postgres, [
      ...binds.map(toBind),
      isSqlite ? JSON.stringify(list) : list.map(toBind),
    ]);
    return rows as Row[];
  };
}

const headsOfKey = overList<Head>(`select ${columns} from metric_blocks where workspace_id = ? and key = ? and run_id in (?)`);
const headsOfRuns = overList<Head>(`select ${columns} from metric_blocks where workspace_id = ? and run_id in (?)`);
const contents = overList<{ run_id: string; number: number; points: Uint8Array }>(
  'select run_id, number, points from metric_blocks where workspace_id = ? and run_id = ? and key = ? and number in (?)',
);
const contentsOfRuns = overList<{ run_id: string; number: number; points: Uint8Array }>(
  'select run_id, number, points from metric_blocks where workspace_id = ? and key = ? and run_id in (?)',
);

/** Of one metric of these runs. */
export const findHeads = (db: Db, workspace: string, runIds: readonly string[], key: string): Promise<Head[]> =>
  headsOfKey(db, [workspace, key], runIds);

/** Of all metrics of these runs. */
export const findAllHeads = (db: Db, workspace: string, runIds: readonly string[]): Promise<Head[]> => headsOfRuns(db, [workspace], runIds);

/** The points of some blocks of one metric, by the number of the block; of a block that went meanwhile none. */
export const unpack = async (
  db: Db,
  workspace: string,
  runId: string,
  key: string,
  numbers: readonly number[],
): Promise<Map<number, Packed>> =>
  new Map((await contents(db, [workspace, runId, key], numbers)).map((r) => [r.number, pointsIn(r.points)]));

/** Everything of one metric of these runs, in no order. */
export async function unpackRuns(db: Db, workspace: string, runIds: readonly string[], key: string): Promise<Map<string, Packed>> {
  const found = Map.groupBy(await contentsOfRuns(db, [workspace, key], runIds), (r) => r.run_id);
  return new Map([...found].map(([runId, rows]) => [runId, joined(rows.map((r) => pointsIn(r.points)))]));
}

export interface Group {
  readonly numbers: number[];
  count: number;
  /** Nothing in it has to be sorted or is there twice. */
  inOrder: boolean;
}

/** Blocks of one metric as groups, in the order of time. */
export function groupsOf(heads: readonly Head[]): Group[] {
  const groups: Group[] = [];
  let last: { greatestMs: number; greatestStep: number } | undefined;
  for (const h of [...heads].sort((a, b) => a.least_ms - b.least_ms || a.least_step - b.least_step || a.number - b.number)) {
    const group = groups.at(-1);
    if (group && last && !(h.least_ms > last.greatestMs || (h.least_ms === last.greatestMs && h.least_step > last.greatestStep))) {
      group.numbers.push(h.number);
      group.count += h.count;
      group.inOrder = false;
      last.greatestMs = Math.max(last.greatestMs, h.greatest_ms);
      last.greatestStep = Math.max(last.greatestStep, h.greatest_step);
    } else {
      groups.push({ numbers: [h.number], count: h.count, inOrder: h.in_order === 1 });
      last = { greatestMs: h.greatest_ms, greatestStep: h.greatest_step };
    }
  }
  return groups;
}

/** So many points are unpacked at once, or one group. */
const AT_ONCE = 50_000;

/** The points of groups of one metric in the order of time, each once, some at a time; first about as many as are `wanted`. */
export async function* inTime(
  db: Db,
  workspace: string,
  runId: string,
  key: string,
  groups: readonly Group[],
  wanted = AT_ONCE,
): AsyncGenerator<Packed> {
  for (let from = 0; from < groups.length;) {
    let to = from;
    for (let count = 0; to < groups.length && (count < Math.min(wanted, AT_ONCE) || to === from); to++) count += groups[to]!.count;
    const some = groups.slice(from, to);
    const blocks = await unpack(
      db,
      workspace,
      runId,
      key,
      some.flatMap((g) => g.numbers),
    );
    const parts = some.map((g) => ordered(joined(g.numbers.map((n) => blocks.get(n) ?? new Float64Array())), byTime));
    yield joined(parts);
    from = to;
  }
}

/** How many different points there are. */
export async function countPointsOf(db: Db, workspace: string, runId: string, key: string, groups: readonly Group[]): Promise<number> {
  let count = 0;
  for (const g of groups) if (g.inOrder) count += g.count;
  const others = groups.filter((g) => !g.inOrder);
  for await (const points of inTime(db, workspace, runId, key, others)) count += countOf(points);
  return count;
}
