// Where the artifacts behind a URI lie. Through the server they are in the workspace's part of the mutable
// zone. In a folder or bucket the client reads and writes them itself; this server follows only into places
// that its administrator named, for whoever may create an experiment may write any URI into it.
import { existsSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openZoneAt } from '../../../kernel/blobs/open-store.ts';
import { openPathZone, type PathZone } from '../../../kernel/blobs/path-zone.ts';
import type { Settings } from '../../../kernel/config/settings.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { fail } from '../errors.ts';

/** A folder of artifacts: a zone, and the path within it. */
export interface Place {
  readonly zone: PathZone;
  readonly path: string;
}

const PROXIED = /^mlflow-artifacts:(?:\/\/[^/]*)?\/*(.*)$/s;
const PROXIED_HTTP = /^https?:\/\/[^/]+\/(?:.*\/)?api\/2\.0\/mlflow-artifacts\/artifacts\/+(.*)$/s;

/** Where artifacts that go through the server lie in the workspace's mutable zone; undefined for other stores. */
export function pathOfUri(workspace: string, uri: string): string | undefined {
  const match = PROXIED.exec(uri) ?? PROXIED_HTTP.exec(uri);
  return match ? [workspace, match[1]!.replace(/\/+$/, '')].filter(Boolean).join('/') : undefined;
}

/** A URI with further parts at the end of its path; a query stays behind them. */
export function appendToUri(uri: string, ...parts: readonly string[]): string {
  const [, path = '', query = ''] = /^([^?]*)(\?.*)?$/s.exec(uri)!;
  const root = /^[a-z][a-z0-9+.-]*:\/*$/i.test(path) ? path.replace(/\/*$/, '/') : `${path.replace(/\/+$/, '')}/`;
  return `${root}${parts.join('/')}${query}`;
}

/** Where new experiments keep their artifacts. */
export const artifactRoot = ({ artifactRoot: root, serveArtifacts, dir }: Settings): string =>
  serveArtifacts || !/^mlflow-artifacts:\/*$/.test(root) ? root : join(dir, 'artifacts');

const DEFAULT_WORKSPACE = 'default';

/** Where the artifacts of an experiment go that names no place of its own. Workspaces never share a folder. */
export function experimentLocation(ctx: Pick<Ctx, 'settings' | 'workspace'>, id: string): string {
  const root = artifactRoot(ctx.settings);
  // What goes through the server is kept apart there.
  const shared = pathOfUri('', root) === undefined && ctx.workspace !== DEFAULT_WORKSPACE;
  return appendToUri(root, ...(shared ? ['workspaces', ctx.workspace] : []), id);
}

const MAX_LOCATION = 2048;

/** The text with every layer of percent-escapes taken off, at most ten; undefined if there are more. */
export function decodedFully(text: string): string | undefined {
  let now = text;
  for (let i = 0; i < 10; i++) {
    const next = now.replaceAll(/(?:%[0-9a-f]{2})+/gi, (escapes) => Buffer.from(escapes.replaceAll('%', ''), 'hex').toString('utf8'));
    if (next === now) return now;
    now = next;
  }
  return undefined;
}

// Whoever follows such a location connects to the host that it names, and clients do so with their credentials.
const NAMES_A_HOST = /^(ftp|sftp|hdfs|viewfs|https?|r2|b2|abfss):|^(mlflow-artifacts):\/\/[^/]/i;

/** The place that a new experiment names as its own, as it is kept. Raises `tracking-invalid`. */
export function checkedLocation(location: string): string {
  const invalid = (message: string): never => fail('tracking-invalid', { message });
  if (location.startsWith('runs:')) invalid(`Artifact location cannot be a runs:/ URI. Given: '${location}'`);
  const params = /^(https?:|s?ftp:|\/|\.|[^:]*$)/i.test(location) && /;[^/]*$/.test(location.split('?')[0]!);
  if (location.includes('#') || params) invalid("'artifact_location' URL can't include fragments or params.");
  const [, scheme, proxy] = NAMES_A_HOST.exec(location) ?? [];
  if (scheme ?? proxy)
    invalid(
      `'artifact_location' cannot use the '${(scheme ?? proxy)!.toLowerCase()}' scheme: it addresses a host other than the tracking server's configured artifact storage.`,
    );
  if (location.length > MAX_LOCATION)
    invalid(`Invalid artifact path length. The length of the artifact path cannot be greater than ${MAX_LOCATION} characters.`);
  const [path = '', ...query] = (decodedFully(location) ?? '..').split('?');
  if (query.join('?').includes('..')) invalid('Invalid query string');
  if (path.split(/[\\/]/).includes('..') || path.includes('#') || /[\0-\x1f]/.test(path)) invalid(`Invalid path: '${location}'`);
  const proxied = pathOfUri('', location);
  if (proxied !== undefined) return plainlySpelled(location, proxied);
  return /^[a-z][a-z0-9+.-]*:/i.test(location) ? location : resolve(location);
}

// Artifacts are found by their plain path, and whose they are by the location: both must be spelled alike.
function plainlySpelled(location: string, path: string): string {
  const plain = (decodedFully(path) ?? path)
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
  return plain === path.replace(/\/+$/, '') ? location : `mlflow-artifacts:/${plain}`;
}

/** Where an artifact location of a file system is; undefined if it is of none. */
function folderOf(uri: string): string | undefined {
  if (uri.startsWith('/')) return uri.replace(/\/+$/, '');
  if (!/^file:/i.test(uri)) return undefined;
  try {
    return fileURLToPath(uri.replace(/^file:\/*/i, 'file:///')).replace(/\/+$/, '');
  } catch {
    return undefined;
  }
}

const below = (root: string, at: string): string | undefined =>
  at === root ? '' : at.startsWith(`${root}/`) ? at.slice(root.length + 1).replaceAll(/\/{2,}/g, '/') : undefined;

// Nobody reads the folder of another workspace, whatever place its experiments name.
const isOfWorkspace = (workspace: string, rest: string): boolean => {
  const [first, second] = rest.split('/');
  return workspace === DEFAULT_WORKSPACE ? first !== 'workspaces' : first === 'workspaces' && second === workspace;
};

// A bucket is written in small letters, and so is the scheme by clients.
const bucketOf = (uri: string): string | undefined => (uri.startsWith('s3://') ? uri.split('?')[0]!.replace(/\/+$/, '') : undefined);

async function zoneAt(root: string, settings: Settings): Promise<PathZone> {
  if (bucketOf(root) !== undefined) return openZoneAt(settings, root);
  const folder = folderOf(root)!;
  // The root itself may be a link that its owner made; nothing below it is followed.
  return openPathZone(existsSync(folder) ? realpathSync(folder) : folder, settings.durability);
}

/** The folder behind a URI, if this server may look there. */
export async function placeOf(ctx: Ctx, uri: string): Promise<Place | undefined> {
  const proxied = pathOfUri(ctx.workspace, uri);
  if (proxied !== undefined) return { zone: ctx.blobs.paths, path: proxied };
  const { settings } = ctx;
  for (const root of [artifactRoot(settings), ...settings.artifactAllowRoots.split(',').filter(Boolean)])
    for (const form of [folderOf, bucketOf]) {
      const [holds, wanted] = [form(root), form(uri)];
      const rest = holds !== undefined && wanted !== undefined ? below(holds, wanted) : undefined;
      if (rest !== undefined && isOfWorkspace(ctx.workspace, rest)) return { zone: await zoneAt(root, settings), path: rest };
    }
  return undefined;
}
