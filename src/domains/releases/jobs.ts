import { makeCtx, systemActor, type Ctx } from '../../kernel/ctx.ts';
import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import type { Subscriber } from '../../kernel/events/subscribers.ts';
import { shipLive } from '../serving/public.ts';
import { championAlias } from '../registry/public.ts';
import { publishPlan } from './service/publish.ts';
import { judgeProject, judgeRelease } from './service/judge.ts';
import { followAlias } from './service/follow-alias.ts';
import { liveAcks, settleRelease } from './service/settle.ts';
import { listJudged } from './store/releases.ts';

const publish = defineJob<object>({
  name: 'releases.publish',
  besideDataPlane: true,
  timeoutMs: 60_000,
  retry: { limit: 5, backoffMs: 1000 },
  run: async (ctx) => void (await publishPlan(ctx)),
});

/** Each staged release of a project, once event time has moved and the labels of that time are joined. */
const judge = defineJob<{ project: string; monitor: string | null }>({
  name: 'releases.judge',
  besideDataPlane: true,
  timeoutMs: 300_000,
  retry: { limit: 3, backoffMs: 1000 },
  run: (ctx, payload) => judgeProject(ctx, payload),
});

/** A live timeline has no barrier that ships what was answered. Here, because releases know the data planes. */
export const shipLog = defineJob<object>({
  name: 'releases.ship-log',
  besideDataPlane: true,
  timeoutMs: 600_000,
  // The next minute is the next attempt.
  retry: { limit: 0, backoffMs: 1000 },
  cron: '* * * * *',
  run: async (ctx) => {
    await shipLive(ctx, () => liveAcks(ctx));
    await judgeLive(ctx);
  },
});

/** Staged releases on a live timeline, with the records just shipped. */
async function judgeLive(ctx: Ctx): Promise<void> {
  for (const { workspace, release } of await listJudged(ctx.database.reader)) {
    const scoped = makeCtx(ctx, { actor: systemActor, workspace, signal: ctx.signal });
    const { mode } = await scoped.timeline.read(scoped.db, workspace, release.project);
    if (mode !== 'live') continue;
    try {
      await judgeRelease(scoped, release.id);
    } catch (error) {
      // One that cannot be judged must not hold up the others; the next minute is its next attempt.
      ctx.log.error({ event: 'releases.not-judged', release: release.id, error });
    }
  }
}

export const releaseJobs: readonly Job<never>[] = [settleRelease, publish, judge, shipLog, followAlias];

export const releaseSubscribers: readonly Subscriber[] = [
  {
    name: 'releases.follow-alias',
    types: ['alias.set'],
    handle: async (ctx, { subject, payload, actor }) => {
      if (payload.alias !== championAlias) return;
      await ctx.enqueue({ job: followAlias, payload: { model: subject.id, by: actor.id }, uniqueKey: subject.id });
    },
  },
  /** Data planes know who may ask from the plan alone, so a change of tokens or users is a new plan. */
  {
    name: 'releases.publish',
    types: [
      ...['token.created', 'token.revoked', 'user.created', 'user.removed', 'grant.changed', 'service-account.changed'],
      ...['level.granted', 'level.revoked', 'role.changed', 'role.deleted', 'role.assigned', 'role.unassigned'],
    ],
    handle: async (ctx, { type, payload }) => {
      // What is granted for an experiment or a model says nothing of endpoints.
      if (type.startsWith('level.') && payload.kind !== 'endpoint') return;
      await ctx.enqueue({ job: publish, payload: {}, uniqueKey: 'publish' });
    },
  },
  /** Where a monitor watches the endpoint, its watermark says that the labels of a tick are joined; else the tick itself does. */
  {
    name: 'releases.judge',
    types: ['timeline.advanced', 'watermark.passed'],
    handle: async (ctx, { type, project, payload }) => {
      if (project === null) return;
      const canaries = await listJudged(ctx.db);
      if (!canaries.some((c) => c.workspace === ctx.workspace && c.release.project === project)) return;
      const monitor = type === 'watermark.passed' ? String(payload.monitor) : null;
      const { nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
      await ctx.enqueue({ job: judge, payload: { project, monitor }, uniqueKey: `${project}/${monitor ?? ''}`, project, dueUs: nowUs });
    },
  },
];
