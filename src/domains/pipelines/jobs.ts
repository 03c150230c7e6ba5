import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import { advanceRun, type PipelineJobs, type StepPayload } from './service/advance.ts';
import type { RunParts } from './service/perform-run.ts';
import { runStep, STEP_RETRIES } from './service/run-step.ts';

const DAY_MS = 24 * 3600 * 1000;

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
    run: (ctx, payload, job) => runStep(ctx, payload, job, jobs, parts),
  });
  const jobs: PipelineJobs = { advance, step };
  return { ...jobs, all: [advance, step] as readonly Job<never>[] };
}
