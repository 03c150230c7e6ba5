import type { Subscriber } from '../../kernel/events/subscribers.ts';
import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import { failErasure } from './service/certify.ts';
import { runErasure } from './service/erase.ts';

const RETRIES = 5;
const DAY_MS = 24 * 3600 * 1000;

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

export const governanceJobs: readonly Job<never>[] = [erase];

export const governanceSubscribers: readonly Subscriber[] = [];
