// Webhooks over HTTP, with a real receiver.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachDatabase } from '../../../test/support/databases.ts';
import { createToken, createUser } from '../access/public.ts';
import { asker, MLFLOW, open, OURS, all } from './fixtures/webhooks.ts';

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
