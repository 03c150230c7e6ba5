// Cancelling a run, and letting one go on that failed or was cancelled.
import type { Ctx } from '../../../kernel/ctx.ts';
import { cancelJob, jobsIn } from '../../../kernel/jobs/jobs.ts';
import type { StepEngine } from '../engine.ts';
import { refuseWhileErasing } from '../../subjects/public.ts';
import { fail } from '../errors.ts';
import { listAttempts } from '../store/attempts.ts';
import * as store from '../store/runs.ts';
import type { Run } from '../store/runs.ts';
import { updateStep, type StepSummary } from '../store/steps.ts';
import { stepJobKey, type PipelineJobs } from './advance.ts';
import { loadRun } from './run-context.ts';
import { endLeftovers } from './perform-run.ts';
import { wakeWaiting } from './run-step.ts';
import { requireTrust } from './trust.ts';

/** Ends the run at once; its processes are ended by the jobs that look after them. Raises `run-not-found`, `run-ended`. */
export const cancelRun = (ctx: Ctx, runId: string, jobs: PipelineJobs): Promise<void> =>
  ctx.tx(async (tx) => {
    const { run, steps } = await loadRun(tx, runId);
    const now = tx.clock.now();
    if (!(await store.finishRun(tx.db, tx.workspace, runId, 'cancelled', null, now))) fail('run-ended', { id: runId, state: run.state });
    for (const step of steps.values()) {
      if (step.state !== 'waiting' && step.state !== 'running') continue;
      await updateStep(tx.db, tx.workspace, runId, step.name, [step.state], { state: 'cancelled', finishedMs: now });
      if (step.state === 'waiting') continue;
      await cancelStepJob(tx, step, jobs);
      await wakeWaiting(tx, step, jobs);
    }
    // The jobs of the steps end their processes at once; this one does if they die before they have.
    await tx.enqueue({ job: jobs.end, payload: { runId }, project: run.project });
    await tx.emit({
      type: 'pipeline-run.finished',
      subject: { kind: 'pipeline-run', id: runId },
      project: run.project,
      payload: { state: 'cancelled' },
    });
  });

/** Ends whatever steps of a run that are no longer wanted have left running. Raises `run-not-found`. */
export async function endRun(ctx: Ctx, runId: string, engine: StepEngine): Promise<void> {
  const { steps } = await loadRun(ctx, runId);
  for (const step of steps.values()) if (step.kind === 'run' || step.kind === 'predict') await endLeftovers(ctx, engine, step);
}

async function cancelStepJob(tx: Ctx, step: StepSummary, jobs: PipelineJobs): Promise<void> {
  const row = await jobsIn(tx.db)
    .selectFrom('jobs')
    .select('id')
    .where('workspace_id', '=', tx.workspace)
    .where('name', '=', jobs.step.name)
    .where('unique_key', '=', stepJobKey(step))
    .executeTakeFirst();
  if (row) await cancelJob(tx, row.id);
}

/**
 * Goes on with a run in place: what succeeded stays, the rest is decided again under the same revision, code
 * and dataset versions. Raises `run-not-found`, `run-not-resumable`, `erasure-running`.
 */
export const resumeRun = (ctx: Ctx, runId: string, jobs: PipelineJobs): Promise<Run> =>
  ctx.tx(async (tx) => {
    const { run, steps, stepDefinitions } = await loadRun(tx, runId);
    await requireTrust(tx, [...stepDefinitions.values()]);
    await refuseWhileErasing(tx, run.project);
    if (!(await store.reopenRun(tx.db, tx.workspace, runId))) fail('run-not-resumable', { id: runId, state: run.state });
    for (const step of steps.values()) {
      if (step.state === 'succeeded') continue;
      const made = await listAttempts(tx.db, tx.workspace, runId, step.name);
      await updateStep(tx.db, tx.workspace, runId, step.name, ['failed', 'skipped', 'cancelled'], {
        state: 'waiting',
        cacheKey: null,
        keyParts: null,
        explanation: null,
        trackingRunId: null,
        error: null,
        earlierAttempts: made.at(-1)?.number ?? 0,
        startedMs: null,
        finishedMs: null,
      });
    }
    await tx.emit({ type: 'pipeline-run.resumed', subject: { kind: 'pipeline-run', id: runId }, project: run.project });
    await tx.enqueue({ job: jobs.advance, payload: { runId }, project: run.project });
    return (await store.getRun(tx.db, tx.workspace, runId))!;
  });
