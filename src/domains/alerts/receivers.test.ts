// Each kind of receiver against a real server of its protocol.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openAlerts, startReceiver, type AlertBench } from '../../../test/support/alert-bench.ts';
import { post } from '../../kernel/http/outgoing/post.ts';
import { isAllowed, isInside, reach, Refused } from '../../kernel/http/outgoing/reach.ts';

const environment = { GYRE_ALERT_ALLOW_HOSTS: '127.0.0.1', GYRE_URL: 'https://gyre.example.org' };

interface DeliveryReply {
  readonly state: string;
  readonly lastStatus: number | null;
  readonly lastError: string;
}
const deliveries = async (b: AlertBench): Promise<DeliveryReply[]> =>
  (await b.send<{ items: DeliveryReply[] }>('GET', '/alert-deliveries')).body.items;

test('Alertmanager is pushed what fires, again each minute so that it goes on, and its end', async (t) => {
  const receiver = await startReceiver(t);
  const b = await openAlerts(t, 'sqlite', { more: `receivers: { default: { alertmanager: { url: "${receiver.url}/" } } }`, environment });
  await b.closeWindow({ day: 1, findings: ['quality'] });
  for (let minute = 0; minute < 6; minute++) await b.later(60_000);
  const alerts = () => receiver.received.map((r) => (r.json as unknown as Record<string, unknown>[])[0]!);
  assert.ok(receiver.received.every((r) => r.path === '/api/v2/alerts'));
  const sent = alerts();
  assert.ok(sent.length >= 6 && sent.length <= 7, `${sent.length} pushes in six minutes`);
  assert.deepEqual(sent[0]!.labels, {
    alertname: 'e-quality',
    project: 'demo',
    monitor: 'e',
    rule: 'e-quality',
    signal: 'quality',
    severity: 'warn',
  });
  assert.match((sent[0]!.annotations as { summary: string }).summary, /^\[FIRING\] demo\/e-quality: The data is broken$/);
  assert.match(String(sent[0]!.generatorURL), /^https:\/\/gyre\.example\.org\/api\/gyre\/v1\/projects\/demo\/alerts\/alr_/);
  const ends = sent.map((a) => Date.parse(String(a.endsAt)));
  for (const [i, end] of ends.entries()) if (i > 0) assert.ok(end > ends[i - 1]! && end - ends[i - 1]! <= 120_000);
  assert.ok(ends.at(-1)! > b.clock.now(), 'it lasts until the next push');
  // The replay runs ahead of the clock, and Alertmanager takes nothing that begins later than now.
  assert.ok(Date.parse(String(sent[0]!.startsAt)) <= b.clock.now());
  assert.equal((await deliveries(b)).length, 1, 'being kept alive is no delivery');
  await b.closeWindow({ day: 2 });
  assert.equal(Date.parse(String(alerts().at(-1)!.endsAt)), b.clock.now());
  const count = receiver.received.length;
  await b.later(60_000);
  await b.later(60_000);
  assert.equal(receiver.received.length, count, 'what has ended is not sent again');
});

test('a webhook can have the shape that Alertmanager gives its own', async (t) => {
  const receiver = await startReceiver(t);
  const b = await openAlerts(t, 'sqlite', {
    more: `receivers: { default: { webhook: { url: "${receiver.url}", format: alertmanager } } }`,
    environment,
  });
  await b.closeWindow({ day: 1, findings: ['quality'] });
  await b.closeWindow({ day: 2 });
  const [firing, resolved] = receiver.received.map((r) => r.json as { status: string; version: string; alerts: Record<string, unknown>[] });
  assert.deepEqual([firing!.version, firing!.status, resolved!.status], ['4', 'firing', 'resolved']);
  assert.deepEqual([firing!.alerts[0]!.endsAt, resolved!.alerts[0]!.endsAt], ['0001-01-01T00:00:00Z', '2026-01-03T00:00:00.000Z']);
  assert.equal(firing!.alerts[0]!.fingerprint, resolved!.alerts[0]!.fingerprint);
});

test('a Slack message is one line and the figures, with nothing read as markup', async (t) => {
  const receiver = await startReceiver(t);
  const folder = mkdtempSync(join(tmpdir(), 'gyre-secret-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'slack'), `${receiver.url}/services/T0/B0/x`);
  const b = await openAlerts(t, 'sqlite', {
    more: `receivers: { chat: { slack: { url: "file:${join(folder, 'slack')}" } } }
alerts: [{ when: e.quality found, severity: page, receivers: [chat], summary: "Nulls <& more>" }]`,
    environment,
  });
  await b.closeWindow({ day: 1, findings: ['quality'] });
  assert.equal(receiver.received[0]!.path, '/services/T0/B0/x');
  const { text, attachments } = receiver.received[0]!.json as {
    text: string;
    attachments: { color: string; title: string; text: string }[];
  };
  assert.equal(text, '[FIRING] demo/e-quality: Nulls &lt;&amp; more&gt;');
  assert.deepEqual(
    [attachments[0]!.color, attachments[0]!.title, attachments[0]!.text],
    ['#d32f2f', 'e.quality found', 'value 0.9, threshold 0.5, n 900: method of quality'],
  );
});

test('who is told of an end that no figure brought learns what did', async (t) => {
  const receiver = await startReceiver(t);
  const rule = (bound: number): string =>
    `alerts: [{ name: low, when: e.volume below ${bound}, receivers: [own, chat] }]
receivers: { own: { webhook: { url: "${receiver.url}/own" } }, chat: { slack: { url: "${receiver.url}/chat" } } }`;
  const b = await openAlerts(t, 'sqlite', { more: rule(1000), environment });
  await b.closeWindow({ day: 1 });
  await b.apply(rule(10));
  await b.later(0);
  const last = (path: string) => receiver.received.filter((r) => r.path === path).at(-1)!.json;
  const own = last('/own') as { status: string; alert: { why: string } };
  assert.deepEqual([own.status, own.alert.why], ['resolved', 'the rule was changed']);
  const chat = last('/chat') as unknown as { attachments: { text: string; title_link: string }[] };
  assert.match(chat.attachments[0]!.text, /^the rule was changed; last figures: value 900, threshold 1000/);
  assert.match(chat.attachments[0]!.title_link, /^https:\/\/gyre\.example\.org\/api\/gyre\/v1\/projects\/demo\/alerts\/alr_/);
});

test('a receiver that accepts and never answers is waited for so long and no longer', async (t) => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  t.after(() => silent.close());
  const { port } = silent.address() as { port: number };
  const common = { url: `http://127.0.0.1:${port}`, body: '{}', headers: {}, allowed: '127.0.0.1', timeoutMs: 100 };
  await assert.rejects(post({ ...common, signal: new AbortController().signal }), /no answer within 0\.1 s/);
});

test('an answer without end is read no further than its first part', async (t) => {
  const endless = createHttpServer((_request, reply) => {
    const more = (): boolean | void => reply.writable && reply.write(Buffer.alloc(16_384)) && setImmediate(more) && undefined;
    reply.on('drain', more);
    reply.writeHead(200);
    more();
  });
  await new Promise<void>((resolve) => endless.listen(0, '127.0.0.1', resolve));
  t.after(() => endless.close());
  const { port } = endless.address() as { port: number };
  const common = { url: `http://127.0.0.1:${port}`, body: '{}', headers: {}, allowed: '127.0.0.1' };
  assert.equal((await post({ ...common, signal: new AbortController().signal })).status, 200);
});

test('addresses of this machine, of private networks and of metadata services are inside', async () => {
  for (const address of [
    ...[
      '127.0.0.1',
      '127.9.9.9',
      '0.0.0.0',
      '10.1.2.3',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '169.254.169.254',
      '100.64.0.1',
      '224.0.0.1',
      '255.255.255.255',
    ],
    ...[
      '::1',
      '::',
      '::127.0.0.1',
      '::ffff:10.0.0.1',
      '::ffff:7f00:1',
      '64:ff9b::7f00:1',
      '2002:7f00:1::',
      'fc00::1',
      'fd00:ec2::254',
      'fe80::1',
      'ff02::1',
      'nonsense',
    ],
  ])
    assert.equal(isInside(address), true, address);
  for (const address of ['8.8.8.8', '1.1.1.1', '172.32.0.1', '192.169.0.1', '2606:4700::1111', '::ffff:8.8.8.8'])
    assert.equal(isInside(address), false, address);
  await assert.rejects(reach('localhost', 80, ''), Refused);
  assert.deepEqual(await reach('localhost', 80, 'localhost:80').then((r) => r.addresses.every(isInside)), true);
  assert.deepEqual(await reach('8.8.8.8', 443, ''), { hostname: '8.8.8.8', port: 443, addresses: ['8.8.8.8'] });
  assert.deepEqual(
    [
      isAllowed('a, b:80', 'a', 1),
      isAllowed('a, b:80', 'b', 80),
      isAllowed('a, b:80', 'b', 81),
      isAllowed('', '', 0),
      isAllowed('[::1]:80', '::1', 80),
    ],
    [true, true, false, false, true],
  );
});
