// What a person may see and change of oneself, and what an administrator changes of a person's login.
import Type from '../../../kernel/http/json-schema.ts';
import { Reply, route, type AnyRoute } from '../../../kernel/http/route.ts';
import * as schema from '../schema.ts';
import { changeOwnPassword, setMemberPassword } from '../service/login.ts';
import { linkPerson } from '../service/people.ts';
import { endOwnSession, endOwnSessions, listOwnSessions } from '../service/sessions.ts';
import { clearSessionCookie, sessionCookie } from '../sign-in/cookies.ts';
import { digestOf } from '../sign-in/digest.ts';
import { sessionView } from './views.ts';

export const personRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: '/api/gyre/v1/me/sessions',
    permission: 'access:self',
    summary: 'Your sessions in browsers',
    errors: ['people-only'],
    reply: { 200: schema.SessionList },
    handler: async (ctx, { headers, peer }) => {
      const cookie = sessionCookie(ctx.settings, headers, peer);
      const current = cookie === undefined ? undefined : digestOf(cookie);
      return { items: (await listOwnSessions(ctx)).map((s) => sessionView(s, current)) };
    },
  }),
  route({
    method: 'DELETE',
    path: '/api/gyre/v1/me/sessions/:id',
    permission: 'access:self',
    summary: 'End a session of yours',
    errors: ['session-not-found', 'people-only'],
    params: schema.IdParams,
    reply: { 204: Type.Null() },
    handler: (ctx, { params }) => endOwnSession(ctx, params.id),
  }),
  route({
    method: 'DELETE',
    path: '/api/gyre/v1/me/sessions',
    permission: 'access:self',
    summary: 'End all of your sessions',
    errors: ['people-only'],
    reply: { 204: Type.Null() },
    handler: async (ctx, { peer }) => {
      await endOwnSessions(ctx);
      return new Reply(204, undefined, {}, [clearSessionCookie(ctx.settings, peer)]);
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/me/password',
    permission: 'access:self',
    summary: 'Change your password; all of your sessions end',
    errors: ['people-only', 'password-wrong', 'login-throttled'],
    body: schema.ChangePassword,
    reply: { 204: Type.Null() },
    handler: async (ctx, { body, peer }) => {
      await changeOwnPassword(ctx, body.current, body.password, peer.address);
      return new Reply(204, undefined, {}, [clearSessionCookie(ctx.settings, peer)]);
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/users/:name/password',
    permission: 'access:admin',
    summary: 'Give a user of the workspace a new password; all of its sessions end',
    errors: ['user-not-found', 'forbidden'],
    params: schema.UserParams,
    body: schema.SetPassword,
    reply: { 204: Type.Null() },
    handler: (ctx, { params, body }) => setMemberPassword(ctx, params.name, body.password),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/users/:name/identities',
    permission: 'access:admin',
    summary: 'Let an identity of a provider log in as this user',
    errors: ['user-not-found', 'forbidden', 'identity-taken'],
    params: schema.UserParams,
    body: schema.LinkIdentity,
    reply: { 204: Type.Null() },
    handler: (ctx, { params, body }) => linkPerson(ctx, params.name, body.issuer, body.subject),
  }),
];
