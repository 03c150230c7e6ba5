// Pages for people in a browser: sign in, sign out, the way to the provider and back, and the answer to a program that waits.
import Type from '../../../kernel/http/json-schema.ts';
import type { Readable } from 'node:stream';
import type { Ctx } from '../../../kernel/ctx.ts';
import { makeCtx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { Reply, route, type AnyRoute, type Peer } from '../../../kernel/http/route.ts';
import { fail } from '../errors.ts';
import { csrfToken, guardCookie, guardLogin, one, type Headers } from '../guard.ts';
import { answerDeviceLogin, findWaiting } from '../service/device.ts';
import { callerOf } from '../service/identify.ts';
import { checkPassword } from '../service/login.ts';
import { endSession, findLiveSession, homeOf, startSession } from '../service/sessions.ts';
import { backChannelLogout, beginSignOn, completeSignOn, signOffUrl } from '../service/single-sign-on.ts';
import {
  clearSessionCookie,
  clearSignInCookie,
  sessionCookie,
  setSessionCookie,
  setSignInCookie,
  signInCookie,
} from '../sign-in/cookies.ts';
import { localPath } from '../sign-in/local-path.ts';
import { codeForm, confirmDevice, page, redirect, signedIn, signedOut, signInForm } from '../sign-in/page.ts';

const FORM_LIMIT_BYTES = 16_384;

/** The fields of a form. Raises `form-too-large`. */
async function formOf(stream: Readable): Promise<URLSearchParams> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of stream) {
    size += (part as Buffer).length;
    if (size > FORM_LIMIT_BYTES) return fail('form-too-large', { limitBytes: FORM_LIMIT_BYTES });
    parts.push(part as Buffer);
  }
  return new URLSearchParams(Buffer.concat(parts).toString('utf8'));
}

interface Input {
  readonly headers: Headers;
  readonly peer: Peer;
}

const live = async (ctx: Ctx, { headers, peer }: Input) => {
  const cookie = sessionCookie(ctx.settings, headers, peer);
  const found = cookie === undefined ? undefined : await findLiveSession(ctx, cookie, undefined);
  return cookie !== undefined && found ? { cookie, ...found } : undefined;
};

const providerOf = ({ settings }: Ctx): string | undefined =>
  settings.oidcIssuer === '' ? undefined : new URL(settings.oidcIssuer).hostname;

/** A problem as a page that people can read, with the way back. */
async function asPage(title: string, answer: () => Promise<Reply>): Promise<Reply> {
  try {
    return await answer();
  } catch (error) {
    if (!isProblem(error)) throw error;
    return page({
      title,
      status: error.status,
      error: error.message,
      ...('retryAfterS' in error.params ? { headers: { 'retry-after': String(error.params.retryAfterS) } } : {}),
      body: '<p class="note" style="margin-top:18px"><a href="/login">Back to the login</a></p>',
    });
  }
}

const Next = Type.Object({ next: Type.Optional(Type.String({ maxLength: 4000 })) });
const HTML = { 200: 'text/html' } as const;

export const pageRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: '/login',
    permission: 'public',
    summary: 'The page to sign in with a browser, or to sign out',
    errors: [],
    query: Next,
    reply: HTML,
    handler: async (ctx, input) => {
      const session = await live(ctx, input);
      if (session)
        return page({ title: 'Gyre', body: signedIn(session.user.name, session.session.workspace_id, csrfToken(session.cookie)) });
      return page({ title: 'Gyre', body: signInForm(localPath(input.query.next), '', providerOf(ctx)) });
    },
  }),
  route({
    method: 'POST',
    path: '/login',
    permission: 'public',
    summary: 'Sign in by the form of the page',
    errors: ['unauthenticated', 'login-throttled', 'csrf-refused', 'origin-not-allowed', 'form-too-large'],
    body: 'stream',
    reply: HTML,
    handler: (ctx, { headers, peer, stream }) =>
      asPage('Gyre', async () => {
        guardLogin(headers, ctx.settings.publicUrl);
        const form = await formOf(stream);
        const [name, password, next] = [form.get('name') ?? '', form.get('password') ?? '', localPath(form.get('next') ?? undefined)];
        const again = (status: number, error: string, more: Record<string, string> = {}): Reply =>
          page({ title: 'Gyre', status, error, headers: more, body: signInForm(next, name.slice(0, 127), providerOf(ctx)) });
        if (name === '' || password === '') return again(400, 'Give both a user name and a password.');
        try {
          const user = await checkPassword(ctx, { name, password, workspace: 'default', address: peer.address });
          const session = await startSession(ctx, {
            user,
            workspace: await homeOf(ctx, user.id),
            method: 'password',
            agent: one(headers['user-agent']) ?? '',
            before: sessionCookie(ctx.settings, headers, peer),
          });
          return redirect(next, [setSessionCookie(ctx.settings, peer, session.cookie, session.seconds)]);
        } catch (error) {
          if (isProblem(error, 'unauthenticated')) return again(401, 'The user name or the password is wrong.');
          if (isProblem(error, 'login-throttled')) return again(429, error.message, { 'retry-after': String(error.params.retryAfterS) });
          throw error;
        }
      }),
  }),
  route({
    method: 'POST',
    path: '/logout',
    permission: 'public',
    summary: 'Sign out; the page leads to the logout of the provider where it has one',
    errors: ['csrf-refused', 'origin-not-allowed', 'form-too-large'],
    body: 'stream',
    reply: HTML,
    handler: (ctx, { headers, peer, stream }) =>
      asPage('Sign out', async () => {
        guardLogin(headers, ctx.settings.publicUrl);
        const form = await formOf(stream);
        const cookie = sessionCookie(ctx.settings, headers, peer);
        if (cookie !== undefined) guardCookie(headers, 'POST', cookie, form.get('csrf') ?? undefined);
        const ended = cookie === undefined ? undefined : await endSession(ctx, cookie);
        const there = ended?.method === 'oidc' ? await signOffUrl(ctx) : undefined;
        const cookies = [clearSessionCookie(ctx.settings, peer)];
        return there === undefined
          ? redirect('/login', cookies)
          : page({ title: 'Signed out', body: signedOut(there, providerOf(ctx)!), cookies });
      }),
  }),
  route({
    method: 'GET',
    path: '/login/oidc',
    permission: 'public',
    summary: 'Go to the provider of single sign-on',
    errors: ['sign-on-off', 'sign-on-unreachable', 'issuer-not-usable'],
    query: Next,
    reply: HTML,
    handler: (ctx, { query, peer }) =>
      asPage('Sign in', async () => {
        const { url, cookie } = await beginSignOn(ctx, query.next ?? '/login');
        return redirect(url, [setSignInCookie(ctx.settings, peer, cookie)]);
      }),
  }),
  route({
    method: 'GET',
    path: '/login/oidc/callback',
    permission: 'public',
    summary: 'Where the provider sends the browser back to',
    errors: ['sign-on-off', 'sign-on-failed', 'sign-on-unreachable', 'issuer-not-usable'],
    // What a provider adds to its answer is its own affair.
    query: Type.Object({}, { additionalProperties: true }),
    reply: HTML,
    handler: (ctx, { headers, peer, rawQuery }) =>
      asPage('Sign in', async () => {
        const session = await completeSignOn(ctx, {
          query: rawQuery,
          cookie: signInCookie(ctx.settings, headers, peer),
          agent: one(headers['user-agent']) ?? '',
          address: peer.address,
          sessionBefore: sessionCookie(ctx.settings, headers, peer),
        });
        return redirect(session.next, [
          clearSignInCookie(ctx.settings, peer),
          setSessionCookie(ctx.settings, peer, session.cookie, session.seconds),
        ]);
      }),
  }),
  route({
    method: 'POST',
    path: '/login/oidc/backchannel-logout',
    permission: 'public',
    summary: 'The provider says that somebody logged out there',
    errors: ['logout-token-invalid', 'sign-on-off', 'sign-on-unreachable', 'issuer-not-usable', 'form-too-large'],
    body: 'stream',
    reply: { 200: Type.Object({}) },
    handler: async (ctx, { stream }) => {
      await backChannelLogout(ctx, (await formOf(stream)).get('logout_token') ?? '');
      return new Reply(200, {}, { 'cache-control': 'no-store' });
    },
  }),
  route({
    method: 'GET',
    path: '/device',
    permission: 'public',
    summary: 'The page to allow a program that shows a code',
    errors: ['device-code-unknown', 'device-guesses-many'],
    query: Type.Object({ code: Type.Optional(Type.String({ maxLength: 40 })) }),
    reply: HTML,
    handler: (ctx, input) =>
      asPage('Allow a program', async () => {
        const session = await live(ctx, input);
        const { code } = input.query;
        if (!session)
          return redirect(`/login?next=${encodeURIComponent(code === undefined ? '/device' : `/device?code=${encodeURIComponent(code)}`)}`);
        if (code === undefined || code === '') return page({ title: 'Allow a program', body: codeForm() });
        const { user_code, name } = await findWaiting(ctx, code, session.user.name);
        return page({ title: 'Allow a program', body: confirmDevice(user_code, name, session.user.name, csrfToken(session.cookie)) });
      }),
  }),
  route({
    method: 'POST',
    path: '/device',
    permission: 'public',
    summary: 'Allow or refuse a program that shows a code',
    errors: [
      'device-code-unknown',
      'device-guesses-many',
      'unauthenticated',
      'csrf-refused',
      'origin-not-allowed',
      'workspace-not-found',
      'form-too-large',
    ],
    body: 'stream',
    reply: HTML,
    handler: (ctx, { headers, peer, stream }) =>
      asPage('Allow a program', async () => {
        guardLogin(headers, ctx.settings.publicUrl);
        const form = await formOf(stream);
        const session = await live(ctx, { headers, peer });
        if (!session) return redirect('/login?next=%2Fdevice');
        guardCookie(headers, 'POST', session.cookie, form.get('csrf') ?? undefined);
        const allow = form.get('answer') === 'allow';
        const caller = await callerOf(ctx, session.user, session.session.workspace_id);
        await answerDeviceLogin(makeCtx(ctx, caller), form.get('code') ?? '', allow);
        return page({
          title: allow ? 'Allowed' : 'Refused',
          body: `<p class="lead">${allow ? 'The program goes on by itself.' : 'The program was told so.'} You may close this page.</p>`,
        });
      }),
  }),
];
