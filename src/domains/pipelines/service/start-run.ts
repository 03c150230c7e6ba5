import type { Ctx } from '../../../kernel/ctx.ts';
import { fail as failAny, isProblem } from '../../../kernel/errors.ts';
import type { Ref } from '../../../kernel/events/events.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import { newId } from '../../../kernel/ids.ts';
import { currentVersion } from '../../datasets/public.ts';
import {
  brokenLimits,
  currentRevision,
  datasetsOfPipeline,
  revisionByNumber,
  type Parameter,
  type PipelineDefinition,
  type ProjectDefinition,
  type StepDefinition,
} from '../../projects/public.ts';
import { refuseWhileErasing } from '../../subjects/public.ts';
import { fail } from '../errors.ts';
import type { Job } from '../../../kernel/jobs/jobs.ts';
import * as store from '../store/runs.ts';
import type { Run } from '../store/runs.ts';
import { insertSteps } from '../store/steps.ts';
import { requirePredictLevels } from './predict-parts.ts';
import { requireTrust } from './trust.ts';

export interface StartRun {
  readonly project: string;
  readonly pipeline: string;
  readonly params: Readonly<Record<string, Parameter>>;
  /** Why; `by` is the record that started it, if one did. */
  readonly trigger: { readonly kind: string; readonly reason: string; readonly by?: Ref };
  readonly noCache: boolean;
  /** Steps of their own instead of a pipeline's; `pipeline` is then how the run is called. */
  readonly ownSteps?: readonly StepDefinition[];
  readonly purpose?: string | null;
  /** Number of the project revision to run; absent = the current one. */
  readonly revision?: number;
  /** Versions to read instead of the current ones, by dataset. */
  readonly datasets?: Readonly<Record<string, string>>;
}

/** Starts a run: pins the revision, the code and the dataset versions. Raises `not-found`, `pipeline-not-found`, `parameter-invalid`, `process-engine-not-trusted`, `purpose-not-allowed`, `erasure-running`. */
export async function startRun(ctx: Ctx, input: StartRun, advance: Job<{ runId: string }>): Promise<Run> {
  const revision =
    input.revision === undefined
      ? await currentRevision(ctx, input.project)
      : ((await revisionByNumber(ctx, input.project, input.revision)) ??
        failAny('not-found', { kind: `revision of project ${input.project}`, id: String(input.revision) }));
  const { definition } = revision;
  if (!input.ownSteps && !Object.hasOwn(definition.pipelines, input.pipeline))
    fail('pipeline-not-found', { project: input.project, pipeline: input.pipeline });
  const pipeline: PipelineDefinition = input.ownSteps
    ? { name: input.pipeline, params: {}, purpose: input.purpose ?? null, steps: input.ownSteps }
    : definition.pipelines[input.pipeline]!;
  // Its steps act in the name of the program, so whoever starts them must be able to do what they do.
  for (const step of pipeline.steps)
    if (step.kind === 'register') requireLevel(ctx, 'model', step.model, 'EDIT');
    else if (step.kind === 'predict') requirePredictLevels(ctx, input.project, step);
  requirePurpose(definition, pipeline);
  await requireTrust(ctx, pipeline.steps);
  const params: Record<string, Parameter> = { ...pipeline.params };
  for (const [name, value] of Object.entries(input.params)) {
    if (!Object.hasOwn(params, name))
      fail('parameter-invalid', { name, why: `the pipeline has no such parameter; it has ${Object.keys(params).join(', ') || 'none'}.` });
    params[name] = typed(name, value, params[name]!);
  }
  const datasets: Record<string, string> = {};
  for (const name of Object.keys(definition.datasets)) {
    const version = await currentVersion(ctx, input.project, name).catch((error: unknown) => {
      if (!isProblem(error, 'dataset-empty')) throw error;
      return undefined;
    });
    if (version) datasets[name] = version.id;
  }
  Object.assign(datasets, input.datasets);
  const { nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, input.project);
  return ctx.tx(async (tx) => {
    await refuseWhileErasing(tx, input.project);
    const run: Run = {
      id: newId('run', tx.ids),
      project: input.project,
      pipeline: input.pipeline,
      number: await store.nextRunNumber(tx.db, tx.workspace, input.project, input.pipeline),
      revisionId: revision.id,
      ownSteps: input.ownSteps ?? null,
      snapshot: revision.snapshot,
      params,
      datasets,
      state: 'running',
      trigger: { kind: input.trigger.kind, reason: input.trigger.reason },
      noCache: input.noCache,
      error: null,
      createdMs: tx.clock.now(),
      finishedMs: null,
      occurredUs: nowUs,
      version: 1,
    };
    await store.insertRun(tx.db, tx.workspace, run);
    await insertSteps(
      tx.db,
      tx.workspace,
      pipeline.steps.map((s, position) => ({ runId: run.id, name: s.name, position, kind: s.kind, needs: s.needs })),
    );
    const self = { kind: 'pipeline-run', id: run.id };
    await tx.emit({
      type: 'pipeline-run.started',
      subject: self,
      label: `${run.pipeline} run ${run.number}`,
      project: run.project,
      // Parameters and the reason are the user's words; they stay with the run.
      payload: { number: run.number, trigger: run.trigger.kind },
      occurredUs: nowUs,
      edges: [
        { from: self, to: { kind: 'project-revision', id: revision.id }, relation: 'definition' },
        { from: self, to: { kind: 'code-snapshot', id: revision.snapshot }, relation: 'code' },
        ...(input.trigger.by ? [{ from: self, to: input.trigger.by, relation: 'started-by' }] : []),
      ],
    });
    await tx.enqueue({ job: advance, payload: { runId: run.id }, uniqueKey: run.id, project: run.project });
    return run;
  });
}

/** Data is read for the purposes that it is kept for, and a reader says which. Raises `purpose-not-allowed`. */
export function requirePurpose(definition: ProjectDefinition, pipeline: PipelineDefinition): void {
  const limits = brokenLimits(definition, datasetsOfPipeline(definition, pipeline), pipeline.purpose);
  if (limits.length > 0) fail('purpose-not-allowed', { pipeline: pipeline.name, purpose: pipeline.purpose, limits });
}

/** A given value in the type of the default; numbers may be written as text. */
function typed(name: string, value: Parameter, before: Parameter): Parameter {
  if (typeof value === typeof before) return value;
  if (typeof before === 'number' && typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value)))
    return Number(value);
  if (typeof before === 'boolean' && (value === 'true' || value === 'false')) return value === 'true';
  if (typeof before === 'string') return String(value);
  return fail('parameter-invalid', { name, why: `"${value}" is not a ${typeof before}.` });
}
