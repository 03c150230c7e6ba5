import type { Subscriber } from '../../kernel/events/subscribers.ts';
import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import { materialiseViews } from './service/materialise.ts';

const materialise = defineJob<{ project: string }>({
  name: 'features.materialise',
  besideDataPlane: true,
  timeoutMs: 3_600_000,
  retry: { limit: 2, backoffMs: 1000 },
  run: async (ctx, { project }) => void (await materialiseViews(ctx, project)),
});

export const featureJobs: readonly Job<never>[] = [materialise];

export const featureSubscribers: readonly Subscriber[] = [
  {
    name: 'features.materialise',
    types: ['dataset-version.created', 'project-revision.applied'],
    handle: async (ctx, event) =>
      void (await ctx.enqueue({
        job: materialise,
        payload: { project: event.project! },
        uniqueKey: event.project!,
        project: event.project!,
      })),
  },
];
