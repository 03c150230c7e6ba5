import type { Ctx } from '../../../kernel/ctx.ts';
import type { Edge } from '../../../kernel/events/events.ts';
import { newRunId } from '../../../kernel/ids.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import { fail } from '../errors.ts';
import {
  checkLength,
  checkMadeWith,
  experimentIdOf,
  limits,
  PARENT_RUN_TAG,
  randomRunName,
  RUN_NAME_TAG,
  shortened,
  type Pair,
  type RunStatus,
  type TrackingRun,
} from '../model.ts';
import { experimentOnly } from '../store/experiments.ts';
import * as store from '../store/runs.ts';
import { ensureDefault } from './experiments.ts';
import { appendToUri } from './places.ts';
import { checkScope } from './scope.ts';

export interface NewRun {
  readonly experimentId: string;
  readonly userId: string;
  readonly name: string;
  readonly startMs: number | null;
  readonly tags: readonly Pair[];
}

/** A run as it was made, with its tags in the order of their keys. */
export interface CreatedRun extends TrackingRun {
  readonly tags: readonly Pair[];
}

/** Raises `experiment-not-found`, `experiment-inactive`, `tracking-invalid`. */
export async function createRun(ctx: Ctx, input: NewRun): Promise<CreatedRun> {
  const experimentId = experimentIdOf(input.experimentId);
  const tagged = input.tags.find((t) => t.key === RUN_NAME_TAG)?.value;
  if (input.name !== '' && tagged && tagged !== input.name)
    fail('tracking-invalid', {
      message: `Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='${input.name}', mlflow.runName='${tagged}').`,
    });
  checkMadeWith('a run', input.tags);
  // Whoever starts a run may use keys that could not be logged later; an index takes no longer ones.
  for (const { key } of input.tags) checkLength('key', key, limits.key);
  const name = input.name || tagged || randomRunName(ctx.ids.random);
  // A step may open runs inside its own.
  await checkScope(ctx, input.tags.find((t) => t.key === PARENT_RUN_TAG)?.value ?? 'a new one');
  return ctx.tx(async (tx) => {
    let experiment = await experimentOnly(tx.db, tx.workspace, experimentId);
    if (!experiment) {
      await ensureDefault(tx);
      experiment = (await experimentOnly(tx.db, tx.workspace, experimentId)) ?? fail('experiment-not-found', { id: experimentId });
    }
    requireLevel(tx, 'experiment', experiment.id, 'EDIT');
    if (experiment.lifecycle !== 'active') fail('experiment-inactive', { id: experiment.id, state: experiment.lifecycle });
    const id = newRunId(tx.ids);
    const run: TrackingRun = {
      id,
      experimentId: experiment.id,
      name,
      userId: input.userId,
      status: 'RUNNING',
      startMs: input.startMs,
      endMs: null,
      artifactUri: appendToUri(experiment.artifactLocation, id, 'artifacts'),
      lifecycle: 'active',
    };
    await store.insertRun(tx.db, tx.workspace, run);
    const tags = [...new Map([...input.tags.map((t) => [t.key, t.value] as const), [RUN_NAME_TAG, name]])]
      .map(([key, value]) => ({ key, value: shortened(value, limits.runTagValue) }))
      .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
    await store.putTags(tx.db, tx.workspace, id, tags);
    const self = { kind: 'tracking-run', id };
    await tx.emit({
      type: 'tracking-run.created',
      subject: self,
      label: name,
      edges: [{ from: self, to: { kind: 'experiment', id: experiment.id }, relation: 'part-of' }],
    });
    return { ...run, tags };
  });
}

/** Raises `tracking-run-not-found`. */
export async function getRun(ctx: Ctx, id: string): Promise<TrackingRun> {
  const run = (await store.getRun(ctx.db, ctx.workspace, id)) ?? fail('tracking-run-not-found', { id });
  requireLevel(ctx, 'experiment', run.experimentId, 'READ');
  return run;
}

export async function getRunData(ctx: Ctx, id: string): Promise<store.RunData> {
  return (await store.dataOf(ctx.db, ctx.workspace, [id])).get(id)!;
}

/** Raises `run-out-of-scope`, `tracking-run-not-found`, `tracking-run-inactive`. */
export async function activeRun(ctx: Ctx, id: string): Promise<TrackingRun> {
  await checkScope(ctx, id);
  const run = await getRun(ctx, id);
  requireLevel(ctx, 'experiment', run.experimentId, 'EDIT');
  if (run.lifecycle !== 'active') fail('tracking-run-inactive', { id });
  return run;
}

export const updateRun = (ctx: Ctx, id: string, change: { status?: RunStatus; endMs?: number; name?: string }): Promise<TrackingRun> =>
  ctx.tx(async (tx) => {
    await activeRun(tx, id);
    const name = change.name ? { name: change.name } : {};
    const set = {
      ...name,
      ...(change.status ? { status: change.status } : {}),
      ...(change.endMs === undefined ? {} : { end_ms: change.endMs }),
    };
    if (Object.keys(set).length > 0) await store.updateRun(tx.db, tx.workspace, id, set);
    if (change.name) await store.putTags(tx.db, tx.workspace, id, [{ key: RUN_NAME_TAG, value: change.name }]);
    if (change.status && change.status !== 'RUNNING' && change.status !== 'SCHEDULED')
      await tx.emit({ type: 'tracking-run.finished', subject: { kind: 'tracking-run', id }, payload: { status: change.status } });
    return getRun(tx, id);
  });

export const setRunLifecycle = (ctx: Ctx, id: string, lifecycle: 'active' | 'deleted'): Promise<void> =>
  ctx.tx(async (tx) => {
    await checkScope(tx, id);
    const run = await getRun(tx, id);
    requireLevel(tx, 'experiment', run.experimentId, 'MANAGE');
    await store.updateRun(tx.db, tx.workspace, id, { lifecycle, deleted_ms: lifecycle === 'deleted' ? tx.clock.now() : null });
  });

export interface StepRun {
  readonly experimentId: string;
  readonly name: string;
  readonly tags: readonly Pair[];
  readonly edges: readonly Edge[];
}

/** A run made beforehand for a step of a pipeline, linked to what the step is made from. */
export async function createRunForStep(ctx: Ctx, input: StepRun): Promise<string> {
  const run = await createRun(ctx, {
    experimentId: input.experimentId,
    userId: ctx.actor.id,
    name: input.name,
    startMs: ctx.clock.now(),
    tags: input.tags,
  });
  const self = { kind: 'tracking-run', id: run.id };
  await ctx.tx((tx) =>
    tx.emit({ type: 'tracking-run.linked', subject: self, label: run.name, edges: input.edges.map((e) => ({ ...e, from: self })) }),
  );
  return run.id;
}
