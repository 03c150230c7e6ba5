import { Reply, route, type AnyRoute } from '../../../kernel/http/route.ts';
import { MLFLOW_VERSION, mlflowRoutes } from '../wire.ts';
import { ownedArtifactRoutes } from './artifacts/by-owner.ts';
import { proxyRoutes } from './artifacts/proxy.ts';
import { transferRoutes } from './artifacts/transfers.ts';

export const artifactRoutes: readonly AnyRoute[] = [
  ...proxyRoutes,
  ...transferRoutes,
  ...ownedArtifactRoutes,
  ...mlflowRoutes([
    {
      methods: ['GET'],
      path: 'server-info',
      // Asked before a client knows which workspace to name, or whether to log in.
      permission: 'public',
      summary: 'what this server is',
      handler: async () => ({ store_type: 'SqlStore', workspaces_enabled: true }),
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
