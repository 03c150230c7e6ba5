import type { Ctx } from '../../../kernel/ctx.ts';
import type { Edge } from '../../../kernel/events/events.ts';
import { newHexId } from '../../../kernel/ids.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import { fail } from '../errors.ts';
import type { LoggedModel, ModelStatus, Pair } from '../model.ts';
import { getExperiment as findExperiment } from '../store/experiments.ts';
import * as store from '../store/logged-models.ts';
import type { ModelFileRow } from '../store/tables.ts';
import { ensureDefault } from './experiments.ts';
import { filesDigest, storeFolder } from './folder.ts';
import { appendToUri, placeOf } from './places.ts';
import { checkScope } from './scope.ts';

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
  await checkScope(ctx, input.sourceRunId ?? '');
  const name = input.name || `model-${newHexId(ctx.ids).slice(0, 8)}`;
  if (/[/:.%"']/.test(name))
    fail('tracking-invalid', {
      message: `Invalid model name (${name.includes("'") && !name.includes('"') ? `"${name}"` : `'${name.replaceAll("'", "\\'")}'`}) provided. Model name must be a non-empty string and cannot contain the following characters: ('/', ':', '.', '%', '"', "'")`,
    });
  return ctx.tx(async (tx) => {
    const experiment =
      (await findExperiment(tx.db, tx.workspace, input.experimentId)) ?? fail('experiment-not-found', { id: input.experimentId });
    requireLevel(tx, 'experiment', experiment.id, 'EDIT');
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
      artifactUri: appendToUri(experiment.artifactLocation, 'models', id, 'artifacts'),
      createdMs: now,
      updatedMs: now,
      lifecycle: 'active',
      params: checkedEntries('param', input.params),
      tags: checkedEntries('tag', input.tags),
    };
    await store.insertLoggedModel(tx.db, tx.workspace, model);
    return model;
  });
}

/** Raises `logged-model-not-found`; deleted ones are not found unless asked for. */
export async function getLoggedModel(ctx: Ctx, id: string, allowDeleted = false): Promise<LoggedModel> {
  const model = await store.getLoggedModel(ctx.db, ctx.workspace, id);
  if (!model || (!allowDeleted && model.lifecycle !== 'active')) return fail('logged-model-not-found', { id });
  requireLevel(ctx, 'experiment', model.experimentId, 'READ');
  return model;
}

/**
 * Ends the upload. A ready model is sealed: its files are hashed into the immutable zone, then recorded
 * together with the new status. It is sealed once; what is uploaded later changes nothing. A source that
 * cannot be read from here stays as it is, unsealed.
 */
export async function finishLoggedModel(ctx: Ctx, id: string, status: ModelStatus, message: string): Promise<LoggedModel> {
  const model = await writable(ctx, id);
  const root = await placeOf(ctx, model.artifactUri);
  const change = { status, status_message: message };
  const update = (tx: Ctx) => store.updateLoggedModel(tx.db, tx.workspace, id, change, tx.clock.now());
  const isSealed = (await store.listModelFiles(ctx.db, ctx.workspace, id)).length > 0;
  if (status !== 'LOGGED_MODEL_READY' || root === undefined || isSealed) {
    await ctx.tx(update);
    return getLoggedModel(ctx, id);
  }
  await storeFolder(ctx, root, async (tx, files) => {
    await store.insertModelFiles(tx.db, tx.workspace, id, files);
    await update(tx);
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
  return getLoggedModel(ctx, id);
}

/** More than any client sends, and less than hurts. */
const MAX_VALUE = 1_000_000;

const REGISTERED = 'mlflow.modelVersions';

/** Notes on a logged model that a version of it was registered, where MLflow's clients look for it. */
export const recordRegistration = (ctx: Ctx, id: string, model: string, version: number): Promise<void> =>
  ctx.tx(async (tx) => {
    const { tags } = await getLoggedModel(tx, id);
    const noted = registrationsIn(tags.find((t) => t.key === REGISTERED)?.value);
    if (noted.some((r) => r.name === model && String(r.version) === String(version))) return;
    // As Python writes it, with spaces.
    const value = [...noted, { name: model, version }].map(
      (r) => `{"name": ${JSON.stringify(r.name)}, "version": ${JSON.stringify(r.version)}}`,
    );
    await store.putEntries(tx.db, tx.workspace, id, 'tag', [{ key: REGISTERED, value: `[${value.join(', ')}]` }]);
  });

function registrationsIn(text: string | undefined): { name: string; version: number | string }[] {
  try {
    const found: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(found) ? (found as { name: string; version: number | string }[]) : [];
  } catch {
    return [];
  }
}

/** Files of a sealed model; empty while it is not sealed. */
export const modelFiles = (ctx: Ctx, id: string): Promise<ModelFileRow[]> => store.listModelFiles(ctx.db, ctx.workspace, id);

async function writable(ctx: Ctx, id: string): Promise<LoggedModel> {
  const model = await getLoggedModel(ctx, id);
  await checkScope(ctx, model.sourceRunId ?? '');
  requireLevel(ctx, 'experiment', model.experimentId, 'EDIT');
  return model;
}

/** Params and tags; of the same key the last one counts. Raises `logged-model-not-found`, `tracking-invalid`. */
export const setModelEntries = (ctx: Ctx, id: string, kind: 'param' | 'tag', pairs: readonly Pair[]): Promise<void> =>
  ctx.tx(async (tx) => {
    const model = await writable(tx, id);
    // Said again it is nothing; a client may repeat what it is not sure of.
    const before = new Map(kind === 'param' ? model.params.map((p) => [p.key, p.value]) : []);
    const changed = pairs.find((p) => before.has(p.key) && before.get(p.key) !== p.value);
    if (changed) fail('model-param-changed', { key: changed.key, id });
    await store.putEntries(tx.db, tx.workspace, id, kind, checkedEntries(kind, pairs));
  });

export const deleteModelTag = (ctx: Ctx, id: string, key: string): Promise<void> =>
  ctx.tx(async (tx) => {
    await writable(tx, id);
    if (!(await store.deleteEntry(tx.db, tx.workspace, id, 'tag', key))) fail('model-tag-not-found', { key, id });
  });

export const deleteLoggedModel = (ctx: Ctx, id: string): Promise<void> =>
  ctx.tx(async (tx) => {
    const model = await getLoggedModel(tx, id, true);
    await checkScope(tx, model.sourceRunId ?? '');
    requireLevel(tx, 'experiment', model.experimentId, 'MANAGE');
    // Said again it is nothing.
    if (model.lifecycle === 'deleted') return;
    await store.updateLoggedModel(tx.db, tx.workspace, id, { lifecycle: 'deleted' }, tx.clock.now());
  });

const LONGEST_KEY = 255;
const MOST_ENTRIES = 5000;

// MLflow keeps any text as a key here, and cuts nothing.
function checkedEntries(kind: 'param' | 'tag', pairs: readonly Pair[]): Pair[] {
  const what = kind === 'param' ? 'Param' : 'Tag';
  // Clients send a hundred at once.
  if (pairs.length > MOST_ENTRIES)
    fail('tracking-invalid', { message: `A request can contain at most ${MOST_ENTRIES} ${kind}s of a logged model. Got ${pairs.length}.` });
  const long = pairs.find((p) => p.key.length > LONGEST_KEY || p.value.length > MAX_VALUE);
  if (long && long.key.length > LONGEST_KEY)
    fail('tracking-invalid', { message: `'${what} key' exceeds the maximum length of ${LONGEST_KEY} characters` });
  if (long) fail('tracking-invalid', { message: `'${what} value' exceeds the maximum length of ${MAX_VALUE} characters` });
  return [...new Map(pairs.map((p) => [p.key, p.value]))].map(([key, value]) => ({ key, value }));
}
