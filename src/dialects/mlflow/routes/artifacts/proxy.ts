// Artifacts that go through the server: streamed both ways, by paths of the workspace's mutable zone.
import type { PathInfo } from '../../../../kernel/blobs/path-zone.ts';
import type { Ctx } from '../../../../kernel/ctx.ts';
import { Reply, route, type AnyRoute, type Method, type Route } from '../../../../kernel/http/route.ts';
import { checkArtifact } from '../../../../domains/tracking/public.ts';
import { mlflowDialect, omitEmpty } from '../../wire.ts';
import { fileReply } from './file-reply.ts';
import { safeFile, safePath } from './names.ts';
import { refuseSealed, sealedPlace } from './sealed.ts';

export const inZone = (ctx: Ctx, path: string): string => [ctx.workspace, path].filter(Boolean).join('/');

/** What stood behind `*` in the path, decoded once. */
export const restOf = (input: { readonly params: unknown }): string => (input.params as Record<string, string>)['*'] ?? '';

interface ProxyRoute extends Pick<Route, 'permission' | 'summary' | 'errors' | 'body' | 'handler'> {
  readonly method: Method;
  /** Below `/mlflow-artifacts/`. */
  readonly path: string;
}

/** A route under both prefixes, which a server that serves no artifacts answers as MLflow does. */
export const proxyRoute = ({ method, path, handler, ...rest }: ProxyRoute): AnyRoute[] =>
  ['/api/2.0', '/ajax-api/2.0'].map((prefix) =>
    route({
      ...rest,
      method,
      path: `${prefix}/mlflow-artifacts/${path}`,
      dialect: mlflowDialect,
      handler: async (ctx, input) => (ctx.settings.serveArtifacts ? handler(ctx, input) : notServed(`${prefix}/mlflow-artifacts/${path}`)),
    }),
  );

const notServed = (path: string): Reply =>
  new Reply(
    503,
    `Endpoint: ${path.replace('*', '<path:artifact_path>')} disabled due to the mlflow server running with \`--no-serve-artifacts\`. To enable artifacts server functionality, run \`mlflow server\` with \`--serve-artifacts\``,
    { 'content-type': 'text/html; charset=utf-8' },
  );

export const proxyRoutes: readonly AnyRoute[] = [
  ...proxyRoute({
    method: 'GET',
    path: 'artifacts/*',
    permission: 'tracking:read',
    summary: 'MLflow: download an artifact',
    errors: ['path-invalid', 'artifact-not-found', 'mlflow-parameter-invalid'],
    handler: async (ctx, input) => {
      const path = safeFile(restOf(input));
      const sealed = await sealedPlace(ctx, path);
      if (sealed) return fileReply(sealed, input.headers, path);
      await checkArtifact(ctx, path, 'READ');
      return fileReply({ zone: ctx.blobs.paths, path: inZone(ctx, path) }, input.headers, path);
    },
  }),
  ...proxyRoute({
    method: 'PUT',
    path: 'artifacts/*',
    permission: 'tracking:write',
    summary: 'MLflow: upload an artifact',
    errors: ['path-invalid', 'storage-full', 'mlflow-parameter-invalid', 'run-out-of-scope'],
    body: 'stream',
    handler: async (ctx, input) => {
      const path = safeFile(restOf(input));
      refuseSealed(path);
      await checkArtifact(ctx, path, 'EDIT');
      await ctx.blobs.paths.write(inZone(ctx, path), input.stream);
      return {};
    },
  }),
  ...proxyRoute({
    method: 'DELETE',
    path: 'artifacts/*',
    permission: 'tracking:write',
    summary: 'MLflow: delete an artifact, or a folder of them',
    errors: ['path-invalid', 'mlflow-parameter-invalid', 'run-out-of-scope'],
    handler: async (ctx, input) => {
      const path = safeFile(restOf(input).replace(/\/+$/, ''));
      refuseSealed(path);
      await checkArtifact(ctx, path, 'MANAGE');
      await ctx.blobs.paths.remove(inZone(ctx, path));
      return {};
    },
  }),
  ...proxyRoute({
    method: 'GET',
    path: 'artifacts',
    permission: 'tracking:read',
    summary: 'MLflow: list artifacts',
    errors: ['path-invalid', 'mlflow-parameter-invalid'],
    handler: async (ctx, input) => {
      const path = safePath(new URLSearchParams(input.rawQuery).get('path') ?? '');
      const sealed = await sealedPlace(ctx, path);
      if (!sealed) await checkArtifact(ctx, path, 'READ');
      const entries: PathInfo[] = [];
      for await (const entry of sealed ? sealed.zone.entries(sealed.path) : ctx.blobs.paths.entries(inZone(ctx, path))) entries.push(entry);
      return omitEmpty({
        files: entries
          .map((e) => ({ path: e.name, is_dir: e.isFolder, ...(e.isFolder ? {} : { file_size: e.sizeBytes }) }))
          .toSorted((a, b) => (a.path < b.path ? -1 : 1)),
      });
    },
  }),
];
