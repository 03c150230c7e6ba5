// What happens while it happens: new points of a run's metrics, and runs of an experiment that change.
import { hash } from 'node:crypto';
import type { Ctx } from '../../../../kernel/ctx.ts';
import { pause, type StreamEvent } from '../../../../kernel/http/event-stream.ts';
import { isProblem } from '../../../../kernel/errors.ts';
import type { RunStatus } from '../../model.ts';
import { changesOf, latestMarks, pointsAfter, type Mark } from '../../store/live.ts';
import { watchRun } from './signal.ts';
import { getExperiment } from '../experiments.ts';
import { getRun } from '../runs.ts';

export interface Pace {
  /** How often the database is asked what other processes wrote. */
  readonly pollMs: number;
  /** Not more often, however much is written here. */
  readonly gapMs: number;
}
export const pace: Pace = { pollMs: 1000, gapMs: 100 };

const MOST_KEYS = 50;
const MOST_POINTS = 500;
const isOpen = (status: RunStatus): boolean => status === 'RUNNING' || status === 'SCHEDULED';
export const ENDED = 'end';

const shortOf = (key: string): string => hash('sha256', key, 'base64url').slice(0, 8);

// An id names how far each key was sent: the hash of the key, time and step.
const idOf = (marks: ReadonlyMap<string, Mark>): string =>
  [...marks].map(([key, m]) => `${shortOf(key)}.${m.timestamp_ms.toString(36)}.${m.step.toString(36)}`).join(',');

function marksIn(id: string): Map<string, Pick<Mark, 'timestamp_ms' | 'step'>> {
  const marks = new Map<string, Pick<Mark, 'timestamp_ms' | 'step'>>();
  for (const part of id.split(',')) {
    const [key = '', time = '', step = ''] = part.split('.');
    const mark = { timestamp_ms: Number.parseInt(time, 36), step: Number.parseInt(step, 36) };
    if (Number.isSafeInteger(mark.timestamp_ms) && Number.isSafeInteger(mark.step)) marks.set(key, mark);
  }
  return marks;
}

export interface LiveAsked {
  readonly runId: string;
  /** The first 50 there are if undefined. */
  readonly keys: readonly string[] | undefined;
  /** From the first point on, or from the latest. */
  readonly from: 'start' | 'latest';
  readonly lastEventId: string | undefined;
}

/**
 * Points as they are logged, those of one key by time and step, until the run has ended. A point that is older than what was
 * sent already is not among them; the history has it.
 */
export async function* liveMetrics(ctx: Ctx, asked: LiveAsked, signal: AbortSignal, at: Pace = pace): AsyncGenerator<StreamEvent | null> {
  const { runId, keys } = asked;
  const resumed = asked.lastEventId === undefined ? undefined : marksIn(asked.lastEventId);
  const sent = new Map<string, Mark>();
  const seen = new Map<string, string>();
  const watch = watchRun(ctx, runId);
  try {
    for (let first = true; !signal.aborted; first = false) {
      // Before the points: what is logged before the end is sent before it.
      const run = await getRun(ctx, runId).catch((error: unknown) =>
        isProblem(error, 'tracking-run-not-found') ? undefined : Promise.reject(error),
      );
      for (const mark of await latestMarks(ctx.db, ctx.workspace, runId, keys, MOST_KEYS)) {
        const now = `${mark.step} ${mark.timestamp_ms} ${mark.value} ${mark.is_nan}`;
        if (seen.get(mark.key) === now) continue;
        seen.set(mark.key, now);
        let after: (Pick<Mark, 'timestamp_ms' | 'step'> & { readonly value?: number }) | undefined =
          sent.get(mark.key) ?? resumed?.get(shortOf(mark.key));
        if (after === undefined && asked.from === 'latest' && first) after = { timestamp_ms: mark.timestamp_ms, step: mark.step - 1 };
        for (let full = true; full && !signal.aborted;) {
          const points = await pointsAfter(ctx.db, ctx.workspace, runId, mark.key, after, MOST_POINTS);
          full = points.length === MOST_POINTS;
          if (points.length === 0) break;
          after = points.at(-1)!;
          sent.set(mark.key, points.at(-1)!);
          const data = points.map((p) => ({ step: p.step, timestampMs: p.timestamp_ms, value: p.is_nan ? 'NaN' : p.value }));
          yield { event: 'points', id: idOf(sent), data: { run: runId, key: mark.key, points: data } };
        }
      }
      if (run === undefined || !isOpen(run.status))
        return yield { event: 'end', id: ENDED, data: { run: runId, status: run?.status ?? null } };
      yield null;
      await watch.next(at.pollMs, signal);
      await pause(at.gapMs, signal);
    }
  } finally {
    watch.close();
  }
}

const MOST_RUNS = 1000;

/** Runs of an experiment that began, moved or ended: of the newest thousand. At first those that are running. */
export async function* liveRuns(
  ctx: Ctx,
  experimentId: string,
  lastEventId: string | undefined,
  signal: AbortSignal,
  at: Pace = pace,
): AsyncGenerator<StreamEvent | null> {
  const { id } = await getExperiment(ctx, experimentId);
  const since = Number(lastEventId ?? Number.NaN);
  const before = new Map<string, string>();
  for (let first = true; !signal.aborted; first = false) {
    const now = ctx.clock.now();
    const changed = (await changesOf(ctx.db, ctx.workspace, id, MOST_RUNS)).filter((r) => {
      const text = JSON.stringify(r);
      const isNews = before.get(r.id) !== text;
      before.set(r.id, text);
      // Who comes again hears also of what ended meanwhile.
      return isNews && (!first || isOpen(r.status) || (r.endMs ?? 0) >= since || (r.deletedMs ?? 0) >= since);
    });
    yield changed.length === 0
      ? null
      : { event: 'runs', id: String(now), data: { experiment: id, runs: changed.map(({ deletedMs: _, ...run }) => run) } };
    await pause(at.pollMs, signal);
  }
}
