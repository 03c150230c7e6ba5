// One tick of event time for the monitors of a project: labels are joined, then every window that is due is closed, in
// the order in which they came due, whatever monitor they are of. A replay that moves a month at once and one that moves
// by the hour leave the same windows and the same events in the same order.
import { makeCtx, systemActor, type Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { isProblem } from '../../../kernel/errors.ts';
import type { Job } from '../../../kernel/jobs/jobs.ts';
import { turns } from '../../../kernel/turns.ts';
import { joinFeedback } from '../../feedback/public.ts';
import { currentRevision, listAllProjects, type MonitorDefinition } from '../../projects/public.ts';
import type { MonitorState } from '../model.ts';
import * as monitors from '../store/monitors.ts';
import { isCatchingUp } from './catching-up.ts';
import { closeWindows, type Closing } from './close-window.ts';
import { openRun, type MonitorRun } from './monitor-run.ts';
import { recordRelabel } from './relabel.ts';

// Two ticks of one project at once would make the same figures twice.
const inTurn = turns();

/** Windows without records are written so many at a time. */
const TOGETHER = 100;

/** Joins labels, closes what is due, and tells that the watermark has passed. May be run again at any time. */
export const tickMonitors = (ctx: Ctx, project: string): Promise<void> =>
  inTurn(`${ctx.settings.dir} ${ctx.workspace}/${project}`, () => tickNow(ctx, project));

async function tickNow(ctx: Ctx, project: string): Promise<void> {
  const { definition } = await currentRevision(ctx, project);
  const definitions = Object.values(definition.monitors);
  if (definitions.length === 0) return;
  const { nowUs, mode } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
  try {
    await joinFeedback(ctx, project, async (tx, changed) => void (await recordRelabel(tx, project, changed)));
  } catch (error) {
    // A query for labels that does not work must not hold up what needs none; coverage will tell.
    if (!isProblem(error) || error.status >= 500) throw error;
    ctx.log.warn({ event: 'monitoring.labels.not-joined', project, error });
  }
  const runs: MonitorRun[] = [];
  for (const m of definitions) {
    if (mode === 'live' && (await isCatchingUp(ctx, project, m, nowUs))) continue;
    const run = await openRun(ctx, project, m, nowUs);
    if (run) runs.push(run);
  }
  const closed = new Set<string>();
  for (const run of runs)
    for await (const closing of run.relabelled()) {
      await closeWindows(ctx, [closing], []);
      closed.add(run.name);
    }
  const failed = await closeDue(ctx, runs, closed);
  for (const m of definitions) {
    const run = runs.find((r) => r.name === m.name);
    if (mode === 'replay' || closed.has(m.name)) await passWatermark(ctx, project, m, run?.state(), nowUs);
  }
  if (failed !== undefined) throw failed;
}

async function closeDue(ctx: Ctx, runs: readonly MonitorRun[], closed: Set<string>): Promise<unknown> {
  const going = new Set(runs);
  let failed: unknown;
  let buffer: Closing[] = [];
  const before = new Map<MonitorRun, MonitorState>();
  const flush = async (): Promise<void> => {
    const moved = [...before].map(([run, from]) => ({ from, to: run.state() }));
    await closeWindows(ctx, buffer, moved);
    for (const run of before.keys()) run.written();
    buffer = [];
    before.clear();
  };
  for (;;) {
    ctx.signal.throwIfAborted();
    const due = [...going]
      .map((run) => ({ run, next: run.next() }))
      .filter((r) => r.next !== undefined)
      .sort(
        (a, b) =>
          a.next!.dueUs - b.next!.dueUs ||
          (a.next!.kind < b.next!.kind ? -1 : a.next!.kind > b.next!.kind ? 1 : a.run.name < b.run.name ? -1 : 1),
      );
    const first = due[0]?.run;
    if (!first) break;
    const from = first.state();
    try {
      buffer.push(await first.close());
    } catch (error) {
      // What is wrong with one monitor is no reason for the others to wait.
      if (!isProblem(error)) throw error;
      ctx.log.error({ event: 'monitoring.window.not-closed', monitor: first.name, error });
      failed ??= error;
      going.delete(first);
      continue;
    }
    if (!before.has(first)) before.set(first, from);
    closed.add(first.name);
    if (buffer.at(-1)!.window.n > 0 || buffer.length >= TOGETHER) await flush();
  }
  await flush();
  return failed;
}

/** Whoever acts by event time and not by a window (a step of a release, say) hears of it here. */
async function passWatermark(
  ctx: Ctx,
  project: string,
  m: MonitorDefinition,
  state: MonitorState | undefined,
  nowUs: number,
): Promise<void> {
  if (state && state.watermarkUs >= nowUs) return;
  failpoint('monitoring.before-watermark');
  await ctx.tx(async (tx) => {
    if (state && !(await monitors.updateState(tx.db, tx.workspace, state, { watermarkUs: nowUs }))) return;
    await tx.emit({
      type: 'watermark.passed',
      subject: { kind: 'monitor', id: `${project}/${m.name}` },
      label: m.name,
      project,
      payload: { monitor: m.name, toUs: nowUs },
      occurredUs: nowUs,
    });
  });
  failpoint('monitoring.after-watermark');
}

/** Each project gets a tick of its own, for one that takes long must not hold up the others. A replay moves by its barrier. */
export async function tickLive(ctx: Ctx, tick: Job<{ project: string }>): Promise<void> {
  for (const { workspace, project } of await listAllProjects(ctx.db)) {
    const own = makeCtx(ctx, { actor: systemActor, workspace });
    const { definition } = await currentRevision(own, project);
    if (Object.keys(definition.monitors).length === 0) continue;
    if ((await ctx.timeline.read(ctx.db, workspace, project)).mode !== 'live') continue;
    await own.tx((tx) => tx.enqueue({ job: tick, payload: { project }, uniqueKey: project, project }));
  }
}
