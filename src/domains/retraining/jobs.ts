import { makeCtx, systemActor } from '../../kernel/ctx.ts';
import type { Subscriber } from '../../kernel/events/subscribers.ts';
import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import type { PipelineJobs } from '../pipelines/public.ts';
import { advanceProject } from './service/advance.ts';
import { recordEvent } from './service/causes.ts';
import { tickProject } from './service/tick.ts';
import { queue, type OfProject, type Work } from './service/work.ts';
import { hasPolicies, listProjects } from './store/policies.ts';
import { listInStates } from './store/triggers.ts';

/** The jobs of retraining over those of the pipelines that it starts. */
export function retrainingJobs(pipelines: PipelineJobs): Work & { readonly all: readonly Job<never>[] } {
  const judge = defineJob<OfProject>({
    name: 'retraining.judge',
    timeoutMs: 300_000,
    retry: { limit: 5, backoffMs: 500 },
    run: (ctx, { project }) => tickProject(ctx, project, work),
  });
  const advance = defineJob<OfProject>({
    name: 'retraining.advance',
    // A decision scores the champion on the challenger's rows.
    timeoutMs: 3_600_000,
    retry: { limit: 5, backoffMs: 500 },
    run: (ctx, { project }) => advanceProject(ctx, project, work),
  });
  // A live timeline has no barrier: schedules and approvals come due with the minute.
  const tick = defineJob<object>({
    name: 'retraining.tick',
    timeoutMs: 60_000,
    retry: { limit: 0, backoffMs: 1000 },
    cron: '* * * * *',
    run: async (ctx) => {
      for (const { workspace, project } of await listProjects(ctx.db)) {
        const theirs = makeCtx(ctx, { actor: systemActor, workspace });
        const { mode } = await theirs.timeline.read(theirs.db, workspace, project);
        if (mode !== 'live') continue;
        // One project that cannot be judged must not hold up the others.
        await tickProject(theirs, project, work).catch((error: unknown) =>
          ctx.log.error({ event: 'retraining.tick-failed', workspace, project, error }),
        );
      }
    },
  });
  const work: Work = { judge, advance, pipelines };
  return { ...work, all: [judge, advance, tick] as readonly Job<never>[] };
}

export const retrainingSubscribers = (work: Work): readonly Subscriber[] => [
  {
    name: 'retraining.causes',
    types: ['alert.firing', 'finding.recorded', 'dataset-version.created', 'project-revision.applied'],
    handle: (tx, event) => recordEvent(tx, event, work),
  },
  {
    // In a replay all that a tick of event time brings about has been done when this comes.
    name: 'retraining.tick',
    types: ['timeline.settled'],
    handle: async (tx, { project }) => {
      if (project !== null && (await hasPolicies(tx.db, tx.workspace, project))) await queue(tx, work.judge, project);
    },
  },
  {
    name: 'retraining.advance',
    types: ['pipeline-run.finished', 'release.promoted', 'release.rolled-back', 'release.aborted', 'release.failed', 'endpoint.unfrozen'],
    handle: async (tx, { project }) => {
      if (project === null) return;
      const open = await listInStates(tx.db, tx.workspace, project, ['accepted', 'running', 'deciding', 'releasing']);
      if (open.length > 0) await queue(tx, work.advance, project);
    },
  },
];
