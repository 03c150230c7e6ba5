import type { Ctx } from '../../../kernel/ctx.ts';
import { fail } from '../errors.ts';
import { limits, type Experiment, type Pair, type ViewType } from '../model.ts';
import * as store from '../store/experiments.ts';
import { setLifecycleOfRuns } from '../store/runs.ts';

/** Where clients send artifacts: through the server. */
export const ARTIFACT_ROOT = 'mlflow-artifacts:';

/** Experiment "0", "Default", exists in every workspace from the first look on. */
export async function ensureDefault(ctx: Ctx): Promise<void> {
  if (await store.getExperiment(ctx.db, ctx.workspace, '0')) return;
  await ctx.tx(async (tx) => {
    if (await store.getExperiment(tx.db, tx.workspace, '0')) return;
    const now = tx.clock.now();
    await store.insertExperiment(tx.db, tx.workspace, {
      id: '0',
      name: 'Default',
      artifactLocation: `${ARTIFACT_ROOT}/0`,
      lifecycle: 'active',
      createdMs: now,
      updatedMs: now,
      tags: [],
    });
  });
}

export interface NewExperiment {
  readonly name: string;
  readonly artifactLocation?: string | undefined;
  readonly tags?: readonly Pair[];
}

/** Raises `experiment-exists` (deleted ones count), `tracking-invalid`. */
export async function createExperiment(ctx: Ctx, input: NewExperiment): Promise<string> {
  await ensureDefault(ctx);
  if (input.name.length > limits.experimentName)
    fail('tracking-invalid', { message: `'name' exceeds the maximum length of ${limits.experimentName} characters` });
  const location = input.artifactLocation ?? '';
  if (/^runs:|[?#]/.test(location))
    fail('tracking-invalid', { message: `Invalid value "${location}" for parameter 'artifact_location' supplied` });
  return ctx.tx(async (tx) => {
    if (await store.findExperiment(tx.db, tx.workspace, input.name)) return fail('experiment-exists', { name: input.name });
    const id = String(await store.nextExperimentNumber(tx.db, tx.workspace));
    const now = tx.clock.now();
    await store.insertExperiment(tx.db, tx.workspace, {
      id,
      name: input.name,
      artifactLocation: location || `${ARTIFACT_ROOT}/${id}`,
      lifecycle: 'active',
      createdMs: now,
      updatedMs: now,
      tags: input.tags ?? [],
    });
    await tx.emit({ type: 'experiment.created', subject: { kind: 'experiment', id }, label: input.name });
    return id;
  });
}

/** Raises `experiment-not-found`. */
export async function getExperiment(ctx: Ctx, id: string): Promise<Experiment> {
  if (!/^\d+$/.test(id)) fail('tracking-invalid', { message: `Invalid experiment ID: '${id}'. Experiment IDs are numbers.` });
  if (id === '0') await ensureDefault(ctx);
  return (await store.getExperiment(ctx.db, ctx.workspace, id)) ?? fail('experiment-not-found', { id });
}

/** Raises `experiment-name-not-found`. */
export async function experimentByName(ctx: Ctx, name: string): Promise<Experiment> {
  await ensureDefault(ctx);
  return (await store.findExperiment(ctx.db, ctx.workspace, name)) ?? fail('experiment-name-not-found', { name });
}

/** The experiment's id, made if it is not there. */
export async function experimentNamed(ctx: Ctx, name: string): Promise<string> {
  const found = await store.findExperiment(ctx.db, ctx.workspace, name);
  return found?.id ?? createExperiment(ctx, { name });
}

const lifecyclesOf = (view: ViewType) =>
  view === 'ALL' ? (['active', 'deleted'] as const) : view === 'DELETED_ONLY' ? (['deleted'] as const) : (['active'] as const);

export async function searchExperiments(ctx: Ctx, view: ViewType, offset: number, limit: number): Promise<Experiment[]> {
  await ensureDefault(ctx);
  return store.listExperiments(ctx.db, ctx.workspace, lifecyclesOf(view), offset, limit);
}

export const setExperimentTag = (ctx: Ctx, id: string, tag: Pair): Promise<void> =>
  ctx.tx(async (tx) => {
    const experiment = (await store.getExperiment(tx.db, tx.workspace, id)) ?? fail('experiment-not-found', { id });
    if (experiment.lifecycle !== 'active') fail('experiment-inactive', { id, state: experiment.lifecycle });
    if (tag.value.length > limits.experimentTagValue)
      fail('tracking-invalid', { message: `Tag value exceeded length limit of ${limits.experimentTagValue} characters` });
    await store.setExperimentTags(tx.db, tx.workspace, id, [tag]);
  });

/** Deletes (softly) or restores an experiment with all its runs. */
export const setExperimentLifecycle = (ctx: Ctx, id: string, lifecycle: 'active' | 'deleted'): Promise<void> =>
  ctx.tx(async (tx) => {
    const experiment = await store.getExperiment(tx.db, tx.workspace, id);
    if (!experiment || experiment.lifecycle === lifecycle) fail('experiment-not-found', { id });
    await store.updateExperiment(tx.db, tx.workspace, id, { lifecycle }, tx.clock.now());
    await setLifecycleOfRuns(tx.db, tx.workspace, id, lifecycle, tx.clock.now());
    await tx.emit({ type: lifecycle === 'deleted' ? 'experiment.deleted' : 'experiment.restored', subject: { kind: 'experiment', id } });
  });

export const renameExperiment = (ctx: Ctx, id: string, name: string): Promise<void> =>
  ctx.tx(async (tx) => {
    const experiment = (await store.getExperiment(tx.db, tx.workspace, id)) ?? fail('experiment-not-found', { id });
    if (experiment.lifecycle !== 'active') fail('experiment-inactive', { id, state: experiment.lifecycle });
    const other = await store.findExperiment(tx.db, tx.workspace, name);
    if (other && other.id !== id) fail('experiment-exists', { name });
    await store.updateExperiment(tx.db, tx.workspace, id, { name }, tx.clock.now());
  });
