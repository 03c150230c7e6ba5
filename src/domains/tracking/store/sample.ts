// Samples of very long metrics in a time that does not grow with them. Each point gets a rarity from its step and time by
// a hash: one of 8 points has at least 3, one of 32 at least 5, and so on. An index leads to the rare ones, and
// those of a rarity that leaves a little more than a chart can show are read instead of all.
import type { Db } from '../../../kernel/db/database.ts';
import { statement } from '../../../kernel/db/statement.ts';
import type { MetricRow } from './tables.ts';

/** Less rare ones are not in the index; it would cost more than reading so few points as need them. */
const LEAST = 3;
const MOST = 32;
/** Points of a rarity in between count as less rare ones: a batch then puts its points into half as many places of the index. */
const GAP = 2;
/** So many points are looked at one by one soon enough. */
const FEW = 20_000;
/** So many times more are read than shown: the gaps between them are random, those between every other one less so. */
const SPARE = 2;

/** 0, or 3, 5, 7 and so on: one of 2^number points has at least that. The same point always has the same. */
export function rarityOf(p: { readonly step: number; readonly timestampMs: number }): number {
  let hash =
    Math.imul(p.step ^ Math.floor(p.step / 2 ** 32), 0x9e37_79b1) ^
    Math.imul(p.timestampMs ^ Math.floor(p.timestampMs / 2 ** 32), 0x85eb_ca77);
  // The finish of MurmurHash3 (public domain): every bit of the input changes half of those of the hash.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  const rarity = Math.clz32(hash ^ (hash >>> 16));
  return rarity < LEAST ? 0 : rarity - ((rarity - LEAST) % GAP);
}

/** What differs between points of one metric. */
type Drawn = Pick<MetricRow, 'timestamp_ms' | 'step' | 'value' | 'is_nan'>;

/** Beyond this one of 8192 points is left, so that all that are rarer are counted at once. */
const RARE = 13;
const rarities = Array.from({ length: Math.floor((MOST - LEAST) / GAP) + 1 }, (_, i) => LEAST + i * GAP);
const listOf = (from: number): string => rarities.filter((r) => r >= from).join(', ');

// One range of the index for each rarity, and nothing but the index: it holds all that is asked for.
const of = (which: string) =>
  `where workspace_id = ? and run_id = ? and key = ? and rarity > 0 and rarity in (${which}) and step between ? and ?`;
const counted = new Map(
  rarities
    .filter((r) => r <= RARE)
    .map((r) => [r, statement<{ n: number }>(`select count(*) as n from tracking_metrics ${of(r === RARE ? listOf(r) : String(r))}`)]),
);
const listed = new Map(
  rarities.map((r) => [r, statement<Drawn>(`select timestamp_ms, step, value, is_nan from tracking_metrics ${of(listOf(r))}`)]),
);
const earliest = statement<Drawn>(
  'select timestamp_ms, step, value, is_nan from tracking_metrics where workspace_id = ? and run_id = ? and key = ? order by timestamp_ms, step, value limit 1',
);
const latest = statement<Drawn>(
  'select timestamp_ms, step, value, is_nan from latest_metrics where workspace_id = ? and run_id = ? and key = ?',
);

/** At most `most` points by step, evenly among the rare ones; undefined if there are not enough of them, so that all have to be looked at. */
export async function drawPoints(
  db: Db,
  workspace: string,
  runId: string,
  key: string,
  most: number,
  steps: { readonly first: number; readonly last: number } | undefined,
): Promise<MetricRow[] | undefined> {
  const [first, last] = [steps?.first ?? Number.MIN_SAFE_INTEGER, steps?.last ?? Number.MAX_SAFE_INTEGER];
  const countOf = async (r: number): Promise<number> => Number((await counted.get(r)!(db, workspace, runId, key, first, last))[0]!.n);
  let rarity = RARE;
  let found = await countOf(rarity);
  while (found < SPARE * most) {
    if ((rarity -= GAP) < LEAST) return undefined;
    found += await countOf(rarity);
  }
  if (found * 2 ** rarity < FEW) return undefined;
  const rows = await listed.get(rarity)!(db, workspace, runId, key, first, last);
  // The ends of the whole history are shown where they are in sight.
  const ends = [...(await earliest(db, workspace, runId, key)), ...(await latest(db, workspace, runId, key))].filter(
    (e) => e.step >= first && e.step <= last,
  );
  const others = rows.filter((p) => ends.every((e) => byStep(p, e) !== 0)).sort(byStep);
  const drawn = [...evenly(others, Math.max(0, most - ends.length)), ...ends].sort(byStep).slice(-most);
  return drawn.map((p) => ({ workspace_id: workspace, run_id: runId, key, ...p }));
}

const byStep = (a: Drawn, b: Drawn): number =>
  a.step - b.step || a.timestamp_ms - b.timestamp_ms || a.value - b.value || a.is_nan - b.is_nan;

const evenly = <T>(items: readonly T[], count: number): T[] =>
  items.length <= count ? [...items] : Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]!);
