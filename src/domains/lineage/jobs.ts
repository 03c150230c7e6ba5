import type { Subscriber } from '../../kernel/events/subscribers.ts';
import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import { mapModel, mapProject } from './service/map-columns.ts';
import { project } from './store.ts';

const retry = { limit: 2, backoffMs: 1000 };

const mapOfProject = defineJob<{ project: string }>({
  name: 'lineage.map-project',
  timeoutMs: 600_000,
  retry,
  run: (ctx, payload) => mapProject(ctx, payload.project),
});

const mapOfModel = defineJob<{ version: string }>({
  name: 'lineage.map-model',
  timeoutMs: 600_000,
  retry,
  run: (ctx, { version }) => mapModel(ctx, version),
});

export const lineageJobs: readonly Job<never>[] = [mapOfProject, mapOfModel];

export const lineageSubscribers: readonly Subscriber[] = [
  { name: 'lineage', together: true, handle: project },
  {
    name: 'lineage.columns',
    types: ['project-revision.applied', 'dataset-version.created'],
    handle: async (ctx, event) => {
      const of = event.project!;
      await ctx.enqueue({ job: mapOfProject, payload: { project: of }, uniqueKey: of, project: of });
    },
  },
  {
    name: 'lineage.models',
    types: ['model-version.sealed'],
    handle: async (ctx, event) =>
      void (await ctx.enqueue({
        job: mapOfModel,
        payload: { version: event.subject.id },
        uniqueKey: event.subject.id,
        ...(event.project === null ? {} : { project: event.project }),
      })),
  },
];
