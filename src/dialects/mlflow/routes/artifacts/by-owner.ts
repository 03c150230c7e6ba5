// Artifacts of a run, a logged model or a version, wherever its experiment keeps them.
import { Readable } from 'node:stream';
import type { Ctx } from '../../../../kernel/ctx.ts';
import { requireLevel } from '../../../../kernel/levels.ts';
import { route, type AnyRoute, type Reply, type RouteInput } from '../../../../kernel/http/route.ts';
import type { Permission } from '../../../../kernel/permissions.ts';
import { findVersion, locate, sealedZone } from '../../../../domains/registry/public.ts';
import { artifactPlace, checkScope, checkUri, getLoggedModel, getRun, listPlace, placeOf } from '../../../../domains/tracking/public.ts';
import { Args, invalid, mlflowDialect, mlflowRoutes, omitEmpty, readArgs } from '../../wire.ts';
import { fileReply } from './file-reply.ts';
import { safeFile, safePath } from './names.ts';

const MOST_LISTED = 10_000;
const MOST_BYTES = 10 * 1024 * 1024;

/** The token is the name that the next page begins behind. */
function afterOf(token: string): string {
  if (token === '') return '';
  try {
    const { after } = JSON.parse(Buffer.from(token, 'base64').toString()) as { after: unknown };
    if (typeof after === 'string' && after !== '') return after;
  } catch {
    // Refused below.
  }
  return invalid('Invalid page token');
}

async function listing(ctx: Ctx, uri: string, asked: string, token: string): Promise<Record<string, unknown>> {
  const path = safePath(asked);
  const place = await artifactPlace(ctx, uri, path);
  if (!place) return { root_uri: uri };
  const entries = await listPlace(place, MOST_LISTED, afterOf(token));
  const page = entries.slice(0, MOST_LISTED);
  return omitEmpty({
    root_uri: uri,
    files: page.map((e) => ({
      path: [path, e.name].filter(Boolean).join('/'),
      is_dir: e.isFolder,
      ...(e.isFolder ? {} : { file_size: e.sizeBytes }),
    })),
    next_page_token:
      entries.length > page.length ? Buffer.from(JSON.stringify({ after: page.at(-1)!.name })).toString('base64') : undefined,
  });
}

async function download(
  ctx: Ctx,
  uri: string,
  path: string,
  headers: RouteInput<undefined, undefined, undefined>['headers'],
): Promise<Reply> {
  const place = await artifactPlace(ctx, uri, safeFile(path));
  const shown = place?.zone === ctx.blobs.paths ? place.path.slice(ctx.workspace.length + 1) : path;
  return place ? fileReply(place, headers, shown) : invalid(`This server does not read artifacts at '${uri}'. Ask the store itself.`);
}

interface Download {
  readonly path: string;
  readonly permission: Permission;
  readonly summary: string;
  /** A URI, or a folder that is at hand. */
  readonly uriOf: (ctx: Ctx, a: Args) => Promise<string | Awaited<ReturnType<typeof sealedZone>>>;
  readonly pathOf: (a: Args) => string;
}

const downloadRoute = ({ path, permission, summary, uriOf, pathOf }: Download): AnyRoute =>
  route({
    method: 'GET',
    path,
    permission,
    summary: `MLflow: ${summary}`,
    errors: ['path-invalid', 'artifact-not-found', 'mlflow-parameter-invalid'],
    dialect: mlflowDialect,
    handler: async (ctx, input) => {
      const a = readArgs('GET', input);
      // A path that climbs is refused before anything is looked up.
      const file = safeFile(pathOf(a));
      const at = await uriOf(ctx, a);
      return typeof at === 'string' ? download(ctx, at, file, input.headers) : fileReply({ zone: at, path: file }, input.headers, file);
    },
  });

async function runOf(ctx: Ctx, a: Args) {
  const run = await getRun(ctx, a.text('run_id') || a.text('run_uuid') || a.required('run_id'));
  requireLevel(ctx, 'experiment', run.experimentId, 'READ');
  return run;
}

async function modelOf(ctx: Ctx, a: Args) {
  const model = await getLoggedModel(ctx, a.required('model_id'));
  requireLevel(ctx, 'experiment', model.experimentId, 'READ');
  return model;
}

/** The whole body, which this one route bounds. */
async function smallBody(stream: Readable, declared: unknown): Promise<Buffer> {
  const tooLarge = () => invalid('Artifact size is too large. Max size is 10MB.');
  if (Number(declared) > MOST_BYTES) return tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BYTES) return tooLarge();
    chunks.push(chunk);
  }
  return size === 0 ? invalid('Request must specify data.') : Buffer.concat(chunks);
}

const uploadRoute: AnyRoute = route({
  method: 'POST',
  path: '/ajax-api/2.0/mlflow/upload-artifact',
  permission: 'tracking:write',
  summary: 'MLflow: upload a small artifact of a run',
  errors: ['path-invalid', 'storage-full', 'mlflow-parameter-invalid', 'tracking-run-not-found', 'run-out-of-scope'],
  body: 'stream',
  dialect: mlflowDialect,
  handler: async (ctx, input) => {
    const a = new Args(Object.fromEntries(new URLSearchParams(input.rawQuery)));
    const runId = a.text('run_uuid') || invalid('Request must specify run_uuid.');
    const path = safeFile(a.text('path') || invalid('Request must specify path.'));
    const run = await getRun(ctx, runId);
    requireLevel(ctx, 'experiment', run.experimentId, 'EDIT');
    await checkScope(ctx, run.id);
    const body = await smallBody(input.stream, input.headers['content-length']);
    const place = await artifactPlace(ctx, run.artifactUri, path);
    if (!place) return invalid(`This server does not write artifacts at '${run.artifactUri}'.`);
    await place.zone.write(place.path, Readable.from([body]));
    return {};
  },
});

export const ownedArtifactRoutes: readonly AnyRoute[] = [
  ...mlflowRoutes([
    {
      methods: ['GET'],
      path: 'artifacts/list',
      permission: 'tracking:read',
      summary: 'artifacts of a run',
      handler: async (ctx, a) => {
        const path = safePath(a.text('path'));
        return listing(ctx, (await runOf(ctx, a)).artifactUri, path, a.text('page_token'));
      },
    },
    {
      methods: ['GET'],
      path: 'logged-models/:model_id/artifacts/directories',
      permission: 'tracking:read',
      summary: 'artifacts of a logged model',
      handler: async (ctx, a) => {
        const path = safePath(a.text('artifact_directory_path'));
        return listing(ctx, (await modelOf(ctx, a)).artifactUri, path, a.text('page_token'));
      },
    },
  ]),
  downloadRoute({
    path: '/get-artifact',
    permission: 'tracking:read',
    summary: 'download an artifact of a run',
    pathOf: (a) => a.required('path'),
    uriOf: async (ctx, a) => (await runOf(ctx, a)).artifactUri,
  }),
  downloadRoute({
    path: '/model-versions/get-artifact',
    permission: 'models:read',
    summary: 'download an artifact of a version',
    pathOf: (a) => a.required('path'),
    uriOf: async (ctx, a) => {
      const name = a.required('name');
      requireLevel(ctx, 'model', name, 'READ');
      const version = await findVersion(ctx, name, a.word('version') || a.required('version'));
      if (version.state === 'sealed') return sealedZone(ctx, version.id);
      const uri = await locate(ctx, version.location ?? version.source);
      // Any URI can be registered. Only what was sealed was looked at, whose it is; elsewhere this server does not look.
      if (await placeOf(ctx, uri)) await checkUri(ctx, uri, 'READ');
      return uri;
    },
  }),
  downloadRoute({
    path: '/ajax-api/2.0/mlflow/logged-models/:model_id/artifacts/files',
    permission: 'tracking:read',
    summary: 'download an artifact of a logged model',
    pathOf: (a) => a.text('artifact_file_path') || invalid('Request must include the "artifact_file_path" query parameter.'),
    uriOf: async (ctx, a) => (await modelOf(ctx, a)).artifactUri,
  }),
  uploadRoute,
];
