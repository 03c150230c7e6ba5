// Roles that a workspace defines (MLflow's RBAC), by the numbers that its client knows them by.
import {
  addRoleGrant,
  assignRole,
  createRole,
  deleteRole,
  getRole,
  listRoleMembers,
  listRoles,
  removeRoleGrant,
  rolesOf,
  unassignRole,
  updateRole,
  updateRoleGrant,
  seenUser,
  type Assignment,
  type FullRole,
  type GrantedKind,
  type GrantedLevel,
  type RoleGrant,
} from '../../../../domains/access/public.ts';
import { invalid, mlflowRoutes, type Args } from '../../wire.ts';
import { anyKindIn, levelIn, typeOf, userNumber } from './shapes.ts';

const MOST = 250;
const grantToWire = (g: RoleGrant) => ({
  id: g.id,
  role_id: g.roleId,
  resource_type: typeOf(g.kind),
  resource_pattern: g.resourceId,
  permission: g.level,
});
export const roleToWire = (r: FullRole) => ({
  id: r.id,
  name: r.name,
  workspace: r.workspace,
  description: r.description,
  permissions: r.grants.map(grantToWire),
});
const assignmentToWire = (a: Assignment) => ({ id: a.id, user_id: userNumber({ id: a.userId }), role_id: a.roleId });

function numberIn(a: Args, name: string): number {
  if (!a.has(name)) a.required(name);
  const value = Number(a.get(name));
  return Number.isSafeInteger(value) ? value : invalid(`Parameter '${name}' must be an integer. Got: '${String(a.get(name))}'`);
}

function nameIn(a: Args): string {
  const name = a.text('name');
  if (name.trim() === '') return invalid('Role name cannot be empty.');
  if (name.startsWith('__user_')) return invalid(`Role name '${name}' uses the reserved '__user_' prefix.`);
  return name.length > MOST ? invalid(`Role name cannot be longer than ${MOST} characters.`) : name;
}

const described = (a: Args): string | undefined => {
  if (!a.has('description')) return undefined;
  const description = a.text('description');
  return description.length > 5000 ? invalid('Role description cannot be longer than 5000 characters.') : description;
};

// A workspace is entered (USE) or administered (MANAGE).
const levelFor = (kind: GrantedKind, a: Args): GrantedLevel => levelIn(a, typeOf(kind));

function patternIn(a: Args, kind: GrantedKind): string {
  const pattern = a.required('resource_pattern');
  return kind === 'workspace' && pattern !== '*'
    ? invalid(
        `Invalid resource_pattern '${pattern}' for resource_type='workspace'. This resource type supports only wildcard ('*') grants.`,
      )
    : pattern;
}

export const roleRoutes = mlflowRoutes([
  {
    methods: ['POST'],
    path: 'roles/create',
    permission: 'access:admin',
    summary: 'create a role of a workspace',
    handler: async (ctx, a) => {
      const name = nameIn(a);
      const workspace = a.text('workspace');
      if (workspace.trim() === '') return invalid('Workspace cannot be empty.');
      return { role: roleToWire(await createRole(ctx, workspace, name, described(a) ?? null)) };
    },
  },
  {
    methods: ['GET'],
    path: 'roles/get',
    permission: 'system:read',
    summary: 'a role of a workspace that one is in',
    handler: async (ctx, a) => ({ role: roleToWire(await getRole(ctx, numberIn(a, 'role_id'))) }),
  },
  {
    methods: ['GET'],
    path: 'roles/list',
    permission: 'system:read',
    summary: 'roles of workspaces that one is in; without any, of all where one is administrator',
    handler: async (ctx, a) => ({ roles: (await listRoles(ctx, a.texts('workspace'))).map(roleToWire) }),
  },
  {
    methods: ['PATCH'],
    path: 'roles/update',
    permission: 'access:admin',
    summary: 'rename or describe a role',
    handler: async (ctx, a) => {
      const id = numberIn(a, 'role_id');
      const description = described(a);
      if (!a.has('name') && description === undefined)
        return invalid("At least one of 'name' or 'description' must be provided to update a role.");
      const change = { ...(a.has('name') ? { name: nameIn(a) } : {}), ...(description === undefined ? {} : { description }) };
      return { role: roleToWire(await updateRole(ctx, id, change)) };
    },
  },
  {
    methods: ['DELETE'],
    path: 'roles/delete',
    permission: 'access:admin',
    summary: 'delete a role; who had it has it no more',
    handler: async (ctx, a) => {
      await deleteRole(ctx, numberIn(a, 'role_id'));
      return {};
    },
  },
  {
    methods: ['POST'],
    path: 'roles/permissions/add',
    permission: 'access:admin',
    summary: 'give a role a level for a resource, or for each of a kind',
    handler: async (ctx, a) => {
      const id = numberIn(a, 'role_id');
      const kind = anyKindIn(a);
      return {
        role_permission: grantToWire(await addRoleGrant(ctx, id, { kind, resourceId: patternIn(a, kind), level: levelFor(kind, a) })),
      };
    },
  },
  {
    methods: ['DELETE'],
    path: 'roles/permissions/remove',
    permission: 'access:admin',
    summary: 'take a level from a role',
    handler: async (ctx, a) => {
      await removeRoleGrant(ctx, numberIn(a, 'role_permission_id'));
      return {};
    },
  },
  {
    methods: ['GET'],
    path: 'roles/permissions/list',
    permission: 'system:read',
    summary: 'what a role has',
    handler: async (ctx, a) => ({ role_permissions: (await getRole(ctx, numberIn(a, 'role_id'))).grants.map(grantToWire) }),
  },
  {
    methods: ['PATCH'],
    path: 'roles/permissions/update',
    permission: 'access:admin',
    summary: 'change a level of a role',
    handler: async (ctx, a) => {
      const level = levelIn(a);
      const grant = await updateRoleGrant(ctx, numberIn(a, 'role_permission_id'), level, ({ kind }) => void levelFor(kind, a));
      return { role_permission: grantToWire(grant) };
    },
  },
  {
    methods: ['POST'],
    path: 'roles/assign',
    permission: 'access:admin',
    summary: 'give a user a role; who is in no workspace of it comes in as a member',
    handler: async (ctx, a) => ({ assignment: assignmentToWire(await assignRole(ctx, a.required('username'), numberIn(a, 'role_id'))) }),
  },
  {
    methods: ['DELETE'],
    path: 'roles/unassign',
    permission: 'access:admin',
    summary: 'take a role from a user',
    handler: async (ctx, a) => {
      await unassignRole(ctx, a.required('username'), numberIn(a, 'role_id'));
      return {};
    },
  },
  {
    methods: ['GET'],
    path: 'roles/users/list',
    permission: 'access:admin',
    summary: 'who has a role',
    handler: async (ctx, a) => ({ assignments: (await listRoleMembers(ctx, numberIn(a, 'role_id'))).map(assignmentToWire) }),
  },
  {
    methods: ['GET'],
    path: 'users/roles/list',
    permission: 'system:read',
    summary: 'roles of a user: oneself, or any for administrators',
    handler: async (ctx, a) => {
      const user = await seenUser(ctx, a.required('username'));
      return { roles: (await rolesOf(ctx, [user])).get(user.id)!.map(roleToWire) };
    },
  },
]);
