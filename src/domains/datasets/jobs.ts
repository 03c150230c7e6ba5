import type { Subscriber } from '../../kernel/events/subscribers.ts';
import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import { refreshDatasets } from './service/build.ts';

const refresh = defineJob<{ project: string }>({
  name: 'datasets.refresh',
  timeoutMs: 3_600_000,
  retry: { limit: 2, backoffMs: 1000 },
  run: async (ctx, { project }) => void (await refreshDatasets(ctx, project)),
});

export const datasetJobs: readonly Job<never>[] = [refresh];

/** A new version, or new SQL, makes the datasets that follow from it out of date. */
export const datasetSubscribers: readonly Subscriber[] = [
  {
    name: 'datasets.refresh',
    types: ['dataset-version.created', 'project-revision.applied'],
    handle: async (ctx, event) =>
      void (await ctx.enqueue({ job: refresh, payload: { project: event.project! }, uniqueKey: event.project!, project: event.project! })),
  },
];
