// Single sign-on against a real provider: logins in a browser, and tokens that it signed.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { LightMyRequestResponse } from 'fastify';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { sql } from 'kysely';
import { openPipelines, type PipelineBench } from '../../../test/support/pipelines.ts';
import { eachDatabase, type TestPlatform } from '../../../test/support/platform.ts';
import { CLIENT, startProvider, type TestProvider } from './fixtures/provider.ts';
import { fits } from './service/federation.ts';
import { beginSignOn, completeSignOn } from './service/single-sign-on.ts';
import { groupsOf, parseGroupRoles, rolesFor } from './sign-in/group-roles.ts';

const PUBLIC = 'http://gyre.test';
const AUDIENCE = 'https://gyre.test/api';

interface Bench {
  readonly b: PipelineBench;
  readonly provider: TestProvider;
}

async function openBench(t: TestContext, database: 'sqlite' | 'postgres' = 'sqlite', more: Record<string, string> = {}): Promise<Bench> {
  const provider = await startProvider(t, `${PUBLIC}/login/oidc/callback`);
  provider.people.set('s-ada', { name: 'ada', groups: ['ml-admins'] }).set('s-bob', { name: 'bob', groups: ['ml-team'] });
  const b = await openPipelines(t, database, {
    GYRE_PUBLIC_URL: PUBLIC,
    GYRE_OIDC_ISSUER: provider.issuer,
    GYRE_OIDC_CLIENT_ID: CLIENT.id,
    GYRE_OIDC_CLIENT_SECRET: CLIENT.secret,
    GYRE_OIDC_SCOPES: 'openid profile email groups',
    GYRE_OIDC_GROUP_ROLES: 'ml-admins=admin, ml-team=editor',
    GYRE_OIDC_ALLOW_HTTP: '1',
    GYRE_OIDC_AUDIENCE: AUDIENCE,
    ...more,
  });
  // The provider's tokens carry the time of today.
  b.clock.advance(Date.now() - b.clock.now());
  return { b, provider };
}

const get = (b: TestPlatform & Pick<PipelineBench, 'app'>, url: string, headers: Record<string, string> = {}) =>
  b.app.inject({ method: 'GET', url, headers: { host: 'gyre.test', ...headers } });
const cookiesOf = (reply: LightMyRequestResponse): string[] => [reply.headers['set-cookie'] ?? []].flat();
const pair = (cookie: string): string => cookie.split(';')[0]!;

/** Until the provider sends the browser back: the address, and the cookie it has by then. */
async function begin({ b, provider }: Bench, who: string, next = '/login'): Promise<{ back: string; cookie: string }> {
  provider.loggedIn = who;
  const started = await get(b, `/login/oidc?next=${encodeURIComponent(next)}`);
  assert.equal(started.statusCode, 303, started.payload);
  const cookie = cookiesOf(started)[0]!;
  assert.match(cookie, /^gyre_signin=[\w-]{43}\.[\w-]+; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/);
  const back = await provider.walk(String(started.headers.location));
  assert.ok(back.startsWith(`${PUBLIC}/login/oidc/callback?`), back);
  return { back: back.slice(PUBLIC.length), cookie: pair(cookie) };
}
const finish = ({ b }: Bench, { back, cookie }: { back: string; cookie: string }) => get(b, back, { cookie });

async function logIn(bench: Bench, who: string): Promise<string> {
  const reply = await finish(bench, await begin(bench, who));
  assert.equal(reply.statusCode, 303, reply.payload);
  return pair(cookiesOf(reply).find((c) => c.startsWith('gyre_session='))!);
}
const whoami = async (b: PipelineBench, headers: Record<string, string>): Promise<string> => {
  const reply = await get(b, '/api/gyre/v1/whoami', headers);
  const body = JSON.parse(reply.payload) as { kind: string; id: string; roles: string[]; detail: string };
  return reply.statusCode === 200 ? `${body.kind} ${body.id} ${body.roles.join('+')}` : `${reply.statusCode} ${body.detail}`;
};

eachDatabase(
  'somebody new logs in at the provider, appears here with the roles of the groups, and goes on to the page',
  async (t, kind) => {
    const bench = await openBench(t, kind);
    const { b } = bench;
    // With a provider everybody logs in, also while there are no users.
    assert.match(await whoami(b, {}), /^401 This server needs a login/);
    const reply = await finish(bench, await begin(bench, 's-ada', '/device?code=ABCD-EFGH'));
    assert.deepEqual([reply.statusCode, reply.headers.location], [303, '/device?code=ABCD-EFGH']);
    const [signIn, session] = cookiesOf(reply);
    assert.match(signIn!, /^gyre_signin=; Path=\/; Max-Age=0/);
    assert.equal(await whoami(b, { cookie: pair(session!) }), 'user ada admin');
    assert.equal(await whoami(b, { cookie: await logIn(bench, 's-bob') }), 'user bob editor');
    // The same people again are the same users.
    await logIn(bench, 's-ada');
    const { rows } = await sql<{ n: number }>`select count(*) as n from users`.execute(b.ctx().db);
    assert.equal(Number(rows[0]!.n), 2);
    // They have no password that could be guessed.
    assert.match(await whoami(b, { authorization: `Basic ${Buffer.from('ada:').toString('base64')}` }), /^401/);
  },
);

test('a group that is gone takes its role along; what was granted here by hand stays', async (t) => {
  const bench = await openBench(t);
  const { b, provider } = bench;
  const ada = { cookie: await logIn(bench, 's-ada'), origin: PUBLIC };
  await logIn(bench, 's-bob');
  const send = (method: 'PATCH' | 'POST', url: string, payload: object) =>
    b.app.inject({
      method,
      url: `/api/gyre/v1${url}`,
      headers: { host: 'gyre.test', 'content-type': 'application/json', ...ada },
      payload: JSON.stringify(payload),
    });
  const token = JSON.parse((await send('POST', '/me/tokens', { name: 'mine' })).payload).secret as string;

  provider.people.set('s-bob', { name: 'bob', groups: ['ml-admins'] });
  assert.equal(await whoami(b, { cookie: await logIn(bench, 's-bob') }), 'user bob admin');
  provider.people.set('s-bob', { name: 'bob', groups: [] });
  const out = await finish(bench, await begin(bench, 's-bob'));
  assert.equal(out.statusCode, 403);
  assert.match(out.payload, /none of your groups has a role here/);
  // A role by hand lets in, and the group only adds to it.
  await send('PATCH', '/users/bob', { role: 'viewer' });
  assert.equal(await whoami(b, { cookie: await logIn(bench, 's-bob') }), 'user bob viewer');
  provider.people.set('s-bob', { name: 'bob', groups: ['ml-team'] });
  assert.equal(await whoami(b, { cookie: await logIn(bench, 's-bob') }), 'user bob editor');
  provider.people.set('s-bob', { name: 'bob', groups: [] });
  assert.equal(await whoami(b, { cookie: await logIn(bench, 's-bob') }), 'user bob viewer');
  // Also the last administrator, for the provider can name another; and tokens are no more than their owner.
  assert.equal(await whoami(b, { authorization: `Bearer ${token}` }), 'service ada admin');
  provider.people.set('s-ada', { name: 'ada', groups: [] });
  assert.equal((await finish(bench, await begin(bench, 's-ada'))).statusCode, 403);
  assert.match(await whoami(b, { authorization: `Bearer ${token}` }), /^401/);
  assert.match(await whoami(b, { cookie: ada.cookie }), /^401/);
});

test('an answer that is another’s, repeated, refused, altered or late logs nobody in', async (t) => {
  const bench = await openBench(t);
  const refused = async (reply: Promise<LightMyRequestResponse>, why: RegExp): Promise<void> => {
    const { statusCode, payload, headers } = await reply;
    assert.equal(statusCode, 403, payload);
    assert.match(payload, why);
    assert.equal(headers['set-cookie'], undefined);
  };
  const [mine, others] = [await begin(bench, 's-ada'), await begin(bench, 's-bob')];
  await refused(finish(bench, { back: others.back, cookie: mine.cookie }), /belongs to another login/);
  await refused(get(bench.b, mine.back), /this browser did not begin it/);
  await refused(finish(bench, { ...mine, back: mine.back.replace(/state=[^&]*/, 'state=x') }), /belongs to another login/);
  await refused(finish(bench, { ...mine, back: mine.back.replace(/iss=[^&]*/, 'iss=http%3A%2F%2Fevil.org') }), /answer is refused/);
  await refused(finish(bench, { ...mine, back: mine.back.replace(/code=[^&]*/, 'code=guessed') }), /refused the code/);
  await refused(finish(bench, { ...mine, back: mine.back.replace(/code=[^&]*/, 'error=access_denied') }), /access_denied/);
  // A code of another login under one's own state: the proof key does not fit.
  const code = /code=([^&]*)/.exec(others.back)![1]!;
  await refused(finish(bench, { ...mine, back: mine.back.replace(/code=[^&]*/, `code=${code}`) }), /refused the code/);
  const once = await begin(bench, 's-ada');
  assert.equal((await finish(bench, once)).statusCode, 303);
  await refused(finish(bench, once), /refused the code/);
  const from = { query: 'state=x', cookie: undefined, agent: '', address: '', sessionBefore: undefined };
  await assert.rejects(completeSignOn(bench.b.platform, from), { code: 'sign-on-failed' });
  const { rows } = await sql<{ n: number }>`select count(*) as n from events where type = 'login.failed'`.execute(bench.b.ctx().db);
  assert.ok(Number(rows[0]!.n) >= 1);
});

test('an identity does not become a user of the same name; an administrator links the two', async (t) => {
  const bench = await openBench(t);
  const { b, provider } = bench;
  const ada = { cookie: await logIn(bench, 's-ada'), origin: PUBLIC };
  const send = async (url: string, payload: object) => {
    const reply = await b.app.inject({
      method: 'POST',
      url: `/api/gyre/v1${url}`,
      headers: { host: 'gyre.test', 'content-type': 'application/json', ...ada },
      payload: JSON.stringify(payload),
    });
    return reply.statusCode < 300 ? 'fine' : (JSON.parse(reply.payload).code as string);
  };
  assert.equal(await send('/users', { name: 'carl', password: 'correct horse battery', role: 'viewer' }), 'fine');
  provider.people.set('s-carl', { name: 'carl', groups: ['ml-admins'] });
  const refused = await finish(bench, await begin(bench, 's-carl'));
  assert.match(refused.payload, /there is a user &quot;carl&quot; here already/);
  assert.equal(await send('/users/carl/identities', { issuer: provider.issuer, subject: 's-carl' }), 'fine');
  assert.equal(await send('/users/ada/identities', { issuer: provider.issuer, subject: 's-carl' }), 'identity-taken');
  assert.equal(await whoami(b, { cookie: await logIn(bench, 's-carl') }), 'user carl admin');
  provider.people.set('s-odd', { name: 'no name at all', groups: ['ml-team'] });
  assert.match((await finish(bench, await begin(bench, 's-odd'))).payload, /cannot be a user name here/);
});

test('keys that the provider exchanged are asked for again, and not for every forged token', async (t) => {
  const bench = await openBench(t);
  await logIn(bench, 's-ada');
  await bench.provider.rotate();
  // At once: the one who comes first has to begin again; nobody can make us ask the provider all the time.
  assert.equal((await finish(bench, await begin(bench, 's-ada'))).statusCode, 403);
  bench.b.clock.advance(10_000);
  assert.equal(await whoami(bench.b, { cookie: await logIn(bench, 's-ada') }), 'user ada admin');
});

test('a logout leads to the provider, and a logout there ends the sessions here', async (t) => {
  const bench = await openBench(t);
  const { b, provider } = bench;
  const cookie = await logIn(bench, 's-ada');
  const post = (url: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
    b.app.inject({
      method: 'POST',
      url,
      headers: { host: 'gyre.test', 'content-type': 'application/x-www-form-urlencoded', ...headers },
      payload: new URLSearchParams(form).toString(),
    });
  const out = await post('/logout', {}, { cookie, origin: PUBLIC });
  // Not by a redirection: browsers hold what a form leads to to this server.
  const there = new URL(/class="button" href="([^"]+)"/.exec(out.payload)![1]!.replaceAll('&amp;', '&'));
  assert.deepEqual(
    [out.statusCode, there.origin, there.searchParams.get('post_logout_redirect_uri')],
    [200, provider.issuer, `${PUBLIC}/login`],
  );
  assert.match(await whoami(b, { cookie }), /^401/);

  const again = await logIn(bench, 's-ada');
  const event = { 'http://schemas.openid.net/event/backchannel-logout': {} };
  const now = Math.floor(Date.now() / 1000);
  const logout = async (claims: Record<string, unknown>) =>
    (await post('/login/oidc/backchannel-logout', { logout_token: await provider.sign({ aud: CLIENT.id, iat: now, jti: 'j', ...claims }) }))
      .statusCode;
  assert.equal(await logout({ sub: 's-ada' }), 400);
  assert.equal(await logout({ sub: 's-ada', events: event, nonce: 'n' }), 400);
  assert.equal(await logout({ sub: 's-ada', events: event, aud: 'another' }), 400);
  assert.equal(await logout({ events: event }), 400);
  const none = await post('/login/oidc/backchannel-logout', {});
  assert.deepEqual([none.statusCode, none.json().code], [400, 'logout-token-invalid']);
  const large = await post('/login/oidc/backchannel-logout', { logout_token: 'x'.repeat(20_000) });
  assert.deepEqual([large.statusCode, large.json().code], [413, 'form-too-large']);
  assert.equal(await whoami(b, { cookie: again }), 'user ada admin');
  assert.equal(await logout({ sub: 's-ada', events: event }), 200);
  assert.match(await whoami(b, { cookie: again }), /^401/);
});

test('signed tokens of the provider act for whom they name, and nothing else about them may be wrong', async (t) => {
  const bench = await openBench(t);
  const { b, provider } = bench;
  await logIn(bench, 's-bob');
  const now = Math.floor(Date.now() / 1000);
  const good = { sub: 's-bob', aud: AUDIENCE, exp: now + 300 };
  const as = async (jwt: string): Promise<string> => whoami(b, { authorization: `Bearer ${jwt}` });
  assert.equal(await as(await provider.sign(good)), 'user bob editor');
  assert.equal(await as(await provider.sign({ ...good, aud: [AUDIENCE, 'x'] })), 'user bob editor');
  // Clocks may differ by a minute.
  assert.equal(await as(await provider.sign({ ...good, exp: now - 30 })), 'user bob editor');
  const refused: [string, RegExp][] = [
    [await provider.sign({ ...good, exp: now - 90 }), /it has expired/],
    [await provider.sign({ ...good, nbf: now + 90 }), /claim "nbf"/],
    [await provider.sign({ sub: 's-bob', aud: AUDIENCE }), /claim "exp"/],
    [await provider.sign({ ...good, aud: CLIENT.id }), /claim "aud"/],
    [await provider.sign({ aud: AUDIENCE, exp: now + 300 }), /claim "sub"/],
    [await provider.sign({ ...good, iss: 'http://127.0.0.1:1' }), /its issuer is not known here/],
    [await provider.sign({ ...good, sub: 's-nobody' }), /nobody here is bound to its subject/],
    [`${(await provider.sign(good)).slice(0, -8)}AAAAAAAA`, /signature is wrong/],
    [new UnsecuredJWT({ ...good, iss: provider.issuer }).encode(), /unknown, expired or revoked|refused/],
  ];
  // Signed with a key of one's own, under the name of the real one, and with the public key taken for a shared secret.
  const { keys } = (await (await fetch(`${provider.issuer}/jwks`)).json()) as { keys: { kid: string; n: string }[] };
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const own = { ...(await exportJWK(privateKey)), kid: keys[0]!.kid };
  refused.push([await provider.sign(good, {}, own), /signature is wrong/]);
  const secret = new TextEncoder().encode(JSON.stringify(keys[0]));
  const confused = await new SignJWT({ ...good, iss: provider.issuer })
    .setProtectedHeader({ alg: 'HS256', kid: keys[0]!.kid })
    .sign(secret);
  refused.push([confused, /algorithm is not accepted/]);
  for (const [jwt, why] of refused) {
    const answer = await as(jwt);
    assert.match(answer, /^401/, answer);
    assert.match(answer, why);
  }
  assert.equal((await get(b, '/api/gyre/v1/whoami', { authorization: `Bearer ${await provider.sign(good)}` })).statusCode, 200);
});

test('a job of a CI acts as the service account that its issuer, subject and claims are bound to', async (t) => {
  const bench = await openBench(t);
  const { b } = bench;
  const ci = await startProvider(t, 'http://ci.test/unused');
  const ada = { cookie: await logIn(bench, 's-ada'), origin: PUBLIC };
  const send = async (method: 'POST' | 'PATCH' | 'DELETE', url: string, payload?: object) => {
    const reply = await b.app.inject({
      method,
      url: `/api/gyre/v1${url}`,
      headers: { host: 'gyre.test', ...(payload ? { 'content-type': 'application/json' } : {}), ...ada },
      ...(payload ? { payload: JSON.stringify(payload) } : {}),
    });
    return JSON.parse(reply.payload === '' ? '{}' : reply.payload) as { code?: string; id?: string };
  };
  await send('POST', '/service-accounts', { name: 'ci-churn', role: 'editor' });
  const exp = Math.floor(Date.now() / 1000) + 300;
  const as = async (claims: Record<string, unknown>) =>
    whoami(b, { authorization: `Bearer ${await ci.sign({ aud: AUDIENCE, exp, ...claims })}` });
  const job = { sub: 'repo:acme/churn:ref:refs/heads/main', ref_protected: true };
  assert.match(await as(job), /^401.*its issuer is not known here/);
  const bind = (binding: object) => send('POST', '/service-accounts/ci-churn/bindings', { issuer: ci.issuer, ...binding });
  assert.equal((await bind({ subject: '*' })).code, 'binding-too-wide');
  assert.equal((await bind({ subject: 'repo*' })).code, 'binding-too-wide');
  for (const issuer of ['http://ci.example', 'ftp://ci.example', 'ci', 'https://u:p@ci.example'])
    assert.equal((await bind({ issuer, subject: 'repo:acme/churn:*' })).code, 'issuer-not-usable', issuer);
  const { id } = await bind({ subject: 'repo:acme/churn:*', claims: { ref_protected: 'true' } });
  assert.equal(await as(job), 'service ci-churn editor');
  assert.match(await as({ ...job, ref_protected: false }), /^401/);
  assert.match(await as({ ...job, sub: 'repo:acme/churn-evil:ref:refs/heads/main' }), /^401/);
  await send('PATCH', '/service-accounts/ci-churn', { disabled: true });
  assert.match(await as(job), /^401/);
  await send('PATCH', '/service-accounts/ci-churn', { disabled: false });
  assert.equal(await as(job), 'service ci-churn editor');
  await send('DELETE', `/service-accounts/ci-churn/bindings/${id}`);
  assert.match(await as(job), /^401/);
  assert.equal((await send('DELETE', `/service-accounts/ci-churn/bindings/${id}`)).code, 'binding-not-found');
});

test('a provider that is away is a problem that may pass; without one there is nothing to go to', async (t) => {
  const away = await openPipelines(t, 'sqlite', {
    GYRE_PUBLIC_URL: PUBLIC,
    GYRE_OIDC_ISSUER: 'http://127.0.0.1:1',
    GYRE_OIDC_CLIENT_ID: 'gyre',
    GYRE_OIDC_ALLOW_HTTP: '1',
  });
  const reply = await get(away, '/login/oidc');
  assert.equal(reply.statusCode, 503);
  assert.match(reply.payload, /cannot be asked/);
  await assert.rejects(beginSignOn(away.platform, '/'), { code: 'sign-on-unreachable' });
  const none = await openPipelines(t);
  assert.equal((await none.app.inject({ url: '/login/oidc', headers: { host: '127.0.0.1' } })).statusCode, 404);
  await assert.rejects(beginSignOn(none.platform, '/'), { code: 'sign-on-off' });
  // Without TLS only on the loopback, and only if that is said.
  const plain = await openPipelines(t, 'sqlite', {
    GYRE_PUBLIC_URL: PUBLIC,
    GYRE_OIDC_ISSUER: 'http://127.0.0.1:1',
    GYRE_OIDC_CLIENT_ID: 'gyre',
  });
  const refused = await get(plain, '/login/oidc');
  assert.equal(refused.statusCode, 422);
  assert.match(refused.payload, /it must be https/);
});

test('groups and bindings are read as they are written', () => {
  const mapping = parseGroupRoles('ml-admins=admin,ml team=editor@research, a=b=viewer,*=viewer');
  assert.deepEqual(
    mapping.map((m) => `${m.group} ${m.role} ${m.workspace}`),
    ['ml-admins admin default', 'ml team editor research', 'a=b viewer default', '* viewer default'],
  );
  assert.deepEqual(Object.fromEntries(rolesFor(['ml-admins', 'ml team'], mapping)), { default: 'admin', research: 'editor' });
  assert.deepEqual(Object.fromEntries(rolesFor([], mapping)), { default: 'viewer' });
  assert.deepEqual(parseGroupRoles(''), []);
  assert.deepEqual([groupsOf('one'), groupsOf(['a', 1, 'b']), groupsOf(undefined), groupsOf({})], [['one'], ['a', 'b'], [], []]);
  const fit = (subject: string, sub: unknown, claims: Record<string, string> = {}, more: object = {}) =>
    fits({ subject, claims }, { sub, ...more });
  assert.deepEqual(
    [
      fit('a.c', 'abc'),
      fit('a.c', 'a.c'),
      fit('a:*', 'a:b\nc'),
      fit('a', 'ab'),
      fit('a', undefined),
      fit('a', 'a', { x: '1' }, { x: 1 }),
      fit('a', 'a', { x: '1' }),
      fit('a', 'a', { x: 'y' }, { x: ['y'] }),
    ],
    [false, true, true, false, false, true, false, false],
  );
});
