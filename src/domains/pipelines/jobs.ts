import { availableParallelism } from 'node:os';
import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import { advanceRun, type PipelineJobs, type StepPayload } from './service/advance.ts';
import { endRun } from './service/control.ts';
import type { RunParts } from './service/perform-run.ts';
import { runStep, STEP_RETRIES } from './service/run-step.ts';
import { sweepAttempts } from './service/attempts/sweep-attempts.ts';
import { endsOf } from './store/runs.ts';

/** Steps that run at the same time on this machine; each is a process of its own. */
const STEPS_AT_ONCE = Math.max(4, availableParallelism());
const DAY_MS = 24 * 3600 * 1000;

/** Each day, on the machine whose turn it is. */
export const sweepWork: Job<object> = defineJob({
  name: 'pipelines.sweep-attempts',
  timeoutMs: 3_600_000,
  retry: { limit: 1, backoffMs: 60_000 },
  cron: '40 3 * * *',
  run: async (ctx) => {
    const { dir, attemptRetentionDays: days } = ctx.settings;
    if (days === 0) return;
    const beforeMs = ctx.clock.now() - days * DAY_MS;
    const found = await sweepAttempts({ dir, endsOf: (ids) => endsOf(ctx.db, ids), beforeMs, dryRun: false, signal: ctx.signal });
    if (found.folders > 0) ctx.log.info({ event: 'pipelines.attempts-swept', ...found });
  },
});

/** The jobs of pipelines over an engine. */
export function pipelineJobs(parts: RunParts): PipelineJobs & { readonly all: readonly Job<never>[] } {
  const advance: Job<{ runId: string }> = defineJob({
    name: 'pipelines.advance',
    timeoutMs: 300_000,
    retry: { limit: 5, backoffMs: 200 },
    run: (ctx, { runId }) => advanceRun(ctx, runId, jobs),
  });
  const step: Job<StepPayload> = defineJob({
    name: 'pipelines.step',
    timeoutMs: 7 * DAY_MS,
    retry: { limit: STEP_RETRIES, backoffMs: 500 },
    ownSlots: STEPS_AT_ONCE,
    run: (ctx, payload, job) => runStep(ctx, payload, job, jobs, parts),
  });
  const end: Job<{ runId: string }> = defineJob({
    name: 'pipelines.end',
    timeoutMs: 60_000,
    retry: { limit: 5, backoffMs: 500 },
    run: (ctx, { runId }) => endRun(ctx, runId, parts.engine),
  });
  const jobs: PipelineJobs = { advance, step, end };
  return { ...jobs, all: [advance, step, end, sweepWork] as readonly Job<never>[] };
}
