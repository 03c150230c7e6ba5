// gyre webhooks, as typed, against a server that listens.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startReceiver } from '../support/alert-bench.ts';
import { startServer } from '../support/server.ts';
import { gyre } from './gyre.ts';

test('gyre webhooks makes, tests, lists, disables and removes them, and shows what was sent', async (t) => {
  const receiver = await startReceiver(t);
  const server = await startServer(t, 'sqlite', { GYRE_WEBHOOK_ALLOW_HOSTS: '127.0.0.1' });
  const say = async (code: number, ...args: string[]): Promise<string> => {
    const ran = await gyre('webhooks', ...args, '--url', server.url);
    assert.equal(ran.code, code, `${args.join(' ')}: ${ran.err}`);
    return ran.out || ran.err;
  };
  const secret = join(server.folder, 'secret');
  writeFileSync(secret, 'a long secret\n');
  const made = await say(
    0,
    'create',
    'bot',
    receiver.url,
    '--event',
    'registered_model.created',
    'model_version.created',
    '--secret-file',
    secret,
  );
  assert.match(made, /^whk_\w+ sends registered_model\.created, model_version\.created to http:\/\/127\.0\.0\.1:\d+, signed/);
  const id = made.split(' ')[0]!;
  assert.match(await say(0, 'list'), new RegExp(`${id} +bot +ACTIVE +yes +http`));
  assert.doesNotMatch(await say(0, 'list', '--json'), /a long secret/);
  assert.match(await say(0, 'test', id, '--event', 'prompt.created'), /^status 200: ok/);
  receiver.status = 500;
  assert.match(await say(1, 'test', id), /^status 500: ok/);
  receiver.status = 200;
  await fetch(`${server.url}/api/2.0/mlflow/registered-models/create`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name":"m"}',
  });
  await server.drain();
  assert.match(await say(0, 'deliveries', id), /dlv_\w+ +registered_model\.created +delivered +1 +200 /);
  assert.match(await say(0, 'disable', id), /^bot is DISABLED/);
  assert.match(await say(0, 'enable', id), /^bot is ACTIVE/);
  assert.match(await say(0, 'delete', id), new RegExp(`^${id} is removed`));
  assert.match(await say(4, 'test', id), /webhook-not-found/);
  assert.match(await say(3, 'create', 'bot', 'https://10.0.0.1/', '--event', 'prompt.created'), /GYRE_WEBHOOK_ALLOW_HOSTS=10\.0\.0\.1:443/);
});
