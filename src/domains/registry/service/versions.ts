import { join } from 'node:path';
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Edge } from '../../../kernel/events/events.ts';
import { newId } from '../../../kernel/ids.ts';
import { validateModel } from '../../serving/public.ts';
import { filesDigest, modelFiles } from '../../tracking/public.ts';
import { fail } from '../errors.ts';
import { isAliasName, isModelName, type Evidence, type Model, type ModelVersion } from '../model.ts';
import * as store from '../store.ts';
import { sealedFolder } from './sealed-files.ts';

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

export interface NewVersion {
  readonly model: string;
  readonly loggedModelId: string | null;
  readonly source: string;
  readonly description?: string;
  readonly trackingRunId: string | null;
  readonly evidence: Evidence;
  readonly baseline: unknown;
  /** Output that must hold the scores; checked when the version is sealed. */
  readonly score?: string | null;
  readonly project?: string | null;
}

/**
 * Registers a version. With a logged model whose files are here it is sealed at once: the model is loaded
 * and its signature read, so that a file that does not load is refused now. Raises `onnx-unreadable`,
 * `onnx-signature-unsupported`, `model-name-invalid`.
 */
export async function registerVersion(ctx: Ctx, input: NewVersion): Promise<ModelVersion> {
  const files = input.loggedModelId === null ? [] : await modelFiles(ctx, input.loggedModelId);
  const hasOnnx = files.some((f) => f.path.endsWith('.onnx'));
  const signature = hasOnnx
    ? await validateModel(join(ctx.settings.dir, await sealedFolder(ctx, files)), {
        signal: ctx.signal,
        ...(input.score ? { score: input.score } : {}),
      })
    : null;
  return ctx.tx(async (tx) => {
    if (!(await store.findModel(tx.db, tx.workspace, input.model)))
      await createModel(tx, { name: input.model, ...(input.project ? { project: input.project, managedBy: 'file' } : {}) });
    const now = tx.clock.now();
    const version: ModelVersion = {
      id: newId('mv', tx.ids),
      model: input.model,
      number: await store.takeNumber(tx.db, tx.workspace, input.model, now),
      state: signature ? 'sealed' : 'unsealed',
      source: input.source,
      description: input.description ?? '',
      trackingRunId: input.trackingRunId,
      loggedModelId: input.loggedModelId,
      signature,
      evidence: input.evidence,
      baseline: input.baseline,
      digest: signature ? filesDigest(files) : null,
      createdMs: now,
      updatedMs: now,
      version: 1,
    };
    await store.insertVersion(tx.db, tx.workspace, version);
    await store.insertVersionFiles(
      tx.db,
      files.map((f) => ({ workspace_id: tx.workspace, version_id: version.id, path: f.path, digest: f.digest, size_bytes: f.size_bytes })),
    );
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
    ...(e.datasetVersions ?? []).flatMap((id) => to('dataset-version', id, 'trained-on')),
  ];
}

/** A version by number ("3"), alias ("champion") or "latest". Raises `model-version-not-found`. */
export async function findVersion(ctx: Ctx, model: string, which: string): Promise<ModelVersion> {
  const number = /^\d+$/.test(which)
    ? Number(which)
    : which === 'latest'
      ? (await store.listVersions(ctx.db, ctx.workspace, model, Number.MAX_SAFE_INTEGER, 1))[0]?.number
      : await store.findAlias(ctx.db, ctx.workspace, model, which);
  const version = number === undefined ? undefined : await store.findVersion(ctx.db, ctx.workspace, model, number);
  return version ?? fail('model-version-not-found', { model, version: which });
}

/** Raises `model-version-not-found`. */
export const getVersion = async (ctx: Ctx, id: string): Promise<ModelVersion> =>
  (await store.getVersion(ctx.db, ctx.workspace, id)) ?? fail('model-version-not-found', { model: '', version: id });

/** Folder of a sealed version's files, relative to the data folder. Raises `version-unsealed`. */
export async function versionFolder(ctx: Ctx, version: ModelVersion): Promise<string> {
  if (version.state !== 'sealed') fail('version-unsealed', { model: version.model, version: version.number });
  return sealedFolder(ctx, await store.listVersionFiles(ctx.db, ctx.workspace, version.id));
}

export const championAlias = 'champion';

export const setAlias = (ctx: Ctx, model: string, alias: string, number: number): Promise<void> =>
  ctx.tx(async (tx) => {
    if (!isAliasName(alias)) fail('alias-invalid', { alias });
    if (!(await store.findModel(tx.db, tx.workspace, model))) fail('model-not-found', { name: model });
    const version =
      (await store.findVersion(tx.db, tx.workspace, model, number)) ?? fail('model-version-not-found', { model, version: String(number) });
    await store.setAlias(tx.db, { workspace_id: tx.workspace, model, alias, number });
    await tx.emit({ type: 'alias.set', subject: { kind: 'model', id: model }, payload: { alias, version: version.id, number } });
  });

export const removeAlias = (ctx: Ctx, model: string, alias: string): Promise<void> =>
  ctx.tx(async (tx) => {
    await store.deleteAlias(tx.db, tx.workspace, model, alias);
    await tx.emit({ type: 'alias.removed', subject: { kind: 'model', id: model }, payload: { alias } });
  });
