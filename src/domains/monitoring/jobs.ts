import type { Subscriber } from '../../kernel/events/subscribers.ts';
import type { Job } from '../../kernel/jobs/jobs.ts';

export const monitoringJobs: readonly Job<never>[] = [];

export const monitoringSubscribers: readonly Subscriber[] = [];
