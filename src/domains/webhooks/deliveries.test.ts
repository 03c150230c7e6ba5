// What webhooks send, over HTTP, to a real receiver.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { eachDatabase } from '../../../test/support/databases.ts';
import { startServer } from '../../../test/support/server.ts';
import { webhooksIn } from './store/tables.ts';
import { asker, MLFLOW, open, OURS, all } from './fixtures/webhooks.ts';

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
