// Webhooks over HTTP, with a real receiver.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { startReceiver } from '../../../test/support/alert-bench.ts';
import { eachDatabase, type DatabaseKind } from '../../../test/support/databases.ts';
import { startServer, type TestServer } from '../../../test/support/server.ts';
import { createToken, createUser } from '../access/public.ts';
import { webhooksIn } from './store/tables.ts';

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

const asker =
  (server: TestServer, headers: Record<string, string> = {}) =>
  async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const reply = await fetch(`${server.url}${path}`, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await reply.text();
    return { status: reply.status, body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : { text } };
  };

const MLFLOW = '/api/2.0/mlflow';
const OURS = '/api/gyre/v1/webhooks';
const all = [
  ['REGISTERED_MODEL', 'CREATED'],
  ['MODEL_VERSION', 'CREATED'],
  ['MODEL_VERSION_TAG', 'SET'],
  ['MODEL_VERSION_TAG', 'DELETED'],
  ['MODEL_VERSION_ALIAS', 'CREATED'],
  ['MODEL_VERSION_ALIAS', 'DELETED'],
  ['PROMPT', 'CREATED'],
  ['PROMPT_VERSION', 'CREATED'],
  ['PROMPT_TAG', 'SET'],
  ['PROMPT_TAG', 'DELETED'],
  ['PROMPT_VERSION_TAG', 'SET'],
  ['PROMPT_VERSION_TAG', 'DELETED'],
  ['PROMPT_ALIAS', 'CREATED'],
  ['PROMPT_ALIAS', 'DELETED'],
  ['BUDGET_POLICY', 'EXCEEDED'],
].map(([entity, action]) => ({ entity, action }));

async function open(t: TestContext, kind: DatabaseKind = 'sqlite') {
  const receiver = await startReceiver(t);
  const server = await startServer(t, kind, { GYRE_WEBHOOK_ALLOW_HOSTS: `127.0.0.1:${receiver.port}` });
  const ask = asker(server);
  const create = async (more: object = {}): Promise<{ webhook_id: string } & Record<string, unknown>> => {
    const { status, body } = await ask('POST', `${MLFLOW}/webhooks`, { name: 'w', url: `${receiver.url}/hook`, events: all, ...more });
    assert.equal(status, 200, JSON.stringify(body));
    return body.webhook as { webhook_id: string } & Record<string, unknown>;
  };
  const news = () => receiver.received.map((r) => r.json as { entity: string; action: string; timestamp: string; data: unknown });
  const deliveries = async (id: string) => (await ask('GET', `${OURS}/${id}/deliveries`)).body.items as Record<string, unknown>[];
  return { receiver, server, ask, create, news, deliveries };
}

eachDatabase('every event of the registry is told in MLflow’s words, once, in its order', async (t, kind) => {
  const { server, ask, create, news } = await open(t, kind);
  await create();
  const send = async (method: string, path: string, body: object) => {
    const { status, body: answer } = await ask(method, `${MLFLOW}/${path}`, body);
    assert.equal(status, 200, `${method} ${path}: ${JSON.stringify(answer)}`);
    await server.drain();
  };
  const tags = [{ key: 'team', value: 'risk' }];
  await send('POST', 'registered-models/create', { name: 'm', tags, description: 'first' });
  await send('POST', 'model-versions/create', { name: 'm', source: 's3://bucket/model', tags });
  await send('POST', 'model-versions/set-tag', { name: 'm', version: '1', key: 'k', value: 'v' });
  await send('DELETE', 'model-versions/delete-tag', { name: 'm', version: '1', key: 'k' });
  await send('POST', 'registered-models/alias', { name: 'm', alias: 'challenger', version: '1' });
  await send('DELETE', 'registered-models/alias', { name: 'm', alias: 'challenger' });
  // The tags of a model are told of prompts only.
  await send('POST', 'registered-models/set-tag', { name: 'm', key: 'k', value: 'v' });
  const prompt = [
    { key: 'mlflow.prompt.is_prompt', value: 'true' },
    { key: '_mlflow_prompt_type', value: 'text' },
  ];
  await send('POST', 'registered-models/create', { name: 'p', tags: [...prompt, ...tags] });
  await send('POST', 'model-versions/create', {
    name: 'p',
    source: 's3://dummy-source',
    tags: [...prompt, { key: 'mlflow.prompt.text', value: 'Hello {{name}}!' }, ...tags],
  });
  await send('POST', 'registered-models/set-tag', { name: 'p', key: 'k', value: 'v' });
  await send('DELETE', 'registered-models/delete-tag', { name: 'p', key: 'k' });
  await send('POST', 'model-versions/set-tag', { name: 'p', version: '1', key: 'k', value: 'v' });
  await send('DELETE', 'model-versions/delete-tag', { name: 'p', version: '1', key: 'k' });
  await send('POST', 'registered-models/alias', { name: 'p', alias: 'a', version: '1' });
  await send('DELETE', 'registered-models/alias', { name: 'p', alias: 'a' });
  const [team] = [{ team: 'risk' }];
  assert.deepEqual(
    news().map((n) => [n.entity, n.action, n.data]),
    [
      ['registered_model', 'created', { name: 'm', tags: team, description: 'first' }],
      ['model_version', 'created', { name: 'm', version: '1', source: 's3://bucket/model', run_id: null, tags: team, description: null }],
      ['model_version_tag', 'set', { name: 'm', version: '1', key: 'k', value: 'v' }],
      ['model_version_tag', 'deleted', { name: 'm', version: '1', key: 'k' }],
      ['model_version_alias', 'created', { name: 'm', alias: 'challenger', version: '1' }],
      ['model_version_alias', 'deleted', { name: 'm', alias: 'challenger' }],
      ['prompt', 'created', { name: 'p', tags: team, description: '' }],
      ['prompt_version', 'created', { name: 'p', version: '1', template: 'Hello {{name}}!', tags: team, description: null }],
      ['prompt_tag', 'set', { name: 'p', key: 'k', value: 'v' }],
      ['prompt_tag', 'deleted', { name: 'p', key: 'k' }],
      ['prompt_version_tag', 'set', { name: 'p', version: '1', key: 'k', value: 'v' }],
      ['prompt_version_tag', 'deleted', { name: 'p', version: '1', key: 'k' }],
      ['prompt_alias', 'created', { name: 'p', alias: 'a', version: '1' }],
      ['prompt_alias', 'deleted', { name: 'p', alias: 'a' }],
    ],
  );
  assert.match(news()[0]!.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00$/);
});

test('a webhook hears only what it listens to, and nothing while it is disabled', async (t) => {
  const { server, ask, create, news } = await open(t);
  const { webhook_id: id } = await create({ events: [{ entity: 'MODEL_VERSION', action: 'CREATED' }] });
  await ask('POST', `${MLFLOW}/registered-models/create`, { name: 'm' });
  await ask('POST', `${MLFLOW}/model-versions/create`, { name: 'm', source: 's3://bucket/1' });
  await server.drain();
  assert.deepEqual(
    news().map((n) => n.entity),
    ['model_version'],
  );
  assert.equal((await ask('PATCH', `${OURS}/${id}`, { status: 'DISABLED' })).body.status, 'DISABLED');
  await ask('POST', `${MLFLOW}/model-versions/create`, { name: 'm', source: 's3://bucket/2' });
  await server.drain();
  await ask('PATCH', `${OURS}/${id}`, { status: 'ACTIVE' });
  await ask('POST', `${MLFLOW}/model-versions/create`, { name: 'm', source: 's3://bucket/3' });
  await server.drain();
  assert.deepEqual(
    news().map((n) => (n.data as { version: string }).version),
    ['1', '3'],
  );
});

eachDatabase('a delivery is signed over id, moment and body; the secret is encrypted where it lies and never shown', async (t, kind) => {
  const { server, receiver, ask, create } = await open(t, kind);
  const secret = 'a very secret sécret';
  const created = await create({ secret });
  await ask('POST', `${MLFLOW}/registered-models/create`, { name: 'm' });
  await server.drain();
  const { headers, text } = receiver.received[0]!;
  const { 'x-mlflow-delivery-id': id, 'x-mlflow-timestamp': timestamp, 'x-mlflow-signature': signature } = headers;
  assert.equal(timestamp, String(Math.floor(server.clock.now() / 1000)));
  assert.equal(signature, `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.${text}`).digest('base64')}`);
  assert.equal(headers['content-type'], 'application/json');
  const { secret: kept } = await webhooksIn(server.ctx().db).selectFrom('webhooks').select('secret').executeTakeFirstOrThrow();
  assert.doesNotMatch(kept!, /secret/);
  for (const path of [`${MLFLOW}/webhooks`, `${MLFLOW}/webhooks/${created.webhook_id}`, OURS, `${OURS}/${created.webhook_id}`])
    assert.doesNotMatch(JSON.stringify((await ask('GET', path)).body), /very secret|v1\./, path);
  assert.equal((await ask('GET', `${OURS}/${created.webhook_id}`)).body.signed, true);
  // Set to nothing, it is gone.
  await ask('PATCH', `${MLFLOW}/webhooks/${created.webhook_id}`, { secret: '' });
  await ask('POST', `${MLFLOW}/registered-models/create`, { name: 'n' });
  await server.drain();
  assert.equal(receiver.received[1]!.headers['x-mlflow-signature'], undefined);
});

eachDatabase(
  'what a receiver cannot take now is tried again under the same id, later as it asks; the rest is dead at once',
  async (t, kind) => {
    const { server, receiver, ask, create, deliveries } = await open(t, kind);
    const { webhook_id: id } = await create();
    receiver.status = 503;
    receiver.headers = { 'retry-after': '120' };
    await ask('POST', `${MLFLOW}/registered-models/create`, { name: 'm' });
    await server.drain();
    assert.equal(receiver.received.length, 1);
    const [failed] = await deliveries(id);
    assert.deepEqual([failed!.state, failed!.attempts, failed!.lastStatus], ['failed', 1, 503]);
    assert.equal(Date.parse(String(failed!.nextAt)), server.clock.now() + 120_000);
    server.clock.advance(119_000);
    await server.drain();
    assert.equal(receiver.received.length, 1, 'not before the receiver asked for it');
    receiver.status = 429;
    receiver.headers = {};
    server.clock.advance(2000);
    await server.drain();
    receiver.status = 200;
    server.clock.advance(600_000);
    await server.drain();
    assert.equal(receiver.received.length, 3);
    const ids = receiver.received.map((r) => r.headers['x-mlflow-delivery-id']);
    assert.deepEqual(ids, [failed!.id, failed!.id, failed!.id]);
    assert.equal(new Set(receiver.received.map((r) => r.text)).size, 1, 'the same bytes each time');
    assert.equal(new Set(receiver.received.map((r) => r.headers['x-mlflow-timestamp'])).size, 3);
    const [delivered] = await deliveries(id);
    assert.deepEqual([delivered!.state, delivered!.attempts], ['delivered', 3]);

    receiver.status = 302;
    receiver.headers = { location: 'http://169.254.169.254/latest/meta-data' };
    await ask('POST', `${MLFLOW}/registered-models/create`, { name: 'n' });
    await server.drain();
    receiver.status = 400;
    await ask('POST', `${MLFLOW}/registered-models/create`, { name: 'o' });
    await server.drain();
    server.clock.advance(600_000);
    await server.drain();
    assert.equal(receiver.received.length, 5);
    const errors = (await deliveries(id)).map((d) => `${String(d.state)}: ${String(d.lastError)}`).toSorted();
    assert.deepEqual(errors, [
      'dead: the receiver answered with a redirection, which is not followed',
      'dead: the receiver answered with status 400',
      'delivered: ',
    ]);
    // What is settled keeps no body.
    const kept = await webhooksIn(server.ctx().db).selectFrom('webhook_deliveries').select('body').execute();
    assert.deepEqual(
      kept.map((d) => d.body),
      ['', '', ''],
    );
  },
);

test('a delivery is given up after a day, and forgotten after a month', async (t) => {
  const { server, receiver, ask, create, deliveries } = await open(t);
  const { webhook_id: id } = await create();
  receiver.status = 500;
  await ask('POST', `${MLFLOW}/registered-models/create`, { name: 'm' });
  await server.drain();
  for (let hour = 0; hour < 26; hour++) {
    server.clock.advance(3_600_000);
    await server.drain();
  }
  const [dead] = await deliveries(id);
  assert.equal(dead!.state, 'dead');
  assert.match(String(dead!.lastError), /^given up after 24 h: the receiver answered with status 500$/);
  server.clock.advance(31 * 24 * 3_600_000);
  const { webhookJobs } = await import('./jobs.ts');
  const keep = webhookJobs.find((j) => j.name === 'webhooks.keep')! as unknown as { run: (ctx: unknown, payload: object) => Promise<void> };
  await keep.run(server.ctx({ workspace: '' }), {});
  await keep.run(server.ctx({ workspace: '' }), {});
  assert.deepEqual(await deliveries(id), []);
});

test('a delivery whose job was lost is queued again', async (t) => {
  const { server, receiver, ask, create } = await open(t);
  await create();
  receiver.status = 500;
  await ask('POST', `${MLFLOW}/registered-models/create`, { name: 'm' });
  await server.drain();
  await server.platform.database.tx((db) =>
    db.withTables<{ jobs: { name: string } }>().deleteFrom('jobs').where('name', '=', 'webhooks.deliver').execute(),
  );
  receiver.status = 200;
  server.clock.advance(3_600_000);
  await server.drain();
  assert.equal(receiver.received.length, 2);
});

test('an address inside the own network is refused, however it is written, and so is any but https', async (t) => {
  const server = await startServer(t);
  const ask = asker(server);
  const refused = [
    'http://example.com/',
    'ftp://example.com/',
    'file:///etc/passwd',
    'gopher://127.0.0.1/',
    'javascript:alert(1)',
    'not an address',
    '   ',
    'https://',
    'https://localhost/',
    'https://LOCALHOST./',
    'https://127.0.0.1/',
    'https://127.1/',
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0177.0.0.1/',
    'https://0.0.0.0/',
    'https://10.1.2.3/',
    'https://172.16.0.1/',
    'https://192.168.1.1/',
    'https://169.254.169.254/latest/meta-data',
    'https://100.64.0.1/',
    'https://[::1]/',
    'https://[::]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://[fd00::1]/',
    'https://[fe80::1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[2002:7f00:1::]/',
    'https://user:password@127.0.0.1/',
    'https://example.com@127.0.0.1/',
    'https://no-such-host.invalid/',
  ];
  for (const url of refused) {
    const { status, body } = await ask('POST', `${MLFLOW}/webhooks`, { name: 'w', url, events: all });
    assert.deepEqual([url, status, body.error_code], [url, 400, 'INVALID_PARAMETER_VALUE']);
    assert.equal((await ask('POST', OURS, { name: 'w', url, events: ['prompt.created'] })).status, 400, url);
  }
  assert.deepEqual((await ask('GET', OURS)).body, { items: [], nextCursor: null });
});

test('a name that leads inside only later is refused then, when it is asked', async (t) => {
  const { server, receiver, ask, create, deliveries } = await open(t);
  const { webhook_id: id } = await create();
  // As if the name had been public when the webhook was made.
  for (const url of ['https://localhost:1/', 'https://169.254.169.254/', receiver.url.replace('127.0.0.1', 'localhost')]) {
    await server.platform.database.tx((db) => webhooksIn(db).updateTable('webhooks').set({ url }).execute());
    await ask('POST', `${MLFLOW}/registered-models/create`, { name: `m${url.length}` });
    await server.drain();
    const { success, error_message: why } = (await ask('POST', `${MLFLOW}/webhooks/${id}/test`, {})).body.result as Record<string, unknown>;
    assert.equal(success, false);
    assert.match(String(why), /^Failed to test webhook: .*(private network|Allowed schemes are: https)/);
  }
  assert.equal(receiver.received.length, 0);
  for (const d of await deliveries(id)) assert.deepEqual([d.state, d.attempts], ['dead', 1]);
  assert.equal((await deliveries(id)).length, 3);
});

test('names, events and lengths are checked in MLflow’s words; what is not there is not found', async (t) => {
  const { ask, receiver, create } = await open(t);
  const url = `${receiver.url}/`;
  const refuse = async (body: object, words: RegExp) => {
    const answer = await ask('POST', `${MLFLOW}/webhooks`, { name: 'w', url, events: all, ...body });
    assert.deepEqual([answer.status, answer.body.error_code], [400, 'INVALID_PARAMETER_VALUE'], JSON.stringify(body));
    assert.match(String(answer.body.message), words);
  };
  for (const name of ['-w', 'w-', 'a b', 'w/x', 'ü', 'w'.repeat(64)])
    await refuse({ name }, /^Webhook name '.*' is invalid\. It must start/);
  await refuse({ name: '' }, /Missing value for required parameter 'name'/);
  await refuse({ url: '' }, /Missing value for required parameter 'url'/);
  await refuse({ events: null }, /Missing value for required parameter 'events'/);
  await refuse({ events: [] }, /^Webhook events must be a non-empty list/);
  await refuse(
    { events: [{ entity: 'MODEL_VERSION', action: 'DELETED' }] },
    /^Invalid action 'deleted' for entity 'model_version'\. Valid actions are: \['created'\]/,
  );
  await refuse({ events: [{ entity: 'NOTHING', action: 'CREATED' }] }, /Invalid value "NOTHING"/);
  await refuse({ status: 'SLEEPING' }, /Invalid value "SLEEPING"/);
  await refuse({ secret: 's'.repeat(1001) }, /Webhook secret is longer/);
  await refuse({ url: `${url}${'x'.repeat(2000)}` }, /Webhook url is longer/);
  assert.equal((await create({ name: 'a.B_c-9' })).status, 'ACTIVE');
  // Numbers of the enumerations, and the same event twice.
  const twice = await create({
    events: [
      { entity: 1, action: 1 },
      { entity: 'REGISTERED_MODEL', action: 'CREATED' },
    ],
  });
  assert.deepEqual(twice.events, [{ entity: 'REGISTERED_MODEL', action: 'CREATED' }]);
  for (const [method, path] of [
    ['GET', 'whk_none'],
    ['PATCH', 'whk_none'],
    ['DELETE', 'whk_none'],
    ['POST', 'whk_none/test'],
  ] as const) {
    const missing = await ask(method, `${MLFLOW}/webhooks/${path}`, method === 'GET' ? undefined : {});
    assert.deepEqual([missing.status, missing.body.error_code], [404, 'RESOURCE_DOES_NOT_EXIST'], method);
  }
  assert.equal((await ask('GET', `${OURS}/whk_none`)).body.code, 'webhook-not-found');
  assert.equal((await ask('POST', OURS, { name: '-', url, events: ['prompt.created'] })).body.code, 'webhook-invalid');
});

eachDatabase('webhooks are listed newest first in pages, changed in part, and removed', async (t, kind) => {
  const { server, ask, create } = await open(t, kind);
  for (const name of ['a', 'b', 'c']) {
    await create({ name, description: `of ${name}` });
    server.clock.advance(1);
  }
  const names = (body: Record<string, unknown>) => ((body.webhooks ?? []) as { name: string }[]).map((w) => w.name);
  const first = (await ask('GET', `${MLFLOW}/webhooks?max_results=2`)).body;
  assert.deepEqual(names(first), ['c', 'b']);
  const second = (await ask('GET', `${MLFLOW}/webhooks?max_results=2&page_token=${encodeURIComponent(String(first.next_page_token))}`))
    .body;
  assert.deepEqual([names(second), second.next_page_token], [['a'], undefined]);
  for (const query of ['max_results=-1', 'max_results=1001', 'page_token=x'])
    assert.equal((await ask('GET', `${MLFLOW}/webhooks?${query}`)).status, 400);
  const own = (await ask('GET', `${OURS}?limit=2`)).body as { items: { name: string }[]; nextCursor: string };
  assert.deepEqual(
    [own.items.map((w) => w.name), ((await ask('GET', `${OURS}?cursor=${own.nextCursor}`)).body.items as unknown[]).length],
    [['c', 'b'], 1],
  );
  const id = (second.webhooks as { webhook_id: string }[])[0]!.webhook_id;
  const changed = (await ask('PATCH', `${MLFLOW}/webhooks/${id}`, { name: '', description: '', status: 'DISABLED' })).body
    .webhook as Record<string, unknown>;
  assert.deepEqual(
    [changed.name, changed.description, changed.status, (changed.events as unknown[]).length],
    ['a', undefined, 'DISABLED', all.length],
  );
  assert.ok(Number(changed.last_updated_timestamp) > Number(changed.creation_timestamp));
  assert.deepEqual((await ask('DELETE', `${MLFLOW}/webhooks/${id}`)).body, {});
  assert.equal((await ask('GET', `${MLFLOW}/webhooks/${id}`)).status, 404);
});

test('a test sends an example of any event at once, and shows what is answered', async (t) => {
  const { ask, receiver, create, news } = await open(t);
  const { webhook_id: id } = await create({ secret: 's3cret' });
  const run = async (body: object) => (await ask('POST', `${MLFLOW}/webhooks/${id}/test`, body)).body.result as Record<string, unknown>;
  assert.deepEqual(await run({}), { success: true, response_status: 200, response_body: 'ok' });
  assert.deepEqual([news()[0]!.entity, (news()[0]!.data as { name: string }).name], ['registered_model', 'example_model']);
  for (const event of all) assert.equal((await run({ event })).success, true);
  assert.deepEqual(new Set(news().map((n) => `${n.entity}.${n.action}`)).size, all.length);
  assert.ok(receiver.received.every((r) => String(r.headers['x-mlflow-signature']).startsWith('v1,')));
  receiver.status = 404;
  assert.deepEqual(await run({}), { success: false, response_status: 404, response_body: 'ok' });
  const ours = (await ask('POST', `${OURS}/${id}/test`, { event: 'prompt.created' })).body;
  assert.deepEqual(ours, { success: false, status: 404, answer: 'ok', error: 'the receiver answered with status 404' });
});

test('only an administrator sees or makes webhooks, and only those of the own workspace', async (t) => {
  const { server, create, receiver } = await open(t);
  const { webhook_id: id } = await create();
  const ctx = server.ctx();
  await createUser(ctx, { name: 'root', password: 'a long password', role: 'admin' });
  await createUser(ctx, { name: 'ed', password: 'a long password', role: 'editor' });
  const { secret: token } = await createToken(ctx, {
    name: 'step',
    role: 'step',
    scope: { trackingRunIds: [] },
    expiresMs: Number.MAX_SAFE_INTEGER,
  });
  const basic = (name: string) => ({ authorization: `Basic ${Buffer.from(`${name}:a long password`).toString('base64')}` });
  const every: [string, string, object?][] = [
    ['GET', `${MLFLOW}/webhooks`],
    ['POST', `${MLFLOW}/webhooks`, { name: 'x', url: receiver.url, events: all }],
    ['GET', `${MLFLOW}/webhooks/${id}`],
    ['PATCH', `${MLFLOW}/webhooks/${id}`, { name: 'x' }],
    ['POST', `${MLFLOW}/webhooks/${id}/test`, {}],
    ['DELETE', `${MLFLOW}/webhooks/${id}`, {}],
    ['GET', OURS],
    ['GET', `${OURS}/${id}/deliveries`],
    ['POST', `${OURS}/${id}/test`, {}],
    ['DELETE', `${OURS}/${id}`],
  ];
  for (const [method, path, body] of every) {
    assert.equal((await asker(server)(method, path, body)).status, 401, `${method} ${path}`);
    assert.equal((await asker(server, basic('ed'))(method, path, body)).status, 403, `${method} ${path}`);
    assert.equal((await asker(server, { authorization: `Bearer ${token}` })(method, path, body)).status, 403, `${method} ${path}`);
  }
  assert.equal(receiver.received.length, 0);
  assert.equal((await asker(server, basic('root'))('GET', `${MLFLOW}/webhooks/${id}`)).status, 200);
  const { createWorkspace } = await import('../access/service.ts');
  await createWorkspace(ctx, 'other');
  const away = server.ctx({ workspace: 'other' });
  const { getWebhook } = await import('./public.ts');
  await assert.rejects(getWebhook(away, id), /not found/);
});
