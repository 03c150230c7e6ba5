import { createHash } from 'node:crypto';
import { insertBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Edge } from '../../../kernel/events/events.ts';
import { newHexId } from '../../../kernel/ids.ts';
import { fail } from '../errors.ts';
import type { LoggedModel, Pair } from '../model.ts';
import { getExperiment as findExperiment } from '../store/experiments.ts';
import * as store from '../store/logged-models.ts';
import type { ModelFileRow } from '../store/tables.ts';
import { ensureDefault } from './experiments.ts';

export interface NewLoggedModel {
  readonly experimentId: string;
  readonly name: string;
  readonly modelType: string;
  readonly sourceRunId: string | null;
  readonly params: readonly Pair[];
  readonly tags: readonly Pair[];
}

/** Raises `experiment-not-found`, `tracking-invalid`. */
export async function createLoggedModel(ctx: Ctx, input: NewLoggedModel): Promise<LoggedModel> {
  await ensureDefault(ctx);
  const name = input.name || `model-${newHexId(ctx.ids).slice(0, 8)}`;
  if (/[/:.%"']/.test(name))
    fail('tracking-invalid', { message: `Invalid model name: '${name}'. Names must not contain any of / : . % " '` });
  return ctx.tx(async (tx) => {
    const experiment =
      (await findExperiment(tx.db, tx.workspace, input.experimentId)) ?? fail('experiment-not-found', { id: input.experimentId });
    if (experiment.lifecycle !== 'active') fail('experiment-inactive', { id: experiment.id, state: experiment.lifecycle });
    const id = `m-${newHexId(tx.ids)}`;
    const now = tx.clock.now();
    const model: LoggedModel = {
      id,
      experimentId: experiment.id,
      name,
      modelType: input.modelType,
      sourceRunId: input.sourceRunId,
      status: 'LOGGED_MODEL_PENDING',
      statusMessage: '',
      artifactUri: `${experiment.artifactLocation.replace(/\/$/, '')}/models/${id}/artifacts`,
      createdMs: now,
      updatedMs: now,
      lifecycle: 'active',
      params: input.params,
      tags: input.tags,
    };
    await store.insertLoggedModel(tx.db, tx.workspace, model);
    return model;
  });
}

/** Raises `logged-model-not-found`; deleted ones are not found unless asked for. */
export async function getLoggedModel(ctx: Ctx, id: string, allowDeleted = false): Promise<LoggedModel> {
  const model = await store.getLoggedModel(ctx.db, ctx.workspace, id);
  return model && (allowDeleted || model.lifecycle === 'active') ? model : fail('logged-model-not-found', { id });
}

/** Where an `mlflow-artifacts:` URI lies in the workspace's mutable zone; undefined for other stores. */
export const pathOfUri = (workspace: string, uri: string): string | undefined => {
  const match = /^mlflow-artifacts:(?:\/\/[^/]*)?\/+(.*)$/.exec(uri);
  return match ? [workspace, match[1]!].join('/') : undefined;
};

/**
 * Ends the upload. A ready model is sealed: its files are hashed into the immutable zone, then recorded
 * together with the new status. A source that cannot be read from here stays as it is, unsealed.
 */
export async function finishLoggedModel(
  ctx: Ctx,
  id: string,
  status: 'LOGGED_MODEL_READY' | 'LOGGED_MODEL_UPLOAD_FAILED' | 'LOGGED_MODEL_PENDING',
  message: string,
): Promise<LoggedModel> {
  const model = await getLoggedModel(ctx, id);
  const root = pathOfUri(ctx.workspace, model.artifactUri);
  if (status !== 'LOGGED_MODEL_READY' || root === undefined) {
    await ctx.tx((tx) => store.updateLoggedModel(tx.db, tx.workspace, id, { status, status_message: message }, tx.clock.now()));
    return getLoggedModel(ctx, id);
  }
  const batch = await ctx.blobs.begin();
  try {
    const files: ModelFileRow[] = [];
    for (const file of await ctx.blobs.paths.walk(root)) {
      const stored = await batch.add({ path: ctx.blobs.paths.resolve(`${root}/${file.path}`) });
      files.push({ workspace_id: ctx.workspace, model_id: id, path: file.path, digest: stored.digest, size_bytes: stored.sizeBytes });
    }
    const entries = await batch.commit();
    await ctx.tx(async (tx) => {
      await insertBlobs(tx, entries);
      await store.putModelFiles(tx.db, tx.workspace, id, files);
      await store.updateLoggedModel(tx.db, tx.workspace, id, { status, status_message: message }, tx.clock.now());
      const self = { kind: 'logged-model', id };
      const edges: Edge[] =
        model.sourceRunId === null ? [] : [{ from: self, to: { kind: 'tracking-run', id: model.sourceRunId }, relation: 'produced-by' }];
      await tx.emit({
        type: 'logged-model.ready',
        subject: self,
        label: `logged model ${model.name}`,
        payload: { files: files.length, digest: filesDigest(files) },
        edges,
      });
    });
  } catch (error) {
    await batch.abandon();
    throw error;
  }
  return getLoggedModel(ctx, id);
}

/** One digest over all files of a model. */
export const filesDigest = (files: readonly { path: string; digest: string }[]): string =>
  createHash('sha256')
    .update(JSON.stringify(files.map((f) => [f.path, f.digest]).sort(([a], [b]) => (a! < b! ? -1 : 1))))
    .digest('hex');

/** Files of a sealed model; empty while it is not sealed. */
export const modelFiles = (ctx: Ctx, id: string): Promise<ModelFileRow[]> => store.listModelFiles(ctx.db, ctx.workspace, id);

export const setModelEntries = (ctx: Ctx, id: string, kind: 'param' | 'tag', pairs: readonly Pair[]): Promise<void> =>
  ctx.tx(async (tx) => {
    await getLoggedModel(tx, id);
    await store.putEntries(tx.db, tx.workspace, id, kind, pairs);
  });

export const deleteModelTag = (ctx: Ctx, id: string, key: string): Promise<void> =>
  ctx.tx(async (tx) => {
    await getLoggedModel(tx, id);
    await store.deleteEntry(tx.db, tx.workspace, id, 'tag', key);
  });

export const deleteLoggedModel = (ctx: Ctx, id: string): Promise<void> =>
  ctx.tx(async (tx) => {
    await getLoggedModel(tx, id);
    await store.updateLoggedModel(tx.db, tx.workspace, id, { lifecycle: 'deleted' }, tx.clock.now());
  });
