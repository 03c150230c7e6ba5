import type { Subscriber } from '../../kernel/events/subscribers.ts';
import type { Job } from '../../kernel/jobs/jobs.ts';

export const feedbackJobs: readonly Job<never>[] = [];

export const feedbackSubscribers: readonly Subscriber[] = [];
