import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import { settle } from './service/settle.ts';

/** Ends a release whose server died before it could; one that has ended stays as it is. */
export const settleRelease = defineJob<{ releaseId: string }>({
  name: 'releases.settle',
  timeoutMs: 60_000,
  retry: { limit: 5, backoffMs: 1000 },
  run: async (ctx, { releaseId }) => void (await settle(ctx, releaseId)),
});

export const releaseJobs: readonly Job<never>[] = [settleRelease];
