// Who sends a request. Runs before each one, so it costs one indexed query, and no password is derived twice a minute.
import type { Actor, Platform } from '../../../kernel/ctx.ts';
import type { Database } from '../../../kernel/db/database.ts';
import { isLoopback } from '../../../kernel/http/loopback.ts';
import { peerOf } from '../../../kernel/http/peer.ts';
import type { Peer } from '../../../kernel/http/route.ts';
import type { Access } from '../../../kernel/http/server.ts';
import { fail } from '../errors.ts';
import { guardCookie, guardHost, guardOrigin, one, type Headers } from '../guard.ts';
import { noteDenial } from '../levels/denials.ts';
import { standingIn } from '../levels/standing.ts';
import { boundedBy, isUsable, type Role } from '../model.ts';
import { sessionCookie } from '../sign-in/cookies.ts';
import { digestOf } from '../sign-in/digest.ts';
import { looksLikeJwt } from '../sign-in/jwt.ts';
import { narrowed } from '../sign-in/scopes.ts';
import { authorise } from '../service.ts';
import * as store from '../store.ts';
import * as principals from '../store/principals.ts';
import { identifyByJwt } from './federation.ts';
import { checkPassword } from './login.ts';
import { findLiveSession } from './sessions.ts';
import { noteUse } from './token-use.ts';

const local: Actor = { kind: 'local', id: 'local', roles: ['admin'] };
export interface Caller {
  readonly actor: Actor;
  readonly workspace: string;
}

// Once there are users there always are: the last administrator stays.
const guardedOnce = new WeakSet<Database>();
// That there are none is believed for so long, where it was not this process that could have made the first.
const BELIEVED_MS = 500;
const openUntil = new WeakMap<Database, number>();

/** Whether everybody has to log in. */
export async function isGuarded(platform: Platform): Promise<boolean> {
  if (platform.settings.oidcIssuer !== '' || guardedOnce.has(platform.database)) return true;
  const { database } = platform;
  if (!store.usersWereMadeHere() && performance.now() < (openUntil.get(database) ?? 0)) return false;
  const guarded = await store.hasUsers(database.reader);
  if (guarded) guardedOnce.add(database);
  else openUntil.set(database, performance.now() + BELIEVED_MS);
  return guarded;
}

/** Where a request comes from when nobody says, as when a test asks for itself. */
const unknownPeer: Peer = { method: 'GET', address: '', origin: '' };

/**
 * Who sends a request with these headers, and in which workspace. Raises `unauthenticated`, `workspace-not-found`,
 * `host-not-allowed`, `origin-not-allowed`, `csrf-refused`, `login-throttled`.
 */
export async function identify(platform: Platform, headers: Headers, peer: Peer = unknownPeer): Promise<Caller> {
  guardOrigin({ host: one(headers.host), origin: one(headers.origin) }, platform.settings.publicUrl);
  const authorization = one(headers.authorization);
  const asked = one(headers['x-gyre-workspace']) ?? one(headers['x-mlflow-workspace']) ?? undefined;

  const bearer = authorization && /^Bearer\s+(\S+)$/i.exec(authorization)?.[1];
  if (bearer)
    return looksLikeJwt(bearer) && platform.settings.oidcAudience !== ''
      ? callerOf(platform, await identifyByJwt(platform, bearer, asked ?? 'default'), asked ?? 'default')
      : byToken(platform, bearer, asked);
  const basic = authorization && /^Basic\s+(\S+)$/i.exec(authorization)?.[1];
  if (basic) {
    const [name = '', ...rest] = Buffer.from(basic, 'base64').toString('utf8').split(':');
    if (name === '' || rest.length === 0)
      return fail('unauthenticated', { why: 'The Basic credentials are not "name:password" in base64.' });
    const workspace = asked ?? 'default';
    return callerOf(
      platform,
      await checkPassword(platform, { name, password: rest.join(':'), workspace, address: peer.address }),
      workspace,
    );
  }
  const cookie = authorization === undefined ? sessionCookie(platform.settings, headers, peer) : undefined;
  const live = cookie && (await findLiveSession(platform, cookie, asked));
  if (live) {
    guardCookie(headers, peer.method, cookie);
    return callerOf(platform, live.user, asked ?? live.session.workspace_id);
  }
  const guarded = await isGuarded(platform);
  const open = guarded || !isLoopback(platform.settings.host);
  if (!open) guardHost(headers);
  if (open)
    return fail('unauthenticated', {
      why: cookie ? 'Your session has ended.' : 'This server needs a login.',
    });
  const workspace = asked ?? 'default';
  if (!(await store.workspaceExists(platform.database.reader, workspace))) return fail('workspace-not-found', { workspace });
  return { actor: local, workspace };
}

/** A principal as an actor. Raises `workspace-not-found` where it has no role. */
export async function callerOf(platform: Platform, p: principals.Principal, workspace: string): Promise<Caller> {
  if (p.role === undefined) return fail('workspace-not-found', { workspace });
  const roles: readonly Role[] = [p.role];
  const standing = await standingIn(platform, workspace, { roles, user: p });
  return { actor: { kind: p.isService ? 'service' : 'user', id: p.name, roles, standing }, workspace };
}

async function byToken(platform: Platform, bearer: string, asked: string | undefined): Promise<Caller> {
  const { token, owner } = (await principals.findTokenByDigest(platform.database.reader, digestOf(bearer))) ?? {};
  // A user who has no role in the workspace any more has no tokens there either.
  if (!token || !isUsable(token, platform.clock.now()) || owner?.disabled || (owner && owner.role === undefined))
    return fail('unauthenticated', { why: 'The token is unknown, expired or revoked.' });
  if (asked !== undefined && asked !== token.workspace) return fail('workspace-not-found', { workspace: asked });
  if (token.role === 'step')
    return {
      actor: { kind: 'step', id: token.scope.runId ?? token.id, roles: ['step'], scope: token.scope },
      workspace: token.workspace,
    };
  await noteUse(platform, token);
  const roles = boundedBy(token.role, owner?.role);
  const standing = narrowed(await standingIn(platform, token.workspace, { roles, user: owner }), token.scope.resources);
  const ofPerson = owner?.isService !== true;
  return { actor: { kind: 'service', id: token.ownerId, ofPerson, roles, scope: token.scope, standing }, workspace: token.workspace };
}

/** Who may do what, as the HTTP server asks it. */
export const accessOf = (platform: Platform): Access => ({
  identify: (request) => identify(platform, request.headers, peerOf(request)),
  authorise,
  denied: (denial) => noteDenial(platform, denial),
  signInPage: (path) => `/login?next=${encodeURIComponent(path)}`,
});
