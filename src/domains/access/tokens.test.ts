// Personal tokens, service accounts, and logins of programs that a person allows in a browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'kysely';
import { openPipelines, type PipelineBench } from '../../../test/support/pipelines.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { findWaiting } from './service/device.ts';
import { newUserCode } from './service/personal-tokens.ts';
import * as service from './service.ts';
import { endpointsOf, narrowed, RESOURCE } from './sign-in/scopes.ts';

const PASSWORD = 'correct horse battery';
const DAY_MS = 86_400_000;
const basic = (name: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${name}:${PASSWORD}`).toString('base64')}`,
});
const bearer = (secret: string): Record<string, string> => ({ authorization: `Bearer ${secret}` });
type Made = { token: { id: string; prefix: string; expiresAt: string | null; lastUsedAt: string | null }; secret: string; code?: string };

async function withPeople(b: PipelineBench): Promise<void> {
  await b.send('POST', '/users', { name: 'ada', password: PASSWORD, role: 'admin' });
  await b.send('POST', '/users', { name: 'bob', password: PASSWORD, role: 'editor' }, basic('ada'));
}
const post = async <T = Made>(
  b: PipelineBench,
  path: string,
  body: object,
  headers: Record<string, string>,
): Promise<T & { code?: string }> => (await b.send<T & { code?: string }>('POST', path, body, headers)).body;
const who = async (b: PipelineBench, secret: string): Promise<string> => {
  const { status, body } = await b.send('GET', '/whoami', undefined, bearer(secret));
  return status === 200 ? `${String(body.kind)} ${String(body.id)} ${String(body.roles)}` : `${status} ${String(body.code)}`;
};

eachDatabase('everybody makes, sees, exchanges and revokes tokens of one’s own, and nobody else’s', async (t, kind) => {
  const b = await openPipelines(t, kind);
  await withPeople(b);
  const made = await post(b, '/me/tokens', { name: 'laptop' }, basic('bob'));
  assert.equal(await who(b, made.secret), 'service bob editor');
  assert.equal(made.token.prefix, made.secret.slice(0, 11));
  assert.equal(Date.parse(made.token.expiresAt!) - b.clock.now(), 90 * DAY_MS);
  const list = async (name: string) => (await b.send<{ items: Made['token'][] }>('GET', '/me/tokens', undefined, basic(name))).body.items;
  assert.deepEqual([(await list('bob')).length, (await list('ada')).length], [1, 0]);
  const revoke = async (name: string) =>
    (await b.send<{ code?: string }>('DELETE', `/me/tokens/${made.token.id}`, undefined, basic(name))).body.code ?? 'fine';
  assert.equal(await revoke('ada'), 'token-not-found');

  const next = await post(b, `/me/tokens/${made.token.id}/rotate`, { graceS: 60 }, bearer(made.secret));
  assert.deepEqual([await who(b, made.secret), await who(b, next.secret)], ['service bob editor', 'service bob editor']);
  b.clock.advance(60_000);
  assert.deepEqual([await who(b, made.secret), await who(b, next.secret)], ['401 unauthenticated', 'service bob editor']);
  assert.equal((await post(b, `/me/tokens/${made.token.id}/rotate`, {}, basic('bob'))).code, 'token-not-found');
  const last = await post(b, `/tokens/${next.token.id}/rotate`, {}, basic('ada'));
  assert.deepEqual([await who(b, next.secret), await who(b, last.secret)], ['401 unauthenticated', 'service bob editor']);
  assert.equal((await b.send('DELETE', `/me/tokens/${last.token.id}`, undefined, basic('bob'))).status, 204);
  assert.equal(await who(b, last.secret), '401 unauthenticated');
  const stored = JSON.stringify([
    (await sql`select * from tokens`.execute(b.ctx().db)).rows,
    (await sql`select * from events`.execute(b.ctx().db)).rows,
  ]);
  for (const { secret } of [made, next, last]) assert.equal(stored.includes(secret), false);
});

test('the use of a token is noted to the minute, and its first one is an event', async (t) => {
  const b = await openPipelines(t);
  await withPeople(b);
  const { secret } = await post(b, '/me/tokens', { name: 'x' }, basic('bob'));
  const lastUsed = async () =>
    (await b.send<{ items: Made['token'][] }>('GET', '/me/tokens', undefined, basic('bob'))).body.items[0]!.lastUsedAt;
  assert.equal(await lastUsed(), null);
  await who(b, secret);
  const first = await lastUsed();
  assert.equal(first, new Date(b.clock.now()).toISOString());
  b.clock.advance(59_000);
  await who(b, secret);
  assert.equal(await lastUsed(), first);
  b.clock.advance(1000);
  await who(b, secret);
  assert.equal(await lastUsed(), new Date(b.clock.now()).toISOString());
  const { rows } = await sql<{ n: number }>`select count(*) as n from events where type = 'token.used'`.execute(b.ctx().db);
  assert.equal(Number(rows[0]!.n), 1);
});

test('a token narrowed to permissions and resources does no more, and makes none that does', async (t) => {
  const b = await openPipelines(t);
  await withPeople(b);
  const make = (body: object, headers = basic('bob')) => post(b, '/me/tokens', { name: 'x', ...body }, headers);
  const reader = await make({ scopes: ['system:read', 'access:self'] });
  assert.equal(await who(b, reader.secret), 'service bob editor');
  assert.equal((await b.send('GET', '/projects', undefined, bearer(reader.secret))).body.code, 'forbidden');
  const more = async (body: object, secret = reader.secret) => (await make(body, bearer(secret))).code ?? 'fine';
  assert.equal(await more({}), 'token-too-wide');
  assert.equal(await more({ scopes: ['system:read', 'models:read'] }), 'token-too-wide');
  assert.equal(await more({ role: 'admin', scopes: ['system:read'] }), 'token-too-wide');
  assert.equal(await more({ scopes: ['system:read'] }), 'fine');
  const one = await make({ resources: ['experiment:1', 'endpoint:churn'] });
  assert.equal(await more({}, one.secret), 'token-too-wide');
  assert.equal(await more({ resources: ['experiment:2'] }, one.secret), 'token-too-wide');
  assert.equal(await more({ resources: ['experiment:1'] }, one.secret), 'fine');
  const unknown = (await b.send('POST', '/me/tokens', { name: 'x', scopes: ['tracking:wriet'] }, basic('bob'))).body;
  assert.deepEqual([unknown.code, (unknown.errors as { pointer: string }[])[0]!.pointer], ['scope-unknown', '/scopes/0']);
  // A name in the place of an id, or a dataset without its project, would reach nothing.
  for (const [resource, says] of [
    ['run:1', /names no resource; write experiment:ID/],
    ['experiment:', /names no resource/],
    ['dataset:raw', /write it with its project: dataset:PROJECT\/DATASET/],
    ['experiment:my first one', /write its id/],
  ] as const) {
    const body = (await make({ resources: ['model:m', resource] })) as unknown as {
      code: string;
      errors: { pointer: string; detail: string }[];
    };
    assert.deepEqual([body.code, body.errors[0]!.pointer], ['resource-unclear', '/resources/1'], resource);
    assert.match(body.errors[0]!.detail, says);
  }
  assert.ok((await make({ resources: ['dataset:flights/raw', 'experiment:*', 'model:a b'] })).secret);
  for (const body of [{ scopes: [] }, { role: 'step' }, { name: '' }])
    assert.equal((await make(body)).code, 'invalid-input', JSON.stringify(body));
  // A person's role is looked up at each use, so a token of a greater role is worth no more than its owner.
  const admin = await make({ role: 'admin' });
  assert.equal(await who(b, admin.secret), 'service bob editor');
  // What data planes are told.
  await make({ scopes: ['tracking:read'] });
  const planes = (await service.tokensFor(b.ctx(), 'serving:predict')).map((token) => token.endpoints);
  // Two narrowed to resources, one of which reaches an endpoint; those narrowed to other permissions are not among them.
  assert.deepEqual(planes.map(String).toSorted(), ['', '', '*', 'churn']);
});

test('a narrowed standing keeps what its holder has with each resource, and nothing of the others', () => {
  const standing = { userId: 'u', fallback: 'EDIT', cap: 'MANAGE', granted: { model: new Map([['churn', 'MANAGE' as const]]) } } as const;
  assert.equal(narrowed(standing, undefined), standing);
  const one = narrowed(standing, ['model:churn', 'experiment:1', 'model:a:b']);
  assert.equal(one.fallback, 'NO_PERMISSIONS');
  assert.deepEqual(
    [...one.granted.model!],
    [
      ['churn', 'MANAGE'],
      ['a:b', 'EDIT'],
    ],
  );
  assert.deepEqual([...one.granted.experiment!], [['1', 'EDIT']]);
  assert.equal(one.granted.endpoint, undefined);
  assert.deepEqual([endpointsOf(undefined), endpointsOf(['endpoint:a', 'model:b']), endpointsOf([])], ['*', ['a'], []]);
  assert.deepEqual(
    ['experiment:0', 'model:x y', 'run:1', 'model:', 'model: x'].map((r) => RESOURCE.test(r)),
    [true, true, false, false, false],
  );
});

test('how long a token is good is bounded by the settings', async (t) => {
  const b = await openPipelines(t, 'sqlite', { GYRE_TOKEN_MAX_DAYS: '30' });
  await withPeople(b);
  const make = (expiresAt?: string | null) =>
    post(b, '/me/tokens', { name: 'x', ...(expiresAt === undefined ? {} : { expiresAt }) }, basic('bob'));
  const in_ = (days: number) => new Date(b.clock.now() + days * DAY_MS).toISOString();
  assert.equal((await make()).token.expiresAt, in_(30));
  assert.equal((await make(in_(7))).token.expiresAt, in_(7));
  assert.equal((await make(in_(31))).code, 'token-too-long');
  assert.equal((await make(null)).code, 'token-too-long');
  assert.equal((await make(in_(0))).code, 'token-expired-already');
  const free = await openPipelines(t, 'sqlite', { GYRE_TOKEN_DEFAULT_DAYS: '0' });
  await withPeople(free);
  assert.equal((await post(free, '/me/tokens', { name: 'x' }, basic('bob'))).token.expiresAt, null);
});

eachDatabase('a service account has a role, an owner and tokens, no password, and can be disabled', async (t, kind) => {
  const b = await openPipelines(t, kind);
  const create = (body: object, headers: Record<string, string>) =>
    post<{ owner: string; role: string; disabledAt: string | null }>(b, '/service-accounts', body, headers);
  assert.equal((await create({ name: 'ci', role: 'admin' }, {})).code, 'first-user-not-admin');
  await withPeople(b);
  const as = basic('ada');
  const made = await create({ name: 'ci', role: 'editor', description: 'trains at night' }, as);
  assert.deepEqual([made.owner, made.role, made.disabledAt], ['ada', 'editor', null]);
  assert.equal((await create({ name: 'ci', role: 'editor' }, as)).code, 'user-exists');
  assert.equal((await create({ name: 'cd', role: 'editor', owner: 'nobody' }, as)).code, 'user-not-found');
  assert.equal((await create({ name: 'cd', role: 'editor' }, basic('bob'))).code, 'forbidden');
  const { secret } = await post(b, '/service-accounts/ci/tokens', { name: 'night', scopes: ['system:read'] }, as);
  assert.equal(await who(b, secret), 'service ci editor');
  assert.equal((await post(b, '/service-accounts/none/tokens', { name: 'x' }, as)).code, 'service-account-not-found');
  assert.equal((await post(b, '/service-accounts/bob/tokens', { name: 'x' }, as)).code, 'service-account-not-found');
  // An empty password is none.
  assert.equal(
    (await b.send('GET', '/whoami', undefined, { authorization: `Basic ${Buffer.from('ci:').toString('base64')}` })).status,
    401,
  );
  const change = (body: object) =>
    b.send<{ role: string; disabledAt: string | null; code?: string }>('PATCH', '/service-accounts/ci', body, as);
  assert.equal((await change({ role: 'viewer', owner: 'bob' })).body.role, 'viewer');
  assert.equal(await who(b, secret), 'service ci viewer');
  assert.notEqual((await change({ disabled: true })).body.disabledAt, null);
  assert.equal(await who(b, secret), '401 unauthenticated');
  await change({ disabled: false });
  assert.equal(await who(b, secret), 'service ci viewer');
  // One that is administrator does not count as somebody who can let others in.
  await change({ role: 'admin' });
  assert.equal((await b.send('DELETE', '/users/ada', undefined, as)).body.code, 'last-admin');
  assert.equal((await b.send('DELETE', '/service-accounts/ci', undefined, as)).status, 204);
  assert.equal(await who(b, secret), '401 unauthenticated');
  assert.deepEqual((await b.send('GET', '/service-accounts', undefined, as)).body.items, []);
  const types = (
    await sql<{ type: string }>`select distinct type from events where type like 'service-account.%' order by type`.execute(b.ctx().db)
  ).rows;
  assert.deepEqual(
    types.map((r) => r.type),
    ['service-account.changed', 'service-account.created'],
  );
});

eachDatabase('a program gets a token when a person allows it in a browser, once', async (t, kind) => {
  const b = await openPipelines(t, kind);
  await withPeople(b);
  const host = '127.0.0.1:7400';
  const origin = `http://${host}`;
  const page = (method: 'GET' | 'POST', url: string, cookie?: string, form?: Record<string, string>) =>
    b.app.inject({
      method,
      url,
      headers: { host, origin, ...(cookie ? { cookie } : {}), ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}) },
      ...(form ? { payload: new URLSearchParams(form).toString() } : {}),
    });
  const session = await page('POST', '/login', undefined, { name: 'bob', password: PASSWORD });
  const cookie = String([session.headers['set-cookie']].flat()[0]).split(';')[0]!;
  const begin = async () =>
    (
      await b.send<{ deviceCode: string; userCode: string; verificationUrlComplete: string }>('POST', '/device-logins', {
        name: '<gyre> on laptop',
      })
    ).body;
  const claim = (deviceCode: string) => b.send<Made>('POST', '/device-logins/claim', { deviceCode });

  const login = await begin();
  assert.match(login.userCode, /^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/);
  assert.ok(login.verificationUrlComplete.endsWith(`/device?code=${login.userCode}`));
  assert.equal((await claim(login.deviceCode)).status, 202);
  // Without a login the browser comes back after it.
  const first = await page('GET', `/device?code=${login.userCode}`);
  assert.deepEqual(
    [first.statusCode, first.headers.location],
    [303, `/login?next=${encodeURIComponent(`/device?code=${login.userCode}`)}`],
  );
  assert.equal((await page('GET', '/device', cookie)).statusCode, 200);
  const ask = await page('GET', `/device?code=${login.userCode.toLowerCase().replace('-', '')}`, cookie);
  assert.match(ask.payload, /&lt;gyre&gt; on laptop.*started it yourself/s);
  const code = login.userCode;
  assert.equal((await page('POST', '/device', cookie, { code, answer: 'allow' })).statusCode, 200);
  assert.equal((await page('POST', '/device', cookie, { code, answer: 'refuse' })).statusCode, 404);
  const [one, two] = await Promise.all([claim(login.deviceCode), claim(login.deviceCode)]);
  assert.deepEqual(
    [one.status, two.status].toSorted((x, y) => x - y),
    [201, 404],
  );
  assert.equal(await who(b, (one.status === 201 ? one : two).body.secret), 'service bob editor');

  const refused = await begin();
  await page('POST', '/device', cookie, { code: refused.userCode, answer: 'refuse' });
  assert.equal((await claim(refused.deviceCode)).body.code, 'device-login-denied');
  const late = await begin();
  b.clock.advance(600_000);
  assert.equal((await page('GET', `/device?code=${late.userCode}`, cookie)).statusCode, 404);
  assert.equal((await claim(late.deviceCode)).body.code, 'device-code-unknown');
  await sqlInsert(b, 5000);
  const full = await b.app.inject({
    method: 'POST',
    url: '/api/gyre/v1/device-logins',
    headers: { host, 'content-type': 'application/json' },
    payload: '{"name":"x"}',
  });
  assert.deepEqual([full.statusCode, full.headers['retry-after'], full.json().code], [429, '60', 'device-logins-many']);
});

const sqlInsert = (b: PipelineBench, many: number) =>
  b.platform.database.tx(async (db) => {
    for (let i = 0; i < many; i++)
      await sql`insert into device_logins (device_digest, user_code, name, workspace_id, expires_ms, place) values (${`d${i}`}, ${`c${i}`}, 'x', '', ${b.clock.now() + 1000}, '')`.execute(
        db,
      );
  });

eachDatabase('codes of programs are not found by trying, and nobody keeps others from beginning', async (t, kind) => {
  const b = await openPipelines(t, kind);
  await withPeople(b);
  const host = '127.0.0.1:7400';
  const page = async (method: 'GET' | 'POST', url: string, cookie?: string, form?: Record<string, string>) =>
    b.app.inject({
      method,
      url,
      headers: {
        ...{ host, origin: `http://${host}`, ...(cookie ? { cookie } : {}) },
        ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
      },
      ...(form ? { payload: new URLSearchParams(form).toString() } : {}),
    });
  const logIn = async (name: string): Promise<string> =>
    String([(await page('POST', '/login', undefined, { name, password: PASSWORD })).headers['set-cookie']].flat()[0]).split(';')[0]!;
  const begin = (remoteAddress: string) =>
    b.app.inject({
      remoteAddress,
      method: 'POST',
      url: '/api/gyre/v1/device-logins',
      headers: { host, 'content-type': 'application/json' },
      payload: '{"name":"x"}',
    });
  const [eve, bob] = [await logIn('ada'), await logIn('bob')];
  const { userCode, deviceCode } = (await begin('10.0.0.1')).json() as { userCode: string; deviceCode: string };
  for (let i = 0; i < 5; i++) assert.equal((await page('GET', `/device?code=BBBB-BBB${i}`, eve)).statusCode, 404);
  for (let i = 0; i < 5; i++) assert.equal((await page('POST', '/device', eve, { code: `BBBB-CCC${i}`, answer: 'allow' })).statusCode, 404);
  // From here on it costs time, also if the code is right; of others it costs nothing.
  for (const asked of [
    await page('GET', `/device?code=${userCode}`, eve),
    await page('POST', '/device', eve, { code: userCode, answer: 'allow' }),
  ]) {
    assert.deepEqual([asked.statusCode, asked.headers['retry-after']], [429, '1']);
    assert.match(asked.payload, /too many codes/);
  }
  assert.equal((await page('GET', `/device?code=${userCode}`, bob)).statusCode, 200);
  b.clock.advance(1000);
  assert.equal((await page('GET', '/device?code=BBBB-BBBB', eve)).statusCode, 404);
  assert.equal((await page('GET', '/device?code=BBBB-BBBB', eve)).headers['retry-after'], '2');
  // Who asks oftener than told is told again, until there is an answer.
  const claim = () => b.send<{ code?: string }>('POST', '/device-logins/claim', { deviceCode });
  assert.equal((await claim()).status, 202);
  const soon = await claim();
  assert.deepEqual([soon.status, soon.body.code], [429, 'device-poll-soon']);
  b.clock.advance(1000);
  assert.equal((await claim()).status, 202);
  assert.equal((await page('POST', '/device', bob, { code: userCode, answer: 'allow' })).statusCode, 200);
  assert.equal((await claim()).status, 201);
  // One place fills its own part and no more.
  const statuses: number[] = [];
  for (let i = 0; i < 105; i++) statuses.push((await begin('10.0.0.9')).statusCode);
  assert.deepEqual([statuses.filter((s) => s === 201).length, statuses.at(-1)], [100, 429]);
  assert.equal((await begin('10.0.0.8')).statusCode, 201);
  await assert.rejects(findWaiting(b.platform, userCode, 'ada'), { code: 'device-guesses-many' });
});

test('codes are letters that are not taken for one another, each as likely', () => {
  const letters = Array.from({ length: 500 }, newUserCode).join('').replaceAll('-', '');
  assert.equal(letters.length, 4000);
  assert.equal(new Set(letters).size, 20);
});

test('a token narrowed to one experiment reaches that one and no other, over MLflow’s protocol too', async (t) => {
  const b = await openPipelines(t);
  await withPeople(b);
  const mlflow = async (path: string, body: object | undefined, headers: Record<string, string>) => {
    const reply = await b.app.inject({
      method: body ? 'POST' : 'GET',
      url: `/api/2.0/mlflow/${path}`,
      headers: { host: '127.0.0.1', ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
      ...(body ? { payload: JSON.stringify(body) } : {}),
    });
    return { status: reply.statusCode, text: reply.payload };
  };
  const { experiment_id } = JSON.parse((await mlflow('experiments/create', { name: 'mine' }, basic('bob'))).text) as {
    experiment_id: string;
  };
  const { secret } = await post(b, '/me/tokens', { name: 'x', resources: [`experiment:${experiment_id}`] }, basic('bob'));
  const status = async (path: string, body?: object) => (await mlflow(path, body, bearer(secret))).status;
  assert.equal(await status(`experiments/get?experiment_id=${experiment_id}`), 200);
  assert.equal(await status('runs/create', { experiment_id }), 200);
  assert.equal(await status('experiments/get?experiment_id=0'), 403);
  assert.equal(await status('runs/create', { experiment_id: '0' }), 403);
});
