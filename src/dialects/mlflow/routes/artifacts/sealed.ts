// Where a client reads a sealed version: by its id, from the bytes that were looked at and judged. The path it was
// registered from can be written to for ever.
import type { Ctx } from '../../../../kernel/ctx.ts';
import { sealedZone, type ModelVersion } from '../../../../domains/registry/public.ts';
import { invalid } from '../../wire.ts';

const ROOT = '.sealed';
const SEALED = /^\.sealed\/([^/]+)(?:\/(.*))?$/s;

/** The address of a version's files for a client. */
export const downloadUri = (ctx: Ctx, version: ModelVersion): string =>
  version.state === 'sealed' && ctx.settings.serveArtifacts
    ? `mlflow-artifacts:/${ROOT}/${version.id}`
    : (version.location ?? version.source);

/** What a path through the server names of a sealed version; undefined for other paths. Raises `model-version-not-found`. */
export async function sealedPlace(ctx: Ctx, path: string) {
  const [, id, rest = ''] = SEALED.exec(path) ?? [];
  return id === undefined ? undefined : { zone: await sealedZone(ctx, id), path: rest };
}

/** Nobody writes there. */
export function refuseSealed(path: string): void {
  if (path === ROOT || path.startsWith(`${ROOT}/`)) invalid(`Invalid path: '${path}' is of a sealed model version, which never changes.`);
}
export const isSealedPath = (path: string): boolean => SEALED.test(path);
