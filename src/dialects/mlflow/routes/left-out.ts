// What the clients of MLflow ask for outside its prefixes and is not offered: said in its shape, so that they carry on without.
import { fail } from '../../../kernel/errors.ts';
import { route, type AnyRoute } from '../../../kernel/http/route.ts';
import { mlflowDialect, mlflowRoutes } from '../wire.ts';

const path = '/v1/traces';

export const leftOutRoutes: readonly AnyRoute[] = [
  // Its clients ask here when the newer search is not there, and an error would end a script that only looks.
  ...mlflowRoutes([
    { methods: ['GET'], path: 'traces', permission: 'tracking:read', summary: 'search traces; there are none', handler: async () => ({}) },
  ]),
  route({
    method: 'POST',
    path,
    permission: 'tracking:write',
    summary: 'MLflow: spans of traces; not offered',
    errors: ['route-not-found'],
    // Protobuf, which nobody reads.
    body: 'stream',
    dialect: mlflowDialect,
    handler: async () => fail('route-not-found', { method: 'POST', path }),
  }),
];
