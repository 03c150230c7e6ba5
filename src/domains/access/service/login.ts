// Logins by password: by a form or a program that wants a session, and by Basic credentials of any request.
import { makeCtx, type Ctx, type Platform } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { fail } from '../errors.ts';
import { hashPassword, isRemembered, markOf, nobodysHash, verifyPassword } from '../password.ts';
import { noteFailedLogin } from '../sign-in/failed-logins.ts';
import { keysOf, networkOf, passHeld, throttled } from '../sign-in/throttle.ts';
import * as store from '../store.ts';
import { findPrincipal, type Principal } from '../store/principals.ts';
import { deleteSessionsOf } from '../store/sessions.ts';

export interface Credentials {
  readonly name: string;
  readonly password: string;
  readonly workspace: string;
  readonly address: string;
}

const WRONG = 'The user name or the password is wrong.';

/**
 * Whose name and password these are. Raises `unauthenticated`, `login-throttled`; neither tells whether the name exists,
 * nor does the time it takes.
 */
export async function checkPassword(platform: Platform, { name, password, workspace, address }: Credentials): Promise<Principal> {
  const found = await findPrincipal(platform.database.reader, name, workspace);
  const usable = found !== undefined && !found.disabled && found.passwordHash !== '';
  const stored = usable ? found.passwordHash : nobodysHash;
  const keys = keysOf(name, address);
  const place = networkOf(address);
  const mark = markOf(password, stored, place);
  const failed = (how: 'password' | 'throttled') => noteFailedLogin(platform, { userId: found?.id, how, address, workspace });
  let right: boolean;
  try {
    passHeld(platform, keys);
    if (usable && isRemembered(mark, platform.clock.now())) return found;
    right = await throttled(
      platform,
      keys,
      mark,
      async () => (await verifyPassword(password, stored, platform.clock.now(), place)) && usable,
    );
  } catch (error) {
    if (isProblem(error, 'login-throttled')) await failed('throttled');
    throw error;
  }
  if (right && found) return found;
  await failed('password');
  return fail('unauthenticated', { why: WRONG });
}

/**
 * Sets a user's password, and ends all of its sessions. Raises `user-not-found`. Inside a transaction `passwordHash`
 * has to be made beforehand.
 */
export async function setPassword(ctx: Ctx, name: string, password: string): Promise<void> {
  const passwordHash = await hashPassword(password);
  await ctx.tx(async (tx) => {
    const user = (await store.findUser(tx.db, name)) ?? fail('user-not-found', { name });
    await store.updatePassword(tx.db, user.id, passwordHash);
    const ended = await deleteSessionsOf(tx.db, user.id);
    await tx.emit({ type: 'password.changed', subject: { kind: 'user', id: user.id }, payload: { sessionsEnded: ended } });
  });
}

/**
 * A new password for a user of the workspace, by its administrator. Users are the server's: who is in other workspaces too
 * is changed from the default one only. Raises `user-not-found`, `forbidden`.
 */
export async function setMemberPassword(ctx: Ctx, name: string, password: string): Promise<void> {
  await requireSoleMember(ctx, name);
  await setPassword(ctx, name, password);
}

/** Raises `user-not-found`; `forbidden` where another workspace's administrators have a say. */
export async function requireSoleMember(ctx: Ctx, name: string): Promise<void> {
  const user = await store.findUser(ctx.db, name);
  const workspaces = user ? await store.listWorkspacesOf(ctx.db, user.id) : [];
  if (!workspaces.includes(ctx.workspace)) return fail('user-not-found', { name });
  if (ctx.workspace !== 'default' && workspaces.length > 1)
    fail('forbidden', { actor: ctx.actor.id, permission: 'access:admin in the default workspace' });
}

/** Changes one's own password. Raises `people-only`, `password-wrong`, `login-throttled`. */
export async function changeOwnPassword(ctx: Ctx, current: string, password: string, address: string): Promise<void> {
  if (ctx.actor.kind !== 'user') return fail('people-only', { what: 'Changing a password' });
  try {
    await checkPassword(ctx, { name: ctx.actor.id, password: current, workspace: ctx.workspace, address });
  } catch (error) {
    if (isProblem(error, 'unauthenticated')) return fail('password-wrong', {});
    throw error;
  }
  await setPassword(ctx, ctx.actor.id, password);
}

/** A context in the name of somebody who has just logged in. */
export const asUser = (platform: Platform, { name }: Pick<Principal, 'name'>, workspace: string): Ctx =>
  makeCtx(platform, { actor: { kind: 'user', id: name, roles: [] }, workspace });
