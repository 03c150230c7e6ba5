import type { Subscriber } from '../../kernel/events/subscribers.ts';
import type { Job } from '../../kernel/jobs/jobs.ts';

export const governanceJobs: readonly Job<never>[] = [];

export const governanceSubscribers: readonly Subscriber[] = [];
