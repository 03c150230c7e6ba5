import { pointAlias, removeAlias, versionByAlias } from '../../../../domains/registry/public.ts';
import { mlflowRoutes } from '../../wire.ts';
import { aliasOf, nameOf, newAliasOf, numberOf, required } from './checks.ts';
import { oneToWire } from './wire.ts';

export const aliasRoutes = mlflowRoutes([
  {
    methods: ['POST'],
    path: 'registered-models/alias',
    permission: 'models:write',
    summary: 'point an alias at a version; the one that endpoints follow only through the gate',
    request: {
      fields: { name: 'string', alias: 'string', version: 'string' },
      rules: { name: required, alias: required, version: required },
    },
    handler: (ctx, a) => {
      const name = nameOf(a);
      const alias = newAliasOf(a);
      return pointAlias(ctx, name, alias, numberOf(a));
    },
  },
  {
    methods: ['DELETE'],
    path: 'registered-models/alias',
    permission: 'models:write',
    summary: 'remove an alias',
    request: { fields: { name: 'string', alias: 'string' }, rules: { name: required, alias: required } },
    handler: (ctx, a) => {
      const name = nameOf(a);
      return removeAlias(ctx, name, aliasOf(a));
    },
  },
  {
    methods: ['GET'],
    path: 'registered-models/alias',
    permission: 'models:read',
    summary: 'the version an alias points at',
    request: { fields: { name: 'string', alias: 'string' }, rules: { name: required, alias: required } },
    handler: async (ctx, a) => {
      const name = nameOf(a);
      return { model_version: await oneToWire(ctx, await versionByAlias(ctx, name, aliasOf(a))) };
    },
  },
]);
