// What a program does to log in: with a cookie as browsers do, or by a person who allows it in a browser.
import Type from '../../../kernel/http/json-schema.ts';
import { Reply, route, type AnyRoute } from '../../../kernel/http/route.ts';
import { csrfToken, guardLogin, one } from '../guard.ts';
import * as schema from '../schema.ts';
import { tokenView } from './views.ts';
import { beginDeviceLogin, claimDeviceLogin, INTERVAL_S } from '../service/device.ts';
import { checkPassword } from '../service/login.ts';
import { endSession, homeOf, startSession } from '../service/sessions.ts';
import { clearSessionCookie, sessionCookie, setSessionCookie } from '../sign-in/cookies.ts';

const noStore = { 'cache-control': 'no-store' };

export const sessionRoutes: readonly AnyRoute[] = [
  route({
    method: 'POST',
    path: '/api/gyre/v1/session',
    permission: 'public',
    summary: 'Log in with name and password; the reply sets the cookie of a session',
    errors: ['unauthenticated', 'login-throttled', 'origin-not-allowed', 'csrf-refused'],
    body: schema.LogIn,
    reply: { 201: schema.SessionStarted },
    handler: async (ctx, { body, headers, peer }) => {
      guardLogin(headers, ctx.settings.publicUrl);
      const user = await checkPassword(ctx, { name: body.name, password: body.password, workspace: 'default', address: peer.address });
      const workspace = await homeOf(ctx, user.id);
      const session = await startSession(ctx, {
        user,
        workspace,
        method: 'password',
        agent: one(headers['user-agent']) ?? '',
        before: sessionCookie(ctx.settings, headers, peer),
      });
      const expiresAt = new Date(ctx.clock.now() + session.seconds * 1000).toISOString();
      return new Reply(201, { user: user.name, workspace, csrf: csrfToken(session.cookie), expiresAt }, noStore, [
        setSessionCookie(ctx.settings, peer, session.cookie, session.seconds),
      ]);
    },
  }),
  route({
    method: 'DELETE',
    path: '/api/gyre/v1/session',
    permission: 'access:self',
    summary: 'End the session of the cookie',
    errors: [],
    reply: { 204: Type.Null() },
    handler: async (ctx, { headers, peer }) => {
      const cookie = sessionCookie(ctx.settings, headers, peer);
      if (cookie !== undefined) await endSession(ctx, cookie);
      return new Reply(204, undefined, noStore, [clearSessionCookie(ctx.settings, peer)]);
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/device-logins',
    permission: 'public',
    summary: 'Begin a login that a person allows in a browser',
    errors: ['device-logins-many'],
    body: schema.BeginDeviceLogin,
    reply: { 201: schema.DeviceLoginView },
    handler: async (ctx, { body, peer }) => {
      const login = await beginDeviceLogin(ctx, body.name, peer.address);
      const at = `${ctx.settings.publicUrl || peer.origin}/device`;
      return new Reply(
        201,
        { ...login, intervalS: INTERVAL_S, verificationUrl: at, verificationUrlComplete: `${at}?code=${login.userCode}` },
        noStore,
      );
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/device-logins/claim',
    permission: 'public',
    summary: 'The token of a login that was allowed, once; 202 while nobody has answered',
    errors: ['device-code-unknown', 'device-login-denied', 'device-poll-soon'],
    body: schema.ClaimDeviceLogin,
    reply: { 201: schema.DeviceToken, 202: schema.Waiting },
    handler: async (ctx, { body }) => {
      const made = await claimDeviceLogin(ctx, body.deviceCode);
      if (!made) return new Reply(202, { state: 'waiting' }, noStore);
      const { token, secret, user, workspace } = made;
      return new Reply(201, { user, workspace, token: tokenView(token), secret }, noStore);
    },
  }),
];
