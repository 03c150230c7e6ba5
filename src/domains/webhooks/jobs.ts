import type { Subscriber } from '../../kernel/events/subscribers.ts';
import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import { deliverJob } from './service/deliver.ts';
import { keepDeliveries } from './service/keep.ts';
import { handleNews, newsTypes } from './service/news.ts';

const keep = defineJob<object>({
  name: 'webhooks.keep',
  timeoutMs: 300_000,
  retry: { limit: 0, backoffMs: 1000 },
  cron: '*/10 * * * *',
  run: keepDeliveries,
});

export const webhookJobs: readonly Job<never>[] = [deliverJob, keep];
export const webhookSubscribers: readonly Subscriber[] = [{ name: 'webhooks', types: newsTypes, handle: handleNews }];
