import type { Ctx } from '../../../kernel/ctx.ts';
import { declareEnvironment, type ResolvedEnvironment } from '../../environments/public.ts';
import {
  revisionById,
  snapshotFiles,
  snapshotText,
  type ProjectDefinition,
  type SnapshotFiles,
  type StepDefinition,
} from '../../projects/public.ts';
import { fail } from '../errors.ts';
import type { StepOutput } from '../model.ts';
import { getRun, type Run } from '../store/runs.ts';
import { listSummaries, type StepSummary } from '../store/steps.ts';

/** A run with its pinned definition and its steps; what is read of its snapshot is kept while it is looked at. */
export interface RunContext {
  readonly run: Run;
  readonly definition: ProjectDefinition;
  /** By name, in the order of the pipeline. */
  readonly steps: Map<string, StepSummary>;
  readonly stepDefinitions: ReadonlyMap<string, StepDefinition>;
  readonly kept: Map<string, Promise<unknown>>;
}

type Pinned = Pick<RunContext, 'definition' | 'stepDefinitions'>;

// A revision never changes; a run of many steps looks at its own once a step.
const REVISIONS_KEPT = 20;
const revisions = new Map<string, Pinned>();

async function definitionOf(ctx: Ctx, run: Run): Promise<Pinned> {
  const key = `${ctx.workspace} ${run.revisionId} ${run.ownSteps === null ? run.pipeline : `of ${run.id}`}`;
  const held = revisions.get(key);
  if (held) return held;
  const { definition } = await revisionById(ctx, run.revisionId);
  const pinned = {
    definition,
    stepDefinitions: new Map((run.ownSteps ?? definition.pipelines[run.pipeline]!.steps).map((s) => [s.name, s])),
  };
  if (revisions.size >= REVISIONS_KEPT) revisions.delete(revisions.keys().next().value!);
  revisions.set(key, pinned);
  return pinned;
}

/** Raises `run-not-found`. */
export async function loadRun(ctx: Ctx, runId: string): Promise<RunContext> {
  const run = (await getRun(ctx.db, ctx.workspace, runId)) ?? fail('run-not-found', { id: runId });
  const { definition, stepDefinitions } = await definitionOf(ctx, run);
  const steps = await listSummaries(ctx.db, ctx.workspace, runId);
  return {
    run,
    definition,
    steps: new Map(steps.map((s) => [s.name, s])),
    stepDefinitions,
    kept: new Map(),
  };
}

function keep<T>({ kept }: RunContext, key: string, read: () => Promise<T>): Promise<T> {
  const held = (kept.get(key) as Promise<T> | undefined) ?? read();
  kept.set(key, held);
  return held;
}

/** The output that `ref` ("step" or "step.output") names. Raises `step-failed` if it is not there. */
export function outputOf(context: RunContext, ref: string): StepOutput {
  const [step = '', out] = ref.split('.');
  const outputs = context.steps.get(step)?.outputs ?? {};
  const found = out === undefined ? Object.values(outputs)[0] : Object.hasOwn(outputs, out) ? outputs[out] : undefined;
  return found ?? fail('step-failed', { step, why: `its output "${out ?? ''}" is not there` });
}

/** The table of rows that a step was given, directly or by way of others; the nearest one counts. */
export function trainingTableOf(
  steps: ReadonlyMap<string, Pick<StepSummary, 'needs' | 'outputs'>>,
  maker: Pick<StepSummary, 'needs'>,
): Extract<StepOutput, { kind: 'table' }> | undefined {
  const names = [...maker.needs];
  for (const name of names) {
    const { needs = [], outputs } = steps.get(name) ?? {};
    // A table that a command wrote says nothing of the datasets behind it.
    for (const output of Object.values(outputs ?? {})) if (output.kind === 'table' && output.datasetVersions.length > 0) return output;
    // The list grows while it is gone through: what is nearer comes first.
    names.push(...needs.filter((n) => !names.includes(n)));
  }
  return undefined;
}

/**
 * The latest moment by which the labels were known of any table that a step was made from; null if none says. A table
 * that the step never saw, such as one of rows to test on, does not count.
 */
export function trainingCutoffOf(steps: ReadonlyMap<string, Pick<StepSummary, 'needs' | 'outputs'>>, maker: string): number | null {
  const names = [maker];
  const cutoffs: number[] = [];
  for (const name of names) {
    const { needs = [], outputs } = steps.get(name) ?? {};
    for (const output of Object.values(outputs ?? {}))
      if (output.kind === 'table' && output.knownByUs !== null) cutoffs.push(output.knownByUs);
    names.push(...needs.filter((n) => !names.includes(n)));
  }
  return cutoffs.length === 0 ? null : Math.max(...cutoffs);
}

export const filesOfSnapshot = (ctx: Ctx, context: RunContext): Promise<SnapshotFiles> =>
  keep(context, 'files', () => snapshotFiles(ctx, context.run.snapshot));

export async function environmentOf(
  ctx: Ctx,
  context: RunContext,
  name: string | null,
): Promise<{ resolved: ResolvedEnvironment; text: string; file: string } | null> {
  if (name === null) return null;
  const { lock, python } = context.definition.environments[name]!;
  return keep(context, `environment ${name}`, async () => {
    const { text } = await snapshotText(ctx, context.run.snapshot, lock);
    return { resolved: await declareEnvironment(ctx, text, lock, python), text, file: lock };
  });
}
