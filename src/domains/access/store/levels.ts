// What was granted for resources: to a user, and to a role of a workspace that users are assigned to.
import type { Db } from '../../../kernel/db/database.ts';
import type { Level, ResourceKind } from '../../../kernel/levels.ts';
import type { GrantableRole } from '../model.ts';

/** DENY closes a resource whatever else was granted. */
export type GrantedLevel = Level | 'DENY';
/** `workspace` with "*" makes a member (USE) or an administrator (MANAGE) of whoever has the role. */
export type GrantedKind = ResourceKind | 'workspace';

export interface ResourceGrant {
  readonly kind: GrantedKind;
  readonly resourceId: string;
  readonly level: GrantedLevel;
}
export interface AccessRole {
  readonly id: number;
  readonly workspace: string;
  readonly name: string;
  readonly description: string | null;
}
export interface RoleGrant extends ResourceGrant {
  readonly id: number;
  readonly roleId: number;
}
export interface Assignment {
  readonly id: number;
  readonly roleId: number;
  readonly userId: string;
}

type Tables = {
  users: { id: string; levels_version: number };
  grants: { workspace_id: string; user_id: string; role: GrantableRole; direct_role: GrantableRole | null };
  resource_grants: { workspace_id: string; user_id: string; kind: GrantedKind; resource_id: string; level: GrantedLevel };
  access_roles: { workspace_id: string; id: number; name: string; description: string | null };
  access_role_grants: { workspace_id: string; id: number; role_id: number; kind: GrantedKind; resource_id: string; level: GrantedLevel };
  access_role_members: { workspace_id: string; role_id: number; user_id: string; id: number };
};
const levelsIn = (db: Db) => db.withTables<Tables>();

// ---- what a user has

/** The user's own grants in a workspace, and those of the roles assigned to it. */
export async function grantsOf(db: Db, workspace: string, userId: string): Promise<ResourceGrant[]> {
  const own = levelsIn(db)
    .selectFrom('resource_grants')
    .select(['kind', 'resource_id as resourceId', 'level'])
    .where('workspace_id', '=', workspace)
    .where('user_id', '=', userId);
  const byRole = levelsIn(db)
    .selectFrom('access_role_members as m')
    .innerJoin('access_role_grants as g', (j) => j.onRef('g.workspace_id', '=', 'm.workspace_id').onRef('g.role_id', '=', 'm.role_id'))
    .select(['g.kind', 'g.resource_id as resourceId', 'g.level'])
    .where('m.workspace_id', '=', workspace)
    .where('m.user_id', '=', userId);
  return own.unionAll(byRole).execute();
}

export const ownGrants = (db: Db, workspace: string, userId: string): Promise<ResourceGrant[]> =>
  levelsIn(db)
    .selectFrom('resource_grants')
    .select(['kind', 'resource_id as resourceId', 'level'])
    .where('workspace_id', '=', workspace)
    .where('user_id', '=', userId)
    .orderBy('kind')
    .orderBy('resource_id')
    .execute();

/** Everybody's own grants for one resource, by user name. */
export const grantsFor = (
  db: Db,
  workspace: string,
  kind: ResourceKind,
  resourceId: string,
): Promise<{ user: string; level: GrantedLevel }[]> =>
  levelsIn(db)
    .withTables<{ users: { id: string; name: string } }>()
    .selectFrom('resource_grants')
    .innerJoin('users', 'users.id', 'resource_grants.user_id')
    .select(['users.name as user', 'resource_grants.level as level'])
    .where('resource_grants.workspace_id', '=', workspace)
    .where('resource_grants.kind', '=', kind)
    .where('resource_grants.resource_id', '=', resourceId)
    .orderBy('users.name')
    .limit(1000)
    .execute();

export async function findGrant(
  db: Db,
  workspace: string,
  userId: string,
  kind: ResourceKind,
  resourceId: string,
): Promise<GrantedLevel | undefined> {
  const row = await levelsIn(db)
    .selectFrom('resource_grants')
    .select('level')
    .where('workspace_id', '=', workspace)
    .where('user_id', '=', userId)
    .where('kind', '=', kind)
    .where('resource_id', '=', resourceId)
    .executeTakeFirst();
  return row?.level;
}

export const putGrant = (db: Db, workspace: string, userId: string, { kind, resourceId, level }: ResourceGrant) =>
  levelsIn(db)
    .insertInto('resource_grants')
    .values({ workspace_id: workspace, user_id: userId, kind, resource_id: resourceId, level })
    .onConflict((c) => c.columns(['workspace_id', 'user_id', 'kind', 'resource_id']).doUpdateSet({ level }))
    .execute();

export async function deleteGrant(db: Db, workspace: string, userId: string, kind: ResourceKind, resourceId: string): Promise<boolean> {
  const result = await levelsIn(db)
    .deleteFrom('resource_grants')
    .where('workspace_id', '=', workspace)
    .where('user_id', '=', userId)
    .where('kind', '=', kind)
    .where('resource_id', '=', resourceId)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** Says that the levels of these users changed; every process that knew them reads them again. */
export async function markChanged(db: Db, userIds: readonly string[]): Promise<void> {
  if (userIds.length === 0) return;
  await levelsIn(db)
    .updateTable('users')
    .set((eb) => ({ levels_version: eb('levels_version', '+', 1) }))
    .where('id', 'in', userIds)
    .execute();
}

/** Users who have something of their own or by a role for this very resource. */
export async function concernedBy(db: Db, workspace: string, kind: ResourceKind, resourceId: string): Promise<string[]> {
  const own = levelsIn(db)
    .selectFrom('resource_grants')
    .select('user_id')
    .where('workspace_id', '=', workspace)
    .where('kind', '=', kind)
    .where('resource_id', '=', resourceId);
  const byRole = levelsIn(db)
    .selectFrom('access_role_grants as g')
    .innerJoin('access_role_members as m', (j) => j.onRef('g.workspace_id', '=', 'm.workspace_id').onRef('g.role_id', '=', 'm.role_id'))
    .select('m.user_id')
    .where('g.workspace_id', '=', workspace)
    .where('g.kind', '=', kind)
    .where('g.resource_id', '=', resourceId);
  return (await own.union(byRole).execute()).map((r) => r.user_id);
}

export async function renameResource(db: Db, workspace: string, kind: ResourceKind, from: string, to: string): Promise<void> {
  const t = levelsIn(db);
  const change = { resource_id: to };
  const own = t.updateTable('resource_grants').set(change).where('workspace_id', '=', workspace);
  await own.where('kind', '=', kind).where('resource_id', '=', from).execute();
  const byRole = t.updateTable('access_role_grants').set(change).where('workspace_id', '=', workspace);
  await byRole.where('kind', '=', kind).where('resource_id', '=', from).execute();
}

export async function forgetResource(db: Db, workspace: string, kind: ResourceKind, resourceId: string): Promise<void> {
  const t = levelsIn(db);
  for (const query of [t.deleteFrom('resource_grants'), t.deleteFrom('access_role_grants')])
    await query.where('workspace_id', '=', workspace).where('kind', '=', kind).where('resource_id', '=', resourceId).execute();
}

/** Everything granted to a user in a workspace, and its assignments there. */
export async function forgetMember(db: Db, workspace: string, userId: string): Promise<void> {
  const t = levelsIn(db);
  for (const query of [t.deleteFrom('resource_grants'), t.deleteFrom('access_role_members')])
    await query.where('workspace_id', '=', workspace).where('user_id', '=', userId).execute();
}

/** All roles and grants of a workspace. */
export async function forgetWorkspace(db: Db, workspace: string): Promise<void> {
  const t = levelsIn(db);
  for (const query of [
    t.deleteFrom('resource_grants'),
    t.deleteFrom('access_role_members'),
    t.deleteFrom('access_role_grants'),
    t.deleteFrom('access_roles'),
    t.deleteFrom('grants'),
  ])
    await query.where('workspace_id', '=', workspace).execute();
}

// ---- membership

export const findMembership = (db: Db, workspace: string, userId: string) =>
  levelsIn(db)
    .selectFrom('grants')
    .select(['role', 'direct_role'])
    .where('workspace_id', '=', workspace)
    .where('user_id', '=', userId)
    .executeTakeFirst();

export const putMembership = (db: Db, workspace: string, userId: string, role: GrantableRole, direct: GrantableRole | null) =>
  levelsIn(db)
    .insertInto('grants')
    .values({ workspace_id: workspace, user_id: userId, role, direct_role: direct })
    .onConflict((c) => c.columns(['workspace_id', 'user_id']).doUpdateSet({ role, direct_role: direct }))
    .execute();

export const deleteMembership = (db: Db, workspace: string, userId: string) =>
  levelsIn(db).deleteFrom('grants').where('workspace_id', '=', workspace).where('user_id', '=', userId).execute();

// ---- roles of a workspace

const roleColumns = ['id', 'workspace_id as workspace', 'name', 'description'] as const;
const roleGrantColumns = ['id', 'role_id as roleId', 'kind', 'resource_id as resourceId', 'level'] as const;

export const findRole = (db: Db, id: number): Promise<AccessRole | undefined> =>
  levelsIn(db).selectFrom('access_roles').select(roleColumns).where('id', '=', id).executeTakeFirst();

export const findRoleNamed = (db: Db, workspace: string, name: string): Promise<AccessRole | undefined> =>
  levelsIn(db)
    .selectFrom('access_roles')
    .select(roleColumns)
    .where('workspace_id', '=', workspace)
    .where('name', '=', name)
    .executeTakeFirst();

export const listRoles = (db: Db, workspaces: readonly string[]): Promise<AccessRole[]> =>
  levelsIn(db)
    .selectFrom('access_roles')
    .select(roleColumns)
    .where('workspace_id', 'in', workspaces)
    .orderBy('workspace_id')
    .orderBy('name')
    .limit(1000)
    .execute();

export const insertRole = (db: Db, { workspace, id, name, description }: AccessRole) =>
  levelsIn(db).insertInto('access_roles').values({ workspace_id: workspace, id, name, description }).execute();

export const updateRole = (db: Db, id: number, change: { name?: string; description?: string }) =>
  levelsIn(db).updateTable('access_roles').set(change).where('id', '=', id).execute();

export async function deleteRole(db: Db, role: AccessRole): Promise<void> {
  const t = levelsIn(db);
  for (const query of [t.deleteFrom('access_role_grants'), t.deleteFrom('access_role_members')])
    await query.where('workspace_id', '=', role.workspace).where('role_id', '=', role.id).execute();
  await levelsIn(db).deleteFrom('access_roles').where('id', '=', role.id).execute();
}

export const findRoleGrant = (db: Db, id: number): Promise<RoleGrant | undefined> =>
  levelsIn(db).selectFrom('access_role_grants').select(roleGrantColumns).where('id', '=', id).executeTakeFirst();

export const roleGrants = (db: Db, roleIds: readonly number[]): Promise<RoleGrant[]> =>
  roleIds.length === 0
    ? Promise.resolve([])
    : levelsIn(db).selectFrom('access_role_grants').select(roleGrantColumns).where('role_id', 'in', roleIds).orderBy('id').execute();

export const insertRoleGrant = (db: Db, workspace: string, g: RoleGrant) =>
  levelsIn(db)
    .insertInto('access_role_grants')
    .values({ workspace_id: workspace, id: g.id, role_id: g.roleId, kind: g.kind, resource_id: g.resourceId, level: g.level })
    .execute();

export const updateRoleGrant = (db: Db, id: number, level: GrantedLevel) =>
  levelsIn(db).updateTable('access_role_grants').set({ level }).where('id', '=', id).execute();

export const deleteRoleGrant = (db: Db, id: number) => levelsIn(db).deleteFrom('access_role_grants').where('id', '=', id).execute();

export const roleMembers = (db: Db, roleId: number): Promise<Assignment[]> =>
  levelsIn(db)
    .selectFrom('access_role_members')
    .select(['id', 'role_id as roleId', 'user_id as userId'])
    .where('role_id', '=', roleId)
    .orderBy('id')
    .limit(10_000)
    .execute();

/** Roles assigned to these users, in every workspace. */
export const rolesOfUsers = (db: Db, userIds: readonly string[]): Promise<(AccessRole & { userId: string })[]> =>
  userIds.length === 0
    ? Promise.resolve([])
    : levelsIn(db)
        .selectFrom('access_role_members as m')
        .innerJoin('access_roles as r', 'r.id', 'm.role_id')
        .select(['r.id', 'r.workspace_id as workspace', 'r.name', 'r.description', 'm.user_id as userId'])
        .where('m.user_id', 'in', userIds)
        .orderBy('r.id')
        .execute();

export const insertAssignment = (db: Db, workspace: string, a: Assignment) =>
  levelsIn(db)
    .insertInto('access_role_members')
    .values({ workspace_id: workspace, role_id: a.roleId, user_id: a.userId, id: a.id })
    .execute();

export async function deleteAssignment(db: Db, roleId: number, userId: string): Promise<boolean> {
  const result = await levelsIn(db)
    .deleteFrom('access_role_members')
    .where('role_id', '=', roleId)
    .where('user_id', '=', userId)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}
