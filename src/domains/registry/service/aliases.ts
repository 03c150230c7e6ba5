// Aliases: free names for versions, except the one that endpoints follow, which only a version that may be
// released can have.
import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import { fail as failAny, isProblem } from '../../../kernel/errors.ts';
import { fail } from '../errors.ts';
import { allows, isAliasName, type Decision, type Gate, type ModelVersion } from '../model.ts';
import * as store from '../store/models.ts';
import { championAlias, currentDecision, decide } from './decide.ts';
import { getModel } from './models.ts';
import { seal } from './seal.ts';
import { usesOf, type Uses } from './uses.ts';
import { versionNumbered } from './versions.ts';

/** Without a gate: for what has passed one, as a release. Raises `alias-invalid`, `model-not-found`, `model-version-not-found`. */
export const setAlias = (ctx: Ctx, model: string, alias: string, number: number): Promise<void> =>
  ctx.tx(async (tx) => {
    if (!isAliasName(alias)) fail('alias-invalid', { alias });
    const version = await versionNumbered(tx, model, number);
    await store.setAlias(tx.db, { workspace_id: tx.workspace, model, alias, number });
    await tx.emit({ type: 'alias.set', subject: { kind: 'model', id: model }, payload: { alias, version: version.id, number } });
  });

const MAX_TRIES = 3;

/**
 * Points an alias at a version for a client. The alias that endpoints follow goes through the gate: the version
 * is sealed, can be served, and its gates pass now or did with nothing changed since. Nothing changes
 * otherwise. Raises also `alias-not-passed`, `version-unsealed`, `conflict`.
 */
export async function pointAlias(ctx: Ctx, model: string, alias: string, number: number): Promise<void> {
  if (!isAliasName(alias)) fail('alias-invalid', { alias });
  const found = await versionNumbered(ctx, model, number);
  requireLevel(ctx, 'model', model, 'EDIT');
  const uses = await usesOf(ctx, model);
  if (alias !== championAlias || uses.followers.length === 0) return setAlias(ctx, model, alias, number);
  if ((await store.findAlias(ctx.db, ctx.workspace, model, alias)) === number) return undefined;
  const version = await sealedNow(ctx, found, uses);
  for (let i = 0; i < MAX_TRIES; i++) {
    const { gates } = uses;
    if (gates.length > 0)
      refuseFailed(version, alias, uses, (await currentDecision(ctx, version, gates)) ?? (await decide(ctx, version, gates)));
    const isMoved = await ctx.tx(async (tx) => {
      // Another client may have moved the champion meanwhile, and the comparison was with the former one.
      if (gates.length > 0 && !(await currentDecision(tx, version, gates))) return false;
      await setAlias(tx, model, alias, number);
      return true;
    });
    if (isMoved) return undefined;
  }
  return failAny('conflict', { kind: 'alias', id: `${model}@${alias}` });
}

// Its files may have come since it was registered.
async function sealedNow(ctx: Ctx, version: ModelVersion, { followers, score }: Uses): Promise<ModelVersion> {
  let sealed = version;
  if (version.state === 'unsealed')
    try {
      sealed = await seal(ctx, version, { score });
    } catch (error) {
      if (!isProblem(error)) throw error;
      return fail('version-unsealed', { model: version.model, version: version.number });
    }
  if (sealed.signature !== null) return sealed;
  return fail('alias-not-passed', {
    model: sealed.model,
    version: sealed.number,
    alias: championAlias,
    endpoints: followers,
    why: `nothing here can serve the version: ${sealed.unservableBecause ?? 'it has no signature'}`,
    mend: 'Register an ONNX export of the model.',
  });
}

function refuseFailed(version: ModelVersion, alias: string, { followers }: Uses, decision: Decision): void {
  if (allows(decision)) return;
  const failed = decision.results.filter((r) => !r.passed);
  fail('alias-not-passed', {
    model: version.model,
    version: version.number,
    alias,
    endpoints: followers,
    why: failed.map((r) => `gate ${describeGate(r.gate)}: found ${r.found}; ${r.why}`).join(' | '),
    mend: `Register a version that passes, or have an administrator override the gate: gyre models override ${version.model} ${version.number} --reason "..."`,
  });
}

const describeGate = (gate: Gate): string =>
  [
    gate.slice === undefined ? gate.metric : `${gate.metric} by ${gate.slice}`,
    ...(gate.floor === undefined ? [] : [`>= ${gate.floor}`]),
    ...(gate.ceiling === undefined ? [] : [`<= ${gate.ceiling}`]),
    ...(gate.notWorseThan ? [`not worse than ${gate.notWorseThan}`] : []),
    ...(gate.betterThan ? [`better than ${gate.betterThan}`] : []),
  ].join(' ');

/** Removing what is not there is nothing. Raises `model-not-found`, `alias-followed`. */
export const removeAlias = (ctx: Ctx, model: string, alias: string): Promise<void> =>
  ctx.tx(async (tx) => {
    await getModel(tx, model);
    requireLevel(tx, 'model', model, 'MANAGE');
    const number = await store.findAlias(tx.db, tx.workspace, model, alias);
    if (number === undefined) return;
    if (alias === championAlias) {
      const { followers } = await usesOf(tx, model);
      if (followers.length > 0) fail('alias-followed', { model, alias, endpoints: followers });
    }
    await store.deleteAlias(tx.db, tx.workspace, model, alias);
    await tx.emit({ type: 'alias.removed', subject: { kind: 'model', id: model }, payload: { alias, number } });
  });
