import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import { ownResource } from '../../access/public.ts';
import { fail } from '../errors.ts';
import { isModelName, type Model } from '../model.ts';
import * as store from '../store/models.ts';
import { findVersion } from '../store/versions.ts';

export interface NewModel {
  readonly name: string;
  readonly description?: string;
  readonly managedBy?: 'file' | 'api';
  readonly project?: string | null;
  /** MLflow keeps prompts among the models. */
  readonly kind?: 'model' | 'prompt';
}

/** Raises `model-exists`, `model-name-invalid`. Inside or outside a transaction. */
export const createModel = (ctx: Ctx, input: NewModel): Promise<Model> =>
  ctx.tx(async (tx) => {
    if (!isModelName(input.name)) fail('model-name-invalid', { name: input.name });
    if (await store.findModel(tx.db, tx.workspace, input.name))
      fail('model-exists', { name: input.name, wanted: input.kind ?? 'model', is: await kindOf(tx, input.name) });
    const now = tx.clock.now();
    const model: Model = {
      name: input.name,
      description: input.description ?? '',
      managedBy: input.managedBy ?? 'api',
      project: input.project ?? null,
      createdMs: now,
      updatedMs: now,
    };
    await store.insertModel(tx.db, tx.workspace, model);
    await ownResource(tx, 'model', model.name);
    await tx.emit({
      type: 'model.created',
      subject: { kind: 'model', id: model.name },
      label: model.name,
      ...(model.project ? { project: model.project } : {}),
    });
    return model;
  });

const PROMPT_TAG = 'mlflow.prompt.is_prompt';
const kindOf = async (tx: Ctx, name: string): Promise<'model' | 'prompt'> =>
  (await store.tagsOf(tx.db, tx.workspace, [name])).some((t) => t.number === 0 && t.key === PROMPT_TAG && t.value.toLowerCase() === 'true')
    ? 'prompt'
    : 'model';

/** Raises `model-not-found`. */
export async function getModel(ctx: Ctx, name: string): Promise<Model> {
  const model = (await store.findModel(ctx.db, ctx.workspace, name)) ?? fail('model-not-found', { name });
  requireLevel(ctx, 'model', name, 'READ');
  return model;
}

/** Raises `model-not-found`. */
export const describeModel = (ctx: Ctx, name: string, description: string): Promise<Model> =>
  ctx.tx(async (tx) => {
    await getModel(tx, name);
    requireLevel(tx, 'model', name, 'EDIT');
    await store.updateDescription(tx.db, tx.workspace, name, description, tx.clock.now());
    await tx.emit({ type: 'model.described', subject: { kind: 'model', id: name } });
    return getModel(tx, name);
  });

const MAX_TAG = 100_000;
const MAX_TAG_KEY = 250;

async function checkTagged(tx: Ctx, model: string, number: number): Promise<void> {
  await getModel(tx, model);
  requireLevel(tx, 'model', model, 'EDIT');
  if (number !== 0 && !(await findVersion(tx.db, tx.workspace, model, number)))
    fail('model-version-not-found', { model, version: String(number) });
}

/**
 * Tags a model (`number` 0) or one of its versions; a tag that it is made with is no news of its own. Raises
 * `model-not-found`, `model-version-not-found`, `model-tag-invalid`.
 */
export const setModelTag = (
  ctx: Ctx,
  model: string,
  number: number,
  tag: { key: string; value: string },
  how: 'later' | 'made with' = 'later',
): Promise<void> =>
  ctx.tx(async (tx) => {
    await checkTagged(tx, model, number);
    if (tag.key.length > MAX_TAG_KEY) fail('model-tag-invalid', { what: 'key', limit: MAX_TAG_KEY });
    if (tag.value.length > MAX_TAG) fail('model-tag-invalid', { what: 'value', limit: MAX_TAG });
    await store.setTag(tx.db, { workspace_id: tx.workspace, model, number, ...tag });
    if (how === 'later') await tx.emit({ type: 'model-tag.set', subject: { kind: 'model', id: model }, payload: { number, key: tag.key } });
  });

/** Removing what is not there is nothing. Raises `model-not-found`, `model-version-not-found`. */
export const removeModelTag = (ctx: Ctx, model: string, number: number, key: string): Promise<void> =>
  ctx.tx(async (tx) => {
    await checkTagged(tx, model, number);
    await store.deleteTag(tx.db, tx.workspace, model, number, key);
    await tx.emit({ type: 'model-tag.removed', subject: { kind: 'model', id: model }, payload: { number, key } });
  });
