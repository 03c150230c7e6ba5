// Roles that a workspace defines for itself: a name for grants that several users have.
import { makeCtx, type Ctx } from '../../../kernel/ctx.ts';
import { fail } from '../errors.ts';
import * as accounts from '../store.ts';
import { settleMembership, userNamed } from './grants.ts';
import * as store from '../store/levels.ts';

/** MLflow's client knows roles, their grants and assignments by whole numbers. */
const newNumber = (ctx: Ctx): number => {
  const bytes = ctx.ids.random(4);
  return ((bytes[0]! & 0x7f) << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]! || 1;
};

/**
 * The same caller in another workspace, with the role that it has there. A token stays in its own.
 * Raises `workspace-not-found`.
 */
export async function inWorkspace(ctx: Ctx, workspace: string): Promise<Ctx> {
  if (workspace === ctx.workspace) return ctx;
  if (!(await accounts.workspaceExists(ctx.db, workspace))) return fail('workspace-not-found', { workspace });
  if (ctx.actor.kind === 'local' || ctx.actor.kind === 'system') return makeCtx(ctx, { actor: ctx.actor, workspace });
  const user = ctx.actor.kind === 'user' ? await accounts.findUser(ctx.db, ctx.actor.id) : undefined;
  const role = user && (await accounts.getRole(ctx.db, workspace, user.id));
  // No standing: a caller in another workspace manages roles there and touches no resource.
  return role
    ? makeCtx(ctx, { actor: { kind: 'user', id: ctx.actor.id, roles: [role] }, workspace })
    : fail('workspace-not-found', { workspace });
}

/** Raises `forbidden` for who is no administrator of the context's workspace. */
export const requireAdmin = (ctx: Ctx): void => {
  if (ctx.actor.roles.length === 0 || !ctx.actor.roles.every((role) => role === 'admin'))
    fail('forbidden', { actor: `${ctx.actor.kind} "${ctx.actor.id}"`, permission: 'access:admin' });
};

/** Raises `forbidden`, `workspace-not-found`. */
async function adminIn(ctx: Ctx, workspace: string): Promise<Ctx> {
  const there = await inWorkspace(ctx, workspace);
  requireAdmin(there);
  return there;
}

/** The role, and the caller where it is. Whoever may not manage it hears that it is forbidden, whether or not it is there. */
async function roleFor(ctx: Ctx, id: number, need: 'admin' | 'member' = 'admin'): Promise<{ role: store.AccessRole; there: Ctx }> {
  const role = await store.findRole(ctx.db, id);
  if (!role) {
    requireAdmin(ctx);
    return fail('role-not-found', { id });
  }
  const there = need === 'admin' ? await adminIn(ctx, role.workspace) : await inWorkspace(ctx, role.workspace);
  return { role, there };
}

export type FullRole = store.AccessRole & { readonly grants: readonly store.RoleGrant[] };

async function withGrants(ctx: Ctx, roles: readonly store.AccessRole[]): Promise<FullRole[]> {
  const grants = Map.groupBy(
    await store.roleGrants(
      ctx.db,
      roles.map((r) => r.id),
    ),
    (g) => g.roleId,
  );
  return roles.map((r) => ({ ...r, grants: grants.get(r.id) ?? [] }));
}

/** Raises `role-exists`, `forbidden`, `workspace-not-found`. */
export async function createRole(ctx: Ctx, workspace: string, name: string, description: string | null): Promise<FullRole> {
  const there = await adminIn(ctx, workspace);
  return there.tx(async (tx) => {
    if (await store.findRoleNamed(tx.db, workspace, name)) return fail('role-exists', { name, workspace });
    const role = { id: newNumber(tx), workspace, name, description };
    await store.insertRole(tx.db, role);
    await tx.emit({ type: 'role.created', subject: { kind: 'role', id: String(role.id) }, label: name });
    return { ...role, grants: [] };
  });
}

/** Raises `role-not-found`, `workspace-not-found`. */
export async function getRole(ctx: Ctx, id: number): Promise<FullRole> {
  const { role } = await roleFor(ctx, id, 'member');
  return (await withGrants(ctx, [role]))[0]!;
}

/** Roles of these workspaces, each of which the caller is in; without any, of all where the caller is an administrator. */
export async function listRoles(ctx: Ctx, workspaces: readonly string[]): Promise<FullRole[]> {
  if (workspaces.length === 0) requireAdmin(ctx);
  const asked: string[] = [];
  for (const workspace of workspaces.length > 0 ? workspaces : await accounts.listWorkspaces(ctx.db)) {
    if (workspaces.length > 0) asked.push((await inWorkspace(ctx, workspace)).workspace);
    else if (
      await adminIn(ctx, workspace).then(
        () => true,
        () => false,
      )
    )
      asked.push(workspace);
  }
  return withGrants(ctx, await store.listRoles(ctx.db, asked));
}

/** Raises `role-not-found`, `role-exists`, `forbidden`. */
export async function updateRole(ctx: Ctx, id: number, change: { name?: string; description?: string }): Promise<FullRole> {
  const { role, there } = await roleFor(ctx, id);
  await there.tx(async (tx) => {
    if (change.name !== undefined && change.name !== role.name && (await store.findRoleNamed(tx.db, role.workspace, change.name)))
      return fail('role-exists', { name: change.name, workspace: role.workspace });
    await store.updateRole(tx.db, id, change);
    await tx.emit({ type: 'role.changed', subject: { kind: 'role', id: String(id) }, label: change.name ?? role.name });
  });
  return getRole(ctx, id);
}

/** Runs a change of a role, and gives everybody who has it what they have now. */
async function changing<T>(ctx: Ctx, id: number, change: (tx: Ctx, role: store.AccessRole) => Promise<T>): Promise<T> {
  const { role, there } = await roleFor(ctx, id);
  return there.tx(async (tx) => {
    const members = await store.roleMembers(tx.db, id);
    const result = await change(tx, role);
    for (const { userId } of members) await settleMembership(tx, role.workspace, userId);
    return result;
  });
}

/** Raises `role-not-found`, `forbidden`, `last-admin`. */
export const deleteRole = (ctx: Ctx, id: number): Promise<void> =>
  changing(ctx, id, async (tx, role) => {
    await store.deleteRole(tx.db, role);
    await tx.emit({ type: 'role.deleted', subject: { kind: 'role', id: String(id) }, label: role.name });
  });

/** Raises `role-not-found`, `forbidden`, `role-grant-exists`. */
export const addRoleGrant = (ctx: Ctx, roleId: number, grant: store.ResourceGrant): Promise<store.RoleGrant> =>
  changing(ctx, roleId, async (tx, role) => {
    const before = await store.roleGrants(tx.db, [roleId]);
    if (before.some((g) => g.kind === grant.kind && g.resourceId === grant.resourceId))
      return fail('role-grant-exists', { role: role.name, kind: grant.kind, id: grant.resourceId });
    const added = { ...grant, id: newNumber(tx), roleId };
    await store.insertRoleGrant(tx.db, role.workspace, added);
    await tx.emit({ type: 'role.changed', subject: { kind: 'role', id: String(roleId) }, label: role.name, payload: { added: grant } });
    return added;
  });

async function roleGrantFor(ctx: Ctx, id: number): Promise<store.RoleGrant> {
  const grant = await store.findRoleGrant(ctx.db, id);
  if (grant) return grant;
  requireAdmin(ctx);
  return fail('role-grant-not-found', { id });
}

/** Raises `role-grant-not-found`, `forbidden`, `last-admin`. `check` may refuse the level for what the grant is for. */
export async function updateRoleGrant(
  ctx: Ctx,
  id: number,
  level: store.GrantedLevel,
  check: (grant: store.RoleGrant) => void,
): Promise<store.RoleGrant> {
  const grant = await roleGrantFor(ctx, id);
  return changing(ctx, grant.roleId, async (tx, role) => {
    check(grant);
    await store.updateRoleGrant(tx.db, id, level);
    await tx.emit({
      type: 'role.changed',
      subject: { kind: 'role', id: String(role.id) },
      label: role.name,
      payload: { changed: { kind: grant.kind, id: grant.resourceId, level } },
    });
    return { ...grant, level };
  });
}

/** Raises `role-grant-not-found`, `forbidden`, `last-admin`. */
export async function removeRoleGrant(ctx: Ctx, id: number): Promise<void> {
  const grant = await roleGrantFor(ctx, id);
  await changing(ctx, grant.roleId, async (tx, role) => {
    await store.deleteRoleGrant(tx.db, id);
    await tx.emit({
      type: 'role.changed',
      subject: { kind: 'role', id: String(role.id) },
      label: role.name,
      payload: { removed: { kind: grant.kind, id: grant.resourceId } },
    });
  });
}

/** Raises `role-not-found`, `forbidden`, `user-not-found`, `role-assigned`. */
export async function assignRole(ctx: Ctx, name: string, roleId: number): Promise<store.Assignment> {
  const { role, there } = await roleFor(ctx, roleId);
  return there.tx(async (tx) => {
    const user = await userNamed(tx, name);
    if ((await store.roleMembers(tx.db, roleId)).some((m) => m.userId === user.id))
      return fail('role-assigned', { user: name, role: role.name });
    const assignment = { id: newNumber(tx), roleId, userId: user.id };
    await store.insertAssignment(tx.db, role.workspace, assignment);
    await settleMembership(tx, role.workspace, user.id);
    await tx.emit({ type: 'role.assigned', subject: { kind: 'user', id: user.id }, payload: { role: role.name } });
    return assignment;
  });
}

/** Raises `role-not-found`, `forbidden`, `user-not-found`, `role-not-assigned`, `last-admin`. */
export async function unassignRole(ctx: Ctx, name: string, roleId: number): Promise<void> {
  const { role, there } = await roleFor(ctx, roleId);
  await there.tx(async (tx) => {
    const user = await userNamed(tx, name);
    if (!(await store.deleteAssignment(tx.db, roleId, user.id))) return fail('role-not-assigned', { user: name, role: role.name });
    await settleMembership(tx, role.workspace, user.id);
    await tx.emit({ type: 'role.unassigned', subject: { kind: 'user', id: user.id }, payload: { role: role.name } });
  });
}

/** Raises `role-not-found`, `forbidden`. */
export async function listRoleMembers(ctx: Ctx, roleId: number): Promise<store.Assignment[]> {
  await roleFor(ctx, roleId);
  return store.roleMembers(ctx.db, roleId);
}

/** Roles of users that the caller may see: its own, and those of workspaces where it is an administrator. */
export async function rolesOf(
  ctx: Ctx,
  users: readonly { readonly id: string; readonly name: string }[],
): Promise<Map<string, FullRole[]>> {
  const found = await store.rolesOfUsers(
    ctx.db,
    users.map((u) => u.id),
  );
  const mine = users.find((u) => ctx.actor.kind === 'user' && u.name === ctx.actor.id)?.id;
  const administered = new Map<string, boolean>();
  for (const { workspace } of found)
    if (!administered.has(workspace))
      administered.set(
        workspace,
        await adminIn(ctx, workspace).then(
          () => true,
          () => false,
        ),
      );
  const seen = found.filter((r) => r.userId === mine || administered.get(r.workspace));
  const full = new Map((await withGrants(ctx, seen)).map((r) => [r.id, r]));
  return new Map(users.map((u) => [u.id, seen.filter((r) => r.userId === u.id).map((r) => full.get(r.id)!)]));
}
