// Artifacts by path: whose they are, who may touch which, and what lies where.
import type { PathInfo } from '../../../kernel/blobs/path-zone.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel, type Level } from '../../../kernel/levels.ts';
import { findLocations } from '../store/experiments.ts';
import { getLoggedModel } from './logged-models.ts';
import { pathOfUri, placeOf, type Place } from './places.ts';
import { checkScope } from './scope.ts';

export interface ArtifactOwner {
  readonly experimentId: string;
  /** The folder below the experiment's: a run's, or one of a logged model. */
  readonly runId: string | null;
  readonly modelId: string | null;
}

/** Whose an artifact is that goes through the server, from its path within the workspace, innermost first; none if nobody's. */
async function ownersOfArtifact(ctx: Ctx, path: string): Promise<ArtifactOwner[]> {
  const parts = path.split('/');
  const prefixes = parts.map((_, i) => parts.slice(0, i + 1).join('/')).slice(0, MAX_DEPTH);
  // The id of an experiment is nearly always in the path. One that named its own location is found by that.
  const spelled = prefixes.flatMap((p) => [`mlflow-artifacts:/${p}`, `mlflow-artifacts:/${p}/`]);
  const found = (await findLocations(ctx.db, ctx.workspace, spelled)).flatMap(({ id, location }) => {
    const root = pathOfUri('', location);
    if (root === undefined || root === '' || !`${path}/`.startsWith(`${root}/`)) return [];
    return [{ id, rest: path.slice(root.length + 1).split('/') }];
  });
  return found
    .toSorted((a, b) => a.rest.length - b.rest.length)
    .map(({ id, rest: [first = '', second = ''] }) => ({
      experimentId: id,
      runId: first === 'models' || first === '' ? null : first,
      modelId: first === 'models' && second !== '' ? second : null,
    }));
}

const MAX_DEPTH = 20;

/**
 * Raises `level-too-low` for who may not do this with the experiment of an artifact, and `run-out-of-scope` for
 * a step that writes to what is not its own run's or model's. What belongs to nobody, as the folder of all experiments,
 * takes MANAGE for experiments in general.
 */
export async function checkArtifact(ctx: Ctx, path: string, needed: Level): Promise<void> {
  const owners = await ownersOfArtifact(ctx, path);
  // An experiment may name a place inside another one's; nobody gets into that by it.
  for (const { experimentId } of owners) requireLevel(ctx, 'experiment', experimentId, needed);
  const [owner] = owners;
  if (!owner) requireLevel(ctx, 'experiment', '*', 'MANAGE');
  if (needed === 'READ' || ctx.actor.scope?.trackingRunIds === undefined) return;
  const run = owner?.modelId ? (await getLoggedModel(ctx, owner.modelId)).sourceRunId : owner?.runId;
  await checkScope(ctx, run ?? '');
}

/**
 * The same for a URI of whatever store: raises `level-too-low` where an experiment keeps its artifacts there that the caller
 * may not read, and where none does.
 */
export async function checkUri(ctx: Ctx, uri: string, needed: Level): Promise<void> {
  const proxied = pathOfUri('', uri);
  if (proxied !== undefined) return checkArtifact(ctx, proxied, needed);
  const plain = uri.split('?')[0]!.replace(/^file:\/*/i, '/');
  const prefixes = [...plain.matchAll(/\/+|$/g)].map((m) => plain.slice(0, m.index)).filter((p) => p !== '' && !/:$/.test(p));
  const spelled = prefixes.flatMap((p) => [p, `${p}/`, ...(p.startsWith('/') ? [`file:${p}`, `file://${p}`] : [])]);
  const owners = (await findLocations(ctx.db, ctx.workspace, spelled)).filter((o) => spelled.includes(o.location));
  for (const { id } of owners) requireLevel(ctx, 'experiment', id, needed);
  if (owners.length === 0) requireLevel(ctx, 'experiment', '*', 'MANAGE');
}

/** The folder of a URI with a path below it; undefined if this server does not look there. */
export async function artifactPlace(ctx: Ctx, uri: string, path: string): Promise<Place | undefined> {
  const place = await placeOf(ctx, uri);
  return place && { zone: place.zone, path: [place.path, path].filter(Boolean).join('/') };
}

/** Entries of a folder in order, one more than `limit` if there are more; `after` is the name of one. */
export async function listPlace({ zone, path }: Place, limit: number, after = ''): Promise<PathInfo[]> {
  const found: PathInfo[] = [];
  for await (const entry of zone.entries(path, { limit: limit + 1, ...(after === '' ? {} : { after }) })) found.push(entry);
  return found;
}
