// The jobs that retraining and its use cases ask for.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Job } from '../../../kernel/jobs/jobs.ts';
import type { PipelineJobs } from '../../pipelines/public.ts';

export interface OfProject {
  readonly project: string;
}

export interface Work {
  /** Judges what has been recorded: due causes, schedules, approvals that expire. */
  readonly judge: Job<OfProject>;
  /** Moves accepted triggers on: run, decision, release. */
  readonly advance: Job<OfProject>;
  readonly pipelines: PipelineJobs;
}

/** One job per project at a time, so that what it decides has one order. Inside a transaction. */
export const queue = async (tx: Ctx, job: Job<OfProject>, project: string): Promise<void> =>
  void (await tx.enqueue({ job, payload: { project }, uniqueKey: project, project }));

/** Event time of a project. */
export const nowUsOf = async (ctx: Ctx, project: string): Promise<number> =>
  (await ctx.timeline.read(ctx.db, ctx.workspace, project)).nowUs;
