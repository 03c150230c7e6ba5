// The first runs by one metric, param or tag without a look at the runs that are not among them: the entries alone say who
// comes first, and of the runs only those few are read. What is decided among equals or by the runs themselves is done here.
import { sql, type RawBuilder } from 'kysely';
import type { Db } from '../../../kernel/db/database.ts';
import type { RunRow } from '../store/tables.ts';

/** A run by its entry of the order: class 0 has a value, 1 NaN, 2 none. */
export interface Best {
  readonly id: string;
  readonly class: number;
  readonly value: number | string | null;
}

/** The best of them, in their order. */
export interface Found {
  readonly best: readonly Best[];
  /** There are no others. Without it, others may be equal to the last one. */
  readonly all: boolean;
}

export interface Page {
  readonly offset: number;
  readonly limit: number;
}

/** So many are looked for: some turn out to be deleted, of other experiments, or equal to the last one. */
export const mostOf = ({ offset, limit }: Page): number => Math.ceil((offset + limit) * 1.2) + 20;

/** The page of runs that fulfil the conditions on `r`; undefined if not enough of those found do. */
export async function pageOf(
  db: Db,
  dialect: 'sqlite' | 'postgres',
  { best, all }: Found,
  conditions: RawBuilder<unknown>,
  { offset, limit }: Page,
): Promise<RunRow[] | undefined> {
  if (!all && best.length < offset + limit) return undefined;
  const ids = best.map((b) => b.id);
  const { rows } = await (
    dialect === 'sqlite'
      ? sql<RunRow>`select r.* from json_each(${JSON.stringify(ids)}) i cross join tracking_runs r on r.id = i.value where ${conditions}`
      : sql<RunRow>`select r.* from tracking_runs r where r.id = any(${ids}) and ${conditions}`
  ).execute(db);
  const byId = new Map(rows.map((r) => [r.id, r]));
  const found: { group: number; run: RunRow }[] = [];
  let group = 0;
  best.forEach((b, i) => {
    const before = best[i - 1];
    if (before && (before.class !== b.class || before.value !== b.value)) group++;
    const run = byId.get(b.id);
    if (run) found.push({ group, run });
  });
  const sure = all ? found : found.filter((f) => f.group < group);
  if (!all && sure.length < offset + limit) return undefined;
  sure.sort((a, b) => a.group - b.group || newestFirst(a.run, b.run));
  return sure.slice(offset, offset + limit).map((f) => f.run);
}

const newestFirst = (a: RunRow, b: RunRow): number =>
  (b.start_ms ?? -Infinity) === (a.start_ms ?? -Infinity) ? (a.id < b.id ? -1 : 1) : (b.start_ms ?? -Infinity) - (a.start_ms ?? -Infinity);
