// Where the files of a version lie, from the URI it was registered with, and whether a client may name it.
import { posix } from 'node:path';
import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { getLoggedModel, getRun, pathOfUri } from '../../tracking/public.ts';
import { fail } from '../errors.ts';
import { stageNamed, type ModelVersion } from '../model.ts';
import { findAlias, findModel } from '../store/models.ts';
import * as store from '../store/versions.ts';

const invalid = (message: string): never => fail('model-source-invalid', { message });
const MAX_HOPS = 10;
const contained = (source: string, what: 'run_id' | 'model_id'): never =>
  invalid(`Invalid model version source: '${source}'. The ${what} request parameter must identify the resource that contains the source.`);

const LOGGED_MODEL = /^models:\/+(m-[0-9a-f]{32})\/?$/;
const RUN = /^runs:\/+([^/]+)\/+(.+)$/;

export interface Lineage {
  readonly runId: string | null;
  readonly loggedModelId: string | null;
}

export interface Located {
  /** A storage location. */
  readonly location: string;
  /** The registered version whose files these are, if the source names one. */
  readonly version: ModelVersion | null;
}

/** The version that `models:/<name>/<number, stage or latest>` or `models:/<name>@<alias>` names; undefined for other URIs. */
export async function versionNamed(ctx: Ctx, source: string): Promise<ModelVersion | undefined> {
  const [, model, , suffix, alias] = /^models:\/+([^/@]+)(\/([^/@]+)|@([^/]+))$/.exec(source) ?? [];
  if (model === undefined) return /^models:/.test(source) && !LOGGED_MODEL.test(source) ? contained(source, 'model_id') : undefined;
  const which = suffix ?? alias!;
  const { db, workspace } = ctx;
  requireLevel(ctx, 'model', model, 'READ');
  if (!(await findModel(db, workspace, model))) fail('model-not-found', { name: model });
  const missing = (): never => fail('model-version-not-found', { model, version: which });
  if (suffix !== undefined && !/^\d{1,15}$/.test(suffix)) {
    const newest = await store.latestOf(db, workspace, [model]);
    const stage = stageNamed(suffix);
    return (suffix.toLowerCase() === 'latest' ? newest.at(-1) : newest.find((v) => v.stage === stage)) ?? missing();
  }
  const number =
    suffix === undefined
      ? ((await findAlias(db, workspace, model, alias!)) ?? fail('alias-not-found', { model, alias: alias! }))
      : Number(suffix);
  return (await store.findVersion(db, workspace, model, number)) ?? missing();
}

/** Follows `runs:/` and `models:/` to a storage location. Raises `model-source-invalid`, `*-not-found`. */
export const locate = async (ctx: Ctx, source: string): Promise<string> => (await resolveSource(ctx, source)).location;

/** The same, with the registered version that it names. */
export async function resolveSource(ctx: Ctx, source: string, hops = 0): Promise<Located> {
  if (hops > MAX_HOPS) return invalid(`Invalid model version source: '${source}'. It refers to itself.`);
  const loggedModel = LOGGED_MODEL.exec(source)?.[1];
  if (loggedModel !== undefined) return { location: (await getLoggedModel(ctx, loggedModel)).artifactUri, version: null };
  const run = RUN.exec(source);
  if (run) return { location: `${(await getRun(ctx, run[1]!)).artifactUri.replace(/\/+$/, '')}/${run[2]!}`, version: null };
  const version = await versionNamed(ctx, source);
  if (!version) return { location: source, version: null };
  return { location: (await resolveSource(ctx, version.location ?? version.source, hops + 1)).location, version };
}

/** Path of a URI below a root, "" for the root itself; undefined if it is not below. */
export function isWithin(uri: string, root: string): string | undefined {
  const [at, from] = [partsOf(uri), partsOf(root)];
  if (at === undefined || from === undefined || from.parts.length === 0 || at.store !== from.store) return undefined;
  return from.parts.every((part, i) => at.parts[i] === part) ? at.parts.slice(from.parts.length).join('/') : undefined;
}

function partsOf(uri: string): { store: string; parts: string[] } | undefined {
  const plain = decoded(uri);
  if (plain === undefined) return undefined;
  const proxied = pathOfUri('', plain);
  const [, store = 'file:', path = ''] =
    proxied === undefined ? (/^([a-z][a-z0-9+.-]*:(?:\/\/[^/]*)?)?(.*)$/is.exec(plain) ?? []) : [plain, 'mlflow-artifacts:', proxied];
  const parts = path.split('/').filter((p) => p !== '');
  return parts.includes('..') || parts.includes('.') ? undefined : { store: store.toLowerCase().replace(/^file:\/\/$/, 'file:'), parts };
}

/** Whoever registers a version names no run that he may not read; one that is not there is taken as MLflow takes it. Raises `level-too-low`. */
export async function checkRun(ctx: Ctx, runId: string | null): Promise<void> {
  if (runId === null) return;
  try {
    await getRun(ctx, runId);
  } catch (error) {
    if (!isProblem(error, 'tracking-run-not-found')) throw error;
  }
}

const orNull = async <T>(found: Promise<T>): Promise<T | null> => {
  try {
    return await found;
  } catch (error) {
    if (isProblem(error)) return null;
    throw error;
  }
};

/** Artifact folders of the run and the logged model that a version names. */
export async function rootsOf(ctx: Ctx, of: { trackingRunId: string | null; loggedModelId: string | null }): Promise<string[]> {
  const run = of.trackingRunId === null ? null : await orNull(getRun(ctx, of.trackingRunId));
  const model = of.loggedModelId === null ? null : await orNull(getLoggedModel(ctx, of.loggedModelId));
  return [run, model].flatMap((found) => (found === null ? [] : [found.artifactUri]));
}

/**
 * The run and logged model behind a source, as far as the client named them or the source does. Raises
 * `model-source-invalid` when they contradict each other, `logged-model-not-found`.
 */
export async function lineageOf(ctx: Ctx, source: string, named: Lineage): Promise<Lineage> {
  const copied = await versionNamed(ctx, source);
  const inPath = /\/models\/(m-[0-9a-f]{32})\/artifacts\/?$/.exec(source)?.[1];
  const ofSource = LOGGED_MODEL.exec(source)?.[1] ?? copied?.loggedModelId ?? null;
  if (
    copied &&
    ((named.runId !== null && named.runId !== copied.trackingRunId) ||
      (named.loggedModelId !== null && named.loggedModelId !== copied.loggedModelId))
  )
    invalid(
      `Invalid model version source: '${source}'. The run_id and model_id request parameters must match the referenced model version.`,
    );
  if (named.loggedModelId !== null && ofSource !== null && named.loggedModelId !== ofSource) contained(source, 'model_id');
  const isProxied = /^(mlflow-artifacts|https?):/i.test(source);
  if (isProxied && named.loggedModelId !== null && inPath !== undefined && named.loggedModelId !== inPath) contained(source, 'model_id');
  const inferred = inPath === undefined ? null : await orNull(getLoggedModel(ctx, inPath));
  const loggedModelId = named.loggedModelId ?? ofSource ?? (inferred && isWithin(source, inferred.artifactUri) === '' ? inferred.id : null);
  const ofModel = loggedModelId === null ? null : (await getLoggedModel(ctx, loggedModelId)).sourceRunId;
  const run = RUN.exec(source)?.[1] ?? null;
  if (named.runId !== null && run !== null && named.runId !== run) contained(source, 'run_id');
  return { loggedModelId, runId: named.runId ?? run ?? copied?.trackingRunId ?? ofModel ?? (await runOfPath(ctx, source)) };
}

// `<root>/<experiment>/<run>/artifacts/...`: the run that wrote there.
async function runOfPath(ctx: Ctx, source: string): Promise<string | null> {
  const id = /\/([0-9a-f]{32})\/artifacts(?:\/|$)/.exec(source)?.[1];
  const run = id === undefined ? null : await orNull(getRun(ctx, id));
  return run && isWithin(source, run.artifactUri) !== undefined ? run.id : null;
}

const CLIMBS = `If supplying a source as an http, https, local file path, ftp, objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references present. Please provide an absolute path.`;

/**
 * A path on the client's disk may be a source only inside the artifacts of its own run or logged model, and
 * no source may climb. Raises `model-source-invalid`.
 */
export async function checkSource(ctx: Ctx, source: string, of: Lineage): Promise<void> {
  const plain = decoded(source) ?? invalid(`Invalid model version source: '${source}'. ${CLIMBS}`);
  const isLocal = /^file:/i.test(plain) || !/^[a-z][a-z0-9+.-]+:/i.test(plain);
  const path = plain.replace(/^[a-z][a-z0-9+.-]+:(\/\/[^/?#]*)?/i, '').replace(/[?#].*$/s, '');
  const single = path.replace(/\/+/g, '/').replace(/\/$/, '');
  const isPlain = isLocal || (single.startsWith('/') && posix.normalize(single) === single);
  if (plain.includes('\0') || plain.split(/[\\/]/).includes('..') || !isPlain)
    invalid(`Invalid model version source: '${source}'. ${CLIMBS}`);
  if (!isLocal) {
    const [, scheme] = /^(models|runs):\/\/[^/]/i.exec(plain) ?? [];
    if (scheme === 'runs') contained(source, 'run_id');
    if (scheme !== undefined)
      invalid(`Invalid model version source: '${source}'. Registered model sources must use the active model registry.`);
    return;
  }
  const what = of.loggedModelId !== null ? 'model_id' : 'run_id';
  const [run, model] = [of.loggedModelId === null ? of.runId : null, of.loggedModelId];
  for (const root of await rootsOf(ctx, { trackingRunId: run, loggedModelId: model }))
    if (pathOfUri(ctx.workspace, root) === undefined && isWithin(plain, root) !== undefined) return;
  invalid(
    `Invalid model version source: '${source}'. To use a local path as a model version source, the ${what} request parameter has to be specified and the local path has to be contained within the artifact directory of the run specified by the ${what}.`,
  );
}

/** The text with every layer of escapes taken off, a plus for a space among them; undefined if there are too many. */
function decoded(text: string): string | undefined {
  let now = text;
  for (let i = 0; i < MAX_HOPS; i++) {
    const next = now
      .replaceAll('+', ' ')
      .replaceAll(/(?:%[0-9a-f]{2})+/gi, (escapes) => Buffer.from(escapes.replaceAll('%', ''), 'hex').toString('utf8'));
    if (next === now) return now;
    now = next;
  }
  return undefined;
}
