import { makeCtx, systemActor, type Ctx } from '../../kernel/ctx.ts';
import type { Subscriber } from '../../kernel/events/subscribers.ts';
import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import { isProblem } from '../../kernel/errors.ts';
import { openRuns } from '../pipelines/public.ts';
import { currentRevision, listAllProjects } from '../projects/public.ts';
import { failErasure } from './service/certify.ts';
import { runErasure } from './service/erase.ts';
import { applyRetention } from './service/retention.ts';

const RETRIES = 5;
const DAY_MS = 24 * 3600 * 1000;
const DAY_US = DAY_MS * 1000;

/** One at a time, beside all else: it waits for runs that read what is to go. */
export const erase: Job<{ id: string }> = defineJob({
  name: 'governance.erase',
  besideDataPlane: true,
  timeoutMs: 7 * DAY_MS,
  retry: { limit: RETRIES, backoffMs: 500 },
  ownSlots: 1,
  run: async (ctx, { id }, job) => {
    try {
      await runErasure(ctx, id, job.report);
    } catch (error) {
      if (!ctx.signal.aborted && job.attempt > RETRIES) await failErasure(ctx, id, error instanceof Error ? error.message : String(error));
      throw error;
    }
  },
});

/** Each day: of the project whose replay passed into it, or of all that run on the live timeline. */
export const retention: Job<{ project?: string }> = defineJob({
  name: 'governance.retention',
  timeoutMs: 6 * 3600 * 1000,
  retry: { limit: 2, backoffMs: 60_000 },
  cron: '40 3 * * *',
  run: async (ctx, { project }) => {
    if (project !== undefined) return retain(ctx, project);
    let failed: unknown;
    for (const { workspace, project: name } of await listAllProjects(ctx.db)) {
      const own = makeCtx(ctx, { actor: systemActor, workspace, signal: ctx.signal });
      if ((await own.timeline.read(own.db, workspace, name)).mode === 'replay') continue;
      // What is wrong with one project must not keep the data of the others.
      await retain(own, name).catch((error: unknown) => {
        ctx.log.error({ event: 'governance.retention-failed', workspace, project: name, error });
        failed ??= error;
      });
    }
    if (failed !== undefined) throw failed;
  },
});

async function retain(ctx: Ctx, project: string): Promise<void> {
  // Whoever reads the data now is not disturbed; the next day is soon enough.
  if ((await openRuns(ctx, project)).length > 0) return ctx.log.info({ event: 'governance.retention-postponed', project });
  try {
    await applyRetention(ctx, project, false);
  } catch (error) {
    if (!isProblem(error, 'erasure-running')) throw error;
  }
}

export const governanceJobs: readonly Job<never>[] = [erase, retention];

export const governanceSubscribers: readonly Subscriber[] = [
  {
    name: 'governance.retention',
    types: ['timeline.advanced'],
    handle: async (ctx, event) => {
      const { fromUs, toUs } = event.payload as { fromUs: number; toUs: number };
      const project = event.project!;
      if (Math.floor(fromUs / DAY_US) === Math.floor(toUs / DAY_US)) return;
      const { definition } = await currentRevision(ctx, project);
      const rules = [...Object.values(definition.datasets), ...Object.values(definition.endpoints)];
      if (rules.some((r) => r.retentionUs !== null))
        await ctx.enqueue({ job: retention, payload: { project }, uniqueKey: project, project });
    },
  },
];
