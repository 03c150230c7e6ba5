// Models of another registry, taken over as they were: numbers with their gaps, stages, times, tags, aliases.
// Whoever calls has decided that this may be done; nothing here asks for a level but the gate of an alias.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import type { Edge } from '../../../kernel/events/events.ts';
import { newId } from '../../../kernel/ids.ts';
import { ownResource } from '../../access/public.ts';
import { fail } from '../errors.ts';
import { isAliasName, isModelName, type ModelVersion, type Stage } from '../model.ts';
import * as models from '../store/models.ts';
import * as versions from '../store/versions.ts';
import { raiseNumber, setStage } from '../store/lifecycle.ts';
import { pointAlias } from './aliases.ts';
import { inspect, notSealed, recordSealed, sealedParts, type Inspected } from './seal.ts';

export interface TakenVersion {
  readonly number: number;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly description: string | null;
  readonly stage: Stage;
  readonly source: string;
  readonly location: string | null;
  readonly trackingRunId: string | null;
  readonly loggedModelId: string | null;
  readonly runLink: string | null;
  readonly tags: readonly { readonly key: string; readonly value: string }[];
}
export interface TakenModel {
  readonly name: string;
  readonly description: string;
  readonly createdMs: number;
  readonly updatedMs: number;
  /** The highest number that was ever given, also to a version that is gone. */
  readonly lastNumber: number;
  readonly tags: readonly { readonly key: string; readonly value: string }[];
  readonly aliases: readonly { readonly alias: string; readonly number: number }[];
  readonly versions: readonly TakenVersion[];
}

export const modelExists = async (ctx: Ctx, name: string): Promise<boolean> =>
  (await models.findModel(ctx.db, ctx.workspace, name)) !== undefined;

/** The model without its versions, made or brought up to date. Inside a transaction. Raises `model-name-invalid`. */
export async function takeModel(tx: Ctx, m: TakenModel, edges: readonly Edge[]): Promise<void> {
  if (!isModelName(m.name)) fail('model-name-invalid', { name: m.name });
  if (!(await modelExists(tx, m.name))) {
    const { name, description, createdMs, updatedMs } = m;
    await models.insertModel(tx.db, tx.workspace, { name, description, createdMs, updatedMs, managedBy: 'api', project: null });
    await ownResource(tx, 'model', name);
    const from = { kind: 'model', id: name };
    await tx.emit({ type: 'model.created', subject: from, label: name, edges: edges.map((e) => ({ ...e, from })) });
  } else await models.updateDescription(tx.db, tx.workspace, m.name, m.description, m.updatedMs);
  for (const tag of m.tags) await models.setTag(tx.db, { workspace_id: tx.workspace, model: m.name, number: 0, ...tag });
  await raiseNumber(tx.db, tx.workspace, m.name, m.lastNumber);
}

const PROMPT_TAG = 'mlflow.prompt.is_prompt';

async function inspected(ctx: Ctx, model: string, v: TakenVersion): Promise<Inspected> {
  if (v.tags.some((t) => t.key === PROMPT_TAG && t.value.toLowerCase() === 'true')) return notSealed('it is a prompt, not a model');
  try {
    const { source, loggedModelId, trackingRunId } = v;
    return await inspect(ctx, { name: `${model} version ${v.number}`, source, loggedModelId, trackingRunId }, {}, false);
  } catch (error) {
    if (!isProblem(error)) throw error;
    return notSealed(error.message);
  }
}

/** A version under its number, sealed if its files are here; one that is there is brought up to date. */
export async function takeVersion(ctx: Ctx, model: string, v: TakenVersion): Promise<'made' | 'there'> {
  const tagged = async (tx: Ctx): Promise<void> => {
    for (const tag of v.tags) await models.setTag(tx.db, { workspace_id: tx.workspace, model, number: v.number, ...tag });
  };
  const before = await versions.findVersion(ctx.db, ctx.workspace, model, v.number);
  if (before) {
    await ctx.tx(async (tx) => {
      if ((before.description ?? '') !== (v.description ?? ''))
        await versions.updateVersionDescription(tx.db, tx.workspace, before.id, v.description, v.updatedMs);
      if (before.stage !== v.stage) await setStage(tx.db, tx.workspace, before.id, v.stage, v.updatedMs);
      await tagged(tx);
    });
    return 'there';
  }
  const found = await inspected(ctx, model, v);
  const isSealed = found.because === null;
  await ctx.tx(async (tx) => {
    const { tags: _, ...rest } = v;
    const version: ModelVersion = {
      ...rest,
      id: newId('mv', tx.ids),
      model,
      state: isSealed ? 'sealed' : 'unsealed',
      unsealedBecause: found.because,
      ...sealedParts(found),
      ...(isSealed ? {} : { digest: null }),
      evidence: {},
      baseline: null,
      version: 1,
    };
    await versions.insertVersion(tx.db, tx.workspace, version);
    await tagged(tx);
    if (isSealed) await recordSealed(tx, version, found);
    const self = { kind: 'model-version', id: version.id };
    const to = (kind: string, id: string | null, relation: string): Edge[] =>
      id === null ? [] : [{ from: self, to: { kind, id }, relation }];
    await tx.emit({
      type: isSealed ? 'model-version.sealed' : 'model-version.created',
      subject: self,
      label: `${model} version ${v.number}`,
      payload: { model, number: v.number, state: version.state, digest: version.digest, imported: true },
      edges: [
        ...to('model', model, 'version-of'),
        ...to('logged-model', v.loggedModelId, 'model'),
        ...to('tracking-run', v.trackingRunId, 'produced-by'),
      ],
    });
  });
  return 'made';
}

/** Points aliases as the source does. What the gate refuses stays as it is, and the reason is answered. */
export async function takeAliases(ctx: Ctx, m: Pick<TakenModel, 'name' | 'aliases'>): Promise<{ alias: string; why: string }[]> {
  const refused: { alias: string; why: string }[] = [];
  for (const { alias, number } of m.aliases) {
    if ((await models.findAlias(ctx.db, ctx.workspace, m.name, alias)) === number) continue;
    try {
      if (!isAliasName(alias)) fail('alias-invalid', { alias });
      await pointAlias(ctx, m.name, alias, number);
    } catch (error) {
      if (!isProblem(error)) throw error;
      refused.push({ alias, why: error.message });
    }
  }
  return refused;
}

/** A model as it is recorded here, for comparison with what it was made from. */
export async function takenModel(ctx: Ctx, name: string): Promise<TakenModel | undefined> {
  const model = await models.findModel(ctx.db, ctx.workspace, name);
  if (!model) return undefined;
  const tags = await models.tagsOf(ctx.db, ctx.workspace, [name]);
  const tagsOf = (number: number) => tags.filter((t) => t.number === number).map(({ key, value }) => ({ key, value }));
  const all = await versions.listVersions(ctx.db, ctx.workspace, name, Number.MAX_SAFE_INTEGER, 1_000_000);
  return {
    name,
    description: model.description,
    createdMs: model.createdMs,
    updatedMs: model.updatedMs,
    lastNumber: all[0]?.number ?? 0,
    tags: tagsOf(0),
    aliases: (await models.aliasesOf(ctx.db, ctx.workspace, [name])).map(({ alias, number }) => ({ alias, number })),
    versions: all.map((v) => ({
      number: v.number,
      createdMs: v.createdMs,
      updatedMs: v.updatedMs,
      description: v.description,
      // Deleted ones are not listed.
      stage: v.stage as Stage,
      source: v.source,
      location: v.location,
      trackingRunId: v.trackingRunId,
      loggedModelId: v.loggedModelId,
      runLink: v.runLink,
      tags: tagsOf(v.number),
    })),
  };
}
