// What becomes due by time alone.
import { makeCtx, systemActor, type Ctx } from '../../../kernel/ctx.ts';
import { defineJob } from '../../../kernel/jobs/jobs.ts';
import { isActive } from '../model.ts';
import { getAlert, listAlerts } from '../store/alerts.ts';
import { listOverdue, listOwedEnds } from '../store/deliveries.ts';
import { listProjects } from '../store/rules.ts';
import { judgeTime } from './judge.ts';
import { keepAlive } from './keep-alive.ts';
import { notify, queueAttempt } from './notify.ts';
import { sceneOf } from './scene.ts';
import { settle } from './settle.ts';

const ALL = '~';
const MOST = 1000;

/** Tells what became due by time alone: a repetition, or what a silence that has ended held back. Inside a transaction. */
export async function catchUp(tx: Ctx, project: string): Promise<void> {
  const scene = await sceneOf(tx, project);
  const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, project);
  for (const alert of await listAlerts(tx.db, tx.workspace, project, { states: ['firing', 'recovering'] }, ALL, MOST))
    if (isActive(alert.state)) await settle(tx, scene, alert, alert, nowUs);
  const told = Object.values(scene.receivers).flatMap((r) => (r.sendResolved ? [r.name] : []));
  for (const id of await listOwedEnds(tx.db, tx.workspace, project, told)) {
    const alert = await getAlert(tx.db, tx.workspace, id);
    if (alert) await notify(tx, scene, alert, nowUs);
  }
}

async function minuteOf(ctx: Ctx, project: string): Promise<void> {
  const { mode, nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
  if (mode === 'live')
    await ctx.tx(async (tx) => {
      await judgeTime(tx, project, undefined, nowUs);
      await catchUp(tx, project);
    });
  await keepAlive(ctx, project);
}

/** Runs when event time reaches the end of a silence. */
export const catchUpJob = defineJob<{ project: string }>({
  name: 'alerts.catch-up',
  timeoutMs: 60_000,
  retry: { limit: 5, backoffMs: 1000 },
  run: (ctx, { project }) => ctx.tx((tx) => catchUp(tx, project)),
});

/** An attempt that is so late has lost its job. */
const LOST_MS = 120_000;

/**
 * Each minute: on live timelines the dead man looks at the clock and repetitions come due; Alertmanagers are told
 * that what fires still does; deliveries whose job was lost get another one. A replay's time passes at its barrier.
 */
export async function everyMinute(ctx: Ctx): Promise<void> {
  for (const { workspace, project } of await listProjects(ctx.db)) {
    const own = makeCtx(ctx, { actor: systemActor, workspace, signal: ctx.signal });
    // What is wrong with one project, or overtaken by a window that closes, is no reason for the others to wait.
    await minuteOf(own, project).catch((error: unknown) => ctx.log.error({ event: 'alerts.minute-failed', workspace, project, error }));
  }
  const nowMs = ctx.clock.now();
  for (const { workspace, attempts, ...delivery } of await listOverdue(ctx.db, nowMs - LOST_MS))
    await makeCtx(ctx, { actor: systemActor, workspace }).tx((tx) => queueAttempt(tx, delivery, attempts, nowMs));
}
