import type { Job } from '../../kernel/jobs/jobs.ts';

export const trackingJobs: readonly Job<never>[] = [];
