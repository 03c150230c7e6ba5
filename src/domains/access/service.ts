// Use cases of access. The one that runs before every request is in service/identify.ts.
import { randomBytes } from 'node:crypto';
import type { Actor, Ctx } from '../../kernel/ctx.ts';
import type { Db } from '../../kernel/db/database.ts';
import { newId } from '../../kernel/ids.ts';
import { atLeast, levelOf } from '../../kernel/levels.ts';
import type { Permission } from '../../kernel/permissions.ts';
import { fail } from './errors.ts';
import { standingIn } from './levels/standing.ts';
import { forgetMember } from './store/levels.ts';
import { boundedBy, grantableRoles, may, reachesResources, type GrantableRole, type Role, type Token, type User } from './model.ts';
import { hashPassword } from './password.ts';
import { digestOf } from './sign-in/digest.ts';
import { endpointsOf } from './sign-in/scopes.ts';
import * as store from './store.ts';
import { deleteIdentitiesOf } from './store/identities.ts';
import { deleteServiceAccount } from './store/service-accounts.ts';
import { deleteSessionsOf } from './store/sessions.ts';

// The first letters of a token say nothing of the rest (24 bytes): enough to tell two apart.
const PREFIX_LENGTH = 'gyre_'.length + 6;

/** Raises `forbidden` unless one of the actor's roles holds the permission. */
export function authorise(actor: Actor, permission: Permission): void {
  const within = (actor.scope?.permissions?.includes(permission) ?? true) && (!actor.scope?.resources || reachesResources(permission));
  if (!may(actor.roles, permission) || !within) fail('forbidden', { actor: `${actor.kind} "${actor.id}"`, permission });
}

export async function createUser(ctx: Ctx, input: { name: string; password: string; role: GrantableRole }): Promise<User> {
  const passwordHash = await hashPassword(input.password);
  return ctx.tx(async (tx) => {
    if (await store.findUser(tx.db, input.name)) return fail('user-exists', { name: input.name });
    // From the first user on everybody has to log in, and somebody must be able to let others in.
    const first = !(await store.hasUsers(tx.db));
    if (first && (input.role !== 'admin' || tx.workspace !== 'default')) return fail('first-user-not-admin', { name: input.name });
    const user: User = { id: newId('usr', tx.ids), name: input.name, passwordHash, createdMs: tx.clock.now(), levelsVersion: 0 };
    await store.insertUser(tx.db, user);
    for (const workspace of first ? await store.listWorkspaces(tx.db) : [tx.workspace])
      await store.setGrant(tx.db, { workspace, userId: user.id, role: input.role });
    await tx.emit({ type: 'user.created', subject: { kind: 'user', id: user.id }, payload: { role: input.role } });
    return user;
  });
}

/** Takes a user and its tokens out of the workspace; who is in no other one is removed altogether. Raises `user-not-found`, `last-admin`. */
export const removeUser = (ctx: Ctx, name: string): Promise<void> =>
  ctx.tx(async (tx) => {
    const user = await store.findUser(tx.db, name);
    if (!user || !(await store.getRole(tx.db, tx.workspace, user.id))) return fail('user-not-found', { name });
    await keepAnAdmin(tx, user);
    await forgetMember(tx.db, tx.workspace, user.id);
    await store.deleteMember(tx.db, tx.workspace, user);
    if (!(await store.getUser(tx.db, user.id))) await forgetPerson(tx.db, user.id);
    await tx.emit({ type: 'user.removed', subject: { kind: 'user', id: user.id } });
  });

// What others know a user by goes with it, and so do the browsers that are logged in.
async function forgetPerson(db: Db, userId: string): Promise<void> {
  await deleteIdentitiesOf(db, userId);
  await deleteSessionsOf(db, userId);
  await deleteServiceAccount(db, userId);
}

export const grantRole = (ctx: Ctx, name: string, role: GrantableRole): Promise<void> =>
  ctx.tx(async (tx) => {
    const user = (await store.findUser(tx.db, name)) ?? fail('user-not-found', { name });
    if (role !== 'admin') await keepAnAdmin(tx, user);
    await store.setGrant(tx.db, { workspace: tx.workspace, userId: user.id, role });
    await tx.emit({ type: 'grant.changed', subject: { kind: 'user', id: user.id }, payload: { role } });
  });

async function keepAnAdmin(ctx: Ctx, user: User): Promise<void> {
  if ((await store.getRole(ctx.db, ctx.workspace, user.id)) !== 'admin') return;
  if ((await store.countAdmins(ctx.db, ctx.workspace)) === 1) fail('last-admin', { name: user.name });
}

export interface NewToken {
  readonly name: string;
  readonly role: Role;
  readonly scope?: Token['scope'];
  readonly expiresMs?: number;
  /** Whose it is; default: who asks. */
  readonly ownerId?: string;
}

/** Makes a token; its secret is in the answer and nowhere else afterwards. Raises `token-expired-already`. */
export const createToken = (ctx: Ctx, input: NewToken): Promise<{ token: Token; secret: string }> => {
  const secret = `gyre_${randomBytes(24).toString('base64url')}`;
  return ctx.tx(async (tx) => {
    const now = tx.clock.now();
    if (input.expiresMs !== undefined && input.expiresMs <= now)
      return fail('token-expired-already', { expiresAt: new Date(input.expiresMs).toISOString(), now: new Date(now).toISOString() });
    const token: Token = {
      id: newId('tok', tx.ids),
      workspace: tx.workspace,
      name: input.name,
      ownerId: input.ownerId ?? tx.actor.id,
      role: input.role,
      scope: input.scope ?? {},
      expiresMs: input.expiresMs ?? null,
      revokedMs: null,
      createdMs: now,
      prefix: secret.slice(0, PREFIX_LENGTH),
      lastUsedMs: null,
    };
    await store.insertToken(tx.db, token, digestOf(secret));
    if (token.role !== 'step')
      await tx.emit({ type: 'token.created', subject: { kind: 'token', id: token.id }, payload: { role: token.role } });
    return { token, secret };
  });
};

export const revokeToken = (ctx: Ctx, id: string): Promise<void> =>
  ctx.tx(async (tx) => {
    const token = (await store.getToken(tx.db, tx.workspace, id)) ?? fail('token-not-found', { id });
    await store.revokeToken(tx.db, tx.workspace, token.id, tx.clock.now());
    await tx.emit({ type: 'token.revoked', subject: { kind: 'token', id: token.id } });
  });

/** Removes the tokens of a step's attempt; they were nobody else's and leave no trace. Inside a transaction. */
export const deleteStepTokens = (tx: Ctx, attemptId: string): Promise<void> => store.deleteStepTokens(tx.db, tx.workspace, attemptId);

export const createWorkspace = (ctx: Ctx, id: string, description: string | null = null): Promise<void> =>
  ctx.tx(async (tx) => {
    if (await store.workspaceExists(tx.db, id)) return fail('workspace-exists', { workspace: id });
    await store.insertWorkspace(tx.db, id, tx.clock.now(), description);
    // Who makes it lets the others in. (Before there are users nobody needs to.)
    const user = await store.findUser(tx.db, tx.actor.id);
    if (user && tx.actor.kind !== 'local') await store.setGrant(tx.db, { workspace: id, userId: user.id, role: 'admin' });
    await tx.emit({ type: 'workspace.created', subject: { kind: 'workspace', id } });
  });

/**
 * Every token that may do this now, as may its owner, in all workspaces; for those who check tokens without the database. Of
 * the endpoints that are named it is good for those that it may use; "*" stands for all.
 */
export async function tokensFor(
  ctx: Ctx,
  permission: Permission,
  named: readonly { readonly workspace: string; readonly name: string }[] = [],
): Promise<{ digest: string; workspace: string; expiresMs: number | null; endpoints: string[] | '*' }[]> {
  const allowed = grantableRoles.filter((role) => may([role], permission));
  const usable = await store.listUsableTokens(ctx.database.reader, allowed, ctx.clock.now());
  return Promise.all(
    usable
      .filter(({ scope }) => scope.permissions?.includes(permission) ?? true)
      .map(async ({ scope, role, ownerRole, owner, ...token }) => {
        const roles = boundedBy(role, ownerRole);
        const standing = await standingIn(ctx, token.workspace, { roles, user: owner });
        const actor: Actor = { kind: 'service', id: token.digest, roles, standing };
        const here = named.filter((e) => e.workspace === token.workspace).map((e) => e.name);
        const usableHere = here.filter((name) => atLeast(levelOf({ actor }, 'endpoint', name), 'USE'));
        const scoped = endpointsOf(scope.resources);
        if (usableHere.length === here.length) return { ...token, endpoints: scoped };
        return { ...token, endpoints: scoped === '*' ? usableHere : scoped.filter((name) => usableHere.includes(name)) };
      }),
  );
}
