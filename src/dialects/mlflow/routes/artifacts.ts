// The artifact proxy: streams both ways into the mutable zone, and listings.
import type { Ctx } from '../../../kernel/ctx.ts';
import { defineErrors } from '../../../kernel/errors.ts';
import { Reply, route, type AnyRoute, type RouteInput } from '../../../kernel/http/route.ts';
import { checkScope, getLoggedModel, getRun, pathOfUri } from '../../../domains/tracking/public.ts';
import { invalid, mlflowDialect, mlflowRoutes, MLFLOW_VERSION, omitEmpty } from '../wire.ts';

const { fail } = defineErrors({
  'mlflow-not-offered': { status: 501, title: 'Not offered', detail: (p: { message: string }) => p.message },
});

const TEXT = /\.(txt|log|csv|tsv|json|ya?ml|py|js|md|cfg|ini|toml|sql|sh|html?)$|(^|\/)(MLmodel|MLproject)$/i;
const contentType = (path: string): string => (TEXT.test(path) ? 'text/plain; charset=utf-8' : 'application/octet-stream');

const BAD = /#|\\|^\/|^[A-Za-z]:|(^|\/)\.\.(\/|$)/;

/**
 * The path as it was meant: decoded once, by whoever read the URL. It is also looked at with every further
 * layer of escapes taken off, so that nothing climbs for a reader who decodes twice.
 */
function safePath(path: string): string {
  let now = path;
  for (let i = 0; i < 10; i++) {
    if (BAD.test(now)) return invalid('Invalid path');
    let next: string;
    try {
      next = decodeURIComponent(now);
    } catch {
      // A percent sign of its own.
      break;
    }
    if (next === now) break;
    now = next;
  }
  return path.replace(/\/+$/, '');
}

const pathIn = (input: Pick<RouteInput<undefined, undefined, undefined>, 'params'>): string =>
  safePath((input.params as unknown as Record<string, string>)['*'] ?? '');
const inZone = (ctx: Ctx, path: string): string => [ctx.workspace, path].filter(Boolean).join('/');

// A step's token writes artifacts of its own run, and of the logged models that belong to it.
async function checkWrite(ctx: Ctx, path: string): Promise<void> {
  if (ctx.actor.scope?.trackingRunIds === undefined) return;
  const [, kind = '', id = ''] = path.split('/');
  const owner = kind === 'models' ? (await getLoggedModel(ctx, id)).sourceRunId : kind;
  await checkScope(ctx, owner ?? '');
}

async function listing(ctx: Ctx, path: string): Promise<{ path: string; is_dir: boolean; file_size?: number }[]> {
  const entries = await ctx.blobs.paths.list(path);
  return entries.map((e) => (e.isFolder ? { path: e.name, is_dir: true } : { path: e.name, is_dir: false, file_size: e.sizeBytes }));
}

const proxied = (method: 'GET' | 'PUT' | 'DELETE'): AnyRoute[] =>
  ['/api/2.0', '/ajax-api/2.0'].map((prefix) =>
    route({
      method,
      path: `${prefix}/mlflow-artifacts/artifacts/*`,
      permission: method === 'GET' ? 'tracking:read' : 'tracking:write',
      summary: `MLflow: ${{ GET: 'download', PUT: 'upload', DELETE: 'delete' }[method]} an artifact`,
      errors: ['path-invalid', 'path-not-found', 'storage-full'],
      ...(method === 'PUT' ? { body: 'stream' as const } : {}),
      dialect: mlflowDialect,
      handler: async (ctx, input) => {
        const path = pathIn(input);
        if (path === '') return invalid('Invalid path');
        if (method === 'GET') {
          const disposition = `attachment; filename*=UTF-8''${encodeURIComponent(path.split('/').at(-1)!)}`;
          // Nothing may fail from here on, for the file is open until it was sent.
          const { stream, sizeBytes } = await ctx.blobs.paths.open(inZone(ctx, path));
          return new Reply(200, stream, {
            'content-type': contentType(path),
            'content-length': String(sizeBytes),
            'content-disposition': disposition,
          });
        }
        await checkWrite(ctx, path);
        if (method === 'PUT') await ctx.blobs.paths.write(inZone(ctx, path), input.stream);
        else await ctx.blobs.paths.remove(inZone(ctx, path));
        return {};
      },
    }),
  );

const listed: AnyRoute[] = ['/api/2.0', '/ajax-api/2.0'].map((prefix) =>
  route({
    method: 'GET',
    path: `${prefix}/mlflow-artifacts/artifacts`,
    permission: 'tracking:read',
    summary: 'MLflow: list artifacts',
    errors: ['path-invalid'],
    dialect: mlflowDialect,
    handler: async (ctx, input) =>
      omitEmpty({ files: await listing(ctx, inZone(ctx, safePath(new URLSearchParams(input.rawQuery).get('path') ?? ''))) }),
  }),
);

const multipart: AnyRoute[] = ['create', 'complete', 'abort'].map((verb) =>
  route({
    method: 'POST',
    path: `/api/2.0/mlflow-artifacts/mpu/${verb}/*`,
    permission: 'tracking:write',
    summary: `MLflow: multipart upload, ${verb}`,
    errors: ['mlflow-not-offered'],
    body: 'json',
    dialect: mlflowDialect,
    handler: async () => fail('mlflow-not-offered', { message: 'Multipart upload is not supported for the current artifact repository' }),
  }),
);

export const artifactRoutes: readonly AnyRoute[] = [
  ...proxied('GET'),
  ...proxied('PUT'),
  ...proxied('DELETE'),
  ...listed,
  ...multipart,
  ...mlflowRoutes([
    {
      methods: ['GET'],
      path: 'artifacts/list',
      permission: 'tracking:read',
      summary: 'artifacts of a run',
      handler: async (ctx, a) => {
        const run = await getRun(ctx, a.text('run_id') || a.required('run_uuid'));
        const root = pathOfUri(ctx.workspace, run.artifactUri);
        const path = safePath(a.text('path'));
        if (root === undefined) return { root_uri: run.artifactUri };
        const files = await listing(ctx, [root, path].filter(Boolean).join('/'));
        return omitEmpty({
          root_uri: run.artifactUri,
          files: files.map((f) => ({ ...f, path: [path, f.path].filter(Boolean).join('/') })),
        });
      },
    },
    {
      methods: ['GET'],
      path: 'server-info',
      permission: 'tracking:read',
      summary: 'what this server is',
      handler: async () => ({ store_type: 'SqlStore', workspaces_enabled: false }),
    },
  ]),
  route({
    method: 'GET',
    path: '/version',
    permission: 'public',
    summary: 'MLflow: the version its clients take this server for',
    errors: [],
    reply: { 200: 'text/plain' },
    handler: async () => new Reply(200, MLFLOW_VERSION, { 'content-type': 'text/plain; charset=utf-8' }),
  }),
];
