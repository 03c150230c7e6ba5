// The statements that store points of several metrics of one run.
//
// The row of the latest point also says where the next ones go: `blocks` there are so far, and so many points are `in_last`.
// Whoever logs changes this row first and so has his place, and everybody else who logs the same metric waits for him.
import { boundTo, type Db } from '../../../kernel/db/database.ts';
import { insertMany } from '../../../kernel/db/insert-many.ts';
import type { Bind } from '../../../kernel/db/statement.ts';
import { POINT_BYTES } from './points.ts';
import { SHARE } from './sample.ts';

/** Few points join those of the last block while it has no more than these: with its key and sample it fills a page of SQLite's. */
const FEW = 144;

const ofMetric = { workspace_id: 'id', run_id: 'id', key: 'text' } as const;
const latest = { timestamp_ms: 'int', step: 'int', value: 'real', is_nan: 'bool' } as const;
const places = { points: 'int', blocks: 'int', in_last: 'int' } as const;
const block = {
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
const list = (columns: object, before = ''): string =>
  Object.keys(columns)
    .map((c) => before + c)
    .join(', ');

const isNews = '(excluded.step, excluded.timestamp_ms, excluded.value) > (l.step, l.timestamp_ms, l.value)';
const joins = `l.in_last + excluded.points <= ${FEW}`;
const moveLatest = `on conflict (workspace_id, run_id, key) do update set
    ${Object.keys(latest)
      .map((c) => `${c} = case when ${isNews} then excluded.${c} else l.${c} end`)
      .join(', ')},
    points = l.points + excluded.points,
    blocks = l.blocks + case when ${joins} then 0 else 1 end,
    in_last = excluded.points + case when ${joins} then l.in_last else 0 end`;

const outer = (c: string, isOuter: '<' | '>'): string =>
  `${c} = case when b.${c} is null or excluded.${c} ${isOuter} b.${c} then excluded.${c} else b.${c} end`;
const behind = 'excluded.least_ms > b.greatest_ms or (excluded.least_ms = b.greatest_ms and excluded.least_step > b.greatest_step)';
const append = (bytes: (column: string) => string): string => `on conflict (workspace_id, run_id, key, number) do update set
    count = b.count + excluded.count,
    in_order = case when excluded.in_order = 1 and (${behind}) then b.in_order else 0 end,
    ${outer('least_step', '<')}, ${outer('greatest_step', '>')}, ${outer('least_ms', '<')}, ${outer('greatest_ms', '>')},
    ${outer('least', '<')}, ${outer('greatest', '>')}, sample = ${bytes('sample')}, points = ${bytes('points')}`;

// Which of few points is in the sample, the place of the first of them tells.
const drawn = `cast((${SHARE} - (l.points - g.count) % ${SHARE}) % ${SHARE} as integer)`;
const sample = `case when g.count < ${SHARE} and ${drawn} < g.count
    then substr(g.points, ${drawn} * ${POINT_BYTES} + 1, ${POINT_BYTES}) else g.sample end`;
const into = `number, ${list(ofMetric)}, ${list(block)}`;
const query = `select l.blocks, ${list(ofMetric, 'g.')}, ${list(block, 'g.').replace('g.sample', sample)} from given g join`;

const putLatest = insertMany({ table: 'latest_metrics as l', columns: { ...ofMetric, ...latest, ...places }, then: moveLatest });
const putBlocks = insertMany({
  table: 'metric_blocks as b',
  columns: { ...ofMetric, ...block },
  select: { into, query: `${query} latest_metrics l on l.workspace_id = g.workspace_id and l.run_id = g.run_id and l.key = g.key` },
  // What is concatenated is a text to SQLite, whatever it was, and has the same bytes.
  then: append((c) => `cast(b.${c} || excluded.${c} as blob)`),
});

// PostgreSQL does both by one message. It would not do to look the place up again either: until it has statistics of the
// table, it may look for it in the index of values, where all runs are.
const putBoth = insertMany({
  table: 'metric_blocks as b',
  columns: { ...ofMetric, ...latest, ...block },
  select: {
    also: `, places as (insert into latest_metrics as l (${list(ofMetric)}, ${list(latest)}, ${list(places)})
      select ${list(ofMetric)}, ${list(latest)}, count, 1, count from given ${moveLatest} returning l.key, l.points, l.blocks)`,
    into,
    query: `${query} places l on l.key = g.key`,
  },
  then: append((c) => `b.${c} || excluded.${c}`),
});

/** Points of one metric, no more than one block takes. */
export interface Logged {
  readonly key: string;
  readonly count: number;
  /** Time, step, value and whether it is NaN. */
  readonly latest: readonly Bind[];
  /** Least and greatest of steps, of times and of values. */
  readonly extent: readonly Bind[];
  /** Empty if they are few: then it is found out which of them belongs to it. */
  readonly sample: Uint8Array;
  /** In the order of time, and none twice. */
  readonly points: Uint8Array;
}

/** The keys are all different, and in one order, so that two who log the same ones never wait for each other. */
export async function putPoints(db: Db, workspace: string, runId: string, logged: readonly Logged[]): Promise<void> {
  if (boundTo(db).dialect.name === 'sqlite') {
    await putLatest(
      db,
      logged.map((l) => [workspace, runId, l.key, ...l.latest, l.count, 1, l.count]),
    );
    await putBlocks(
      db,
      logged.map((l) => [workspace, runId, l.key, l.count, 1, ...l.extent, l.sample, l.points]),
    );
  } else
    await putBoth(
      db,
      logged.map((l) => [workspace, runId, l.key, ...l.latest, l.count, 1, ...l.extent, l.sample, l.points]),
    );
}
