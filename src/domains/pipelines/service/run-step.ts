// Performs one step that missed the cache, records what it made, and moves the run on.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem, toProblemDocument } from '../../../kernel/errors.ts';
import type { Edge } from '../../../kernel/events/events.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import type { JobRun } from '../../../kernel/jobs/jobs.ts';
import type { Outputs } from '../model.ts';
import * as store from '../store.ts';
import type { Run, Step } from '../store.ts';
import { loadRun, type PipelineJobs } from './advance.ts';
import { performEvaluate, performFeatures, performRegister, performRun, type Performed, type RunParts } from './perform.ts';

export async function runStep(ctx: Ctx, runId: string, name: string, job: JobRun, jobs: PipelineJobs, parts: RunParts): Promise<void> {
  const context = await loadRun(ctx, runId);
  const step = context.steps.find((s) => s.name === name);
  // Done before this handler was run again: only the run may need to move on.
  if (step?.state !== 'running') return moveOn(ctx, context.run, step?.cacheKey ?? null, jobs);
  const definition = context.definition.pipelines[context.run.pipeline]!.steps.find((s) => s.name === name)!;
  try {
    const performed = await perform();
    failpoint('pipelines.before-step-recorded');
    await succeed(ctx, context.run, step, performed, jobs);
    failpoint('pipelines.after-step-recorded');
  } catch (error) {
    if (!isProblem(error)) {
      if (ctx.signal.aborted) await settleCancelled(ctx, context.run, step, jobs);
      throw error;
    }
    await ctx.tx(async (tx) => {
      await store.updateStep(tx.db, tx.workspace, runId, name, ['running'], {
        state: 'failed',
        error: toProblemDocument(error, job.id),
        finishedMs: tx.clock.now(),
      });
      await tx.emit({
        type: 'step.finished',
        subject: { kind: 'step', id: `${runId}/${name}` },
        label: `step ${name}`,
        project: context.run.project,
        payload: { state: 'failed', code: error.code },
      });
    });
    await moveOn(ctx, context.run, step.cacheKey, jobs);
  }

  function perform(): Promise<Performed> {
    switch (definition.kind) {
      case 'features':
        return performFeatures(ctx, context, definition);
      case 'evaluate':
        return performEvaluate(ctx, context, definition);
      case 'register':
        return performRegister(ctx, context, definition);
      case 'run':
        return performRun(ctx, context, definition, step!, job.fence, parts);
    }
  }
}

async function succeed(ctx: Ctx, run: Run, step: Step, { outputs, trackingRunId }: Performed, jobs: PipelineJobs): Promise<void> {
  await ctx.tx(async (tx) => {
    const now = tx.clock.now();
    if (
      !(await store.updateStep(tx.db, tx.workspace, run.id, step.name, ['running'], {
        state: 'succeeded',
        outputs,
        trackingRunId,
        finishedMs: now,
      }))
    )
      return;
    await store.putCached(tx.db, tx.workspace, step.cacheKey!, { runId: run.id, step: step.name, outputs, trackingRunId }, now);
    const self = { kind: 'step', id: `${run.id}/${step.name}` };
    await tx.emit({
      type: 'step.finished',
      subject: self,
      label: `step ${step.name}`,
      project: run.project,
      payload: { state: 'succeeded', key: step.cacheKey },
      occurredUs: run.occurredUs,
      edges: [{ from: self, to: { kind: 'pipeline-run', id: run.id }, relation: 'part-of' }, ...edgesOf(self, step, outputs)],
    });
  });
  await moveOn(ctx, run, step.cacheKey, jobs);
}

function edgesOf(self: { kind: string; id: string }, step: Step, outputs: Outputs): Edge[] {
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

async function settleCancelled(ctx: Ctx, run: Run, step: Step, jobs: PipelineJobs): Promise<void> {
  const current = await store.getRun(ctx.db, ctx.workspace, run.id);
  if (current?.state !== 'cancelled') return;
  await ctx.tx((tx) =>
    store.updateStep(tx.db, tx.workspace, run.id, step.name, ['running'], { state: 'cancelled', finishedMs: tx.clock.now() }),
  );
  await moveOn(ctx, run, step.cacheKey, jobs);
}

/** Advances this run, and those that waited for the same work. */
async function moveOn(ctx: Ctx, run: Run, key: string | null, jobs: PipelineJobs): Promise<void> {
  const others = key === null ? [] : await store.listWaitingFor(ctx.db, ctx.workspace, key);
  await ctx.tx(async (tx) => {
    for (const runId of new Set([run.id, ...others])) await tx.enqueue({ job: jobs.advance, payload: { runId } });
  });
}
