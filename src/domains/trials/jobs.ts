import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import type { Subscriber } from '../../kernel/events/subscribers.ts';
import { settleTrialJob } from './service/settle.ts';
import { judgeLive, judgeTrials } from './service/tick.ts';
import * as store from './store.ts';

/** Each running trial of a project, once event time has moved and all that this brings about is done. */
const judge = defineJob<{ project: string }>({
  name: 'trials.judge',
  besideDataPlane: true,
  timeoutMs: 300_000,
  retry: { limit: 3, backoffMs: 1000 },
  run: (ctx, { project }) => judgeTrials(ctx, project),
});

/** A live timeline has no ticks but these. */
const judgeLiveJob = defineJob<object>({
  name: 'trials.judge-live',
  besideDataPlane: true,
  timeoutMs: 600_000,
  // The next minute is the next attempt.
  retry: { limit: 0, backoffMs: 1000 },
  cron: '* * * * *',
  run: (ctx) => judgeLive(ctx),
});

export const trialJobs: readonly Job<never>[] = [settleTrialJob, judge, judgeLiveJob];

export const trialSubscribers: readonly Subscriber[] = [
  {
    // Labels and records of the whole tick are there by then, so that two replays decide the same.
    name: 'trials.judge',
    types: ['timeline.settled'],
    handle: async (ctx, { project }) => {
      if (project === null) return;
      const running = await store.listInStates(ctx.db, ['running'], { workspace: ctx.workspace, project });
      if (running.length === 0) return;
      const { nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
      await ctx.enqueue({ job: judge, payload: { project }, uniqueKey: project, project, dueUs: nowUs });
    },
  },
];
