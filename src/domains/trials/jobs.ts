import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import type { Subscriber } from '../../kernel/events/subscribers.ts';
import { currentRevision } from '../projects/public.ts';
import { declareTrials } from './service/declare.ts';
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

/** What a project declares is planned, and started where it says so. */
const declareJob = defineJob<{ project: string }>({
  name: 'trials.declare',
  besideDataPlane: true,
  timeoutMs: 300_000,
  retry: { limit: 3, backoffMs: 1000 },
  run: (ctx, { project }) => declareTrials(ctx, project),
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

export const trialJobs: readonly Job<never>[] = [settleTrialJob, judge, judgeLiveJob, declareJob];

export const trialSubscribers: readonly Subscriber[] = [
  {
    name: 'trials.declare',
    types: ['project-revision.applied'],
    handle: async (ctx, { project }) => {
      if (project === null) return;
      const { definition } = await currentRevision(ctx, project);
      const hasAny = Object.keys(definition.trials ?? {}).length > 0;
      if (!hasAny && (await store.listManaged(ctx.db, { workspace: ctx.workspace, project })).length === 0) return;
      await ctx.enqueue({ job: declareJob, payload: { project }, uniqueKey: project, project });
    },
  },
  {
    // Labels and records of the whole tick are there by then, so that two replays decide the same.
    name: 'trials.judge',
    types: ['timeline.settled'],
    handle: async (ctx, { project }) => {
      if (project === null) return;
      const found = await store.listInStates(ctx.db, ['declared', 'planned', 'running'], { workspace: ctx.workspace, project });
      if (!found.some(({ trial }) => trial.state === 'running' || trial.managedBy === 'file')) return;
      const { nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
      await ctx.enqueue({ job: judge, payload: { project }, uniqueKey: project, project, dueUs: nowUs });
    },
  },
];
