import type { Subscriber } from '../../kernel/events/subscribers.ts';
import type { Job } from '../../kernel/jobs/jobs.ts';

export const retrainingJobs: readonly Job<never>[] = [];

export const retrainingSubscribers: readonly Subscriber[] = [];
