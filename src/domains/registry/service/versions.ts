import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import type { Edge } from '../../../kernel/events/events.ts';
import { newId } from '../../../kernel/ids.ts';
import { fail } from '../errors.ts';
import { isModelName, type Evidence, type ModelVersion } from '../model.ts';
import { getEvaluation } from '../store/evaluations.ts';
import { adoptModel } from '../store/lifecycle.ts';
import { findAlias, findModel, setTag, takeNumber } from '../store/models.ts';
import * as store from '../store/versions.ts';
import { createModel, getModel } from './models.ts';
import { inspect, notSealed, recordSealed, sealedParts, type Requirements } from './seal.ts';
import { sealedFolder } from './sealed-files.ts';
import { checkRun } from './sources.ts';

export interface NewVersion extends Requirements {
  readonly model: string;
  readonly loggedModelId: string | null;
  readonly source: string;
  /** Where its files are, when the source only points there. */
  readonly location?: string | null;
  readonly description?: string;
  readonly runLink?: string | null;
  readonly trackingRunId: string | null;
  readonly evidence: Evidence;
  readonly baseline: unknown;
  readonly project?: string | null;
  /** A prompt has no files. */
  readonly kind?: 'model' | 'prompt';
  readonly tags?: readonly { readonly key: string; readonly value: string }[];
}

/**
 * Registers a version, and makes its model if there is none. With files that are here it is sealed at once:
 * the model is loaded and its signature read, so that one that does not load or does not fit is refused now.
 * A `lenient` registration leaves what nothing here can serve unsealed. Raises `onnx-unreadable`,
 * `onnx-signature-unsupported`, `model-signature-mismatch`, `evaluation-mismatch`, `model-name-invalid`.
 */
export async function registerVersion(ctx: Ctx, input: NewVersion, how: 'strict' | 'lenient' = 'strict'): Promise<ModelVersion> {
  if (!isModelName(input.model)) fail('model-name-invalid', { name: input.model });
  await checkEvaluation(ctx, input);
  await checkRun(ctx, input.trackingRunId);
  const found =
    input.kind === 'prompt'
      ? notSealed('it is a prompt, not a model')
      : await inspect(ctx, { ...input, name: input.model }, input, how === 'strict');
  const isSealed = found.because === null;
  return ctx.tx(async (tx) => {
    // The step of a run may be performed again after a crash; its version is there then.
    const { pipelineRun } = input.evidence;
    if (pipelineRun && input.loggedModelId) {
      const before = await store.findVersionOfRun(tx.db, tx.workspace, input.model, input.loggedModelId, pipelineRun);
      if (before) return before;
    }
    if (await findModel(tx.db, tx.workspace, input.model)) {
      requireLevel(tx, 'model', input.model, 'EDIT');
      if (input.project) await adoptModel(tx.db, tx.workspace, input.model, input.project);
    } else await createModel(tx, { name: input.model, ...(input.project ? { project: input.project, managedBy: 'file' } : {}) });
    const now = tx.clock.now();
    const version: ModelVersion = {
      id: newId('mv', tx.ids),
      model: input.model,
      number: await takeNumber(tx.db, tx.workspace, input.model, now),
      state: isSealed ? 'sealed' : 'unsealed',
      stage: 'None',
      source: input.source,
      location: input.location ?? null,
      description: input.description ?? '',
      trackingRunId: input.trackingRunId,
      loggedModelId: input.loggedModelId,
      runLink: input.runLink ?? null,
      unsealedBecause: found.because,
      ...sealedParts(found),
      ...(isSealed ? {} : { digest: null }),
      // A copy is of the same bytes, so what is known of them is known of it.
      evidence: found.copyOf ? { ...found.copyOf.evidence, ...input.evidence } : input.evidence,
      baseline: input.baseline ?? found.copyOf?.baseline ?? null,
      createdMs: now,
      updatedMs: now,
      version: 1,
    };
    await store.insertVersion(tx.db, tx.workspace, version);
    for (const tag of input.tags ?? [])
      await setTag(tx.db, { workspace_id: tx.workspace, model: version.model, number: version.number, ...tag });
    if (isSealed) await recordSealed(tx, version, found);
    await tx.emit({
      type: version.state === 'sealed' ? 'model-version.sealed' : 'model-version.created',
      subject: { kind: 'model-version', id: version.id },
      label: `${version.model} version ${version.number}`,
      ...(input.project ? { project: input.project } : {}),
      payload: { model: version.model, number: version.number, state: version.state, digest: version.digest },
      edges: edgesOf(version),
    });
    return version;
  });
}

async function checkEvaluation(ctx: Ctx, { evidence, loggedModelId, model }: NewVersion): Promise<void> {
  if (evidence.evaluation === undefined) return;
  const evaluation =
    (await getEvaluation(ctx.db, ctx.workspace, evidence.evaluation)) ?? fail('evaluation-not-found', { id: evidence.evaluation });
  if (evaluation.loggedModelId !== loggedModelId)
    fail('evaluation-mismatch', { evaluation: evaluation.id, evaluated: evaluation.loggedModelId, model: loggedModelId ?? model });
}

function edgesOf(version: ModelVersion): Edge[] {
  const self = { kind: 'model-version', id: version.id };
  const { evidence: e } = version;
  const to = (kind: string, id: string | undefined | null, relation: string): Edge[] =>
    id ? [{ from: self, to: { kind, id }, relation }] : [];
  return [
    ...to('model', version.model, 'version-of'),
    ...to('evaluation', e.evaluation, 'evidence'),
    ...to('logged-model', version.loggedModelId, 'model'),
    ...to('tracking-run', version.trackingRunId, 'produced-by'),
    ...to('pipeline-run', e.pipelineRun, 'produced-by'),
    ...to('code-snapshot', e.codeSnapshot, 'code'),
    ...to('environment', e.environment?.digest, 'environment'),
    ...to('model-version', e.derivedFrom?.version, 'derived-from'),
    ...(e.datasetVersions ?? []).flatMap((id) => to('dataset-version', id, 'trained-on')),
  ];
}

/** A version by number ("3"), alias ("champion") or "latest". Raises `model-version-not-found`. */
export async function findVersion(ctx: Ctx, model: string, which: string): Promise<ModelVersion> {
  const number = /^\d{1,15}$/.test(which)
    ? Number(which)
    : which.toLowerCase() === 'latest'
      ? (await store.listVersions(ctx.db, ctx.workspace, model, Number.MAX_SAFE_INTEGER, 1))[0]?.number
      : await findAlias(ctx.db, ctx.workspace, model, which);
  const version = number === undefined ? undefined : await store.findVersion(ctx.db, ctx.workspace, model, number);
  if (!version) return fail('model-version-not-found', { model, version: which });
  requireLevel(ctx, 'model', model, 'READ');
  return version;
}

/** Raises `model-version-not-found`. */
export async function versionNumbered(ctx: Ctx, model: string, number: number): Promise<ModelVersion> {
  requireLevel(ctx, 'model', model, 'READ');
  const found = number > 0 && number < 2 ** 31 ? await store.findVersion(ctx.db, ctx.workspace, model, number) : undefined;
  return found ?? fail('model-version-not-found', { model, version: String(number) });
}

/** Raises `model-not-found`, `alias-not-found`. */
export async function versionByAlias(ctx: Ctx, model: string, alias: string): Promise<ModelVersion> {
  await getModel(ctx, model);
  if (alias.toLowerCase() === 'latest') return findVersion(ctx, model, alias);
  const number = (await findAlias(ctx.db, ctx.workspace, model, alias)) ?? fail('alias-not-found', { model, alias });
  return findVersion(ctx, model, String(number));
}

/** Raises `model-version-not-found`. */
export async function getVersion(ctx: Ctx, id: string): Promise<ModelVersion> {
  const version = (await store.getVersion(ctx.db, ctx.workspace, id)) ?? fail('model-version-not-found', { model: '', version: id });
  requireLevel(ctx, 'model', version.model, 'READ');
  return version;
}

/** Raises `model-version-not-found`. */
export const describeVersion = (ctx: Ctx, model: string, which: string, description: string | null): Promise<ModelVersion> =>
  ctx.tx(async (tx) => {
    const { id } = await findVersion(tx, model, which);
    requireLevel(tx, 'model', model, 'EDIT');
    await store.updateVersionDescription(tx.db, tx.workspace, id, description, tx.clock.now());
    await tx.emit({ type: 'model-version.described', subject: { kind: 'model-version', id } });
    return getVersion(tx, id);
  });

/** Folder of a sealed version's files, relative to the data folder. Raises `version-unsealed`. */
export async function versionFolder(ctx: Ctx, version: ModelVersion): Promise<string> {
  if (version.state !== 'sealed') fail('version-unsealed', { model: version.model, version: version.number });
  return sealedFolder(ctx, await store.listVersionFiles(ctx.db, ctx.workspace, version.id));
}
