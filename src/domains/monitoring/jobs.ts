import type { Subscriber } from '../../kernel/events/subscribers.ts';
import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import { recordJoin } from './service/relabel.ts';
import { makeBaselines } from './service/baseline.ts';
import { tickLive, tickMonitors } from './service/tick.ts';

const tick = defineJob<{ project: string }>({
  name: 'monitoring.tick',
  timeoutMs: 3_600_000,
  retry: { limit: 5, backoffMs: 1000 },
  run: async (ctx, { project }) => void (await tickMonitors(ctx, project)),
});

/** A live timeline moves by itself; each minute is one tick of it. */
const live = defineJob<object>({
  name: 'monitoring.tick-live',
  timeoutMs: 600_000,
  // The next minute is the next attempt.
  retry: { limit: 0, backoffMs: 1000 },
  cron: '* * * * *',
  run: async (ctx) => void (await tickLive(ctx, tick)),
});

const baseline = defineJob<{ version: string }>({
  name: 'monitoring.baseline',
  timeoutMs: 3_600_000,
  retry: { limit: 5, backoffMs: 1000 },
  run: async (ctx, { version }) => void (await makeBaselines(ctx, version)),
});

export const monitoringJobs: readonly Job<never>[] = [tick, live, baseline];

export const monitoringSubscribers: readonly Subscriber[] = [
  {
    name: 'monitoring.tick',
    types: ['timeline.advanced'],
    handle: async (ctx, event) =>
      void (await ctx.enqueue({
        job: tick,
        payload: { project: event.project! },
        uniqueKey: event.project!,
        project: event.project!,
        dueUs: event.occurredUs!,
      })),
  },
  {
    name: 'monitoring.baseline',
    types: ['model-version.sealed'],
    handle: async (ctx, event) =>
      void (await ctx.enqueue({
        job: baseline,
        payload: { version: event.subject.id },
        uniqueKey: event.subject.id,
        ...(event.project === null ? {} : { project: event.project }),
      })),
  },
  {
    name: 'monitoring.relabel',
    types: ['feedback.joined'],
    handle: async (ctx, event) => {
      if (await recordJoin(ctx, event))
        await ctx.enqueue({ job: tick, payload: { project: event.project! }, uniqueKey: event.project!, project: event.project! });
    },
  },
];
