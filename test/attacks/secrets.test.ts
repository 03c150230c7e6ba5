// Canaries: every secret that a server is given or makes is a word of its own, and none of these words may turn up in
// what is logged, recorded, answered, printed or kept beside the secrets themselves.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { globSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startControl } from '../../src/app/control.ts';
import { readSettings } from '../../src/kernel/config/settings.ts';
import { openLog } from '../../src/kernel/log.ts';
import { start } from '../cli/gyre.ts';

const canary = (name: string): string => `canary-${name}-${createHash('sha256').update(name).digest('hex').slice(0, 12)}`;
const given = Object.fromEntries(
  [
    'password',
    'other-password',
    'wrong-password',
    'mistyped-name',
    'oidc',
    's3-key',
    's3-secret',
    'webhook',
    'webhook-auth',
    'bearer',
    'cookie',
  ].map((name) => [name, canary(name)]),
);

test('No secret is in the log, the events, a reply, or what the command line prints', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-canary-'));
  const logged = join(dir, 'log');
  const log = openLog('debug', { fd: openSync(logged, 'w') });
  const [oidcFile, passwordFile] = [join(dir, 'oidc'), join(dir, 'password')];
  writeFileSync(oidcFile, given.oidc!);
  writeFileSync(passwordFile, given.password!);
  const environment = {
    ...{ GYRE_DIR: join(dir, 'gyre'), GYRE_DURABILITY: 'process', GYRE_LOG_LEVEL: 'debug', GYRE_PORT: '0' },
    ...{ GYRE_OIDC_ISSUER: 'https://127.0.0.1:1', GYRE_OIDC_CLIENT_ID: 'gyre', GYRE_OIDC_CLIENT_SECRET: `file:${oidcFile}` },
    GYRE_PUBLIC_URL: 'https://gyre.example',
  };
  const control = await startControl(readSettings(environment), { adminUser: 'ada', adminPasswordFile: passwordFile }, { log });
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const replies: string[] = [];
  const made: string[] = [];
  const ask = async (method: 'GET' | 'POST' | 'PATCH', url: string, body?: object | string, headers: Record<string, string> = {}) => {
    const reply = await control.app.inject({
      method,
      url,
      headers: { host: '127.0.0.1', ...(typeof body === 'object' ? { 'content-type': 'application/json' } : {}), ...headers },
      ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    return reply;
  };
  const basic = (name: string, password: string) => ({ authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` });
  const ada = basic('ada', given.password!);
  // What makes a secret answers it, once; every other reply is kept.
  for (const [url, member] of [
    ['/api/gyre/v1/me/tokens', 'secret'],
    ['/api/gyre/v1/tokens', 'secret'],
  ] as const) {
    const reply = await ask('POST', url, { name: 't', role: 'admin' }, ada);
    assert.equal(reply.statusCode, 201, reply.payload);
    assert.equal(reply.headers['cache-control'], 'no-store', url);
    made.push((JSON.parse(reply.payload) as Record<string, string>)[member]!);
  }
  const session = await ask('POST', '/api/gyre/v1/session', { name: 'ada', password: given.password }, { 'sec-fetch-site': 'same-origin' });
  assert.ok(session.statusCode < 300, session.payload);
  made.push(/=([^;]+)/.exec(String([session.headers['set-cookie']].flat()[0]))![1]!);
  const secrets = [...Object.values(given), ...made];
  const webhook = {
    name: 'w',
    url: `http://ann:${given['webhook-auth']}@127.0.0.1:9/hook`,
    secret: given.webhook,
    events: [{ entity: 'MODEL_VERSION', action: 'CREATED' }],
  };
  const hostile: Parameters<typeof ask>[] = [
    ['POST', '/api/gyre/v1/session', { name: 'ada', password: given['wrong-password'] }],
    [
      'POST',
      '/login',
      `name=${given['mistyped-name']}&password=${given['wrong-password']}`,
      { 'content-type': 'application/x-www-form-urlencoded' },
    ],
    ['GET', '/api/gyre/v1/whoami', undefined, basic(given['mistyped-name']!, given['wrong-password']!)],
    ['GET', '/api/gyre/v1/whoami', undefined, { authorization: `Bearer ${given.bearer}` }],
    ['GET', '/api/gyre/v1/whoami', undefined, { cookie: `gyre_session=${given.cookie}; __Host-gyre_session=${given.cookie}` }],
    ['GET', '/login/oidc'],
    ['GET', `/login/oidc/callback?code=${given.bearer}&state=x`, undefined, { cookie: `gyre_login=${given.cookie}.x` }],
    ['POST', '/api/gyre/v1/users', { name: 'bob', password: given['other-password'], role: 'viewer' }, ada],
    ['POST', '/api/gyre/v1/users', { name: 'bob', password: given['other-password'], role: 'viewer' }, ada],
    ['POST', '/api/2.0/mlflow/users/create', { username: 'cy', password: given['other-password'] }, ada],
    [
      'PATCH',
      '/api/2.0/mlflow/users/update-password',
      { username: 'cy', password: given['wrong-password'] },
      basic('cy', given['other-password']!),
    ],
    ['POST', '/api/2.0/mlflow/webhooks', webhook, ada],
    ['POST', '/api/2.0/mlflow/webhooks', { ...webhook, url: `https://hooks.example/${'x'.repeat(10)}` }, ada],
    ['GET', '/api/2.0/mlflow/webhooks', undefined, ada],
    ['POST', '/api/2.0/mlflow/registered-models/create', { name: 'm' }, ada],
    ['POST', '/api/2.0/mlflow/model-versions/create', { name: 'm', source: 's3://b/x' }, ada],
    ['POST', '/api/gyre/v1/settle', {}, ada],
    ['GET', '/api/gyre/v1/events?limit=200', undefined, ada],
    ['GET', '/api/gyre/v1/jobs', undefined, ada],
    ['GET', '/api/gyre/v1/tokens', undefined, ada],
    ['GET', '/api/gyre/v1/status', undefined, ada],
    ['GET', '/api/gyre/v1/me/sessions', undefined, ada],
    ['GET', '/metrics', undefined, ada],
  ];
  for (const [method, url, body, headers] of hostile) {
    const reply = await ask(method, url, body, headers);
    assert.ok(reply.statusCode < 500 || /oidc/.test(url), `${url}: ${reply.statusCode} ${reply.payload}`);
    // The form keeps the name that was typed, for whoever typed it.
    const shown = url === '/login' ? reply.payload.replace(given['mistyped-name']!, '') : reply.payload;
    replies.push(`${shown} ${JSON.stringify({ ...reply.headers, 'set-cookie': '' })}`);
  }
  await control.subscribers.drain();
  await control.worker.drain();
  await control.close();
  const found = (where: string, text: string, but: readonly string[] = []): string[] =>
    secrets
      .filter((secret) => !but.includes(secret) && text.includes(secret))
      .map((secret) => `${secret} in ${where}: ${text.slice(0, 300)}`);
  const lines = readFileSync(logged, 'utf8');
  assert.match(lines, /"event":/, 'the log says something');
  assert.deepEqual(
    lines.split('\n').flatMap((line) => found('the log', line)),
    [],
  );
  assert.deepEqual(
    replies.flatMap((reply) => found('a reply', reply)),
    [],
  );
  // On disk there are digests. A webhook's secret has to be sent, so it is kept, sealed by a key of the folder or not at all in clear.
  for (const file of globSync('gyre/**/*', { cwd: dir, withFileTypes: true }).filter((f) => f.isFile())) {
    const path = join(file.parentPath, file.name);
    assert.deepEqual(found(path, readFileSync(path, 'latin1'), [given.webhook!, given['webhook-auth']!]), []);
  }

  const env = {
    GYRE_DATABASE_URL: `postgres://gyre:${given.password}@127.0.0.1:1/gyre`,
    GYRE_BLOBS_URL: 's3://bucket/prefix',
    ...{ AWS_ACCESS_KEY_ID: given['s3-key']!, AWS_SECRET_ACCESS_KEY: given['s3-secret']!, GYRE_OIDC_CLIENT_SECRET: `file:${oidcFile}` },
  };
  for (const line of [
    ['config', 'show'],
    ['config', 'show', '--json'],
    ['doctor'],
    ['doctor', '--json'],
    ['status'],
    ['migrate'],
    ['up', '--port', '0'],
  ]) {
    const { out, err } = await start(line, { cwd: dir, env }).ended;
    assert.deepEqual(found(`gyre ${line.join(' ')}`, out + err), []);
  }
  const backup = join(dir, 'backup');
  const { code, out, err } = await start(['backup', backup], { cwd: dir, env: { GYRE_DIR: join(dir, 'gyre') } }).ended;
  assert.equal(code, 0, err);
  assert.deepEqual(found('gyre backup', out + err), []);
  // It holds what has to be sent, and nothing of what only has to be recognised.
  assert.deepEqual(found('the backup', readFileSync(backup, 'latin1'), [given.webhook!, given['webhook-auth']!]), []);
});
