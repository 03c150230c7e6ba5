// Moves a run on: decides cache hits, starts what misses, skips what can no longer run, ends the run.
// Idempotent: it looks at what is recorded and may be run at any time, twice or after a crash.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem, toProblemDocument } from '../../../kernel/errors.ts';
import type { Job } from '../../../kernel/jobs/jobs.ts';
import { revisionById } from '../../projects/public.ts';
import { fail } from '../errors.ts';
import { cacheKey, doomedSteps, explainMiss, outcomeOf, readySteps, type KeyParts } from '../model.ts';
import * as store from '../store.ts';
import type { Run, Step } from '../store.ts';
import { keyPartsOf, type RunContext } from './key-parts.ts';

export interface PipelineJobs {
  readonly advance: Job<{ runId: string }>;
  readonly step: Job<{ runId: string; step: string }>;
}

export async function loadRun(ctx: Ctx, runId: string): Promise<RunContext> {
  const run = (await store.getRun(ctx.db, ctx.workspace, runId)) ?? fail('run-not-found', { id: runId });
  const { definition } = await revisionById(ctx, run.revisionId);
  return { run, definition, steps: await store.listSteps(ctx.db, ctx.workspace, runId) };
}

export async function advanceRun(ctx: Ctx, runId: string, jobs: PipelineJobs): Promise<void> {
  for (;;) {
    const context = await loadRun(ctx, runId);
    if (context.run.state !== 'running') return;
    let moved = false;
    for (const step of doomedSteps(context.steps))
      moved = (await change(ctx, step, { state: 'skipped', finishedMs: ctx.clock.now() })) || moved;
    for (const step of readySteps(context.steps)) moved = (await decideStep(ctx, context, step, jobs)) || moved;
    if (moved) continue;
    const outcome = outcomeOf(context.steps);
    if (outcome) await finish(ctx, context, outcome);
    return;
  }
}

const change = (ctx: Ctx, step: Step, to: store.StepChange): Promise<boolean> =>
  ctx.tx((tx) => store.updateStep(tx.db, tx.workspace, step.runId, step.name, ['waiting'], to));

/** True if the step left `waiting`. */
async function decideStep(ctx: Ctx, context: RunContext, step: Step, jobs: PipelineJobs): Promise<boolean> {
  const { run } = context;
  const definition = context.definition.pipelines[run.pipeline]!.steps.find((s) => s.name === step.name)!;
  let parts: KeyParts;
  try {
    parts = await keyPartsOf(ctx, context, definition);
  } catch (error) {
    if (!isProblem(error)) throw error;
    return change(ctx, step, { state: 'failed', error: toProblemDocument(error, run.id), finishedMs: ctx.clock.now() });
  }
  const key = cacheKey(parts);
  const hit = run.noCache ? undefined : await store.findCached(ctx.db, ctx.workspace, key);
  if (hit) {
    const now = ctx.clock.now();
    return ctx.tx(async (tx) => {
      const moved = await store.updateStep(tx.db, tx.workspace, run.id, step.name, ['waiting'], {
        state: 'succeeded',
        cachedFrom: hit.runId,
        cacheKey: key,
        keyParts: parts,
        explanation: [],
        outputs: hit.outputs,
        trackingRunId: hit.trackingRunId,
        startedMs: now,
        finishedMs: now,
      });
      if (moved) await store.putHistory(tx.db, tx.workspace, run, step.name, parts);
      return moved;
    });
  }
  // The same work in another run: wait for it instead of doing it twice.
  const elsewhere = run.noCache ? undefined : await store.findRunning(ctx.db, ctx.workspace, key, run.id);
  if (elsewhere) {
    await change(ctx, step, { cacheKey: key });
    return false;
  }
  const before = await store.findHistory(ctx.db, ctx.workspace, run, step.name);
  return ctx.tx(async (tx) => {
    const moved = await store.updateStep(tx.db, tx.workspace, run.id, step.name, ['waiting'], {
      state: 'running',
      cacheKey: key,
      keyParts: parts,
      explanation: explainMiss(before, parts),
      startedMs: tx.clock.now(),
    });
    if (!moved) return false;
    await store.putHistory(tx.db, tx.workspace, run, step.name, parts);
    await tx.enqueue({ job: jobs.step, payload: { runId: run.id, step: step.name }, uniqueKey: `${run.id} ${step.name}` });
    return true;
  });
}

const finish = (ctx: Ctx, { run, steps }: RunContext, outcome: Run['state']): Promise<void> =>
  ctx.tx(async (tx) => {
    const failed = steps.find((s) => s.state === 'failed');
    if (
      !(await store.finishRun(
        tx.db,
        tx.workspace,
        run.id,
        outcome,
        failed ? { step: failed.name, problem: failed.error } : null,
        tx.clock.now(),
      ))
    )
      return;
    await tx.emit({
      type: 'pipeline-run.finished',
      subject: { kind: 'pipeline-run', id: run.id },
      project: run.project,
      payload: { state: outcome, cached: steps.filter((s) => s.cachedFrom !== null).length, steps: steps.length },
      occurredUs: run.occurredUs,
    });
  });
