// Grants of one user for one resource: who may give them, and those that come with making a resource.
import type { Ctx } from '../../../kernel/ctx.ts';
import { atLeast, levelOf, requireLevel, type Level, type ResourceKind, type Standing } from '../../../kernel/levels.ts';
import { fail } from '../errors.ts';
import type { GrantableRole, Role, User } from '../model.ts';
import * as accounts from '../store.ts';
import { listMapped } from '../store/identities.ts';
import { standingIn } from './standing.ts';
import * as store from '../store/levels.ts';

// A token that is narrowed to resources administers nobody.
const isAdmin = ({ actor }: Ctx): boolean =>
  actor.scope?.resources === undefined && actor.roles.length > 0 && actor.roles.every((role) => role === 'admin');

/** Raises `user-not-found`. */
export const userNamed = async (ctx: Ctx, name: string): Promise<User> =>
  (await accounts.findUser(ctx.db, name)) ?? fail('user-not-found', { name });

/** A user whom the caller may look at: itself, or anybody for an administrator. Raises `user-not-found`, `forbidden`. */
export async function seenUser(ctx: Ctx, name: string): Promise<User> {
  const isSelf = ctx.actor.kind === 'user' && ctx.actor.id === name;
  if (!isSelf && !isAdmin(ctx)) fail('forbidden', { actor: `${ctx.actor.kind} "${ctx.actor.id}"`, permission: 'access:admin' });
  return userNamed(ctx, name);
}

/** A user's role in the workspace of the request. */
export const roleOf = (ctx: Ctx, user: User): Promise<GrantableRole | undefined> => accounts.getRole(ctx.db, ctx.workspace, user.id);

// A grant for every resource of a kind is given by whoever gives roles.
function requireShare(ctx: Ctx, kind: ResourceKind, id: string): void {
  if (id === '*' && !isAdmin(ctx)) fail('forbidden', { actor: `${ctx.actor.kind} "${ctx.actor.id}"`, permission: 'access:admin' });
  requireLevel(ctx, kind, id, 'MANAGE');
}

/** How a grant that is or is not there already is met. */
type Meeting = 'put' | 'create' | 'update';

export interface GrantInput {
  readonly user: string;
  readonly kind: ResourceKind;
  readonly id: string;
  readonly level: store.GrantedLevel;
}

/**
 * Gives a user a level for a resource ("*": for each of the kind). Needs MANAGE for it. Raises `level-too-low`, `forbidden`,
 * `user-not-found`, `grant-exists` (create), `grant-not-found` (update).
 */
export const grantLevel = (ctx: Ctx, { user: name, kind, id, level }: GrantInput, meeting: Meeting = 'put'): Promise<User> =>
  ctx.tx(async (tx) => {
    requireShare(tx, kind, id);
    const user = await userNamed(tx, name);
    const before = await store.findGrant(tx.db, tx.workspace, user.id, kind, id);
    if (meeting === 'create' && before !== undefined) return fail('grant-exists', { kind, id, user: name });
    if (meeting === 'update' && before === undefined) return fail('grant-not-found', { kind, id, user: name });
    // Who is granted something here may come in, as nothing more.
    if (!(await store.findMembership(tx.db, tx.workspace, user.id))) {
      if (!isAdmin(tx)) return fail('user-not-found', { name });
      await store.putMembership(tx.db, tx.workspace, user.id, 'member', 'member');
    }
    await store.putGrant(tx.db, tx.workspace, user.id, { kind, resourceId: id, level });
    await store.markChanged(tx.db, [user.id]);
    await tx.emit({ type: 'level.granted', subject: { kind: 'user', id: user.id }, payload: { kind, id, level, before: before ?? null } });
    return user;
  });

/** Raises `level-too-low`, `forbidden`, `user-not-found`, `grant-not-found`. */
export const revokeLevel = (ctx: Ctx, name: string, kind: ResourceKind, id: string): Promise<void> =>
  ctx.tx(async (tx) => {
    requireShare(tx, kind, id);
    const user = await userNamed(tx, name);
    if (!(await store.deleteGrant(tx.db, tx.workspace, user.id, kind, id))) return fail('grant-not-found', { kind, id, user: name });
    await store.markChanged(tx.db, [user.id]);
    await tx.emit({ type: 'level.revoked', subject: { kind: 'user', id: user.id }, payload: { kind, id } });
  });

/** A user's own grant for a resource. Needs MANAGE for it, or to be that user. Raises `grant-not-found`, `user-not-found`, `level-too-low`. */
export async function findLevel(
  ctx: Ctx,
  name: string,
  kind: ResourceKind,
  id: string,
): Promise<{ user: User; level: store.GrantedLevel }> {
  if (ctx.actor.id !== name || ctx.actor.kind !== 'user') requireShare(ctx, kind, id);
  const user = await userNamed(ctx, name);
  const level = (await store.findGrant(ctx.db, ctx.workspace, user.id, kind, id)) ?? fail('grant-not-found', { kind, id, user: name });
  return { user, level };
}

export const grantsOfUser = (ctx: Ctx, user: User): Promise<store.ResourceGrant[]> => store.ownGrants(ctx.db, ctx.workspace, user.id);

/** Users' own grants for a resource. Needs MANAGE for it. */
export async function listGrants(ctx: Ctx, kind: ResourceKind, id: string): Promise<{ user: string; level: store.GrantedLevel }[]> {
  requireShare(ctx, kind, id);
  return store.grantsFor(ctx.db, ctx.workspace, kind, id);
}

const none: Standing = { fallback: 'NO_PERMISSIONS', cap: 'NO_PERMISSIONS', granted: {} };

/** What a user may really do with a resource in this workspace: by role, grants and what is for everybody. */
export async function effectiveLevel(ctx: Ctx, name: string, kind: ResourceKind, id: string): Promise<Level> {
  const user = await userNamed(ctx, name);
  const role: Role | undefined = await accounts.getRole(ctx.db, ctx.workspace, user.id);
  const standing = role ? await standingIn(ctx, ctx.workspace, { roles: [role], user }) : none;
  return levelOf({ actor: { kind: 'user', id: name, roles: role ? [role] : [], standing } }, kind, id);
}

/** Whoever makes a resource manages it. Inside the transaction that makes it. */
export async function ownResource(tx: Ctx, kind: ResourceKind, id: string): Promise<void> {
  const standing = tx.actor.standing;
  if (standing?.userId === undefined || atLeast(standing.fallback, 'MANAGE')) return;
  await store.putGrant(tx.db, tx.workspace, standing.userId, { kind, resourceId: id, level: 'MANAGE' });
  await store.markChanged(tx.db, [standing.userId]);
  // The request that makes it goes on to read it. What other requests remember is made anew and stays as it was.
  const granted = new Map(standing.granted[kind]).set(id, 'MANAGE');
  (standing as { granted: Standing['granted'] }).granted = { ...standing.granted, [kind]: granted };
}

/** Grants go with a name. Inside the transaction that renames. */
export async function moveGrants(tx: Ctx, kind: ResourceKind, from: string, to: string): Promise<void> {
  const concerned = await store.concernedBy(tx.db, tx.workspace, kind, from);
  // What is left of an earlier one of that name is nobody's.
  await forgetGrants(tx, kind, to);
  await store.renameResource(tx.db, tx.workspace, kind, from, to);
  await store.markChanged(tx.db, concerned);
}

/** Nobody inherits what was granted for another resource of the same name. Inside the transaction that deletes it for good. */
export async function forgetGrants(tx: Ctx, kind: ResourceKind, id: string): Promise<void> {
  const concerned = await store.concernedBy(tx.db, tx.workspace, kind, id);
  if (concerned.length === 0) return;
  await store.forgetResource(tx.db, tx.workspace, kind, id);
  await store.markChanged(tx.db, concerned);
}

const strength: readonly GrantableRole[] = ['service', 'viewer', 'member', 'editor', 'admin'];
const stronger = (a: GrantableRole | null, b: GrantableRole | null): GrantableRole | null =>
  strength.indexOf(a!) >= strength.indexOf(b!) ? a : b;

/** Sets a user's role in a workspace to the greater of what was given directly and what the roles there give. */
export async function settleMembership(
  tx: Ctx,
  workspace: string,
  userId: string,
  { keepAnAdmin = true }: { keepAnAdmin?: boolean } = {},
): Promise<void> {
  const before = await store.findMembership(tx.db, workspace, userId);
  const roles = (await store.rolesOfUsers(tx.db, [userId])).filter((r) => r.workspace === workspace);
  const grants = await store.roleGrants(
    tx.db,
    roles.map((r) => r.id),
  );
  const manages = grants.some((g) => g.kind === 'workspace' && g.level === 'MANAGE');
  const derived: GrantableRole | null = manages ? 'admin' : roles.length > 0 ? 'member' : null;
  const direct = before?.direct_role ?? null;
  const mapped = (await listMapped(tx.db, userId)).find((m) => m.workspace_id === workspace)?.role ?? null;
  const role = stronger(stronger(direct, derived), mapped);
  if (keepAnAdmin && before?.role === 'admin' && role !== 'admin' && (await accounts.countAdmins(tx.db, workspace)) === 1) {
    // Somebody must stay who can let others in.
    fail('last-admin', { name: userId });
  }
  if (role === null) await store.deleteMembership(tx.db, workspace, userId);
  else if (role !== before?.role) await store.putMembership(tx.db, workspace, userId, role, direct);
  await store.markChanged(tx.db, [userId]);
}
