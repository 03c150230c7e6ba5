import type { Ctx } from '../../../kernel/ctx.ts';
import type { Edge } from '../../../kernel/events/events.ts';
import { newHexId } from '../../../kernel/ids.ts';
import { fail } from '../errors.ts';
import { checkKey, limits, randomRunName, RUN_NAME_TAG, type Metric, type Pair, type RunStatus, type TrackingRun } from '../model.ts';
import { getExperiment as findExperiment } from '../store/experiments.ts';
import { addModelMetrics } from '../store/logged-models.ts';
import * as store from '../store/runs.ts';
import { ensureDefault } from './experiments.ts';

export interface NewRun {
  readonly experimentId: string;
  readonly userId: string;
  readonly name: string;
  readonly startMs: number | null;
  readonly tags: readonly Pair[];
}

/** A step's token writes its own run only. Raises `run-out-of-scope`. */
export function checkScope(ctx: Ctx, runId: string): void {
  const allowed = ctx.actor.scope?.trackingRunIds;
  if (allowed !== undefined && !allowed.includes(runId)) fail('run-out-of-scope', { id: runId });
}

/** Raises `experiment-not-found`, `experiment-inactive`, `tracking-invalid`. */
export async function createRun(ctx: Ctx, input: NewRun): Promise<TrackingRun> {
  await ensureDefault(ctx);
  const tagged = input.tags.find((t) => t.key === RUN_NAME_TAG)?.value;
  if (input.name !== '' && tagged !== undefined && tagged !== input.name)
    fail('tracking-invalid', {
      message: `Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='${input.name}', mlflow.runName='${tagged}').`,
    });
  const name = input.name || tagged || randomRunName(ctx.ids.random);
  return ctx.tx(async (tx) => {
    const experiment =
      (await findExperiment(tx.db, tx.workspace, input.experimentId)) ?? fail('experiment-not-found', { id: input.experimentId });
    if (experiment.lifecycle !== 'active') fail('experiment-inactive', { id: experiment.id, state: experiment.lifecycle });
    const id = newHexId(tx.ids);
    const run: TrackingRun = {
      id,
      experimentId: experiment.id,
      name,
      userId: input.userId,
      status: 'RUNNING',
      startMs: input.startMs,
      endMs: null,
      artifactUri: `${experiment.artifactLocation.replace(/\/$/, '')}/${id}/artifacts`,
      lifecycle: 'active',
    };
    await store.insertRun(tx.db, tx.workspace, run);
    const tags = new Map([...input.tags.map((t) => [t.key, t.value] as const), [RUN_NAME_TAG, name]]);
    await store.putTags(
      tx.db,
      tx.workspace,
      id,
      [...tags].map(([key, value]) => ({ key, value: value.slice(0, limits.runTagValue) })),
    );
    const self = { kind: 'tracking-run', id };
    await tx.emit({
      type: 'tracking-run.created',
      subject: self,
      label: name,
      edges: [{ from: self, to: { kind: 'experiment', id: experiment.id }, relation: 'part-of' }],
    });
    return run;
  });
}

/** Raises `tracking-run-not-found`. */
export const getRun = async (ctx: Ctx, id: string): Promise<TrackingRun> =>
  (await store.getRun(ctx.db, ctx.workspace, id)) ?? fail('tracking-run-not-found', { id });

export async function getRunData(ctx: Ctx, id: string): Promise<store.RunData> {
  return (await store.dataOf(ctx.db, ctx.workspace, [id])).get(id)!;
}

async function activeRun(ctx: Ctx, id: string): Promise<TrackingRun> {
  checkScope(ctx, id);
  const run = await getRun(ctx, id);
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
    checkScope(tx, id);
    await getRun(tx, id);
    await store.updateRun(tx.db, tx.workspace, id, { lifecycle, deleted_ms: lifecycle === 'deleted' ? tx.clock.now() : null });
  });

export interface Batch {
  readonly metrics: readonly Metric[];
  readonly params: readonly Pair[];
  readonly tags: readonly Pair[];
}

const tooMany = (what: string, limit: number): never =>
  fail('tracking-invalid', { message: `A batch logging request can contain at most ${limit} ${what}.` });

/** Logs metrics, params and tags as one transaction. Raises `tracking-invalid`, `param-changed`, `tracking-run-*`. */
export async function logBatch(ctx: Ctx, runId: string, batch: Batch): Promise<void> {
  if (batch.metrics.length > limits.metrics) tooMany('metrics', limits.metrics);
  if (batch.params.length > limits.params) tooMany('params', limits.params);
  if (batch.tags.length > limits.tags) tooMany('tags', limits.tags);
  if (batch.metrics.length + batch.params.length + batch.tags.length > limits.total) tooMany('metrics, params, and tags', limits.total);
  batch.metrics.forEach((m, i) => checkKey('Metric', m.key, `metrics[${i}].name`));
  batch.params.forEach((p, i) => checkKey('Param', p.key, `params[${i}].key`));
  batch.tags.forEach((t, i) => checkKey('Tag', t.key, `tags[${i}].key`));
  await ctx.tx(async (tx) => {
    await activeRun(tx, runId);
    if (batch.params.length > 0) await addParams(tx, runId, batch.params);
    if (batch.metrics.length > 0) {
      await store.addMetrics(tx.db, tx.workspace, runId, batch.metrics);
      if (batch.metrics.some((m) => m.modelId !== undefined)) await addModelMetrics(tx.db, tx.workspace, runId, batch.metrics);
    }
    if (batch.tags.length > 0) await putTags(tx, runId, batch.tags);
  });
}

async function addParams(tx: Ctx, runId: string, params: readonly Pair[]): Promise<void> {
  const given = new Map<string, string>();
  for (const { key, value } of params) {
    const short = value.slice(0, limits.paramValue);
    const twice = given.get(key);
    if (twice !== undefined && twice !== short)
      fail('tracking-invalid', { message: `Duplicate parameter keys have been submitted: ${key}` });
    given.set(key, short);
  }
  for (const held of await store.findParams(tx.db, tx.workspace, runId, [...given.keys()])) {
    const after = given.get(held.key)!;
    if (held.value !== after) fail('param-changed', { key: held.key, before: held.value, after, run: runId });
    given.delete(held.key);
  }
  if (given.size > 0)
    await store.insertParams(
      tx.db,
      tx.workspace,
      runId,
      [...given].map(([key, value]) => ({ key, value })),
    );
}

async function putTags(tx: Ctx, runId: string, tags: readonly Pair[]): Promise<void> {
  // Of the same key the last one counts; a run's name is also its tag.
  const last = new Map(tags.map((t) => [t.key, t.value.slice(0, limits.runTagValue)]));
  await store.putTags(
    tx.db,
    tx.workspace,
    runId,
    [...last].map(([key, value]) => ({ key, value })),
  );
  const name = last.get(RUN_NAME_TAG);
  if (name) await store.updateRun(tx.db, tx.workspace, runId, { name });
}

export const deleteTag = (ctx: Ctx, runId: string, key: string): Promise<void> =>
  ctx.tx(async (tx) => {
    await activeRun(tx, runId);
    if (!(await store.deleteTag(tx.db, tx.workspace, runId, key))) fail('tag-not-found', { key, id: runId });
  });

export interface DatasetInput {
  readonly name: string;
  readonly digest: string;
  readonly sourceType: string;
  readonly source: string;
  readonly schema: string | null;
  readonly profile: string | null;
  readonly tags: readonly Pair[];
}

export const logInputs = (ctx: Ctx, runId: string, datasets: readonly DatasetInput[], modelIds: readonly string[]): Promise<void> =>
  ctx.tx(async (tx) => {
    const run = await activeRun(tx, runId);
    for (const d of datasets)
      await store.addInput(
        tx.db,
        {
          workspace_id: tx.workspace,
          experiment_id: run.experimentId,
          name: d.name,
          digest: d.digest,
          source_type: d.sourceType,
          source: d.source,
          schema: d.schema,
          profile: d.profile,
        },
        {
          workspace_id: tx.workspace,
          run_id: runId,
          experiment_id: run.experimentId,
          name: d.name,
          digest: d.digest,
          tags: JSON.stringify(d.tags),
        },
      );
    if (modelIds.length > 0)
      await store.addLinks(
        tx.db,
        modelIds.map((id) => ({ workspace_id: tx.workspace, run_id: runId, model_id: id, role: 'input' as const, step: 0 })),
      );
  });

export const logOutputs = (ctx: Ctx, runId: string, models: readonly { id: string; step: number }[]): Promise<void> =>
  ctx.tx(async (tx) => {
    await activeRun(tx, runId);
    if (models.length > 0)
      await store.addLinks(
        tx.db,
        models.map((m) => ({ workspace_id: tx.workspace, run_id: runId, model_id: m.id, role: 'output' as const, step: m.step })),
      );
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
