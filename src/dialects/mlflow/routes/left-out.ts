// What the clients of MLflow ask for outside its prefixes and is not offered: said in its shape, so that they carry on without.
import { fail } from '../../../kernel/errors.ts';
import { route, type AnyRoute } from '../../../kernel/http/route.ts';
import { mlflowDialect } from '../errors.ts';

const path = '/v1/traces';

export const leftOutRoutes: readonly AnyRoute[] = [
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
