import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'kysely';
import { eachDatabase, openPlatform } from '../../../test/support/platform.ts';
import { openPipelines, type PipelineBench } from '../../../test/support/pipelines.ts';
import { isLoopback } from '../../kernel/http/loopback.ts';
import { guardHost, guardOrigin } from './guard.ts';
import { boundedBy, may, permissionsOf } from './model.ts';
import { hashPassword, verifyPassword } from './password.ts';
import * as service from './service.ts';
import { identify } from './service/identify.ts';

const PASSWORD = 'correct horse battery';
const basic = (name: string, password = PASSWORD): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});
const bearer = (secret: string): Record<string, string> => ({ authorization: `Bearer ${secret}` });
type Reply = { status: number; body: { code?: string } & Record<string, unknown> };
const who = async (b: PipelineBench, headers: Record<string, string>): Promise<string> => {
  const { status, body } = (await b.send('GET', '/whoami', undefined, headers)) as Reply;
  return status === 200 ? `${String(body.kind)} ${String(body.id)} ${String(body.workspace)}` : `${status} ${body.code}`;
};

const rolesOf = async (b: PipelineBench, secret: string): Promise<readonly string[]> =>
  (await identify(b.platform, { ...bearer(secret), host: '127.0.0.1' })).actor.roles;

test('a password is stored with its parameters and verified; another one, or a broken record, is not', async () => {
  const [one, two] = [await hashPassword(PASSWORD), await hashPassword(PASSWORD)];
  assert.match(one, /^scrypt\$32768\$8\$3\$[A-Za-z0-9+/=]{24}\$[A-Za-z0-9+/=]{44}$/);
  assert.notEqual(one, two);
  assert.equal(await verifyPassword(PASSWORD, one, 0), true);
  assert.equal(await verifyPassword(`${PASSWORD} `, one, 0), false);
  for (const broken of ['', 'scrypt', one.replace('scrypt', 'plain'), `${one.slice(0, -8)}AAAAAAA=`])
    assert.equal(await verifyPassword(PASSWORD, broken, 0), false);
  // A hash made with other parameters is still verified.
  const { scryptSync } = await import('node:crypto');
  const salt = Buffer.alloc(16, 7);
  const weak = `scrypt$1024$8$1$${salt.toString('base64')}$${scryptSync('old', salt, 32, { N: 1024, r: 8, p: 1 }).toString('base64')}`;
  assert.equal(await verifyPassword('old', weak, 0), true);
});

test('a password that was verified is recognised for a minute, and never under another hash', async () => {
  const hash = await hashPassword(PASSWORD);
  await verifyPassword(PASSWORD, hash, 0);
  const began = performance.now();
  assert.equal(await verifyPassword(PASSWORD, hash, 59_000), true);
  assert.ok(performance.now() - began < 20, 'it was derived again');
  assert.equal(await verifyPassword(PASSWORD, await hashPassword('another password'), 0), false);
});

test('only loopback names are answered without users, and no page of another site', () => {
  for (const host of ['localhost', 'LocalHost', '127.0.0.1', '127.8.9.1', '::1', '[::1]']) assert.equal(isLoopback(host), true, host);
  for (const host of ['', '0.0.0.0', 'localhost.evil.org', '127.0.0.1.nip.io', '::', 'evil.org', '1270.0.0.1'])
    assert.equal(isLoopback(host), false, host);
  const guard = (headers: { host?: string; origin?: string }, open = false): string => {
    try {
      if (!open) guardHost(headers);
      guardOrigin(headers);
      return 'fine';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  assert.equal(guard({ host: 'localhost:7400' }), 'fine');
  assert.equal(guard({ host: '[::1]:7400' }), 'fine');
  assert.equal(guard({ host: 'evil.org:7400' }), 'host-not-allowed');
  assert.equal(guard({}), 'host-not-allowed');
  assert.equal(guard({ host: 'evil.org' }, true), 'fine');
  assert.equal(guard({ host: 'localhost:7400', origin: 'http://localhost:7400' }), 'fine');
  for (const origin of ['http://localhost:7401', 'http://evil.org', 'null', 'not a url', ''])
    for (const open of [false, true]) assert.equal(guard({ host: 'localhost:7400', origin }, open), 'origin-not-allowed', origin);
});

test('without users the loopback address is the local administrator; with one everybody logs in', async (t) => {
  const b = await openPipelines(t);
  assert.equal(await who(b, {}), 'local local default');
  assert.equal(await who(b, { host: 'evil.org' }), '421 host-not-allowed');
  assert.equal(await who(b, { origin: 'http://evil.org' }), '403 origin-not-allowed');
  assert.equal(await who(b, { 'x-gyre-workspace': 'none' }), '404 workspace-not-found');
  const create = async (name: string, role: string, headers = {}): Promise<Reply> =>
    (await b.send('POST', '/users', { name, password: PASSWORD, role }, headers)) as Reply;
  // The first one must be able to let others in, or nobody could any more.
  assert.equal((await create('vera', 'viewer')).body.code, 'first-user-not-admin');
  const created = await create('ada', 'admin');
  assert.equal(created.status, 201);
  assert.equal(JSON.stringify(created.body).includes(PASSWORD), false);
  assert.equal(await who(b, {}), '401 unauthenticated');
  assert.equal(await who(b, basic('ada')), 'user ada default');
  assert.equal(await who(b, basic('ada', 'wrong password')), '401 unauthenticated');
  assert.equal(await who(b, basic('nobody')), '401 unauthenticated');
  for (const authorization of ['Basic', 'Basic ???', 'Bearer', 'Bearer x', 'Digest a', `Basic ${Buffer.from('ada').toString('base64')}`])
    assert.equal(await who(b, { authorization }), '401 unauthenticated', authorization);
  assert.equal((await create('ada', 'viewer', basic('ada'))).body.code, 'user-exists');
  assert.equal((await create('vera', 'viewer', basic('ada'))).status, 201);
  assert.equal((await create('eve', 'viewer', basic('vera'))).body.code, 'forbidden');
  // The database holds no password.
  const { rows } = await sql<{ password_hash: string }>`select password_hash from users`.execute(b.ctx().db);
  assert.ok(rows.every((r) => r.password_hash.startsWith('scrypt$')));
});

test('the last administrator stays, whatever is tried', async (t) => {
  const b = await openPipelines(t);
  await b.send('POST', '/users', { name: 'ada', password: PASSWORD, role: 'admin' });
  const as = basic('ada');
  const code = async (method: 'PATCH' | 'DELETE', body?: object): Promise<unknown> =>
    ((await b.send(method, '/users/ada', body, as)) as Reply).body.code ?? 'done';
  assert.equal(await code('DELETE'), 'last-admin');
  assert.equal(await code('PATCH', { role: 'viewer' }), 'last-admin');
  await b.send('POST', '/users', { name: 'bob', password: PASSWORD, role: 'admin' }, as);
  assert.equal(await code('PATCH', { role: 'viewer' }), 'done');
  assert.equal(await code('PATCH', { role: 'admin' }), 'forbidden');
});

test('a token is shown once, stored as a digest, and ends by time, by revocation and with its owner', async (t) => {
  const b = await openPipelines(t);
  await b.send('POST', '/users', { name: 'ada', password: PASSWORD, role: 'admin' });
  await b.send('POST', '/users', { name: 'bob', password: PASSWORD, role: 'admin' }, basic('ada'));
  const make = async (body: object, headers: Record<string, string>): Promise<{ token: { id: string }; secret: string }> =>
    (await b.send<{ token: { id: string }; secret: string }>('POST', '/tokens', { name: 'ci', role: 'editor', ...body }, headers)).body;
  const expiresAt = new Date(b.clock.now() + 60_000).toISOString();
  const [timed, kept, bobs] = [await make({ expiresAt }, basic('ada')), await make({}, basic('ada')), await make({}, basic('bob'))];
  assert.match(kept.secret, /^gyre_[\w-]{32}$/);
  assert.equal(await who(b, bearer(kept.secret)), 'service ada default');
  const listed = JSON.stringify((await b.send('GET', '/tokens', undefined, basic('ada'))).body);
  const stored = JSON.stringify((await sql`select * from tokens`.execute(b.ctx().db)).rows);
  for (const { secret } of [timed, kept, bobs]) for (const text of [listed, stored]) assert.equal(text.includes(secret), false);

  assert.equal(await who(b, bearer(timed.secret)), 'service ada default');
  b.clock.advance(60_000);
  assert.equal(await who(b, bearer(timed.secret)), '401 unauthenticated');
  assert.equal((await b.send('DELETE', `/tokens/${kept.token.id}`, undefined, basic('ada'))).status, 204);
  assert.equal(await who(b, bearer(kept.secret)), '401 unauthenticated');
  assert.equal(((await b.send('DELETE', '/tokens/tok_none', undefined, basic('ada'))) as Reply).body.code, 'token-not-found');
  assert.equal(await who(b, bearer(bobs.secret)), 'service bob default');
  assert.equal((await b.send('DELETE', '/users/bob', undefined, basic('ada'))).status, 204);
  assert.equal(await who(b, bearer(bobs.secret)), '401 unauthenticated');
  assert.equal(await who(b, basic('bob')), '401 unauthenticated');
});

eachDatabase('a token allows no more than its owner may today, and a service’s or nobody’s keeps its role', async (t, kind) => {
  const b = await openPipelines(t, kind);
  await b.send('POST', '/users', { name: 'ada', password: PASSWORD, role: 'admin' });
  await b.send('POST', '/users', { name: 'bob', password: PASSWORD, role: 'admin' }, basic('ada'));
  const make = async (role: 'admin' | 'editor' | 'viewer' | 'service', ownerId: string) =>
    (await service.createToken(b.ctx(), { name: `${role} of ${ownerId}`, role, ownerId })).secret;
  const roles = ['admin', 'editor', 'viewer', 'service'] as const;
  const bobs = await Promise.all(roles.map((role) => make(role, 'bob')));
  const other = await make('service', 'a service');
  const heldBy = async (): Promise<string[]> => Promise.all(bobs.map(async (secret) => (await rolesOf(b, secret)).join('+')));
  const grant = async (role: string) => assert.equal((await b.send('PATCH', '/users/bob', { role }, basic('ada'))).status, 204);
  const predicting = async (): Promise<number> => (await service.tokensFor(b.ctx(), 'serving:predict')).length;
  assert.deepEqual([await heldBy(), await predicting()], [['admin', 'editor', 'viewer', 'service'], 4]);
  await grant('editor');
  assert.deepEqual([await heldBy(), await predicting()], [['editor', 'editor', 'viewer', 'service'], 4]);
  assert.equal(((await b.send('GET', '/tokens', undefined, bearer(bobs[0]!))) as Reply).body.code, 'forbidden');
  await grant('viewer');
  assert.deepEqual([await heldBy(), await predicting()], [['viewer', 'viewer', 'viewer', 'service+viewer'], 1]);
  await grant('service');
  assert.deepEqual([await heldBy(), await predicting()], [['service', 'service', 'viewer+service', 'service'], 4]);
  await grant('admin');
  assert.deepEqual([await heldBy(), await predicting()], [['admin', 'editor', 'viewer', 'service'], 4]);
  assert.deepEqual(await rolesOf(b, other), ['service']);
});

test('where neither the token’s role nor its owner’s holds the other, only what both allow is allowed', () => {
  const held = boundedBy('service', 'viewer');
  assert.deepEqual(
    (['models:read', 'serving:predict', 'lineage:read'] as const).map((p) => may(held, p)),
    [true, false, false],
  );
  assert.equal(may([], 'models:read'), false);
});

test('a token that would have ended already is not made', async (t) => {
  const b = await openPipelines(t);
  const make = async (ms: number): Promise<Reply> =>
    (await b.send('POST', '/tokens', { name: 'ci', role: 'viewer', expiresAt: new Date(ms).toISOString() })) as Reply;
  for (const ms of [0, b.clock.now() - 1, b.clock.now()]) {
    const { status, body } = await make(ms);
    assert.deepEqual([status, body.code], [422, 'token-expired-already'], String(ms));
    assert.ok(String(body.detail).includes(new Date(ms).toISOString()));
  }
  assert.deepEqual((await b.send('GET', '/tokens')).body.items, []);
  assert.equal((await make(b.clock.now() + 1)).status, 201);
});

eachDatabase('a workspace is reached by those who have a role in it, and managed by its own administrators', async (t, kind) => {
  const b = await openPipelines(t, kind);
  assert.equal((await b.send('POST', '/workspaces', { name: 'early' })).status, 201);
  await b.send('POST', '/users', { name: 'ada', password: PASSWORD, role: 'admin' });
  await b.send('POST', '/users', { name: 'bob', password: PASSWORD, role: 'viewer' }, basic('ada'));
  await b.send('POST', '/workspaces', { name: 'lab' }, basic('ada'));
  const inLab = { 'x-gyre-workspace': 'lab' };
  // Nobody is locked out of a workspace made before there were users, or by oneself.
  assert.equal(await who(b, { ...basic('ada'), 'x-gyre-workspace': 'early' }), 'user ada early');
  assert.equal(await who(b, { ...basic('ada'), ...inLab }), 'user ada lab');
  assert.equal(await who(b, { ...basic('bob'), ...inLab }), '404 workspace-not-found');
  assert.equal(await who(b, { ...basic('ada'), 'x-mlflow-workspace': 'lab' }), 'user ada lab');
  const { body } = await b.send<{ items: { name: string }[] }>('GET', '/workspaces', undefined, basic('bob'));
  assert.deepEqual(body.items, [{ name: 'default' }]);

  await b.send('POST', '/users', { name: 'lena', password: PASSWORD, role: 'admin' }, { ...basic('ada'), ...inLab });
  assert.equal(await who(b, basic('lena')), '404 workspace-not-found');
  // An administrator of one workspace has no power over the members of another.
  const remove = (await b.send('DELETE', '/users/bob', undefined, { ...basic('lena'), ...inLab })) as Reply;
  assert.deepEqual([remove.status, remove.body.code], [404, 'user-not-found']);
  assert.equal(await who(b, basic('bob')), 'user bob default');
  assert.equal(((await b.send('POST', '/workspaces', { name: 'more' }, { ...basic('lena'), ...inLab })) as Reply).body.code, 'forbidden');
  // Leaving one workspace leaves the others.
  assert.equal((await b.send('DELETE', '/users/ada', undefined, { ...basic('lena'), ...inLab })).status, 204);
  assert.equal(await who(b, { ...basic('ada'), ...inLab }), '404 workspace-not-found');
  assert.equal(await who(b, basic('ada')), 'user ada default');
  // A token is good for its own workspace.
  const { body: made } = await b.send<{ secret: string }>('POST', '/tokens', { name: 'x', role: 'admin' }, { ...basic('lena'), ...inLab });
  assert.equal(await who(b, bearer(made.secret)), 'service lena lab');
  assert.equal(await who(b, { ...bearer(made.secret), 'x-gyre-workspace': 'default' }), '404 workspace-not-found');
});

eachDatabase('the token of a step reaches its own tracking run and nothing beyond tracking', async (t, kind) => {
  const b = await openPipelines(t, kind);
  const ctx = b.ctx();
  const mlflow = async (method: 'GET' | 'POST', path: string, headers: Record<string, string>, body?: object): Promise<number> =>
    (
      await b.app.inject({
        method,
        url: `/api/2.0/mlflow/${path}`,
        headers: { host: '127.0.0.1', ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
        ...(body ? { payload: JSON.stringify(body) } : {}),
      })
    ).statusCode;
  const newRun = async (): Promise<string> => {
    const reply = await b.app.inject({
      method: 'POST',
      url: '/api/2.0/mlflow/runs/create',
      headers: { host: '127.0.0.1', 'content-type': 'application/json' },
      payload: '{"experiment_id":"0"}',
    });
    return JSON.parse(reply.payload).run.info.run_id as string;
  };
  const [mine, other] = [await newRun(), await newRun()];
  const { secret } = await service.createToken(ctx, {
    name: 'step',
    role: 'step',
    ownerId: 'attempt-1',
    scope: { runId: 'run_1', trackingRunIds: [mine] },
    expiresMs: b.clock.now() + 1000,
  });
  const as = bearer(secret);
  const metric = (run_id: string): object => ({ run_id, key: 'm', value: 1, timestamp: 1, step: 0 });
  assert.equal(await mlflow('POST', 'runs/log-metric', as, metric(mine)), 200);
  for (const [path, body] of [
    ['runs/log-metric', metric(other)],
    ['runs/log-parameter', { run_id: other, key: 'a', value: 'b' }],
    ['runs/set-tag', { run_id: other, key: 'a', value: 'b' }],
    ['runs/delete-tag', { run_id: other, key: 'mlflow.runName' }],
    ['runs/update', { run_id: other, status: 'FINISHED' }],
    ['runs/delete', { run_id: other }],
    ['runs/log-batch', { run_id: other, metrics: [], params: [], tags: [{ key: 'a', value: 'b' }] }],
    ['experiments/delete', { experiment_id: '0' }],
    ['experiments/update', { experiment_id: '0', new_name: 'mine' }],
  ] as const)
    assert.equal(await mlflow('POST', path, as, body), 403, path);
  for (const path of ['/projects', '/tokens', '/users', '/jobs'])
    assert.notEqual((await b.send('GET', path, undefined, as)).status, 200, path);
  assert.equal(await who(b, as), '403 forbidden');
  b.clock.advance(1000);
  assert.equal(await mlflow('POST', 'runs/log-metric', as, metric(mine)), 401);
  await ctx.tx((tx) => service.deleteStepTokens(tx, 'attempt-1'));
  assert.deepEqual((await sql`select id from tokens`.execute(ctx.db)).rows, []);
});

test('what each role may do is this, and a change of it is a change of this table', () => {
  const writes = [
    'alerts:write',
    'blobs:write',
    'code:execute',
    'datasets:write',
    'features:write',
    'models:write',
    'monitoring:write',
    'pipelines:run',
    'releases:approve',
    'releases:write',
    'retraining:write',
    'serving:predict',
    'timeline:advance',
    'tracking:write',
  ];
  const reads = [
    'alerts:read',
    'datasets:read',
    'environments:read',
    'features:read',
    'governance:read',
    'lineage:read',
    'models:read',
    'monitoring:read',
    'pipelines:read',
    'projects:read',
    'releases:read',
    'retraining:read',
    'system:read',
    'tracking:read',
  ];
  const sorted = (of: Iterable<string>): string[] => [...of].sort();
  assert.deepEqual(
    sorted(permissionsOf.admin),
    sorted([...reads, ...writes, 'access:admin', 'access:self', 'system:admin', 'gates:decide', 'governance:erase']),
  );
  assert.deepEqual(sorted(permissionsOf.editor), sorted(['access:self', ...reads, ...writes]));
  assert.deepEqual(sorted(permissionsOf.viewer), ['access:self', ...reads]);
  assert.deepEqual(sorted(permissionsOf.service), [
    'access:self',
    'blobs:write',
    'datasets:read',
    'features:read',
    'models:read',
    'monitoring:write',
    'projects:read',
    'serving:predict',
    'tracking:read',
    'tracking:write',
  ]);
  assert.deepEqual(sorted(permissionsOf.step), ['tracking:read', 'tracking:write']);
});

test('events of access name no password, no secret and no hash', async (t) => {
  const p = await openPlatform(t);
  const ctx = p.ctx();
  const user = await service.createUser(ctx, { name: 'ada', password: PASSWORD, role: 'admin' });
  const { secret } = await service.createToken(ctx, { name: 'ci', role: 'editor' });
  const text = JSON.stringify((await sql`select * from events`.execute(ctx.db)).rows);
  for (const hidden of [PASSWORD, secret, user.passwordHash]) assert.equal(text.includes(hidden), false);
  assert.match(text, /user\.created/);
});
