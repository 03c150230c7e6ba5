// Step of a tick: labels that were accepted find their predictions. One compute run for each monitor, whatever the
// number of batches, over the files that may hold the predictions and the labels that these have already.
import { mkdir, rm } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { insertBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { turns } from '../../../kernel/turns.ts';
import { stageFiles } from '../../datasets/public.ts';
import { currentRevision, endpointOf, type MonitorDefinition } from '../../projects/public.ts';
import {
  columnsOf,
  filesOfPredictions,
  inferenceFileCount,
  inferenceFiles,
  inferenceFilesSince,
  type InferenceFile,
} from '../../serving/public.ts';
import {
  DAY_US,
  horizonOf,
  labelColumns,
  mergeHints,
  noHints,
  PATIENCE_US,
  spansOf,
  type FeedbackBatch,
  type Hints,
  type MonitorFeedback,
} from '../model.ts';
import * as batches from '../store/batches.ts';
import { insertJoined, listJoined } from '../store/joined-files.ts';
import * as monitors from '../store/monitors.ts';
import { joinAnswer, joinStatements, type JoinFound } from './join-sql.ts';
import { queryLabels } from './query-labels.ts';

export interface Joined {
  readonly monitor: string;
  readonly batches: number;
  /** Labels that are new or say something else than the one before. */
  readonly labels: number;
}

/** Days whose labels changed, in event time. */
export interface Changed {
  readonly monitor: string;
  readonly windowsFromUs: number;
  readonly windowsToUs: number;
}
/** What is written in the transaction of a join, for each run of days whose labels changed. */
export type WithJoin = (tx: Ctx, changed: Changed) => Promise<void>;

/** Batches of one run; more are joined in the next one, in the same tick. */
const BATCHES = 500;
const MOST_SEGMENTS = 2000;
const MOST_DAYS = 1000;

// Two ticks of a monitor at once would look for the same labels.
const inTurn = turns();

/**
 * Joins the labels accepted so far with the predictions shipped so far, for every monitor of the project. Labels whose
 * prediction is not there wait for later ticks, until `labels.within` + 30 days after they were accepted. May be run
 * again at any time, also after it was killed anywhere. Emits `feedback.joined {monitor, batches, labels, join,
 * windowsFromUs, windowsToUs}` for each run of days whose labels changed; `also` is written in the same transaction.
 */
export async function joinFeedback(ctx: Ctx, project: string, also?: WithJoin): Promise<Joined[]> {
  const { definition } = await currentRevision(ctx, project);
  const done: Joined[] = [];
  for (const monitor of Object.values(definition.monitors))
    done.push(
      await inTurn(`${ctx.settings.dir} ${ctx.workspace}/${project}/${monitor.name}`, () => joinMonitor(ctx, project, monitor, also)),
    );
  return done;
}

async function joinMonitor(ctx: Ctx, project: string, monitor: MonitorDefinition, also?: WithJoin): Promise<Joined> {
  const { nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
  const total = { monitor: monitor.name, batches: 0, labels: 0 };
  const all = async (): Promise<void> => {
    for (let again = true; again;) {
      const run = await joinOnce(ctx, project, monitor, nowUs, also);
      total.batches += run.batches;
      total.labels += run.labels;
      again = run.batches === BATCHES;
    }
  };
  await all();
  // What is labelled now is not asked for.
  if (await queryLabels(ctx, project, monitor, nowUs)) await all();
  return total;
}

async function joinOnce(
  ctx: Ctx,
  project: string,
  monitor: MonitorDefinition,
  nowUs: number,
  also?: WithJoin,
): Promise<{ batches: number; labels: number }> {
  const of = { project, monitor: monitor.name };
  const state = await monitors.findMonitor(ctx.db, ctx.workspace, of);
  if (!state) return { batches: 0, labels: 0 };
  const pending = await batches.listAccepted(ctx.db, ctx.workspace, of, BATCHES);
  const files = await inferenceFileCount(ctx, { project, endpoint: endpointOf(monitor) });
  const retry = state.waiting > 0 && (files > state.seenFiles || (state.nextExpiryUs !== null && state.nextExpiryUs < nowUs));
  if (pending.length === 0 && !retry) return { batches: 0, labels: 0 };
  const folder = join(ctx.settings.dir, 'compute', 'made', randomBytes(8).toString('hex'));
  await mkdir(folder, { recursive: true });
  try {
    return await joinIn(ctx, { project, monitor, nowUs, state, pending, seenFiles: files, retry, also }, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Work {
  readonly project: string;
  readonly monitor: MonitorDefinition;
  readonly nowUs: number;
  readonly state: MonitorFeedback;
  readonly pending: readonly FeedbackBatch[];
  readonly seenFiles: number;
  /** Labels that wait are looked for as well. */
  readonly retry: boolean;
  readonly also: WithJoin | undefined;
}

async function joinIn(ctx: Ctx, work: Work, folder: string): Promise<{ batches: number; labels: number }> {
  const { project, monitor, nowUs, state, pending } = work;
  const of = { project, monitor: monitor.name };
  const hasWaiting = state.waiting > 0;
  const hints = mergeHints([...pending.map((b) => b.hints), ...(hasWaiting ? [state.waitingHints] : [])]);
  const log = await logFiles(ctx, work, hints);
  const earlier = await labelledFiles(ctx, of, log);
  const [labelPaths, waitingPaths, logPaths, earlierPaths] = await Promise.all(
    [pending.map((b) => b.digest), hasWaiting ? [state.waitingDigest] : [], log.map((f) => f.digest), earlier].map((d) =>
      stageFiles(ctx, d),
    ),
  );
  const [joinedPath, waitingPath] = [join(folder, 'joined.parquet'), join(folder, 'waiting.parquet')];
  const { rows } = await ctx.compute.run(
    {
      what: `the labels of monitor ${monitor.name}`,
      tables: {
        ...(pending.length > 0
          ? { labels: { files: [...new Set(labelPaths)], format: 'ndjson' as const, columns: labelColumns, fileColumn: 'file' } }
          : {}),
        ...(hasWaiting ? { waiting: { files: waitingPaths! } } : {}),
        ...(log.length > 0 ? { log: { files: logPaths! } } : {}),
        ...(earlier.length > 0 ? { joined: { files: earlierPaths! } } : {}),
      },
      writes: [joinedPath, waitingPath],
      statements: joinStatements({
        batches: pending.map((b, i) => ({ path: labelPaths![i]!, seq: b.seq, acceptedUs: b.acceptedUs })),
        hasWaiting,
        hasLog: log.length > 0,
        hasEarlier: earlier.length > 0,
        logged: columnsOf(log),
        keys: hints.keys,
        slices: monitor.slices,
        windowUs: monitor.windowUs,
        withinUs: monitor.labels.withinUs,
        horizonUs: horizonOf(monitor),
        nowUs,
        joinedPath,
        waitingPath,
      }),
      rows: joinAnswer(monitor.endpoint !== null),
    },
    ctx.signal,
  );
  return record(ctx, work, rows[0] as unknown as JoinFound, joinedPath, waitingPath);
}

/** Files of the log that may hold the predictions of labels with these hints. */
async function logFiles(ctx: Ctx, { project, monitor, nowUs }: Work, hints: Hints): Promise<InferenceFile[]> {
  const endpoint = endpointOf(monitor);
  const { mode } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
  // Whoever begins with records of last year on a live timeline has labels of last year, too.
  const history = hints.open && monitor.endpoint === null && mode === 'live';
  const spans = [...spansOf(hints.days), ...(hints.open ? [{ fromUs: nowUs - horizonOf(monitor), toUs: nowUs }] : [])];
  const found = [
    ...(await filesOfPredictions(
      ctx,
      hints.segments.map((s) => `${s}.0`),
    )),
    ...(await Promise.all(spans.map((span) => inferenceFiles(ctx, { project, endpoint, ...span })))).flat(),
    ...(history ? await inferenceFilesSince(ctx, Math.floor((nowUs - horizonOf(monitor)) / 1000), { project, endpoint }) : []),
  ];
  return [...new Map(found.map((f) => [f.digest, f])).values()];
}

/** Files of labels that predictions in these files may have already. */
async function labelledFiles(ctx: Ctx, of: monitors.OfMonitor, log: readonly InferenceFile[]): Promise<string[]> {
  const days = new Set<number>();
  for (const f of log) for (let day = Math.floor(f.fromUs / DAY_US); day <= Math.floor(f.toUs / DAY_US); day++) days.add(day);
  const spans = spansOf([...days].sort((a, b) => a - b));
  const found = (await Promise.all(spans.map((s) => listJoined(ctx.db, ctx.workspace, of, s.fromUs, s.toUs)))).flat();
  return [...new Set(found.map((f) => f.digest))];
}

async function record(ctx: Ctx, work: Work, found: JoinFound, joinedPath: string, waitingPath: string) {
  const { project, monitor, nowUs, state, pending } = work;
  const of = { project, monitor: monitor.name };
  const sum = (name: 'waiting' | 'joined' | 'corrected'): number => found.counts.reduce((total, c) => total + c[name], 0);
  const waiting = sum('waiting');
  const blobs = await ctx.blobs.begin();
  try {
    const joined = found.days.length > 0 ? await blobs.add({ path: joinedPath }) : undefined;
    const kept = waiting > 0 ? await blobs.add({ path: waitingPath }) : undefined;
    const entries = await blobs.commit();
    failpoint('feedback.before-joined');
    const done = await ctx.tx(async (tx) => {
      const to: MonitorFeedback = {
        ...state,
        lastJoin: joined ? state.lastJoin + 1 : state.lastJoin,
        waiting,
        waitingDigest: kept?.digest ?? '',
        waitingHints: waiting > 0 ? waitingHints(found) : noHints,
        nextExpiryUs: found.firstWaitingUs === null ? null : found.firstWaitingUs + monitor.labels.withinUs + PATIENCE_US,
        seenFiles: work.seenFiles,
      };
      if (!(await monitors.updateMonitor(tx.db, tx.workspace, of, to))) return false;
      await insertBlobs(tx, entries);
      for (const { seq, ...counts } of found.counts) await batches.countBatch(tx.db, tx.workspace, of, seq, counts);
      if (joined) {
        await insertJoined(tx.db, tx.workspace, of, { number: to.lastJoin, digest: joined.digest, days: found.days });
        await tell(tx, work, found, to.lastJoin, joined.digest);
      }
      return true;
    });
    failpoint('feedback.after-joined');
    // Another process has joined these labels meanwhile.
    return done ? { batches: pending.length, labels: sum('joined') + sum('corrected') } : { batches: 0, labels: 0 };
  } catch (error) {
    await blobs.abandon();
    throw error;
  }
  function waitingHints(f: JoinFound): Hints {
    const tooMany = f.segments.length > MOST_SEGMENTS || f.waitingDays.length > MOST_DAYS;
    return tooMany
      ? { segments: [], days: [], open: true, keys: f.waitingKeys }
      : { segments: f.segments, days: f.waitingDays, open: f.open, keys: f.waitingKeys };
  }
  async function tell(tx: Ctx, w: Work, f: JoinFound, number: number, digest: string): Promise<void> {
    const changed = f.days.filter((d) => d.changed > 0);
    // Days far apart are told apart, so that a late label does not make everything since look changed.
    for (const span of spansOf(changed.map((d) => d.dayUs / DAY_US))) {
      const within = changed.filter((d) => d.dayUs >= span.fromUs && d.dayUs <= span.toUs);
      const self = { kind: 'joined-labels', id: `${project}/${monitor.name}/${number}` };
      const windows = { windowsFromUs: Math.min(...within.map((d) => d.fromUs)), windowsToUs: Math.max(...within.map((d) => d.toUs)) };
      await w.also?.(tx, { monitor: monitor.name, ...windows });
      await tx.emit({
        type: 'feedback.joined',
        subject: self,
        label: `labels of ${monitor.name}`,
        project,
        payload: {
          monitor: monitor.name,
          batches: w.pending.length,
          labels: within.reduce((total, d) => total + d.changed, 0),
          join: number,
          digest,
          ...windows,
        },
        occurredUs: nowUs,
        edges: w.pending.slice(0, 100).map((b) => ({ from: self, to: { kind: 'feedback-batch', id: b.id }, relation: 'joins' })),
      });
    }
  }
}
