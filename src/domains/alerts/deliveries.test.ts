// Who is told, when, under which id, and what happens when nobody listens.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { DAY, openAlerts, startReceiver, type AlertBench, type Received } from '../../../test/support/alert-bench.ts';
import { listOwedEnds } from './store/deliveries.ts';

const HOUR_MS = 3_600_000;
const SECRET = 'correct horse battery staple';

interface DeliveryReply {
  readonly id: string;
  readonly alert: string | null;
  readonly receiver: string;
  readonly status: string;
  readonly reason: string;
  readonly state: string;
  readonly attempts: number;
  readonly lastStatus: number | null;
  readonly lastError: string;
}
const deliveries = async (b: AlertBench, query = ''): Promise<DeliveryReply[]> =>
  (await b.send<{ items: DeliveryReply[] }>('GET', `/alert-deliveries${query}`)).body.items;

function secretFile(t: TestContext, text = SECRET): string {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-secret-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'secret'), `${text}\n`);
  return join(folder, 'secret');
}

const told = (r: Received): string => `${r.json.status as string} ${r.json.reason as string}`;

eachDatabase('a webhook gets what fires, repeats and resolves, signed, each under an id of its own', async (t, kind) => {
  const receiver = await startReceiver(t);
  const b = await openAlerts(t, kind, {
    more: `receivers: { default: { webhook: { url: "${receiver.url}/hook?x=1", secret: "file:${secretFile(t)}" }, repeat: 2d } }`,
    environment: { GYRE_ALERT_ALLOW_HOSTS: `127.0.0.1:${receiver.port}` },
  });
  for (const day of [1, 2, 3, 4]) await b.closeWindow({ day, findings: ['quality'] });
  await b.closeWindow({ day: 5 });
  assert.deepEqual(receiver.received.map(told), ['firing fired', 'firing repeat', 'resolved resolved']);
  const [first] = receiver.received;
  assert.equal(first!.path, '/hook?x=1');
  const { alert, evidence, link } = first!.json as { alert: Record<string, unknown>; evidence: Record<string, unknown>; link: string };
  assert.deepEqual(
    [alert.rule, alert.severity, alert.firedAt, (alert.labels as Record<string, string>).monitor],
    ['e-quality', 'warn', '2026-01-02T00:00:00.000Z', 'e'],
  );
  assert.deepEqual([evidence.value, evidence.threshold, evidence.n, evidence.method], [0.9, 0.5, 900, 'method of quality']);
  assert.equal((await b.send('GET', link.replace('/api/gyre/v1/projects/demo', ''))).status, 200);
  const ids = receiver.received.map((r) => r.headers['gyre-delivery']);
  assert.equal(new Set(ids).size, 3);
  for (const r of receiver.received) {
    assert.equal(r.headers['gyre-delivery'], r.json.delivery);
    const timestamp = String(r.headers['gyre-timestamp']);
    assert.equal(timestamp, String(Math.floor(b.clock.now() / 1000)));
    const expected = createHmac('sha256', SECRET).update(timestamp).update('.').update(r.text).digest('hex');
    assert.equal(r.headers['gyre-signature'], `v1=${expected}`);
  }
  assert.deepEqual(
    (await deliveries(b)).map((d) => d.state),
    ['delivered', 'delivered', 'delivered'],
  );
  assert.deepEqual((await deliveries(b, '?limit=1')).length, 1);
  assert.equal((await deliveries(b, `?alert=${String(alert.id)}&state=delivered`)).length, 3);
});

eachDatabase('an end that its receiver does not want to hear of is no debt', async (t, kind) => {
  const receiver = await startReceiver(t);
  const b = await openAlerts(t, kind, {
    more: `receivers: { default: { webhook: { url: "${receiver.url}" }, send_resolved: false } }`,
    environment: { GYRE_ALERT_ALLOW_HOSTS: '127.0.0.1' },
  });
  await b.closeWindow({ day: 1, findings: ['quality'] });
  await b.closeWindow({ day: 2 });
  assert.deepEqual(receiver.received.map(told), ['firing fired']);
  const owed = (receivers: readonly string[]) => listOwedEnds(b.ctx().db, 'default', 'demo', receivers);
  assert.deepEqual([(await owed(['default'])).length, await owed(['other']), await owed([])], [1, [], []]);
});

eachDatabase('a receiver that fails is tried again under the same id, later each time, and nothing is lost', async (t, kind) => {
  const receiver = await startReceiver(t);
  const b = await openAlerts(t, kind, {
    more: `receivers: { default: { webhook: { url: "${receiver.url}" } } }`,
    environment: { GYRE_ALERT_ALLOW_HOSTS: '127.0.0.1' },
  });
  receiver.status = 503;
  await b.closeWindow({ day: 1, findings: ['quality'] });
  const [failed] = await deliveries(b);
  assert.deepEqual(
    [failed!.state, failed!.attempts, failed!.lastStatus, failed!.lastError],
    ['failed', 1, 503, 'the receiver answered with status 503'],
  );
  await b.later(100);
  assert.equal(receiver.received.length, 1, 'it waits');
  receiver.status = 429;
  receiver.headers = { 'retry-after': '30' };
  await b.later(1000);
  assert.equal(receiver.received.length, 2);
  await b.later(20_000);
  assert.equal(receiver.received.length, 2, 'as long as the receiver asks for');
  receiver.status = 200;
  await b.later(10_000);
  assert.equal((await deliveries(b))[0]!.state, 'delivered');
  assert.deepEqual(new Set(receiver.received.map((r) => r.headers['gyre-delivery'])), new Set([failed!.id]));
  assert.deepEqual(
    (await b.events('alert-delivery.')).map((e) => e.type),
    ['alert-delivery.failed', 'alert-delivery.delivered'],
  );
});

eachDatabase('the end of an alert waits for its beginning, so that no receiver keeps what is over', async (t, kind) => {
  const receiver = await startReceiver(t);
  const b = await openAlerts(t, kind, {
    more: `receivers: { default: { webhook: { url: "${receiver.url}" }, repeat: 1d } }`,
    environment: { GYRE_ALERT_ALLOW_HOSTS: '127.0.0.1' },
  });
  receiver.status = 503;
  await b.closeWindow({ day: 1, findings: ['quality'] });
  await b.closeWindow({ day: 2, findings: ['quality'] });
  await b.closeWindow({ day: 3 });
  assert.deepEqual(receiver.received.map(told), ['firing fired']);
  assert.deepEqual((await deliveries(b)).map((d) => d.state).toSorted(), ['failed', 'queued', 'queued']);
  receiver.status = 200;
  await b.later(1000);
  assert.deepEqual(receiver.received.map(told), ['firing fired', 'firing fired', 'firing repeat', 'resolved resolved']);
  assert.deepEqual(new Set((await deliveries(b)).map((d) => d.state)), new Set(['delivered']));
});

eachDatabase('after a day of failures it is given up, and can be sent again by hand', async (t, kind) => {
  const receiver = await startReceiver(t);
  const b = await openAlerts(t, kind, {
    more: `receivers: { default: { webhook: { url: "${receiver.url}" } } }`,
    environment: { GYRE_ALERT_ALLOW_HOSTS: '127.0.0.1' },
  });
  receiver.status = 500;
  await b.closeWindow({ day: 1, findings: ['quality'] });
  for (let hour = 0; hour < 30; hour++) await b.later(HOUR_MS);
  const [dead] = await deliveries(b, '?state=dead');
  assert.match(dead!.lastError, /^given up after 24 h: the receiver answered with status 500$/);
  const before = receiver.received.length;
  await b.later(HOUR_MS);
  assert.equal(receiver.received.length, before);
  receiver.status = 204;
  const again = await b.send<DeliveryReply>('POST', `/alert-deliveries/${dead!.id}/redeliver`);
  assert.deepEqual([again.status, again.body.state], [200, 'queued']);
  assert.equal((await b.send('POST', `/alert-deliveries/${dead!.id}/redeliver`)).body.code, 'delivery-not-ended');
  await b.drain();
  assert.equal((await b.send<DeliveryReply>('GET', `/alert-deliveries/${dead!.id}`)).body.state, 'delivered');
  assert.equal(receiver.received.at(-1)!.headers['gyre-delivery'], dead!.id);
  assert.equal((await b.send('POST', '/alert-deliveries/dlv_none/redeliver')).body.code, 'delivery-not-found');
});

eachDatabase('what a receiver refuses for good is not tried again, and a redirection is not followed', async (t, kind) => {
  const receiver = await startReceiver(t);
  const b = await openAlerts(t, kind, {
    more: `receivers: { default: { webhook: { url: "${receiver.url}" } } }`,
    environment: { GYRE_ALERT_ALLOW_HOSTS: '127.0.0.1' },
  });
  receiver.status = 404;
  await b.closeWindow({ day: 1, findings: ['quality'] });
  receiver.status = 302;
  receiver.headers = { location: `${receiver.url}/elsewhere` };
  await b.closeWindow({ day: 2 });
  await b.later(HOUR_MS);
  assert.deepEqual(
    (await deliveries(b)).map((d) => [d.state, d.attempts, d.lastError]).toSorted((x, y) => String(x[2]).localeCompare(String(y[2]))),
    [
      ['dead', 1, 'the receiver answered with a redirection, which is not followed'],
      ['dead', 1, 'the receiver answered with status 404'],
    ],
  );
  assert.equal(receiver.received.length, 2);
});

eachDatabase('a silence holds back what is told but not the states, and its end tells what still fires', async (t, kind) => {
  const receiver = await startReceiver(t);
  const b = await openAlerts(t, kind, {
    more: `receivers: { default: { webhook: { url: "${receiver.url}" } } }`,
    environment: { GYRE_ALERT_ALLOW_HOSTS: '127.0.0.1' },
  });
  const silence = (body: object) => b.send<{ id: string; state: string; author: string; code: string }>('POST', '/silences', body);
  const made = await silence({ matchers: ['monitor=e', 'severity=~warn|info'], endsAt: '2026-01-04T00:00:00Z', comment: 'known' });
  assert.deepEqual([made.status, made.body.state, made.body.author], [201, 'active', 'local']);
  await b.closeWindow({ day: 1, findings: ['quality'] });
  await b.to(2);
  assert.equal(receiver.received.length, 0);
  const [alert] = (await b.send<{ items: { state: string; silenced: boolean }[] }>('GET', '/alerts')).body.items;
  assert.deepEqual([alert!.state, alert!.silenced], ['firing', true]);
  assert.deepEqual(
    (await b.events()).map((e) => e.type),
    ['alert.firing'],
  );
  await b.to(3);
  assert.deepEqual(receiver.received.map(told), ['firing fired']);
  assert.deepEqual((await b.send<{ items: object[] }>('GET', '/silences')).body.items, []);
  assert.equal((await b.send<{ items: { state: string }[] }>('GET', '/silences?expired=true')).body.items[0]!.state, 'expired');

  // The end of an alert is held back as well, and told when the silence is taken away.
  const second = await silence({
    matchers: ['rule=e-quality'],
    startsAt: '2026-01-04T00:00:00Z',
    endsAt: '2027-01-01T00:00:00Z',
    comment: 'x',
  });
  await b.closeWindow({ day: 4 });
  assert.equal(receiver.received.length, 1);
  assert.equal((await b.send('DELETE', `/silences/${second.body.id}`)).status, 204);
  await b.drain();
  assert.deepEqual(receiver.received.map(told), ['firing fired', 'resolved resolved']);
  assert.equal((await b.send('DELETE', `/silences/${second.body.id}`)).body.code, 'silence-not-found');

  for (const [body, code] of [
    [{ matchers: ['x'], endsAt: '2027-01-01T00:00:00Z', comment: 'x' }, 'silence-matcher-invalid'],
    [{ matchers: ['rule=x'], endsAt: '2025-01-01T00:00:00Z', comment: 'x' }, 'silence-span-invalid'],
    [{ matchers: ['rule=x'], startsAt: '2027-02-01T00:00:00Z', endsAt: '2027-01-01T00:00:00Z', comment: 'x' }, 'silence-span-invalid'],
    [{ matchers: [], endsAt: '2027-01-01T00:00:00Z', comment: 'x' }, 'invalid-input'],
  ] as const)
    assert.equal((await silence(body)).body.code, code);
});

eachDatabase('what is muted by broken data is not told, and told when the data is whole', async (t, kind) => {
  const receiver = await startReceiver(t);
  const b = await openAlerts(t, kind, {
    more: `receivers: { default: { webhook: { url: "${receiver.url}" } } }`,
    environment: { GYRE_ALERT_ALLOW_HOSTS: '127.0.0.1' },
  });
  const rules = (): unknown[] => receiver.received.map((r) => `${(r.json.alert as { rule: string }).rule} ${told(r)}`);
  await b.closeWindow({ day: 1, findings: ['quality', 'dataset-drift'] });
  await b.closeWindow({ day: 2, findings: ['quality', 'dataset-drift'] });
  assert.deepEqual(rules(), ['e-quality firing fired', 'e-quality firing repeat']);
  await b.closeWindow({ day: 3, findings: ['dataset-drift'] });
  assert.deepEqual(rules().slice(2), ['e-quality resolved resolved', 'e-drift firing fired']);
});

eachDatabase(
  'an address inside is refused unless an administrator allowed it, and so is what is no address of the web',
  async (t, kind) => {
    const receiver = await startReceiver(t);
    const url = (host: string): string => `http://${host}:${receiver.port}`;
    const hosts = ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0x7f.1', '2130706433', '169.254.169.254', '10.0.0.1'];
    const addresses: readonly string[] = [...hosts.map(url), 'ftp://example.org/x', 'not an address'];
    const b = await openAlerts(t, kind, {
      more: `receivers:\n${addresses.map((a, i) => `  r${i}: { webhook: { url: "${a}" } }`).join('\n')}`,
    });
    for (const i of addresses.keys()) {
      const { body } = await b.send<DeliveryReply>('POST', `/receivers/r${i}/test`);
      assert.equal(body.state, 'dead', addresses[i]!);
      assert.match(body.lastError, /GYRE_ALERT_ALLOW_HOSTS|not one of http/, addresses[i]!);
    }
    assert.equal(receiver.received.length, 0);
  },
);

test('only the port that is allowed is reached', async (t) => {
  const receiver = await startReceiver(t);
  const other = await startReceiver(t);
  const b = await openAlerts(t, 'sqlite', {
    more: `receivers: { a: { webhook: { url: "${receiver.url}" } }, b: { webhook: { url: "${other.url}" } } }`,
    environment: { GYRE_ALERT_ALLOW_HOSTS: `example.org, 127.0.0.1:${receiver.port}` },
  });
  const sent = async (name: string) => (await b.send<DeliveryReply>('POST', `/receivers/${name}/test`)).body;
  assert.deepEqual([(await sent('a')).state, (await sent('b')).state], ['delivered', 'dead']);
  assert.deepEqual([receiver.received.length, other.received.length], [1, 0]);
  assert.deepEqual(
    [receiver.received[0]!.json.status, (await b.send('POST', '/receivers/c/test')).body.code],
    ['test', 'receiver-not-found'],
  );
});

eachDatabase('secrets are in no event, reply or log line', async (t, kind) => {
  const receiver = await startReceiver(t);
  const token = 'T0KEN/B0/very-secret-path';
  const lines: unknown[] = [];
  const note = (line: unknown): void => void lines.push(line);
  const log = { debug: note, info: note, warn: note, error: note, child: () => log };
  const b = await openAlerts(t, kind, {
    more: `receivers:
  default: { webhook: { url: "${receiver.url}", secret: "file:${secretFile(t)}" } }
  chat: { slack: { url: "file:${secretFile(t, `http://127.0.0.1:1/${token}`)}" } }
  nowhere: { webhook: { url: "${receiver.url}", secret: "env:NO_SUCH_SECRET" } }
  plain: { webhook: { url: "http://user:pass-in-url@127.0.0.1:1/${token}" } }
alerts: [{ when: e.quality found, receivers: [default, chat, nowhere, plain] }]`,
    environment: { GYRE_ALERT_ALLOW_HOSTS: '127.0.0.1' },
    log,
  });
  await b.closeWindow({ day: 1, findings: ['quality'] });
  const all = await deliveries(b);
  assert.match(all.find((d) => d.receiver === 'chat')!.lastError, /ECONNREFUSED/);
  assert.equal(all.find((d) => d.receiver === 'nowhere')!.lastError, 'env:NO_SUCH_SECRET has no value where the server runs');
  const receivers = (await b.send('GET', '/receivers')).body;
  const everything = JSON.stringify([all, receivers, await b.events(''), lines.map((l) => (l instanceof Error ? String(l) : l))]);
  for (const secret of [SECRET, token, 'pass-in-url']) assert.ok(!everything.includes(secret), secret);
  assert.deepEqual((receivers as { items: { name: string; to: string; rules: string[] }[] }).items[0], {
    name: 'default',
    kind: 'webhook',
    to: `127.0.0.1:${receiver.port}`,
    repeat: '4h',
    sendResolved: true,
    rules: ['e-quality', 'e-roc_auc', 'e-drift', 'e-prediction_drift', 'e-windows'],
  });
});

for (const [place, times] of [
  ['alerts.before-delivered', 2],
  ['alerts.after-delivered', 1],
] as const)
  test(`a process that dies at ${place} loses no delivery and tells it under one id, ${times === 1 ? 'once' : 'twice at most'}`, async (t) => {
    const receiver = await startReceiver(t);
    const folder = mkdtempSync(join(tmpdir(), 'gyre-test-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const script = join(import.meta.dirname, '../../../test/support/alert-child.ts');
    const run = async (failpoints: string, ...task: string[]) => {
      const env = { PATH: process.env.PATH, ...(failpoints ? { GYRE_FAILPOINTS: failpoints } : {}) };
      const child = spawn(process.execPath, ['--no-warnings', script, folder, String(receiver.port), ...task], {
        env,
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      return (await once(child, 'exit')) as [number | null, string | null];
    };
    assert.deepEqual(await run(`${place}=kill`, 'fire'), [null, 'SIGKILL']);
    assert.equal(receiver.received.length, 1);
    assert.deepEqual(await run(''), [0, null]);
    assert.equal(receiver.received.length, times);
    assert.equal(new Set(receiver.received.map((r) => r.headers['gyre-delivery'])).size, 1);
    assert.equal(new Set(receiver.received.map((r) => r.text)).size, 1);
  });

test('an alert leaves within two seconds of its window’s closing', async (t) => {
  const receiver = await startReceiver(t);
  const b = await openAlerts(t, 'sqlite', {
    more: `receivers: { default: { webhook: { url: "${receiver.url}" } } }`,
    environment: { GYRE_ALERT_ALLOW_HOSTS: '127.0.0.1' },
  });
  const began = performance.now();
  await b.closeWindow({ day: 1, findings: ['quality'] });
  assert.equal(receiver.received.length, 1);
  assert.ok(performance.now() - began < 2000, `${performance.now() - began} ms`);
});

eachDatabase('a delivery whose job was lost gets another one', async (t, kind) => {
  const receiver = await startReceiver(t);
  const b = await openAlerts(t, kind, {
    more: `receivers: { default: { webhook: { url: "${receiver.url}" }, repeat: ${(10 * DAY) / 1e6}s } }`,
    environment: { GYRE_ALERT_ALLOW_HOSTS: '127.0.0.1' },
  });
  receiver.status = 500;
  await b.closeWindow({ day: 1, findings: ['quality'] });
  await b.platform.database.tx(
    async (tx) =>
      void (await tx.withTables<{ jobs: { name: string } }>().deleteFrom('jobs').where('name', '=', 'alerts.deliver').execute()),
  );
  receiver.status = 200;
  await b.later(60_000);
  assert.equal(receiver.received.length, 1);
  for (let minute = 0; minute < 4; minute++) await b.later(60_000);
  assert.equal((await deliveries(b))[0]!.state, 'delivered');
});

eachDatabase('each attempt is work of its project, so that nobody who waits for another project waits for a receiver', async (t, kind) => {
  const receiver = await startReceiver(t);
  const b = await openAlerts(t, kind, {
    more: `receivers: { default: { webhook: { url: "${receiver.url}" } } }`,
    environment: { GYRE_ALERT_ALLOW_HOSTS: '127.0.0.1' },
  });
  receiver.status = 500;
  await b.closeWindow({ day: 1, findings: ['quality'] });
  const [first] = await deliveries(b);
  assert.equal((await b.send('POST', `/alert-deliveries/${first!.id}/redeliver`)).status, 200);
  const jobs = b.platform.database.reader.withTables<{ jobs: { name: string; project: string | null } }>();
  const attempts = await jobs.selectFrom('jobs').select('project').where('name', '=', 'alerts.deliver').execute();
  assert.ok(attempts.length >= 2, 'the first one, the next one, and the one asked for');
  for (const { project } of attempts) assert.equal(project, 'demo');
});

test('windows of the past that close at once on a live timeline are told once, and the next minute reminds once', async (t) => {
  const more = `alerts: [{ name: quiet, when: e.volume below 100, receivers: [ops] }]
receivers: { ops: { webhook: { url: 'http://127.0.0.1:9/x' }, repeat: 4h } }`;
  const b = await openAlerts(t, 'sqlite', { timeline: '{ mode: live }', more });
  const endUs = Math.floor((b.clock.now() * 1000) / DAY) * DAY;
  for (let back = 30; back >= 3; back--) await b.closeWindow({ day: 0, us: endUs - back * DAY, n: 1 });
  assert.deepEqual(
    (await deliveries(b)).map((d) => d.reason),
    ['fired'],
  );
  await b.later(60_000);
  await b.later(60_000);
  assert.deepEqual(
    (await deliveries(b)).map((d) => d.reason),
    ['repeat', 'fired'],
  );
});
