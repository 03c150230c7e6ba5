// Use cases of access. The first one, `identify`, runs before every request.
import { createHash, randomBytes } from 'node:crypto';
import type { Actor, Ctx, Platform } from '../../kernel/ctx.ts';
import { isLoopback } from '../../kernel/http/loopback.ts';
import { newId } from '../../kernel/ids.ts';
import type { Permission } from '../../kernel/permissions.ts';
import { fail } from './errors.ts';
import { guardOrigin } from './guard.ts';
import { boundedBy, grantableRoles, isUsable, may, type GrantableRole, type Role, type Token, type User } from './model.ts';
import { hashPassword, nobodysHash, verifyPassword } from './password.ts';
import * as store from './store.ts';

const digestOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');
const local: Actor = { kind: 'local', id: 'local', roles: ['admin'] };

type Headers = Readonly<Record<string, string | string[] | undefined>>;
const one = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value);

/**
 * Who sends a request with these headers, and in which workspace. Raises `unauthenticated`,
 * `workspace-not-found`, `host-not-allowed`, `origin-not-allowed`.
 */
export async function identify(platform: Platform, headers: Headers): Promise<{ actor: Actor; workspace: string }> {
  const db = platform.database.reader;
  const guarded = await store.hasUsers(db);
  guardOrigin({ host: one(headers.host), origin: one(headers.origin) }, guarded || !isLoopback(platform.settings.host));
  const asked = one(headers['x-gyre-workspace']) ?? one(headers['x-mlflow-workspace']) ?? undefined;
  const authorization = one(headers.authorization);

  const bearer = authorization && /^Bearer\s+(\S+)$/i.exec(authorization)?.[1];
  if (bearer) {
    const { token, ownerRole } = (await store.findTokenByDigest(db, digestOf(bearer))) ?? {};
    if (!token || !isUsable(token, platform.clock.now()))
      return fail('unauthenticated', { why: 'The token is unknown, expired or revoked.' });
    if (asked !== undefined && asked !== token.workspace) return fail('workspace-not-found', { workspace: asked });
    const kind = token.role === 'step' ? 'step' : 'service';
    const id = token.role === 'step' ? (token.scope.runId ?? token.id) : token.ownerId;
    return { actor: { kind, id, roles: boundedBy(token.role, ownerRole), scope: token.scope }, workspace: token.workspace };
  }
  const workspace = asked ?? 'default';
  const basic = authorization && /^Basic\s+(\S+)$/i.exec(authorization)?.[1];
  if (basic) {
    const [name = '', ...rest] = Buffer.from(basic, 'base64').toString('utf8').split(':');
    if (name === '' || rest.length === 0)
      return fail('unauthenticated', { why: 'The Basic credentials are not "name:password" in base64.' });
    const user = await store.findUser(db, name);
    const stored = user?.passwordHash ?? nobodysHash;
    const right = await verifyPassword(rest.join(':'), stored, platform.clock.now());
    if (!user || !right) return fail('unauthenticated', { why: 'The user name or the password is wrong.' });
    const role = await store.getRole(db, workspace, user.id);
    if (!role) return fail('workspace-not-found', { workspace });
    return { actor: { kind: 'user', id: user.name, roles: [role] }, workspace };
  }
  if (guarded || !isLoopback(platform.settings.host)) return fail('unauthenticated', { why: 'This server needs a login.' });
  if (!(await store.workspaceExists(db, workspace))) return fail('workspace-not-found', { workspace });
  return { actor: local, workspace };
}

/** Raises `forbidden` unless one of the actor's roles holds the permission. */
export function authorise(actor: Actor, permission: Permission): void {
  if (!may(actor.roles, permission)) fail('forbidden', { actor: `${actor.kind} "${actor.id}"`, permission });
}

export async function createUser(ctx: Ctx, input: { name: string; password: string; role: GrantableRole }): Promise<User> {
  const passwordHash = await hashPassword(input.password);
  return ctx.tx(async (tx) => {
    if (await store.findUser(tx.db, input.name)) return fail('user-exists', { name: input.name });
    // From the first user on everybody has to log in, and somebody must be able to let others in.
    const first = !(await store.hasUsers(tx.db));
    if (first && (input.role !== 'admin' || tx.workspace !== 'default')) return fail('first-user-not-admin', { name: input.name });
    const user: User = { id: newId('usr', tx.ids), name: input.name, passwordHash, createdMs: tx.clock.now() };
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
    await store.deleteMember(tx.db, tx.workspace, user);
    await tx.emit({ type: 'user.removed', subject: { kind: 'user', id: user.id } });
  });

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

export const createWorkspace = (ctx: Ctx, id: string): Promise<void> =>
  ctx.tx(async (tx) => {
    await store.insertWorkspace(tx.db, id, tx.clock.now());
    // Who makes it lets the others in. (Before there are users nobody needs to.)
    const user = await store.findUser(tx.db, tx.actor.id);
    if (user && tx.actor.kind !== 'local') await store.setGrant(tx.db, { workspace: id, userId: user.id, role: 'admin' });
    await tx.emit({ type: 'workspace.created', subject: { kind: 'workspace', id } });
  });

/** Digests of every token that may do this now, as may its owner, in all workspaces; for those who check tokens without the database. */
export async function tokensFor(
  ctx: Ctx,
  permission: Permission,
): Promise<{ digest: string; workspace: string; expiresMs: number | null }[]> {
  const allowed = grantableRoles.filter((role) => may([role], permission));
  return store.listTokenDigests(ctx.database.reader, allowed, ctx.clock.now());
}
