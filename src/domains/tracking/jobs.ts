import { makeCtx, systemActor } from '../../kernel/ctx.ts';
import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import { workspacesWithDeleted } from './queries.ts';
import { insertPurge, runPurge } from './service/purge/run-purge.ts';

const DAY_MS = 24 * 3600 * 1000;

/** One at a time, beside all else: it may have to remove very much. */
export const purge: Job<{ id: string }> = defineJob({
  name: 'tracking.purge',
  timeoutMs: 7 * DAY_MS,
  retry: { limit: 5, backoffMs: 1000 },
  ownSlots: 1,
  run: (ctx, { id }, job) => runPurge(ctx, id, job.report),
});

/** Each day, what was deleted longer ago than GYRE_DELETED_RETENTION_DAYS. */
export const retention: Job<object> = defineJob({
  name: 'tracking.retention',
  timeoutMs: 600_000,
  retry: { limit: 2, backoffMs: 60_000 },
  cron: '10 4 * * *',
  run: async (ctx) => {
    const days = ctx.settings.deletedRetentionDays;
    if (days === 0) return;
    for (const workspace of await workspacesWithDeleted(ctx.db)) {
      const own = makeCtx(ctx, { actor: systemActor, workspace, signal: ctx.signal });
      await own.tx(async (tx) => {
        const scope = { experimentIds: null, runIds: null, deletedByMs: tx.clock.now() - days * DAY_MS };
        const { id } = await insertPurge(tx, scope, false);
        await tx.enqueue({ job: purge, payload: { id }, uniqueKey: id });
      });
    }
  },
});

export const trackingJobs: readonly Job<never>[] = [purge, retention];
