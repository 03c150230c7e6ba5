import Type from '../../kernel/http/json-schema.ts';
import { route, type AnyRoute } from '../../kernel/http/route.ts';
import { fail } from './errors.ts';
import { personRoutes } from './routes/me.ts';
import { pageRoutes } from './routes/pages.ts';
import { serviceAccountRoutes } from './routes/service-accounts.ts';
import { levelRoutes } from './levels/routes.ts';
import { sessionRoutes } from './routes/session.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { iso } from './routes/views.ts';
import * as schema from './schema.ts';
import * as service from './service.ts';
import * as store from './store.ts';

export const accessRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: '/api/gyre/v1/whoami',
    permission: 'system:read',
    summary: 'Who this request is taken for',
    errors: [],
    reply: { 200: schema.Whoami },
    handler: async (ctx) => ({ kind: ctx.actor.kind, id: ctx.actor.id, roles: ctx.actor.roles, workspace: ctx.workspace }),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/users',
    permission: 'access:admin',
    summary: 'Users of the workspace with their role',
    errors: [],
    reply: { 200: schema.UserList },
    handler: async (ctx) => ({
      items: (await store.listUsers(ctx.db, ctx.workspace)).map(({ user, role }) => ({
        name: user.name,
        role,
        createdAt: iso(user.createdMs),
      })),
    }),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/users',
    permission: 'access:admin',
    summary: 'Create a user with a role in the workspace',
    errors: ['user-exists', 'first-user-not-admin'],
    body: schema.CreateUser,
    reply: { 201: schema.UserView },
    handler: async (ctx, { body }) => {
      const user = await service.createUser(ctx, body);
      return { name: user.name, role: body.role, createdAt: iso(user.createdMs) };
    },
  }),
  route({
    method: 'PATCH',
    path: '/api/gyre/v1/users/:name',
    permission: 'access:admin',
    summary: 'Change a user’s role in the workspace',
    errors: ['user-not-found', 'last-admin'],
    params: schema.UserParams,
    body: schema.PatchUser,
    reply: { 204: Type.Null() },
    handler: (ctx, { params, body }) => service.grantRole(ctx, params.name, body.role),
  }),
  route({
    method: 'DELETE',
    path: '/api/gyre/v1/users/:name',
    permission: 'access:admin',
    summary: 'Remove a user and its tokens from the workspace',
    errors: ['user-not-found', 'last-admin'],
    params: schema.UserParams,
    reply: { 204: Type.Null() },
    handler: (ctx, { params }) => service.removeUser(ctx, params.name),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/workspaces',
    permission: 'system:read',
    summary: 'Workspaces of this server that the caller may see',
    errors: [],
    reply: { 200: schema.WorkspaceList },
    handler: async (ctx) => {
      if (ctx.actor.kind === 'local') return { items: (await store.listWorkspaces(ctx.db)).map((name) => ({ name })) };
      // A token is good for its own workspace only.
      const user = ctx.actor.kind === 'user' ? await store.findUser(ctx.db, ctx.actor.id) : undefined;
      const names = user ? await store.listWorkspacesOf(ctx.db, user.id) : [ctx.workspace];
      return { items: names.map((name) => ({ name })) };
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/workspaces',
    permission: 'access:admin',
    summary: 'Create a workspace',
    errors: ['forbidden'],
    body: schema.CreateWorkspace,
    reply: { 201: Type.Object({ name: Type.String() }) },
    handler: async (ctx, { body }) => {
      if (ctx.actor.kind !== 'local' && ctx.workspace !== 'default')
        fail('forbidden', { actor: ctx.actor.id, permission: 'access:admin in the default workspace' });
      await service.createWorkspace(ctx, body.name);
      return { name: body.name };
    },
  }),
  ...sessionRoutes,
  ...levelRoutes,
  ...personRoutes,
  ...tokenRoutes,
  ...serviceAccountRoutes,
  ...pageRoutes,
];
