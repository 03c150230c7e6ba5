import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import type { Subscriber } from '../../kernel/events/subscribers.ts';
import { shipLive } from '../serving/public.ts';
import { publishPlan } from './service/publish.ts';
import { liveAcks, settle } from './service/settle.ts';

/** Ends a release whose server died before it could; one that has ended stays as it is. */
export const settleRelease = defineJob<{ releaseId: string }>({
  name: 'releases.settle',
  timeoutMs: 60_000,
  retry: { limit: 5, backoffMs: 1000 },
  run: async (ctx, { releaseId }) => void (await settle(ctx, releaseId)),
});

const publish = defineJob<object>({
  name: 'releases.publish',
  timeoutMs: 60_000,
  retry: { limit: 5, backoffMs: 1000 },
  run: async (ctx) => void (await publishPlan(ctx)),
});

/** A live timeline has no barrier that ships what was answered. Here, because releases know the data planes. */
export const shipLog = defineJob<object>({
  name: 'releases.ship-log',
  timeoutMs: 600_000,
  // The next minute is the next attempt.
  retry: { limit: 0, backoffMs: 1000 },
  cron: '* * * * *',
  run: async (ctx) => void (await shipLive(ctx, () => liveAcks(ctx))),
});

export const releaseJobs: readonly Job<never>[] = [settleRelease, publish, shipLog];

/** Data planes know who may ask from the plan alone, so a change of tokens or users is a new plan. */
export const releaseSubscribers: readonly Subscriber[] = [
  {
    name: 'releases.publish',
    types: ['token.created', 'token.revoked', 'user.created', 'user.removed', 'grant.changed'],
    handle: async (ctx) => void (await ctx.enqueue({ job: publish, payload: {}, uniqueKey: 'publish' })),
  },
];
