// Grants for one resource: as the clients of MLflow 2 ask (one path for each kind), and as those of MLflow 3 do.
import {
  effectiveLevel,
  findLevel,
  grantLevel,
  grantsOfUser,
  revokeLevel,
  roleOf,
  rolesOf,
  seenUser,
  userNamed,
  type User,
} from '../../../../domains/access/public.ts';
import type { Ctx } from '../../../../kernel/ctx.ts';
import { atLeast, type ResourceKind } from '../../../../kernel/levels.ts';
import { mlflowRoutes, type Args, type MlflowRoute } from '../../wire.ts';
import { kindIn, levelIn, notOffered, typeOf, userNumber } from './shapes.ts';

interface Sort {
  readonly kind: ResourceKind;
  readonly path: string;
  readonly member: string;
  readonly idMember: string;
  readonly read: 'tracking:read' | 'models:read';
  readonly write: 'tracking:write' | 'models:write';
}
const sorts: readonly Sort[] = [
  {
    kind: 'experiment',
    path: 'experiments/permissions',
    member: 'experiment_permission',
    idMember: 'experiment_id',
    read: 'tracking:read',
    write: 'tracking:write',
  },
  {
    kind: 'model',
    path: 'registered-models/permissions',
    member: 'registered_model_permission',
    idMember: 'name',
    read: 'models:read',
    write: 'models:write',
  },
];

const grantToWire = (ctx: Ctx, { kind, member, idMember }: Sort, id: string, user: User, permission: string) => ({
  [member]: { ...(kind === 'model' ? { workspace: ctx.workspace } : {}), [idMember]: id, user_id: userNumber(user), permission },
});

const ofKind = (sort: Sort): MlflowRoute[] => {
  const { kind, path, idMember, read, write } = sort;
  const named = (a: Args) => ({ id: a.required(idMember), user: a.required('username') });
  return [
    {
      methods: ['POST'],
      path: `${path}/create`,
      permission: write,
      summary: `grant a user a level for one ${kind}; needs MANAGE for it`,
      handler: async (ctx, a) => {
        const { id, user } = named(a);
        const level = levelIn(a);
        return grantToWire(ctx, sort, id, await grantLevel(ctx, { user, kind, id, level }, 'create'), level);
      },
    },
    {
      methods: ['GET'],
      path: `${path}/get`,
      permission: read,
      summary: `what was granted to a user for one ${kind}; needs MANAGE for it`,
      handler: async (ctx, a) => {
        const { id, user: name } = named(a);
        const { user, level } = await findLevel(ctx, name, kind, id);
        return grantToWire(ctx, sort, id, user, level);
      },
    },
    {
      methods: ['PATCH'],
      path: `${path}/update`,
      permission: write,
      summary: `change what was granted for one ${kind}; needs MANAGE for it`,
      handler: async (ctx, a) => {
        const { id, user } = named(a);
        await grantLevel(ctx, { user, kind, id, level: levelIn(a) }, 'update');
        return {};
      },
    },
    {
      methods: ['DELETE'],
      path: `${path}/delete`,
      permission: write,
      summary: `take back what was granted for one ${kind}; needs MANAGE for it`,
      handler: async (ctx, a) => {
        const { id, user } = named(a);
        await revokeLevel(ctx, user, kind, id);
        return {};
      },
    },
  ];
};

/** Every grant that a user has, by the roles of workspaces and directly. */
async function allGrants(ctx: Ctx, user: User) {
  const roles = (await rolesOf(ctx, [user])).get(user.id)!;
  const own = await grantsOfUser(ctx, user);
  const id = userNumber(user);
  return {
    is_admin: (await roleOf(ctx, user)) === 'admin',
    permissions: [
      ...own.map((g) => ({ ...g, role_id: id, role_name: `__user_${id}__`, workspace: ctx.workspace })),
      ...roles.flatMap((r) => r.grants.map((g) => ({ ...g, role_id: r.id, role_name: r.name, workspace: r.workspace }))),
    ].map(({ role_id, role_name, workspace, kind, resourceId, level }) => ({
      role_id,
      role_name,
      workspace,
      resource_type: typeOf(kind),
      resource_pattern: resourceId,
      permission: level,
    })),
  };
}

const perUser: readonly MlflowRoute[] = [
  {
    methods: ['POST'],
    path: 'users/permissions/grant',
    permission: 'access:self',
    summary: 'grant a user a level for a resource; needs MANAGE for it',
    handler: async (ctx, a) => {
      const user = a.required('username');
      const kind = kindIn(a);
      const id = a.required('resource_id');
      // As MLflow does, for what is not there as well: whoever may is an administrator.
      const level = levelIn(a, typeOf(kind));
      await grantLevel(ctx, { user, kind, id, level }, 'create');
      return {};
    },
  },
  {
    methods: ['POST'],
    path: 'users/permissions/revoke',
    permission: 'access:self',
    summary: 'take back what was granted for a resource; needs MANAGE for it',
    handler: async (ctx, a) => {
      await revokeLevel(ctx, a.required('username'), kindIn(a), a.required('resource_id'));
      return {};
    },
  },
  {
    methods: ['GET'],
    path: 'users/permissions/get',
    permission: 'system:read',
    summary: 'what a user may really do with a resource: oneself, or any for administrators',
    handler: async (ctx, a) => {
      const kind = kindIn(a);
      const user = await seenUser(ctx, a.required('username'));
      const level = await effectiveLevel(ctx, user.name, kind, a.required('resource_id'));
      return { allowed: atLeast(level, 'USE'), permission: level };
    },
  },
  {
    methods: ['GET'],
    path: 'users/permissions/list',
    permission: 'system:read',
    summary: 'every grant of a user: oneself, or any for administrators',
    handler: async (ctx, a) => allGrants(ctx, await seenUser(ctx, a.required('username'))),
  },
  {
    methods: ['GET'],
    path: 'users/current/permissions',
    permission: 'system:read',
    summary: 'every grant of who asks',
    handler: async (ctx) =>
      ctx.actor.kind === 'user'
        ? allGrants(ctx, await userNamed(ctx, ctx.actor.id))
        : { is_admin: ctx.actor.roles.every((role) => role === 'admin'), permissions: [] },
  },
];

const METHODS = { create: 'POST', get: 'GET', update: 'PATCH', delete: 'DELETE' } as const;
const absent: readonly MlflowRoute[] = ['scorers', 'gateway/secrets', 'gateway/endpoints', 'gateway/model-definitions'].flatMap((of) =>
  Object.entries(METHODS).map(([verb, method]) => ({
    methods: [method],
    path: `${of}/permissions/${verb}`,
    permission: 'access:admin' as const,
    summary: `permissions of ${of}: not offered`,
    handler: async () => notOffered(of),
  })),
);

export const permissionRoutes = mlflowRoutes([...sorts.flatMap(ofKind), ...perUser, ...absent]);
