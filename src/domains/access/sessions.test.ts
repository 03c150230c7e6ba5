// Logins by password, sessions of browsers, and what a page of another site must not be able to do with them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LightMyRequestResponse } from 'fastify';
import { sql } from 'kysely';
import { openPipelines, type PipelineBench } from '../../../test/support/pipelines.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { guardCookie } from './guard.ts';
import { waitMs } from './sign-in/throttle.ts';
import { localPath } from './sign-in/local-path.ts';
import { writeFailedLogins } from './sign-in/failed-logins.ts';

const PASSWORD = 'correct horse battery';
const HOST = '127.0.0.1:7400';
const OWN = `http://${HOST}`;
const basic = (name: string, password = PASSWORD): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});

type Ask = { headers?: Record<string, string>; json?: object; form?: Record<string, string>; from?: string };
const ask = (b: PipelineBench, method: 'GET' | 'POST' | 'DELETE', url: string, { headers = {}, json, form, from }: Ask = {}) =>
  b.app.inject({
    method,
    url,
    headers: {
      host: HOST,
      ...(json ? { 'content-type': 'application/json' } : {}),
      ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
      ...headers,
    },
    ...(json ? { payload: JSON.stringify(json) } : {}),
    ...(form ? { payload: new URLSearchParams(form).toString() } : {}),
    ...(from ? { remoteAddress: from } : {}),
  });

const cookiesOf = (reply: LightMyRequestResponse): string[] => [reply.headers['set-cookie'] ?? []].flat();
const cookieOf = (reply: LightMyRequestResponse): string => cookiesOf(reply)[0]!.split(';')[0]!;
const codeOf = (reply: LightMyRequestResponse): string => (reply.statusCode < 300 ? 'fine' : (JSON.parse(reply.payload).code as string));

async function withAda(b: PipelineBench): Promise<void> {
  await b.send('POST', '/users', { name: 'ada', password: PASSWORD, role: 'admin' });
}
const logIn = (b: PipelineBench, password = PASSWORD, more: Ask = {}) =>
  ask(b, 'POST', '/api/gyre/v1/session', { json: { name: 'ada', password }, ...more });
const events = async (b: PipelineBench, type: string): Promise<Record<string, unknown>[]> =>
  (await sql<{ payload: string }>`select payload from events where type = ${type} order by id`.execute(b.ctx().db)).rows.map(
    (row) => JSON.parse(row.payload) as Record<string, unknown>,
  );

eachDatabase('a login gives a cookie that the server keeps as a digest, and a logout ends it', async (t, kind) => {
  const b = await openPipelines(t, kind);
  await withAda(b);
  const reply = await logIn(b);
  assert.equal(reply.statusCode, 201);
  assert.match(cookiesOf(reply)[0]!, /^gyre_session=[\w-]{43}; Path=\/; Max-Age=604800; HttpOnly; SameSite=Lax$/);
  assert.equal(reply.headers['cache-control'], 'no-store');
  const cookie = cookieOf(reply);
  const { csrf } = JSON.parse(reply.payload) as { csrf: string };
  const who = await ask(b, 'GET', '/api/gyre/v1/whoami', { headers: { cookie } });
  assert.deepEqual(JSON.parse(who.payload), { kind: 'user', id: 'ada', roles: ['admin'], workspace: 'default' });
  const stored = JSON.stringify((await sql`select * from sessions`.execute(b.ctx().db)).rows);
  assert.equal(stored.includes(cookie.split('=')[1]!), false);
  assert.equal((await ask(b, 'DELETE', '/api/gyre/v1/session', { headers: { cookie, 'x-gyre-csrf': csrf } })).statusCode, 204);
  const after = await ask(b, 'GET', '/api/gyre/v1/whoami', { headers: { cookie } });
  assert.equal(after.statusCode, 401);
  assert.match(JSON.parse(after.payload).detail, /Your session has ended/);
  assert.deepEqual([(await events(b, 'login.succeeded')).length, (await events(b, 'login.ended')).length], [1, 1]);
});

test('behind TLS the cookie is Secure and bound to the host, and one without that is not read', async (t) => {
  const b = await openPipelines(t, 'sqlite', { GYRE_PUBLIC_URL: 'https://gyre.example' });
  await withAda(b);
  const reply = await logIn(b, PASSWORD, { headers: { origin: 'https://gyre.example' } });
  assert.match(cookiesOf(reply)[0]!, /^__Host-gyre_session=[\w-]{43}; Path=\/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure$/);
  const cookie = cookieOf(reply);
  assert.equal((await ask(b, 'GET', '/api/gyre/v1/whoami', { headers: { cookie } })).statusCode, 200);
  assert.equal((await ask(b, 'GET', '/api/gyre/v1/whoami', { headers: { cookie: cookie.replace('__Host-', '') } })).statusCode, 401);
  // Its own name is the public one; a page at another name of the same machine is another site.
  for (const origin of ['http://gyre.example', 'https://gyre.example.evil.org', 'https://evil.org', 'null'])
    assert.equal(codeOf(await logIn(b, PASSWORD, { headers: { host: 'evil.org', origin } })), 'origin-not-allowed', origin);
});

test('a session ends when it is idle, and in any case after its time; a login puts a new one in the place of the old', async (t) => {
  const b = await openPipelines(t, 'sqlite', { GYRE_SESSION_IDLE_MINUTES: '30', GYRE_SESSION_MAX_HOURS: '2' });
  await withAda(b);
  const status = async (cookie: string) => (await ask(b, 'GET', '/api/gyre/v1/whoami', { headers: { cookie } })).statusCode;
  const idle = cookieOf(await logIn(b));
  b.clock.advance(29 * 60_000);
  assert.equal(await status(idle), 200);
  b.clock.advance(29 * 60_000);
  assert.equal(await status(idle), 200);
  b.clock.advance(30 * 60_000);
  assert.equal(await status(idle), 401);
  const used = cookieOf(await logIn(b));
  for (let minutes = 0; minutes < 120; minutes += 20) {
    assert.equal(await status(used), 200, `after ${minutes} minutes`);
    b.clock.advance(20 * 60_000);
  }
  assert.equal(await status(used), 401);
  const first = cookieOf(await logIn(b));
  const second = cookieOf(await logIn(b, PASSWORD, { headers: { cookie: first } }));
  assert.deepEqual([await status(first), await status(second)], [401, 200]);
});

test('a change with a cookie must come from this server’s own page, or bring the value of the login', async (t) => {
  const b = await openPipelines(t);
  await withAda(b);
  const reply = await logIn(b);
  const cookie = cookieOf(reply);
  const { csrf } = JSON.parse(reply.payload) as { csrf: string };
  const change = async (headers: Record<string, string>): Promise<string> =>
    codeOf(await ask(b, 'POST', '/api/gyre/v1/me/tokens', { headers: { cookie, ...headers }, json: { name: 'x' } }));
  assert.equal(await change({}), 'csrf-refused');
  assert.equal(await change({ 'x-gyre-csrf': 'guessed' }), 'csrf-refused');
  assert.equal(await change({ 'x-gyre-csrf': csrf }), 'fine');
  assert.equal(await change({ origin: OWN }), 'fine');
  assert.equal(await change({ 'sec-fetch-site': 'same-origin' }), 'fine');
  for (const site of ['cross-site', 'same-site', 'none'])
    assert.equal(await change({ 'sec-fetch-site': site, 'x-gyre-csrf': csrf }), 'csrf-refused', site);
  assert.equal(await change({ origin: 'http://evil.org' }), 'origin-not-allowed');
  assert.equal(await change({ origin: 'http://127.0.0.1:7401' }), 'origin-not-allowed');
  // Reading asks for nothing of that; credentials of a program are not sent by browsers by themselves.
  assert.equal((await ask(b, 'GET', '/api/gyre/v1/me/tokens', { headers: { cookie } })).statusCode, 200);
  assert.equal(codeOf(await ask(b, 'POST', '/api/gyre/v1/me/tokens', { headers: basic('ada'), json: { name: 'y' } })), 'fine');
  // Nor may another site log somebody in as somebody else.
  assert.equal(codeOf(await logIn(b, PASSWORD, { headers: { origin: 'http://evil.org' } })), 'origin-not-allowed');
  assert.equal(codeOf(await logIn(b, PASSWORD, { headers: { 'sec-fetch-site': 'cross-site' } })), 'csrf-refused');
  assert.throws(() => guardCookie({}, 'PATCH', 'c'), { code: 'csrf-refused' });
});

test('without users a page of another site cannot even read by way of the loopback', async (t) => {
  const b = await openPipelines(t);
  const get = async (headers: Record<string, string>) => codeOf(await ask(b, 'GET', '/api/gyre/v1/whoami', { headers }));
  assert.equal(await get({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }), 'origin-not-allowed');
  assert.equal(await get({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }), 'fine');
  assert.equal(await get({ 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }), 'fine');
});

test('one’s sessions are listed and ended, one or all; a new password ends them all', async (t) => {
  const b = await openPipelines(t);
  await withAda(b);
  const [one, two, three] = [cookieOf(await logIn(b)), cookieOf(await logIn(b)), cookieOf(await logIn(b))];
  const status = async (cookie: string) => (await ask(b, 'GET', '/api/gyre/v1/whoami', { headers: { cookie } })).statusCode;
  const own = { headers: { cookie: one, origin: OWN } };
  const list = async () =>
    JSON.parse((await ask(b, 'GET', '/api/gyre/v1/me/sessions', own)).payload).items as { id: string; current: boolean }[];
  const items = await list();
  assert.deepEqual([items.length, items.filter((s) => s.current).length], [3, 1]);
  const other = items.find((s) => !s.current)!;
  assert.equal((await ask(b, 'DELETE', `/api/gyre/v1/me/sessions/${other.id}`, own)).statusCode, 204);
  assert.equal(codeOf(await ask(b, 'DELETE', `/api/gyre/v1/me/sessions/${other.id}`, own)), 'session-not-found');
  assert.equal((await list()).length, 2);
  const password = async (current: string, next: string) =>
    codeOf(await ask(b, 'POST', '/api/gyre/v1/me/password', { ...own, json: { current, password: next } }));
  assert.equal(await password('wrong', 'another long password'), 'password-wrong');
  assert.equal(await password(PASSWORD, 'short'), 'invalid-input');
  // The right one was recognised a moment ago; the change must hold at once all the same.
  assert.equal((await ask(b, 'GET', '/api/gyre/v1/whoami', { headers: basic('ada') })).statusCode, 200);
  assert.equal(await password(PASSWORD, 'another long password'), 'fine');
  assert.deepEqual([await status(one), await status(two), await status(three)], [401, 401, 401]);
  assert.equal((await ask(b, 'GET', '/api/gyre/v1/whoami', { headers: basic('ada') })).statusCode, 401);
  assert.equal((await ask(b, 'GET', '/api/gyre/v1/whoami', { headers: basic('ada', 'another long password') })).statusCode, 200);
  assert.equal((await events(b, 'password.changed')).length, 1);
  // A token is no person.
  const { body } = await b.send<{ secret: string }>('POST', '/me/tokens', { name: 'x' }, basic('ada', 'another long password'));
  const bearer = { headers: { authorization: `Bearer ${body.secret}` } };
  assert.equal(codeOf(await ask(b, 'GET', '/api/gyre/v1/me/sessions', bearer)), 'people-only');
  assert.equal(
    codeOf(await ask(b, 'POST', '/api/gyre/v1/me/password', { ...bearer, json: { current: 'x', password: PASSWORD } })),
    'people-only',
  );
});

test('an administrator gives a new password; one of another workspace only to those who are in no other', async (t) => {
  const b = await openPipelines(t);
  await withAda(b);
  await b.send('POST', '/workspaces', { name: 'lab' }, basic('ada'));
  await b.send('POST', '/users', { name: 'lena', password: PASSWORD, role: 'admin' }, { ...basic('ada'), 'x-gyre-workspace': 'lab' });
  const set = async (name: string, by: string, workspace: string) =>
    (
      await b.send<{ code?: string }>(
        'POST',
        `/users/${name}/password`,
        { password: 'another long password' },
        { ...basic(by), 'x-gyre-workspace': workspace },
      )
    ).body.code ?? 'fine';
  assert.equal(await set('ada', 'lena', 'lab'), 'forbidden');
  assert.equal(await set('nobody', 'lena', 'lab'), 'user-not-found');
  assert.equal(await set('lena', 'ada', 'lab'), 'fine');
  assert.equal(
    (await b.send('GET', '/whoami', undefined, { ...basic('lena', 'another long password'), 'x-gyre-workspace': 'lab' })).status,
    200,
  );
});

test('the wait after failed logins doubles up to a bound, and begins after a few free ones', () => {
  const bound = { free: 5, longestMs: 900_000 };
  assert.deepEqual(
    [0, 4, 5, 6, 7, 14, 15, 500].map((n) => waitMs(n, bound)),
    [0, 0, 1000, 2000, 4000, 512_000, 900_000, 900_000],
  );
});

eachDatabase('guessing is slowed down per name and address, says so, and does not shut out whoever is elsewhere', async (t, kind) => {
  const b = await openPipelines(t, kind);
  await withAda(b);
  const guess = (password: string, from = '10.0.0.1', name = 'ada') =>
    ask(b, 'POST', '/api/gyre/v1/session', { json: { name, password }, from });
  for (let i = 0; i < 5; i++) assert.equal((await guess(`wrong ${i}`)).statusCode, 401, `guess ${i}`);
  const held = await guess(PASSWORD);
  assert.deepEqual([held.statusCode, codeOf(held)], [429, 'login-throttled']);
  assert.equal(held.headers['retry-after'], '1');
  assert.match(JSON.parse(held.payload).detail, /Wait 1 seconds/);
  // MLflow's client repeats a 429 for minutes; it is told that the login is refused.
  const mlflow = await ask(b, 'GET', '/api/2.0/mlflow/experiments/get?experiment_id=0', { headers: basic('ada'), from: '10.0.0.1' });
  assert.equal(mlflow.statusCode, 401);
  assert.match(mlflow.payload, /You are not authenticated.*Wait 1 seconds/);
  assert.equal((await guess(PASSWORD, '10.0.0.2')).statusCode, 201);
  b.clock.advance(1000);
  assert.equal((await guess('wrong again')).statusCode, 401);
  // The right password was recognised from another address a moment ago; that helps nobody here.
  assert.equal((await guess(PASSWORD)).headers['retry-after'], '2');
  b.clock.advance(2000);
  // The right one forgives them.
  assert.equal((await guess(PASSWORD)).statusCode, 201);
  assert.equal((await guess('wrong')).statusCode, 401);
  assert.equal((await guess(PASSWORD)).statusCode, 201);
  // Nor can it be guessed at full speed where it was used just now.
  for (let i = 0; i < 5; i++) await guess(`wrong ${i}`);
  assert.equal((await guess(PASSWORD)).statusCode, 429);
  // A name that is not there is treated the same, so nothing tells the two apart.
  for (let i = 0; i < 5; i++) {
    const reply = await guess(`wrong ${i}`, '10.0.0.3', 'nobody');
    assert.deepEqual(
      [reply.statusCode, JSON.parse(reply.payload).detail],
      [401, JSON.parse((await guess('wrong', `10.0.1.${i}`)).payload).detail],
    );
  }
  assert.equal((await guess('wrong', '10.0.0.3', 'nobody')).statusCode, 429);
});

test('guesses that come all at once do not slip past the bound', async (t) => {
  const b = await openPipelines(t);
  await withAda(b);
  const replies = await Promise.all(Array.from({ length: 20 }, (_, i) => logIn(b, `wrong ${i}`, { from: '10.0.0.9' })));
  assert.ok(replies.filter((r) => r.statusCode === 401).length <= 6, replies.map((r) => r.statusCode).join(' '));
  // Many workers that begin with the same right password are no guessing.
  const right = await Promise.all(
    Array.from({ length: 12 }, () => ask(b, 'GET', '/api/gyre/v1/whoami', { headers: basic('ada'), from: '10.0.0.10' })),
  );
  assert.deepEqual(new Set(right.map((r) => r.statusCode)), new Set([200]));
});

test('failed logins are events, equal ones of a minute together, without what was typed', async (t) => {
  const b = await openPipelines(t);
  await withAda(b);
  for (let i = 0; i < 4; i++) await logIn(b, `wrong-password-${i}`);
  await ask(b, 'POST', '/api/gyre/v1/session', { json: { name: 'typed-my-password-here', password: 'x' } });
  const counts = async () => (await events(b, 'login.failed')).map((p) => p.count);
  assert.deepEqual(await counts(), [1, 1]);
  b.clock.advance(60_000);
  await writeFailedLogins(b.platform);
  assert.deepEqual(await counts(), [1, 1, 3]);
  const text = JSON.stringify((await sql`select * from events`.execute(b.ctx().db)).rows);
  for (const hidden of ['wrong-password', 'typed-my-password-here', '127.0.0.1']) assert.equal(text.includes(hidden), false, hidden);
});

test('the page to sign in leads on, shows what went wrong, and is sent with headers that let nothing in', async (t) => {
  const b = await openPipelines(t);
  await withAda(b);
  const form = await ask(b, 'GET', '/login?next=/api/gyre/v1/whoami');
  assert.equal(form.statusCode, 200);
  assert.match(form.payload, /name="next" value="\/api\/gyre\/v1\/whoami"/);
  assert.doesNotMatch(form.payload, /<script|https?:\/\//);
  assert.match(String(form.headers['content-security-policy']), /default-src 'none'.*form-action 'self'.*frame-ancestors 'none'/);
  assert.deepEqual(
    ['x-frame-options', 'x-content-type-options', 'referrer-policy', 'cache-control'].map((h) => form.headers[h]),
    ['DENY', 'nosniff', 'same-origin', 'no-store'],
  );
  const post = (fields: Record<string, string>, headers: Record<string, string> = { origin: OWN }) =>
    ask(b, 'POST', '/login', { form: fields, headers });
  const wrong = await post({ name: '"><img src=x>', password: 'wrong', next: '//evil.org' });
  assert.equal(wrong.statusCode, 401);
  assert.match(wrong.payload, /role="alert">The user name or the password is wrong/);
  assert.match(wrong.payload, /value="&quot;&gt;&lt;img src=x&gt;"/);
  assert.match(wrong.payload, /name="next" value="\/login"/);
  assert.equal((await post({ name: 'ada' })).statusCode, 400);
  assert.equal((await post({ name: 'ada', password: PASSWORD }, { origin: 'http://evil.org' })).statusCode, 403);
  assert.equal((await post({ name: 'ada', password: 'x'.repeat(20_000) })).statusCode, 413);
  const right = await post({ name: 'ada', password: PASSWORD, next: '/api/gyre/v1/whoami' });
  assert.deepEqual([right.statusCode, right.headers.location], [303, '/api/gyre/v1/whoami']);
  const cookie = cookieOf(right);
  const home = await ask(b, 'GET', '/login', { headers: { cookie } });
  assert.match(home.payload, /signed in as <b>ada<\/b>/);
  assert.equal((await ask(b, 'POST', '/logout', { form: {}, headers: { cookie } })).statusCode, 403);
  const csrf = /name="csrf" value="([^"]+)"/.exec(home.payload)![1]!;
  const out = await ask(b, 'POST', '/logout', { form: { csrf }, headers: { cookie } });
  assert.deepEqual([out.statusCode, out.headers.location], [303, '/login']);
  assert.match(cookiesOf(out)[0]!, /^gyre_session=; Path=\/; Max-Age=0/);
  assert.match((await ask(b, 'GET', '/login', { headers: { cookie } })).payload, /name="password"/);
});

test('a browser that opens a page without a login is led to the form; a program reads the problem', async (t) => {
  const b = await openPipelines(t);
  await withAda(b);
  const page = await ask(b, 'GET', '/api/gyre/v1/whoami?x=1', { headers: { accept: 'text/html,application/xhtml+xml' } });
  assert.deepEqual([page.statusCode, page.headers.location], [303, '/login?next=%2Fapi%2Fgyre%2Fv1%2Fwhoami%3Fx%3D1']);
  assert.equal((await ask(b, 'GET', '/api/gyre/v1/whoami', { headers: { accept: '*/*' } })).statusCode, 401);
  const refused = await ask(b, 'GET', '/api/gyre/v1/whoami', { headers: { accept: 'text/html', authorization: 'Bearer x' } });
  assert.equal(refused.statusCode, 401);
});

test('a path to go on to leads nowhere else', () => {
  for (const path of ['/', '/device?code=ABCD-EFGH', '/a//b', '/api/x#y']) assert.equal(localPath(path), path);
  for (const path of [
    undefined,
    '',
    'x',
    '//evil.org',
    '/\\evil.org',
    '/.//evil.org',
    'https://evil.org',
    '/a\nb',
    '/\t/evil.org',
    '/a\\b',
    `/${'x'.repeat(2000)}`,
  ])
    assert.equal(localPath(path), '/login', String(path).slice(0, 40));
});

test('who forwards a request is believed only if it is trusted', async (t) => {
  const forwarded = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'gyre.example' };
  const name = async (environment: Record<string, string>, from: string): Promise<string> => {
    const b = await openPipelines(t, 'sqlite', environment);
    await withAda(b);
    return cookiesOf(await logIn(b, PASSWORD, { headers: forwarded, from }))[0]!.split('=')[0]!;
  };
  assert.equal(await name({}, '10.0.0.1'), 'gyre_session');
  assert.equal(await name({ GYRE_TRUST_PROXY: '10.0.0.0/8' }, '10.0.0.1'), '__Host-gyre_session');
  assert.equal(await name({ GYRE_TRUST_PROXY: '10.0.0.0/8' }, '192.0.2.1'), 'gyre_session');
  assert.equal(await name({ GYRE_TRUST_PROXY: '1' }, '192.0.2.1'), '__Host-gyre_session');
});
