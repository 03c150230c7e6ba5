// What a run records: metrics, params, tags, inputs, outputs.
import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import { recogniseVersions } from '../../datasets/public.ts';
import { fail } from '../errors.ts';
import {
  checkKey,
  checkLength,
  checkMetric,
  checkRunId,
  DATASET_CONTEXT_TAG,
  limits,
  pythonText,
  RUN_NAME_TAG,
  shortened,
  type Metric,
  type Pair,
  type TrackingRun,
} from '../model.ts';
import { addModelMetrics, experimentsOfModels } from '../store/logged-models.ts';
import * as store from '../store/runs.ts';
import { addInputs } from '../store/taken.ts';
import { wakeFollowers } from './live/signal.ts';
import { activeRun } from './runs.ts';

export interface Batch {
  readonly metrics: readonly Metric[];
  readonly params: readonly Pair[];
  readonly tags: readonly Pair[];
}

function checkCount(what: string, count: number, limit: number): void {
  if (count > limit)
    fail('tracking-invalid', {
      message: `A batch logging request can contain at most ${limit} ${what}. Got ${count} ${what}. Please split up ${what} across multiple requests and try again.`,
    });
}

/** Logs metrics, params and tags as one transaction. Raises `tracking-invalid`, `param(s)-changed`, `tracking-run-*`. */
export async function logBatch(ctx: Ctx, runId: string, batch: Batch): Promise<void> {
  checkRunId(runId);
  batch.metrics.forEach((m, i) => checkMetric(m, i));
  batch.params.forEach((p, i) => checkKey('Param', p.key, `params[${i}].key`));
  batch.tags.forEach((t, i) => checkKey('Tag', t.key, `tags[${i}].key`));
  checkCount('metrics', batch.metrics.length, limits.metrics);
  checkCount('params', batch.params.length, limits.params);
  checkCount('tags', batch.tags.length, limits.tags);
  checkCount('metrics, params, and tags', batch.metrics.length + batch.params.length + batch.tags.length, limits.total);
  const seen = new Set<string>();
  const twice = batch.params.filter((p) => seen.size === seen.add(p.key).size);
  if (twice.length > 0)
    fail('tracking-invalid', {
      message: `Duplicate parameter keys have been submitted: [${twice.map((p) => pythonText(p.key)).join(', ')}]. Please ensure the request contains only one param value per param key.`,
    });
  await write(ctx, runId, batch);
}

const none = { metrics: [], params: [], tags: [] };

/** One metric, param or tag; messages speak of it alone. Raises like `logBatch`. */
export async function logMetric(ctx: Ctx, runId: string, metric: Metric): Promise<void> {
  checkMetric(metric);
  await write(ctx, runId, { ...none, metrics: [metric] });
}

export async function logParam(ctx: Ctx, runId: string, param: Pair): Promise<void> {
  checkKey('Param', param.key, 'key');
  await write(ctx, runId, { ...none, params: [param] }, true);
}

export async function setTag(ctx: Ctx, runId: string, tag: Pair): Promise<void> {
  checkKey('Tag', tag.key, 'key');
  await write(ctx, runId, { ...none, tags: [tag] });
}

async function write(ctx: Ctx, runId: string, batch: Batch, alone = false): Promise<void> {
  // Many processes log to one run at once. Each row is settled by its own key, whoever comes first, so no two of these
  // transactions need one to be repeated for the other; a run that is deleted meanwhile was still there for this one.
  const write = async (tx: Ctx): Promise<void> => {
    await activeRun(tx, runId);
    if (batch.params.length > 0) await addParams(tx, runId, batch.params, alone);
    if (batch.metrics.length > 0) {
      await store.addMetrics(tx.db, tx.workspace, runId, batch.metrics);
      if (batch.metrics.some((m) => m.modelId !== undefined)) {
        const models = new Set(batch.metrics.flatMap((m) => m.modelId ?? []));
        // A run may measure a model of another experiment, where its writer may change that one too.
        for (const id of await experimentsOfModels(tx.db, tx.workspace, [...models])) requireLevel(tx, 'experiment', id, 'EDIT');
        await addModelMetrics(tx.db, tx.workspace, runId, batch.metrics);
      }
    }
    if (batch.tags.length > 0) await putTags(tx, runId, batch.tags);
  };
  await ctx.tx(write, 'latest');
  if (batch.metrics.length > 0) wakeFollowers(ctx, runId);
}

async function addParams(tx: Ctx, runId: string, params: readonly Pair[], alone: boolean): Promise<void> {
  const given = new Map(params.map((p) => [p.key, shortened(p.value, limits.paramValue)]));
  const held = new Map((await store.findParams(tx.db, tx.workspace, runId, [...given.keys()])).map((p) => [p.key, p.value]));
  const changed = [...given].flatMap(([key, after]) => {
    const before = held.get(key);
    return before === undefined || before === after ? [] : [{ key, before, after }];
  });
  if (changed.length > 0) {
    if (alone) fail('param-changed', { ...changed[0]!, run: runId });
    const list = changed.map(
      (c) => `{'key': ${pythonText(c.key)}, 'old_value': ${pythonText(c.before)}, 'new_value': ${pythonText(c.after)}}`,
    );
    fail('params-changed', { params: `[${list.join(', ')}]`, run: runId });
  }
  for (const key of held.keys()) given.delete(key);
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
  const last = new Map(tags.map((t) => [t.key, shortened(t.value, limits.runTagValue)]));
  const name = last.get(RUN_NAME_TAG);
  // An empty name changes neither.
  if (name === '') last.delete(RUN_NAME_TAG);
  if (last.size > 0)
    await store.putTags(
      tx.db,
      tx.workspace,
      runId,
      [...last].map(([key, value]) => ({ key, value })),
    );
  if (name) await store.updateRun(tx.db, tx.workspace, runId, { name });
}

const HISTORY_TAG = 'mlflow.log-model.history';
// It is read with each run, and written anew by each model.
const MOST_HISTORY = 4_000_000;
const MODEL_FIELDS = ['artifact_path', 'flavors', 'utc_time_created', 'run_id'] as const;

/** MLflow 2's way to say that a run logged a model: appended to a tag. Raises `tracking-invalid`. */
export const recordModel = (ctx: Ctx, runId: string, modelJson: string): Promise<void> =>
  ctx.tx(async (tx) => {
    await activeRun(tx, runId);
    const { signature: _, ...model } = parseModel(modelJson);
    const before = await store.findTag(tx.db, tx.workspace, runId, HISTORY_TAG);
    // Only we write this tag, unless a client set it to something else; then the history begins anew.
    let history: unknown;
    try {
      history = JSON.parse(before ?? '[]');
    } catch {
      history = [];
    }
    const value = JSON.stringify([...(Array.isArray(history) ? history : []), model]);
    if (value.length > MOST_HISTORY)
      fail('tracking-invalid', { message: `The models that run ${runId} logged take more than ${MOST_HISTORY} characters.` });
    await store.putTags(tx.db, tx.workspace, runId, [{ key: HISTORY_TAG, value }]);
  });

function parseModel(text: string): Record<string, unknown> {
  let model: unknown;
  try {
    model = JSON.parse(text);
  } catch {
    return fail('tracking-invalid', { message: `Malformed model info. \n ${text} \n is not a valid JSON.` });
  }
  const missing = MODEL_FIELDS.filter((f) => typeof model !== 'object' || model === null || !(f in model));
  if (missing.length > 0)
    return fail('tracking-invalid', { message: `Model json is missing mandatory fields: {${missing.map((f) => `'${f}'`).join(', ')}}` });
  return model as Record<string, unknown>;
}

export const deleteTag = (ctx: Ctx, runId: string, key: string): Promise<void> =>
  ctx.tx(async (tx) => {
    await activeRun(tx, runId);
    if (!(await store.deleteTag(tx.db, tx.workspace, runId, key))) fail('tag-not-found', { key, what: `run with id ${runId}` });
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

function checkInput(d: DatasetInput): void {
  checkLength('name', d.name, limits.datasetName);
  checkLength('digest', d.digest, limits.datasetDigest);
  checkLength('source', d.source, limits.datasetSource);
  checkLength('schema', d.schema ?? '', limits.datasetSchema);
  checkLength('profile', d.profile ?? '', limits.datasetProfile);
  for (const tag of d.tags) {
    checkLength('key', tag.key, limits.inputTagKey);
    checkLength('value', tag.value, limits.inputTagValue);
  }
}

export async function logInputs(ctx: Ctx, runId: string, datasets: readonly DatasetInput[], modelIds: readonly string[]): Promise<void> {
  checkRunId(runId);
  datasets.forEach(checkInput);
  for (const id of modelIds) checkLength('model_id', id, limits.key);
  checkCount('datasets', datasets.length, limits.datasets);
  checkCount('models', modelIds.length, limits.total);
  // Looked up beforehand: whoever else writes need not wait for it.
  const known = (await recogniseVersions(ctx, datasets)).map(({ id }) => id);
  await ctx.tx(async (tx) => {
    const run = await activeRun(tx, runId);
    const named = { workspace_id: tx.workspace, experiment_id: run.experimentId };
    await addInputs(
      tx.db,
      datasets.map((d) => ({
        ...named,
        name: d.name,
        digest: d.digest,
        source_type: d.sourceType,
        source: d.source,
        schema: d.schema,
        profile: d.profile,
      })),
      datasets.map((d) => ({
        ...named,
        run_id: runId,
        name: d.name,
        digest: d.digest,
        context: d.tags.find((t) => t.key === DATASET_CONTEXT_TAG)?.value ?? null,
        tags: JSON.stringify(d.tags),
      })),
    );
    if (modelIds.length > 0)
      await store.addLinks(
        tx.db,
        modelIds.map((id) => ({ workspace_id: tx.workspace, run_id: runId, model_id: id, role: 'input' as const, step: 0 })),
      );
    await linkKnown(tx, run, known);
  });
}

/** Data that this server knows as versions of its datasets becomes part of the chain of evidence. */
async function linkKnown(tx: Ctx, run: TrackingRun, known: readonly string[]): Promise<void> {
  if (known.length === 0) return;
  const self = { kind: 'tracking-run', id: run.id };
  const edges = known.map((id) => ({ from: self, to: { kind: 'dataset-version', id }, relation: 'input' }));
  await tx.emit({ type: 'tracking-run.linked', subject: self, label: run.name, edges });
}

export async function logOutputs(ctx: Ctx, runId: string, models: readonly { id: string; step: number }[]): Promise<void> {
  for (const { id } of models) checkLength('model_id', id, limits.key);
  checkCount('models', models.length, limits.total);
  await ctx.tx(async (tx) => {
    await activeRun(tx, runId);
    if (models.length > 0)
      await store.addLinks(
        tx.db,
        models.map((m) => ({ workspace_id: tx.workspace, run_id: runId, model_id: m.id, role: 'output' as const, step: m.step })),
      );
  });
}
