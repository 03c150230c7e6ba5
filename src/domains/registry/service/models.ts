import type { Ctx } from '../../../kernel/ctx.ts';
import { fail } from '../errors.ts';
import { isAliasName, isModelName, type Model } from '../model.ts';
import * as store from '../store/models.ts';
import { findVersion } from '../store/versions.ts';

export interface NewModel {
  readonly name: string;
  readonly description?: string;
  readonly managedBy?: 'file' | 'api';
  readonly project?: string | null;
}

/** Raises `model-exists`, `model-name-invalid`. Inside or outside a transaction. */
export const createModel = (ctx: Ctx, input: NewModel): Promise<Model> =>
  ctx.tx(async (tx) => {
    if (!isModelName(input.name)) fail('model-name-invalid', { name: input.name });
    if (await store.findModel(tx.db, tx.workspace, input.name)) fail('model-exists', { name: input.name });
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
    await tx.emit({
      type: 'model.created',
      subject: { kind: 'model', id: model.name },
      label: model.name,
      ...(model.project ? { project: model.project } : {}),
    });
    return model;
  });

/** Raises `model-not-found`. */
export const getModel = async (ctx: Ctx, name: string): Promise<Model> =>
  (await store.findModel(ctx.db, ctx.workspace, name)) ?? fail('model-not-found', { name });

/** Raises `model-not-found`. */
export const describeModel = (ctx: Ctx, name: string, description: string): Promise<Model> =>
  ctx.tx(async (tx) => {
    await getModel(tx, name);
    await store.updateDescription(tx.db, tx.workspace, name, description, tx.clock.now());
    await tx.emit({ type: 'model.described', subject: { kind: 'model', id: name } });
    return getModel(tx, name);
  });

export const championAlias = 'champion';

/** Raises `alias-invalid`, `model-not-found`, `model-version-not-found`. */
export const setAlias = (ctx: Ctx, model: string, alias: string, number: number): Promise<void> =>
  ctx.tx(async (tx) => {
    if (!isAliasName(alias)) fail('alias-invalid', { alias });
    await getModel(tx, model);
    const version =
      (await findVersion(tx.db, tx.workspace, model, number)) ?? fail('model-version-not-found', { model, version: String(number) });
    await store.setAlias(tx.db, { workspace_id: tx.workspace, model, alias, number });
    await tx.emit({ type: 'alias.set', subject: { kind: 'model', id: model }, payload: { alias, version: version.id, number } });
  });

/** Removing what is not there is nothing. Raises `model-not-found`. */
export const removeAlias = (ctx: Ctx, model: string, alias: string): Promise<void> =>
  ctx.tx(async (tx) => {
    await getModel(tx, model);
    if (await store.deleteAlias(tx.db, tx.workspace, model, alias))
      await tx.emit({ type: 'alias.removed', subject: { kind: 'model', id: model }, payload: { alias } });
  });

const MAX_TAG = 100_000;
const MAX_TAG_KEY = 250;

async function checkTagged(tx: Ctx, model: string, number: number): Promise<void> {
  await getModel(tx, model);
  if (number !== 0 && !(await findVersion(tx.db, tx.workspace, model, number)))
    fail('model-version-not-found', { model, version: String(number) });
}

/** Tags a model (`number` 0) or one of its versions. Raises `model-not-found`, `model-version-not-found`, `model-tag-invalid`. */
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
