// Performs one step that missed the cache, records what it made, and moves the run on.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isDiskFull, isProblem, toProblemDocument, type Problem } from '../../../kernel/errors.ts';
import type { Edge } from '../../../kernel/events/events.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import type { JobRun } from '../../../kernel/jobs/jobs.ts';
import { fail } from '../errors.ts';
import type { Outputs } from '../model.ts';
import { putCached } from '../store/cache.ts';
import * as store from '../store/steps.ts';
import type { Step, StepSummary } from '../store/steps.ts';
import { advanceRun, type EndedStep, type PipelineJobs, type StepPayload } from './advance.ts';
import { performEvaluate, performFeatures, performRegister, type Performed } from './perform.ts';
import { performPredict } from './perform-predict.ts';
import { endLeftovers, performRun, type RunParts } from './perform-run.ts';
import { loadRun, type RunContext } from './run-context.ts';

/** A defect or a broken machine is tried again so often before the step is given up. */
export const STEP_RETRIES = 3;

export async function runStep(ctx: Ctx, payload: StepPayload, job: JobRun, jobs: PipelineJobs, parts: RunParts): Promise<void> {
  const context = await loadRun(ctx, payload.runId);
  const step = await store.getStep(ctx.db, ctx.workspace, payload.runId, payload.step);
  if (!step) return;
  const definition = context.stepDefinitions.get(step.name)!;
  if (step.state !== 'running' || step.earlierAttempts !== payload.round) {
    await endLeftovers(ctx, parts.engine, step);
    // It was done before this handler was run again: only the run may need to move on.
    return advanceRun(ctx, payload.runId, jobs);
  }
  let ended: EndedStep;
  try {
    ended = succeeded(ctx, context, step, await perform(), jobs);
  } catch (error) {
    const problem = toProblem(error);
    if (problem === undefined) throw error;
    ended = failed(ctx, context, step, toProblemDocument(problem, job.id), jobs);
  }
  failpoint('pipelines.before-step-recorded');
  await advanceRun(ctx, payload.runId, jobs, ended);
  failpoint('pipelines.after-step-recorded');

  function perform(): Promise<Performed> {
    switch (definition.kind) {
      case 'features':
        return performFeatures(ctx, context, definition);
      case 'evaluate':
        return performEvaluate(ctx, context, definition);
      case 'register':
        return performRegister(ctx, context, definition);
      case 'predict':
        return performPredict(ctx, context, definition, step!, job.fence);
      case 'run':
        return performRun(ctx, context, definition, step!, job.fence, parts);
    }
  }

  // undefined: the job ends here and may be tried again.
  function toProblem(error: unknown): Problem | undefined {
    if (isProblem(error)) return error;
    if (ctx.signal.aborted) return undefined;
    if (isDiskFull(error)) return caught(() => fail('step-failed', { step: payload.step, why: 'the disk is full' }));
    if (job.attempt <= STEP_RETRIES) return undefined;
    ctx.log.error({ event: 'step.defect', run: payload.runId, step: payload.step, job: job.id, error });
    return caught(() =>
      fail('step-failed', { step: payload.step, why: `an error inside Gyre, which the server's log has under ${job.id}` }),
    );
  }
}

function caught(raise: () => never): Problem {
  try {
    return raise();
  } catch (problem) {
    return problem as Problem;
  }
}

function succeeded(ctx: Ctx, context: RunContext, step: Step, { outputs, record }: Performed, jobs: PipelineJobs): EndedStep {
  const { run } = context;
  const to = { state: 'succeeded', outputs, finishedMs: ctx.clock.now() } as const;
  const write = async (tx: Ctx): Promise<boolean> => {
    await record?.(tx);
    if (!(await store.updateStep(tx.db, tx.workspace, run.id, step.name, ['running'], to))) return false;
    const trackingRunId = (await store.getStep(tx.db, tx.workspace, run.id, step.name))?.trackingRunId ?? null;
    await putCached(tx.db, tx.workspace, step.cacheKey!, { runId: run.id, step: step.name, outputs, trackingRunId }, to.finishedMs);
    const self = { kind: 'step', id: `${run.id}/${step.name}` };
    await tx.emit({
      type: 'step.finished',
      subject: self,
      label: `step ${step.name}`,
      project: run.project,
      payload: { state: 'succeeded', key: step.cacheKey },
      occurredUs: run.occurredUs,
      edges: [
        { from: self, to: { kind: 'pipeline-run', id: run.id }, relation: 'part-of' },
        ...inputEdges(self, context, step),
        ...outputEdges(self, step, outputs),
      ],
    });
    await wakeWaiting(tx, step, jobs);
    return true;
  };
  return { name: step.name, to, write };
}

function failed(ctx: Ctx, { run }: RunContext, step: Step, error: Record<string, unknown>, jobs: PipelineJobs): EndedStep {
  const to = { state: 'failed', error, finishedMs: ctx.clock.now() } as const;
  const write = async (tx: Ctx): Promise<boolean> => {
    if (!(await store.updateStep(tx.db, tx.workspace, run.id, step.name, ['running'], to))) return false;
    await tx.emit({
      type: 'step.finished',
      subject: { kind: 'step', id: `${run.id}/${step.name}` },
      label: `step ${step.name}`,
      project: run.project,
      payload: { state: 'failed', code: error.code },
    });
    await wakeWaiting(tx, step, jobs);
    return true;
  };
  return { name: step.name, to, write };
}

/** Other runs that waited for this work decide again. */
export async function wakeWaiting(tx: Ctx, step: StepSummary, jobs: Pick<PipelineJobs, 'advance'>): Promise<void> {
  if (step.cacheKey === null) return;
  for (const runId of await store.listWaitingFor(tx.db, tx.workspace, step.cacheKey))
    if (runId !== step.runId) await tx.enqueue({ job: jobs.advance, payload: { runId } });
}

function inputEdges(self: { kind: string; id: string }, { run, steps }: RunContext, step: Step): Edge[] {
  const owners = new Set(Object.keys(step.keyParts?.inputs ?? {}).map((ref) => ref.split('.')[0]!));
  return [...owners].flatMap((name): Edge[] => {
    const owner = steps.get(name);
    return owner ? [{ from: self, to: { kind: 'step', id: `${owner.cachedFrom ?? run.id}/${name}` }, relation: 'input' }] : [];
  });
}

function outputEdges(self: { kind: string; id: string }, step: Step, outputs: Outputs): Edge[] {
  const environment = step.keyParts?.environment;
  return [
    ...(environment ? [{ from: self, to: { kind: 'environment', id: environment }, relation: 'environment' }] : []),
    ...Object.entries(step.keyParts?.code ?? {}).map(([path, digest]): Edge => ({
      from: self,
      to: { kind: 'source-file', id: `${digest} ${path}` },
      relation: 'code',
    })),
    ...Object.values(outputs).flatMap((o): Edge[] => {
      if (o.kind === 'table')
        return o.datasetVersions.map((id) => ({ from: self, to: { kind: 'dataset-version', id }, relation: 'input' }));
      if (o.kind === 'folder') return [];
      return [{ from: { kind: o.kind, id: o.id }, to: self, relation: 'made-by' }];
    }),
  ];
}
