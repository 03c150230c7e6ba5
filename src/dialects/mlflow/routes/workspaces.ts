// MLflow's workspaces. Its client names the one it works in by a header on every other request (read by domains/access);
// without it that is `default`, so whoever knows nothing of workspaces needs to know nothing of them.
import {
  createWorkspace,
  deleteWorkspace,
  describeWorkspace,
  findWorkspace,
  grantRole,
  inWorkspace,
  listSeenWorkspaces,
  listUsers,
  removeUser,
  requireAdmin,
  rolesIn,
  seenUser,
  type User,
  type Workspace,
} from '../../../domains/access/public.ts';
import { defineErrors } from '../../../kernel/errors.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { Reply, route, type AnyRoute, type Method } from '../../../kernel/http/route.ts';
import type { Permission } from '../../../kernel/permissions.ts';
import { invalid, mlflowDialect, omitEmpty, readArgs, type Args } from '../wire.ts';
import { levelIn, userNumber } from './auth/shapes.ts';

const { fail } = defineErrors({
  'workspace-mode-not-offered': {
    status: 501,
    title: 'Not offered',
    detail: (p: { mode: string }) =>
      `Deleting a workspace with mode ${p.mode} is not offered: remove what is in it, then delete it with mode RESTRICT.`,
  },
});

interface Handler {
  readonly method: Method;
  readonly path: string;
  readonly permission: Permission;
  readonly summary: string;
  readonly status?: number;
  readonly handler: (ctx: Ctx, a: Args, query: URLSearchParams) => Promise<unknown>;
}

const served = (handlers: readonly Handler[]): AnyRoute[] =>
  handlers.flatMap((h) =>
    ['/api/3.0', '/ajax-api/3.0'].map((prefix) =>
      route({
        method: h.method,
        path: `${prefix}/mlflow/${h.path}`,
        permission: h.permission,
        summary: `MLflow: ${h.summary}`,
        errors: ['mlflow-parameter-invalid'],
        ...(h.method === 'GET' ? {} : { body: 'json' as const }),
        dialect: mlflowDialect,
        handler: async (ctx, input) =>
          new Reply(h.status ?? 200, await h.handler(ctx, readArgs(h.method, input), new URLSearchParams(input.rawQuery))),
      }),
    ),
  );

// The rules for names that MLflow checks on both sides.
const RESERVED = ['workspaces', 'api', 'ajax-api', 'static-files'];
function checkName(name: string): string {
  if (name.length < 2 || name.length > 63) return invalid(`Workspace name '${name}' must be between 2 and 63 characters.`);
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name))
    return invalid(
      `Workspace name '${name}' must match the pattern ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$ (lowercase alphanumeric with optional internal hyphens).`,
    );
  return RESERVED.includes(name) ? invalid(`Workspace name '${name}' is reserved and cannot be used.`) : name;
}

const MOST_DESCRIPTION = 5000;
function descriptionIn(a: Args): string | undefined {
  if (!a.has('description')) return undefined;
  const text = a.text('description');
  return text.length > MOST_DESCRIPTION ? invalid(`Workspace description cannot be longer than ${MOST_DESCRIPTION} characters.`) : text;
}

// One setting for the whole server says where artifacts lie (GYRE_ARTIFACT_ROOT); a workspace has its folder in it.
function noRoot(a: Args): void {
  if (a.text('default_artifact_root') !== '') invalid('default_artifact_root is not offered for single workspaces by this server.');
}

const toWire = (w: Workspace) => omitEmpty({ name: w.name, description: w.description });

// A workspace is entered or administered.
const roleFor = (level: string): 'admin' | 'member' => (level === 'MANAGE' ? 'admin' : 'member');
const permissionToWire = (workspace: string, user: Pick<User, 'id'>, role: string) => ({
  workspace,
  user_id: userNumber(user),
  permission: role === 'admin' ? 'MANAGE' : 'USE',
  can_use: true,
});

async function administered(ctx: Ctx, name: string): Promise<Ctx> {
  const there = await inWorkspace(ctx, name);
  requireAdmin(there);
  return there;
}

export const workspaceRoutes = served([
  {
    method: 'GET',
    path: 'workspaces',
    permission: 'system:read',
    summary: 'workspaces that one is in',
    handler: async (ctx) => omitEmpty({ workspaces: (await listSeenWorkspaces(ctx)).map(toWire) }),
  },
  {
    method: 'POST',
    path: 'workspaces',
    permission: 'access:admin',
    summary: 'create a workspace',
    status: 201,
    handler: async (ctx, a) => {
      const name = a.required('name');
      if (name === 'default') return invalid("The 'default' workspace is reserved and cannot be created");
      const description = descriptionIn(a) ?? null;
      noRoot(a);
      await createWorkspace(ctx, checkName(name), description);
      return { workspace: toWire({ name, description }) };
    },
  },
  {
    method: 'GET',
    path: 'workspaces/:name',
    permission: 'system:read',
    summary: 'a workspace that one is in',
    handler: async (ctx, a) => ({ workspace: toWire(await findWorkspace(ctx, a.required('name'))) }),
  },
  {
    method: 'PATCH',
    path: 'workspaces/:name',
    permission: 'access:admin',
    summary: 'describe a workspace',
    handler: async (ctx, a) => {
      const description = descriptionIn(a);
      noRoot(a);
      if (description === undefined) return invalid('Workspace update must have at least one key');
      return { workspace: toWire(await describeWorkspace(ctx, a.required('name'), description)) };
    },
  },
  {
    method: 'DELETE',
    path: 'workspaces/:name',
    permission: 'access:admin',
    summary: 'delete a workspace that is empty',
    status: 204,
    handler: async (ctx, a, query) => {
      const name = a.required('name');
      if (name === 'default') return invalid("The 'default' workspace is reserved and cannot be deleted");
      const mode = query.get('mode') ?? 'RESTRICT';
      if (mode === 'CASCADE' || mode === 'SET_DEFAULT') return fail('workspace-mode-not-offered', { mode });
      if (mode !== 'RESTRICT') return invalid(`Invalid deletion mode '${mode}'. Must be one of: SET_DEFAULT, CASCADE, RESTRICT`);
      await deleteWorkspace(ctx, name);
      return undefined;
    },
  },
  {
    method: 'GET',
    path: 'workspaces/:name/permissions',
    permission: 'access:admin',
    summary: 'who is in a workspace, and who administers it',
    handler: async (ctx, a) => {
      const there = await administered(ctx, a.required('name'));
      const users = await listUsers(there.db, there.workspace);
      return { permissions: users.map(({ user, role }) => permissionToWire(there.workspace, user, role)) };
    },
  },
  {
    method: 'POST',
    path: 'workspaces/:name/permissions',
    permission: 'access:admin',
    summary: 'let a user into a workspace (READ, USE, EDIT) or administer it (MANAGE)',
    handler: async (ctx, a) => {
      const level = levelIn(a, 'workspace');
      const there = await administered(ctx, a.required('name'));
      const user = await seenUser(there, a.required('username'));
      await grantRole(there, user.name, roleFor(level));
      return { permission: permissionToWire(there.workspace, user, roleFor(level)) };
    },
  },
  {
    method: 'DELETE',
    path: 'workspaces/:name/permissions',
    permission: 'access:admin',
    summary: 'take a user out of a workspace',
    handler: async (ctx, a) => {
      await removeUser(await administered(ctx, a.required('name')), a.required('username'));
      return {};
    },
  },
  {
    method: 'GET',
    path: 'workspace-permissions',
    permission: 'system:read',
    summary: 'workspaces that a user is in: oneself, or any for administrators',
    handler: async (ctx, _a, query) => {
      const user = await seenUser(ctx, query.get('username') ?? invalid("Missing value for required parameter 'username'."));
      return { permissions: (await rolesIn(ctx, user)).map(({ workspace, role }) => permissionToWire(workspace, user, role)) };
    },
  },
]);
