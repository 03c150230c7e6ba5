import type { Subscriber } from '../../kernel/events/subscribers.ts';
import type { Job } from '../../kernel/jobs/jobs.ts';

export const webhookJobs: readonly Job<never>[] = [];
export const webhookSubscribers: readonly Subscriber[] = [];
