// The loop over the months: data arrives, every flight is predicted, truth comes in when flights have landed, and
// at the end of each day of event time the server decides what follows. Nothing here decides anything.
import { dirname, join } from 'node:path';
import { path, request, type Client } from '../../src/kernel/cli/client.ts';
import { startProgress } from '../../src/kernel/cli/progress.ts';
import { count, duration, type Terminal } from '../../src/kernel/cli/terminal.ts';
import { readFlights, reportsOf, type Label } from './flights.ts';
import { newsOf, type StoredEvent } from './news.ts';
import { replay, type Replayed } from './replay.ts';

export const ENDPOINT = 'late-arrival';
const DAY_MS = 86_400_000;
/** Every tenth label is reported by the flight and its moment instead of the prediction's id. */
const BY_KEY_EACH = 10;

export interface Rounds {
  readonly terminal: Terminal;
  readonly client: Client;
  /** Path of gyre.yaml. */
  readonly project: string;
  readonly gyre: (...args: string[]) => Promise<void>;
  /** What happens on the morning of a day, by its date, before its flights. */
  readonly mornings: ReadonlyMap<string, () => Promise<void>>;
}

export interface Round {
  readonly predictions: number;
  readonly labels: number;
  readonly wallMs: number;
  readonly latencyMs: Replayed['latencyMs'];
  /** Answers that were no prediction, by status. */
  readonly failed: number;
  readonly lastPredictionId: string;
}

/** Replays the days from `first` up to `end`, month by month. */
export async function goRound(r: Rounds, first: Date, end: Date): Promise<Round> {
  const [labels, ids] = [new Map<string, Label[]>(), new Map<string, string>()];
  const rounds: Round[] = [];
  let cursor = await newestEvent(r.client);
  for (let month = first; month < end; month = nextMonth(month)) {
    const until = nextMonth(month) < end ? nextMonth(month) : end;
    await dataArrives(r, month);
    const flights = await readFlights(dirname(r.project), filesOf(dirname(r.project), month), month, until);
    const { dataPlane } = await r.client.get<{ dataPlane: { url: string } }>('/status');
    const progress = startProgress(r.terminal, nameOf(month), 'flights', flights.length);
    const days: Replayed[] = [];
    let [done, told] = [0, 0];
    const began = performance.now();
    for (let day = month; day < until; day = new Date(day.getTime() + DAY_MS)) {
      await r.mornings.get(dateOf(day))?.();
      const next = new Date(day.getTime() + DAY_MS);
      const today = flights.filter((f) => f.atUs >= day.getTime() * 1000 && f.atUs < next.getTime() * 1000);
      days.push(await replay(dataPlane.url, ENDPOINT, today, ids, (n) => progress.update(done + n)));
      done += today.length;
      for (const label of today.flatMap(reportsOf)) push(labels, dateOf(new Date(label.heardUs / 1000)), label);
      told += await tell(r.client, labels, ids, dateOf(day));
      // The barrier: answers when the day's predictions are shipped, its labels are joined, its windows are
      // closed, and everything that follows from them is done.
      await r.client.post(path`/projects/flights/timeline/advance`, { to: next.toISOString() });
      const { lines, last } = await newsSince(r.client, cursor);
      cursor = last;
      if (lines.length > 0) progress.end();
      for (const line of lines) r.terminal.out(`   ${dateOf(day)}  ${line}`);
    }
    progress.end();
    const round = together(days, told, performance.now() - began);
    rounds.push(round);
    r.terminal.out(
      `   ${nameOf(month)}: ${count(round.predictions)} predictions (p50 ${round.latencyMs.p50.toFixed(1)} ms, p99 ${round.latencyMs.p99.toFixed(1)} ms${round.failed > 0 ? `, ${round.failed} failed` : ''}), ${count(told)} labels, ${duration(round.wallMs)}`,
    );
  }
  const sum = (of: (x: Round) => number): number => rounds.reduce((total, x) => total + of(x), 0);
  return {
    predictions: sum((x) => x.predictions),
    labels: sum((x) => x.labels),
    wallMs: sum((x) => x.wallMs),
    failed: sum((x) => x.failed),
    latencyMs: { p50: rounds.at(-1)?.latencyMs.p50 ?? 0, p99: Math.max(0, ...rounds.map((x) => x.latencyMs.p99)) },
    lastPredictionId: rounds.findLast((x) => x.lastPredictionId !== '')?.lastPredictionId ?? '',
  };
}

// A month of flights is a new version of the dataset; what follows from it is made again.
async function dataArrives({ gyre }: Rounds, month: Date): Promise<void> {
  const n = month.getUTCMonth() + 1;
  // Globs of two digits: all months up to this one.
  const files =
    n < 10 ? [`data/flights/2013-0[1-${n}].parquet`] : ['data/flights/2013-0[1-9].parquet', `data/flights/2013-1[0-${n - 10}].parquet`];
  await gyre('datasets', 'push', 'flights_raw', ...files.flatMap((f) => ['--files', f]));
  await gyre('datasets', 'refresh');
  await gyre('features', 'materialise');
}

// A flight of the month's first hours (UTC) is in the file of the month before.
const filesOf = (folder: string, month: Date): string[] =>
  [-1, 0, 1]
    .map((k) => new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + k, 1)))
    .map((m) => join(folder, `data/flights/${m.toISOString().slice(0, 7)}.parquet`));

/** Sends what was heard on this day. Returns how many labels that were. */
async function tell(client: Client, labels: Map<string, Label[]>, ids: ReadonlyMap<string, string>, day: string): Promise<number> {
  const heard = (labels.get(day) ?? []).sort((a, b) => a.heardUs - b.heardUs);
  labels.delete(day);
  const known = heard.filter(({ flight }) => ids.has(flight.inputs.flight_id));
  if (known.length === 0) return 0;
  const lines = known.map(({ flight, late, heardUs }, i) => {
    const observed = { label: late, observed_at: new Date(heardUs / 1000).toISOString() };
    return JSON.stringify(
      i % BY_KEY_EACH === 0
        ? { key: { flight_id: flight.inputs.flight_id }, at: new Date(flight.atUs / 1000).toISOString(), ...observed }
        : { prediction_id: ids.get(flight.inputs.flight_id), ...observed },
    );
  });
  await request(client.url, path`/api/gyre/v1/projects/flights/monitors/${ENDPOINT}/feedback`, {
    method: 'POST',
    body: `${lines.join('\n')}\n`,
    headers: { 'content-type': 'application/x-ndjson' },
  });
  return known.length;
}

interface Page {
  readonly items: readonly StoredEvent[];
  readonly nextCursor: string | null;
}

async function newestEvent(client: Client): Promise<number> {
  return (await client.get<{ events: number }>('/status')).events;
}

async function newsSince(client: Client, after: number): Promise<{ lines: string[]; last: number }> {
  const lines: string[] = [];
  let last = after;
  for (;;) {
    const cursor = Buffer.from(JSON.stringify([last])).toString('base64url');
    const { items } = await client.get<Page>(`/events?cursor=${cursor}&limit=500`);
    for (const event of items) {
      const line = newsOf(event);
      // A gate that was asked twice decides the same.
      if (line !== undefined && line !== lines.at(-1)) lines.push(line);
    }
    if (items.length === 0) return { lines, last };
    last = items.at(-1)!.seq;
  }
}

function together(days: readonly Replayed[], labels: number, wallMs: number): Round {
  const predictions = days.reduce((total, d) => total + d.sent, 0);
  return {
    predictions,
    labels,
    wallMs,
    failed: days.reduce((total, d) => total + d.refused.length, 0),
    // Per day and then weighted: near enough for a line on a terminal, and no list of a month is kept.
    latencyMs: {
      p50: days.reduce((total, d) => total + d.latencyMs.p50 * d.sent, 0) / Math.max(1, predictions),
      p99: Math.max(0, ...days.map((d) => d.latencyMs.p99)),
    },
    lastPredictionId: days.findLast((d) => d.lastPredictionId !== '')?.lastPredictionId ?? '',
  };
}

const push = (map: Map<string, Label[]>, key: string, label: Label): void => {
  const held = map.get(key);
  if (held) held.push(label);
  else map.set(key, [label]);
};
export const dateOf = (day: Date): string => day.toISOString().slice(0, 10);
const nameOf = (month: Date): string => month.toLocaleString('en', { month: 'long', timeZone: 'UTC' });
const nextMonth = (month: Date): Date => new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1, 1));
