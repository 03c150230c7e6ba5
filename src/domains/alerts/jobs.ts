import type { Subscriber } from '../../kernel/events/subscribers.ts';
import type { Job } from '../../kernel/jobs/jobs.ts';

export const alertJobs: readonly Job<never>[] = [];

export const alertSubscribers: readonly Subscriber[] = [];
