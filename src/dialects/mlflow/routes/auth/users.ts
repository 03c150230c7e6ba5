// MLflow's users. An administrator there is one of the request's workspace here; everybody else is a member.
import {
  changeOwnPassword,
  createUser,
  findUser,
  grantRole,
  grantsOfUser,
  listUsers,
  removeUser,
  roleOf,
  rolesOf,
  seenUser,
  setPassword,
  type User,
} from '../../../../domains/access/public.ts';
import type { Ctx } from '../../../../kernel/ctx.ts';
import { isProblem } from '../../../../kernel/errors.ts';
import { invalid, mlflowRoutes, type Args } from '../../wire.ts';
import { roleToWire } from './roles.ts';
import { userNumber, userToWire } from './shapes.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,126}$/;
const SHORTEST = 12;

function passwordIn(a: Args): string {
  const password = a.text('password');
  if (password.length < SHORTEST) return invalid('Password must be at least 12 characters.');
  return password.length > 1000 ? invalid('Password must be at most 1000 characters.') : password;
}

/** With what was granted to the user itself, as the clients before roles read it. */
async function fullUser(ctx: Ctx, user: User) {
  const grants = await grantsOfUser(ctx, user);
  const user_id = userNumber(user);
  return {
    ...userToWire(user, await roleOf(ctx, user)),
    experiment_permissions: grants
      .filter((g) => g.kind === 'experiment')
      .map((g) => ({ experiment_id: g.resourceId, user_id, permission: g.level })),
    registered_model_permissions: grants
      .filter((g) => g.kind === 'model')
      .map((g) => ({ workspace: ctx.workspace, name: g.resourceId, user_id, permission: g.level })),
    scorer_permissions: [],
  };
}

async function changeOwn(ctx: Ctx, current: string, password: string): Promise<void> {
  try {
    await changeOwnPassword(ctx, current, password, '');
  } catch (error) {
    if (isProblem(error, 'password-wrong')) invalid('Current password does not match.');
    throw error;
  }
}

const isSelf = (ctx: Ctx, name: string): boolean => ctx.actor.kind === 'user' && ctx.actor.id === name;

export const userRoutes = mlflowRoutes([
  {
    methods: ['POST'],
    path: 'users/create',
    permission: 'access:admin',
    summary: 'create a user, who is a member of the workspace',
    handler: async (ctx, a) => {
      const name = a.text('username');
      if (name === '' || a.text('password') === '') return invalid('Username and password cannot be empty.');
      if (!NAME.test(name))
        return invalid(
          `Invalid username '${name}'. It begins with a letter or digit and has letters, digits and . _ @ - only, at most 127.`,
        );
      return { user: await fullUser(ctx, await createUser(ctx, { name, password: passwordIn(a), role: 'member' })) };
    },
  },
  {
    methods: ['GET'],
    path: 'users/get',
    permission: 'system:read',
    summary: 'a user: oneself, or any for administrators',
    handler: async (ctx, a) => ({ user: await fullUser(ctx, await seenUser(ctx, a.required('username'))) }),
  },
  {
    methods: ['GET'],
    path: 'users/list',
    permission: 'access:admin',
    summary: 'users of the workspace with their roles',
    handler: async (ctx) => {
      const users = await listUsers(ctx.db, ctx.workspace);
      const roles = await rolesOf(
        ctx,
        users.map((u) => u.user),
      );
      return { users: users.map(({ user, role }) => ({ ...userToWire(user, role), roles: roles.get(user.id)!.map(roleToWire) })) };
    },
  },
  {
    methods: ['GET'],
    path: 'users/current',
    permission: 'system:read',
    summary: 'who asks',
    handler: async (ctx) => {
      const user = ctx.actor.kind === 'user' ? await findUser(ctx.db, ctx.actor.id) : undefined;
      const shown = user
        ? userToWire(user, ctx.actor.roles[0])
        : { id: userNumber(ctx.actor), username: ctx.actor.id, is_admin: ctx.actor.roles.every((role) => role === 'admin') };
      return { user: shown, is_basic_auth: true };
    },
  },
  {
    methods: ['PATCH'],
    path: 'users/update-password',
    permission: 'access:self',
    summary: 'change a password: one’s own with the current one, or any for administrators',
    handler: async (ctx, a) => {
      const name = a.required('username');
      const password = passwordIn(a);
      const current = a.text('current_password');
      if (isSelf(ctx, name)) {
        if (current === '') return invalid('Current password is required when changing your own password.');
        if (current === password) return invalid('New password must differ from the current password.');
      }
      if (isSelf(ctx, name)) await changeOwn(ctx, current, password);
      else await setPassword(ctx, (await seenUser(ctx, name)).name, password);
      return {};
    },
  },
  {
    methods: ['PATCH'],
    path: 'users/update-admin',
    permission: 'access:admin',
    summary: 'make a user administrator of the workspace, or a member again',
    handler: async (ctx, a) => {
      const name = a.required('username');
      if (!a.has('is_admin')) a.required('is_admin');
      await grantRole(ctx, name, a.bool('is_admin') ? 'admin' : 'member');
      return {};
    },
  },
  {
    methods: ['DELETE'],
    path: 'users/delete',
    permission: 'access:admin',
    summary: 'remove a user from the workspace',
    handler: async (ctx, a) => {
      const name = a.required('username');
      if (isSelf(ctx, name)) return invalid('Users cannot delete their own account. Ask another admin to delete this user instead.');
      await removeUser(ctx, name);
      return {};
    },
  },
]);
