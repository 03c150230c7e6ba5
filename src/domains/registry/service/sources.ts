// Where the files of a version lie, from the URI it was registered with.
import type { Ctx } from '../../../kernel/ctx.ts';
import { getLoggedModel, getRun, pathOfUri } from '../../tracking/public.ts';
import { fail } from '../errors.ts';
import { findAlias } from '../store/models.ts';
import * as store from '../store/versions.ts';

const invalid = (message: string): never => fail('model-source-invalid', { message });
const MAX_HOPS = 10;

// `models:/<id>`, or the folder of a logged model in our own store.
const loggedModelOf = (source: string): string | undefined =>
  (/^models:\/+(m-[0-9a-f]{32})\/?$/.exec(source) ?? /^mlflow-artifacts:.*\/models\/(m-[0-9a-f]{32})\/artifacts\/?$/.exec(source))?.[1];

export interface Lineage {
  readonly runId: string | null;
  readonly loggedModelId: string | null;
}

/** The run and logged model behind a source, as far as the client named them or the source does. */
export async function lineageOf(ctx: Ctx, source: string, named: Lineage): Promise<Lineage> {
  const loggedModelId = named.loggedModelId ?? loggedModelOf(source) ?? null;
  const ofModel = loggedModelId === null ? null : (await getLoggedModel(ctx, loggedModelId)).sourceRunId;
  return { loggedModelId, runId: named.runId ?? ofModel ?? /^runs:\/+([^/]+)\//.exec(source)?.[1] ?? null };
}

/** Follows `runs:/` and `models:/` to a storage location. Raises `model-source-invalid`, `*-not-found`. */
export async function locate(ctx: Ctx, source: string, hops = 0): Promise<string> {
  if (hops > MAX_HOPS) return invalid(`Invalid model version source: '${source}'. It refers to itself.`);
  const loggedModel = loggedModelOf(source);
  if (loggedModel !== undefined && source.startsWith('models:')) return (await getLoggedModel(ctx, loggedModel)).artifactUri;
  const run = /^runs:\/+([^/]+)\/(.+)$/.exec(source);
  if (run) return `${(await getRun(ctx, run[1]!)).artifactUri}/${run[2]!}`;
  const version = /^models:\/+([^/@]+)(?:\/(\d+)|@([\w-]+))$/.exec(source);
  if (!version) return source;
  const [, model, number, alias] = version;
  const which = number ? Number(number) : await findAlias(ctx.db, ctx.workspace, model!, alias!);
  const found = which === undefined ? undefined : await store.findVersion(ctx.db, ctx.workspace, model!, which);
  if (!found) return fail('model-version-not-found', { model: model!, version: number ?? alias! });
  return locate(ctx, found.source, hops + 1);
}

/**
 * A path on the client's disk may be a source only inside the artifacts of its own run or logged model, and
 * no source may climb. Raises `model-source-invalid`.
 */
export async function checkSource(ctx: Ctx, source: string, of: Lineage): Promise<void> {
  const plain = decoded(source);
  const climbs = (text: string): boolean => text.includes('\0') || text.split(/[\\/]/).includes('..');
  if (climbs(plain))
    invalid(
      `Invalid model version source: '${source}'. If supplying a source as an http, https, local file path, ftp, objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references present. Please provide an absolute path.`,
    );
  if (!/^file:/.test(plain) && /^[a-z][a-z0-9+.-]+:/i.test(plain)) return;
  const what = of.loggedModelId !== null ? 'model_id' : 'run_id';
  const root =
    of.loggedModelId !== null
      ? (await getLoggedModel(ctx, of.loggedModelId)).artifactUri
      : of.runId !== null
        ? (await getRun(ctx, of.runId)).artifactUri
        : undefined;
  const local = (uri: string): string => uri.replace(/^file:\/*/, '/').replace(/\/+$/, '');
  if (root !== undefined && pathOfUri(ctx.workspace, root) === undefined && `${local(plain)}/`.startsWith(`${local(root)}/`)) return;
  invalid(
    `Invalid model version source: '${source}'. To use a local path as a model version source, the ${what} request parameter has to be specified and the local path has to be contained within the artifact directory of the run specified by the ${what}.`,
  );
}

function decoded(text: string): string {
  let now = text;
  for (let i = 0; i < MAX_HOPS; i++) {
    let next: string;
    try {
      next = decodeURIComponent(now);
    } catch {
      return now;
    }
    if (next === now) return now;
    now = next;
  }
  return invalid(`Invalid model version source: '${text}'.`);
}
