// Transfers past the server, where its store can: uploads in parts, and addresses signed for a while.
import type { PathUploads } from '../../../../kernel/blobs/path-zone.ts';
import { defineErrors } from '../../../../kernel/errors.ts';
import type { Ctx } from '../../../../kernel/ctx.ts';
import type { AnyRoute } from '../../../../kernel/http/route.ts';
import { artifactPlace, checkArtifact, checkScope, getLoggedModel, getRun } from '../../../../domains/tracking/public.ts';
import { requireLevel, type Level } from '../../../../kernel/levels.ts';
import { Args, invalid, mlflowRoutes, omitEmpty, readArgs } from '../../wire.ts';
import { safeFile, safePath } from './names.ts';
import { inZone, proxyRoute, restOf } from './proxy.ts';
import { isSealedPath, refuseSealed } from './sealed.ts';

const { fail } = defineErrors({
  'mlflow-not-offered': { status: 501, title: 'Not offered', detail: (p: { message: string }) => p.message },
});

// Clients look for exactly these beginnings and then send the bytes through the server.
const unsupported = (what: 'Multipart upload' | 'Multipart download' | 'Presigned upload' | 'Presigned download'): never =>
  fail('mlflow-not-offered', { message: `${what} is not supported for the current artifact repository` });

const SIGNED_SECONDS = 900;
// A large file takes its time, and all its parts are signed at once.
const UPLOAD_SECONDS = 24 * 3600;
const MOST_SECONDS = 604_800;
const MOST_PARTS = 10_000;

/** The client names its local file; the last part of that is the artifact's name. */
function target(input: { readonly params: unknown }, a: Args): string {
  const name = a.required('path').split(/[/\\]/).at(-1)!;
  return safeFile([safePath(restOf(input)), name].filter(Boolean).join('/'));
}

const multipart = (
  verb: 'create' | 'complete' | 'abort',
  /** Reads the request first, for what is wrong with it is told wherever uploads go. */
  read: (a: Args) => (uploads: PathUploads, path: string) => Promise<unknown>,
): AnyRoute[] =>
  [`mpu/${verb}/*`, `mpu/${verb}`].flatMap((path) =>
    proxyRoute({
      method: 'POST',
      path,
      permission: 'tracking:write',
      summary: `MLflow: multipart upload, ${verb}`,
      errors: ['mlflow-not-offered', 'path-invalid', 'mlflow-parameter-invalid', 'run-out-of-scope'],
      body: 'json',
      handler: async (ctx, input) => {
        const a = readArgs('POST', input);
        const file = target(input, a);
        const run = read(a);
        refuseSealed(file);
        await checkArtifact(ctx, file, 'EDIT');
        const { uploads } = ctx.blobs.paths;
        return uploads ? ((await run(uploads, inZone(ctx, file))) ?? {}) : unsupported('Multipart upload');
      },
    }),
  );

const create = (a: Args) => {
  const parts = a.int('num_parts') ?? 1;
  if (parts < 1 || parts > MOST_PARTS) return invalid(`Invalid value ${parts} for parameter 'num_parts' supplied: 1 to ${MOST_PARTS}.`);
  return async (uploads: PathUploads, path: string): Promise<unknown> => {
    const { uploadId, urls } = await uploads.createUpload(path, parts, UPLOAD_SECONDS);
    return { upload_id: uploadId, credentials: urls.map((url, i) => ({ url, part_number: i + 1, headers: {} })) };
  };
};

const complete = (a: Args) => {
  if (!a.has('parts')) return a.required('parts') as never;
  const parts = a
    .list('parts')
    .map(({ at, path }) => ({ partNumber: at.requiredInt('part_number', path), etag: at.required('etag', path) }));
  return (uploads: PathUploads, path: string) => uploads.completeUpload(path, a.required('upload_id'), parts);
};

const abort = (a: Args) => (uploads: PathUploads, path: string) => uploads.abortUpload(path, a.required('upload_id'));

const seconds = (a: Args): number => {
  const asked = a.int('expiration') ?? SIGNED_SECONDS;
  return asked >= 1 && asked <= MOST_SECONDS ? asked : invalid(`expiration must be between 1 and ${MOST_SECONDS} seconds (got ${asked}).`);
};

async function ownedBy(ctx: Ctx, a: Args, needed: Level): Promise<string> {
  const [runId, modelId] = [a.text('run_id'), a.text('model_id')];
  if ((runId === '') === (modelId === '')) return invalid('Exactly one of run_id and model_id must be provided.');
  const owner = runId === '' ? await getLoggedModel(ctx, modelId) : await getRun(ctx, runId);
  requireLevel(ctx, 'experiment', owner.experimentId, needed);
  if (needed !== 'READ') await checkScope(ctx, 'sourceRunId' in owner ? (owner.sourceRunId ?? '') : owner.id);
  return owner.artifactUri;
}

/** The store behind a direct root; what goes through the server has its own routes. */
async function direct(ctx: Ctx, uri: string, path: string, what: 'upload' | 'download'): Promise<{ uploads: PathUploads; path: string }> {
  const scheme = /^(https?|mlflow-artifacts):/.exec(uri)?.[1];
  const [of, needs] =
    what === 'upload'
      ? ['proxied artifact storage', 'This endpoint requires a direct cloud storage artifact URI.']
      : ['runs with proxied artifact storage', 'This endpoint requires a run with a direct cloud storage artifact URI.'];
  if (scheme) return invalid(`Presigned ${what} is not supported for ${of} (artifact URI scheme: ${scheme}). ${needs}`);
  const place = await artifactPlace(ctx, uri, path);
  return place?.zone.uploads ? { uploads: place.zone.uploads, path: place.path } : unsupported(`Presigned ${what}`);
}

export const transferRoutes: readonly AnyRoute[] = [
  ...multipart('create', create),
  ...multipart('complete', complete),
  ...multipart('abort', abort),
  ...proxyRoute({
    method: 'GET',
    path: 'presigned/*',
    permission: 'tracking:read',
    summary: 'MLflow: an address to download an artifact from the store itself',
    errors: ['mlflow-not-offered', 'path-invalid', 'path-not-found', 'mlflow-parameter-invalid'],
    handler: async (ctx, input) => {
      const path = safeFile(restOf(input));
      // Its bytes may be a part of a larger object.
      if (isSealedPath(path)) return unsupported('Multipart download');
      await checkArtifact(ctx, path, 'READ');
      const { uploads } = ctx.blobs.paths;
      if (!uploads) return unsupported('Multipart download');
      const { url, sizeBytes } = await uploads.presignGet(inZone(ctx, path), SIGNED_SECONDS);
      return { url, headers: {}, file_size: sizeBytes };
    },
  }),
  ...mlflowRoutes([
    {
      methods: ['POST'],
      path: 'artifacts/presigned-upload-url',
      permission: 'tracking:write',
      summary: 'an address to upload an artifact to a direct root',
      handler: async (ctx, a) => {
        const path = safeFile(a.required('path'));
        a.int('expiration');
        const place = await direct(ctx, await ownedBy(ctx, a, 'EDIT'), path, 'upload');
        const { url, headers } = await place.uploads.presignPut(place.path, seconds(a));
        return omitEmpty({ presigned_url: url, headers });
      },
    },
    {
      methods: ['POST'],
      path: 'artifacts/presigned-download-url',
      permission: 'tracking:read',
      summary: 'an address to download an artifact from a direct root',
      handler: async (ctx, a) => {
        const run = new Args({ run_id: a.required('run_id') });
        const path = safeFile(a.required('path'));
        const expires = seconds(a);
        const place = await direct(ctx, await ownedBy(ctx, run, 'READ'), path, 'download');
        const { url, sizeBytes } = await place.uploads.presignGet(place.path, expires);
        return { presigned_url: url, file_size: sizeBytes };
      },
    },
  ]),
];
