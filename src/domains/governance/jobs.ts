import type { Subscriber } from '../../kernel/events/subscribers.ts';
import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import { isProblem } from '../../kernel/errors.ts';
import { openRuns } from '../pipelines/public.ts';
import { currentRevision, listProjectNames } from '../projects/public.ts';
import { failErasure } from './service/certify.ts';
import { runErasure } from './service/erase.ts';
import { applyRetention } from './service/retention.ts';

const RETRIES = 5;
const DAY_MS = 24 * 3600 * 1000;
const DAY_US = DAY_MS * 1000;

/** One at a time, beside all else: it waits for runs that read what is to go. */
export const erase: Job<{ id: string }> = defineJob({
  name: 'governance.erase',
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
    for (const name of project === undefined ? await listProjectNames(ctx) : [project]) {
      const { mode } = await ctx.timeline.read(ctx.db, ctx.workspace, name);
      if (project === undefined && mode === 'replay') continue;
      // Whoever reads the data now is not disturbed; the next day is soon enough.
      if ((await openRuns(ctx, name)).length > 0) ctx.log.info({ event: 'governance.retention-postponed', project: name });
      else
        await applyRetention(ctx, name, false).catch((error: unknown) => {
          if (!isProblem(error, 'erasure-running')) throw error;
        });
    }
  },
});

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
