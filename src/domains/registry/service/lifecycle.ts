// Renaming, staging and deleting. What a live endpoint serves or follows is not taken away under it.
import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import { forgetGrants, moveGrants } from '../../access/public.ts';
import { fail } from '../errors.ts';
import { isModelName, stageNamed, stages, type Model, type ModelVersion, type Stage } from '../model.ts';
import * as lifecycle from '../store/lifecycle.ts';
import { findAlias, findModel } from '../store/models.ts';
import { getVersion as getStored } from '../store/versions.ts';
import { championAlias } from './decide.ts';
import { getModel } from './models.ts';
import { usesOf } from './uses.ts';
import { versionNumbered } from './versions.ts';

/** Endpoints that serve versions of the model now, each with what it serves. */
async function servedBy(tx: Ctx, model: string, number?: number): Promise<string[]> {
  const holds = await lifecycle.listHolds(tx.db, tx.workspace, model);
  return [...new Set(holds.filter((h) => number === undefined || h.number === number).map((h) => h.holder))];
}

/** Raises `model-not-found`, `model-name-invalid`, `model-exists`, `model-in-use`. */
export const renameModel = (ctx: Ctx, name: string, to: string): Promise<Model> =>
  ctx.tx(async (tx) => {
    if (!isModelName(to)) fail('model-name-invalid', { name: to });
    await getModel(tx, name);
    requireLevel(tx, 'model', name, 'EDIT');
    if (name !== to && (await findModel(tx.db, tx.workspace, to))) fail('model-exists', { name: to, wanted: 'model', is: 'model' });
    const endpoints = [...new Set([...(await servedBy(tx, name)), ...(await usesOf(tx, name)).followers])].sort();
    if (endpoints.length > 0 && name !== to) fail('model-in-use', { what: `Model "${name}"`, endpoints, action: 'renamed' });
    await lifecycle.renameModel(tx.db, tx.workspace, name, to, tx.clock.now());
    if (name !== to) await moveGrants(tx, 'model', name, to);
    await tx.emit({ type: 'model.renamed', subject: { kind: 'model', id: to }, label: to, payload: { from: name } });
    return getModel(tx, to);
  });

/** Versions, aliases and tags go with it. Raises `model-not-found`, `model-in-use`. */
export const deleteModel = (ctx: Ctx, name: string): Promise<void> =>
  ctx.tx(async (tx) => {
    await getModel(tx, name);
    requireLevel(tx, 'model', name, 'MANAGE');
    const served = await servedBy(tx, name);
    const isFollowed = (await findAlias(tx.db, tx.workspace, name, championAlias)) !== undefined;
    const endpoints = [...new Set([...served, ...(isFollowed ? (await usesOf(tx, name)).followers : [])])].sort();
    if (endpoints.length > 0) fail('model-in-use', { what: `Model "${name}"`, endpoints, action: 'deleted' });
    await lifecycle.deleteModel(tx.db, tx.workspace, name);
    await forgetGrants(tx, 'model', name);
    await tx.emit({ type: 'model.deleted', subject: { kind: 'model', id: name }, label: name });
  });

/** Its number stays taken and its aliases go. Raises `model-version-not-found`, `model-in-use`. */
export const deleteVersion = (ctx: Ctx, model: string, number: number): Promise<void> =>
  ctx.tx(async (tx) => {
    const version = await versionNumbered(tx, model, number);
    requireLevel(tx, 'model', model, 'MANAGE');
    const isChampion = (await findAlias(tx.db, tx.workspace, model, championAlias)) === number;
    const served = await servedBy(tx, model, number);
    const endpoints = [...new Set([...served, ...(isChampion ? (await usesOf(tx, model)).followers : [])])].sort();
    if (endpoints.length > 0) fail('model-in-use', { what: `Version ${number} of "${model}"`, endpoints, action: 'deleted' });
    const now = tx.clock.now();
    await lifecycle.deleteAliasesOf(tx.db, tx.workspace, model, number);
    await lifecycle.redactVersion(tx.db, tx.workspace, version.id, now);
    await lifecycle.touchModel(tx.db, tx.workspace, model, now);
    await tx.emit({ type: 'model-version.deleted', subject: { kind: 'model-version', id: version.id }, payload: { model, number } });
  });

export interface Transition {
  readonly stage: string;
  /** The other versions in that stage are archived; only of "Staging" and "Production". */
  readonly archiveExisting: boolean;
}

/** MLflow's stages; nothing here depends on them. Raises `stage-invalid`, `stage-not-active`, `model-version-not-found`. */
export const transitionVersion = (
  ctx: Ctx,
  model: string,
  number: number,
  { stage: wanted, archiveExisting }: Transition,
): Promise<ModelVersion> =>
  ctx.tx(async (tx) => {
    const stage: Stage = stageNamed(wanted) ?? fail('stage-invalid', { stage: wanted, stages });
    if (archiveExisting && stage !== 'Staging' && stage !== 'Production') fail('stage-not-active', { stage: wanted });
    const version = await versionNumbered(tx, model, number);
    requireLevel(tx, 'model', model, 'EDIT');
    const now = tx.clock.now();
    if (archiveExisting) await lifecycle.archiveOthers(tx.db, tx.workspace, version, stage, now);
    await lifecycle.setStage(tx.db, tx.workspace, version.id, stage, now);
    await lifecycle.touchModel(tx.db, tx.workspace, model, now);
    await tx.emit({
      type: 'model-version.staged',
      subject: { kind: 'model-version', id: version.id },
      payload: { model, number, from: version.stage, to: stage },
    });
    return (await getStored(tx.db, tx.workspace, version.id))!;
  });
