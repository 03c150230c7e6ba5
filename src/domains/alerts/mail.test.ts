// E-mail against a real SMTP server.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test, type TestContext } from 'node:test';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { openAlerts, type AlertBench } from '../../../test/support/alert-bench.ts';
import { eachDatabase } from '../../../test/support/databases.ts';
import { sendMail } from './senders/email.ts';
import type { Message } from './service/tell.ts';

const environment = { GYRE_ALERT_ALLOW_HOSTS: '127.0.0.1', GYRE_URL: 'https://gyre.example.org' };

interface DeliveryReply {
  readonly id: string;
  readonly state: string;
  readonly lastStatus: number | null;
  readonly lastError: string;
}
const deliveries = async (b: AlertBench): Promise<DeliveryReply[]> =>
  (await b.send<{ items: DeliveryReply[] }>('GET', '/alert-deliveries')).body.items;

interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
  readonly user: string | undefined;
  readonly secure: boolean;
}

async function startSmtp(t: TestContext, options: SMTPServerOptions = {}): Promise<{ port: number; mails: Mail[] }> {
  const mails: Mail[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData: (stream, session, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (c: Buffer) => chunks.push(c));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        mails.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map((r) => r.address),
          text: Buffer.concat(chunks).toString(),
          user: session.user as string | undefined,
          secure: session.secure,
        });
        done();
      });
    },
    ...options,
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return { port: (server.server.address() as { port: number }).port, mails };
}

const mailTo = (server: string): string =>
  `receivers: { default: { email: { to: [ops@example.org, ml@example.org], from: "Gyre <gyre@example.org>", server: "${server}" } } }`;

test('an e-mail arrives at every address, says what and how much, and the mails of one alert are one thread', async (t) => {
  const { port, mails } = await startSmtp(t);
  const b = await openAlerts(t, 'sqlite', { more: mailTo(`smtp://127.0.0.1:${port}`), environment });
  await b.closeWindow({ day: 1, findings: ['quality'] });
  await b.closeWindow({ day: 2 });
  assert.deepEqual(
    (await deliveries(b)).map((d) => d.state),
    ['delivered', 'delivered'],
  );
  assert.deepEqual([mails[0]!.from, mails[0]!.to], ['gyre@example.org', ['ops@example.org', 'ml@example.org']]);
  assert.match(mails[0]!.text, /^Subject: \[FIRING\] demo\/e-quality: The data is broken\r$/m);
  assert.match(mails[0]!.text, /^Auto-Submitted: auto-generated\r$/m);
  // Long lines are broken up on their way (RFC 2045, quoted-printable).
  assert.match(mails[0]!.text.replaceAll('=\r\n', ''), /Link: +https:\/\/gyre\.example\.org\/api\/gyre\/v1\/projects\/demo\/alerts\/alr_/);
  assert.match(mails[0]!.text, /value 0\.9, threshold 0\.5, n 900: method of quality/);
  assert.match(mails[1]!.text, /^Subject: \[RESOLVED\] /m);
  const header = (m: Mail, name: string): string => new RegExp(`^${name}: (.*)\\r$`, 'mi').exec(m.text)![1]!;
  assert.match(header(mails[0]!, 'Message-ID'), /^<dlv_.*@gyre>$/);
  assert.notEqual(header(mails[0]!, 'Message-ID'), header(mails[1]!, 'Message-ID'));
  assert.equal(header(mails[0]!, 'References'), header(mails[1]!, 'References'));
});

test('a mail server that says later is asked again, one that says no is not', async (t) => {
  let code = 451;
  const refusing: SMTPServerOptions = {
    onRcptTo: (_address, _session, done) => done(code === 0 ? null : Object.assign(new Error('not now'), { responseCode: code })),
  };
  const { port, mails } = await startSmtp(t, refusing);
  const b = await openAlerts(t, 'sqlite', { more: mailTo(`smtp://127.0.0.1:${port}`), environment });
  await b.closeWindow({ day: 1, findings: ['quality'] });
  const [later] = await deliveries(b);
  assert.deepEqual([later!.state, later!.lastStatus], ['failed', 451]);
  code = 0;
  await b.later(2000);
  assert.equal(mails.length, 1);
  code = 550;
  await b.closeWindow({ day: 2 });
  assert.deepEqual((await deliveries(b)).map((d) => [d.state, d.lastStatus]).toSorted(), [
    ['dead', 550],
    ['delivered', 250],
  ]);
});

test('a password is not sent in the clear, and a mail server inside is refused like any other address', async (t) => {
  const { port, mails } = await startSmtp(t, { onAuth: (auth, _session, done) => done(null, { user: auth.username }) });
  const open = await openAlerts(t, 'sqlite', { more: mailTo(`smtp://ann:secret-word@127.0.0.1:${port}`), environment });
  const sent = await open.send<DeliveryReply>('POST', '/receivers/default/test');
  assert.equal(sent.body.state, 'dead');
  assert.match(sent.body.lastError, /STARTTLS/);
  assert.ok(!JSON.stringify(sent.body).includes('secret-word'));
  assert.equal(mails.length, 0);
  const shut = await openAlerts(t, 'sqlite', { more: mailTo(`smtp://127.0.0.1:${port}`) });
  const refused = await shut.send<DeliveryReply>('POST', '/receivers/default/test');
  assert.deepEqual([refused.body.state, mails.length], ['dead', 0]);
  const wrong = await openAlerts(t, 'sqlite', { more: mailTo('http://127.0.0.1') });
  assert.match((await wrong.send<DeliveryReply>('POST', '/receivers/default/test')).body.lastError, /smtp:\/\/ or smtps:\/\//);
});

eachDatabase('who was put off is asked again alone, who was refused is named, and nobody gets a mail twice', async (t, kind) => {
  let later = true;
  const { port, mails } = await startSmtp(t, {
    onRcptTo: ({ address }, _session, done) => {
      if (address.startsWith('gone')) return done(Object.assign(new Error('no such person'), { responseCode: 550 }));
      if (address.startsWith('slow') && later) return done(Object.assign(new Error('come again'), { responseCode: 451 }));
      return done(null);
    },
  });
  const more = `receivers: { default: { email: { to: [ops@a.org, slow@a.org, gone@a.org], from: g@a.org, server: "smtp://127.0.0.1:${port}" } } }`;
  const b = await openAlerts(t, kind, { more, environment });
  await b.closeWindow({ day: 1, findings: ['quality'] });
  const [put] = await deliveries(b);
  assert.deepEqual([put!.state, put!.lastStatus, put!.lastError], ['failed', 451, 'not yet taken for slow@a.org: 451 come again']);
  later = false;
  await b.later(2000);
  const [taken] = await deliveries(b);
  assert.deepEqual([taken!.state, taken!.lastError], ['delivered', 'not taken for gone@a.org: 550 no such person']);
  assert.deepEqual(
    mails.map((m) => m.to),
    [['ops@a.org'], ['slow@a.org']],
  );
  assert.match(mails[1]!.text, /^To: ops@a\.org, slow@a\.org, gone@a\.org\r$/m);
  await b.send('POST', `/alert-deliveries/${put!.id}/redeliver`);
  await b.later(0);
  assert.deepEqual(mails.at(-1)!.to, ['ops@a.org', 'slow@a.org']);
});

test('without a password a server that signed its own certificate is spoken to encrypted, with one it is not trusted', async (t) => {
  const { port, mails } = await startSmtp(t, {
    disabledCommands: [],
    onAuth: (auth, _session, done) => done(null, { user: auth.username }),
  });
  const open = await openAlerts(t, 'sqlite', { more: mailTo(`smtp://127.0.0.1:${port}`), environment });
  assert.equal((await open.send<DeliveryReply>('POST', '/receivers/default/test')).body.state, 'delivered');
  assert.deepEqual([mails.length, mails[0]!.secure], [1, true]);
  const shut = await openAlerts(t, 'sqlite', { more: mailTo(`smtp://ann:secret-word@127.0.0.1:${port}`), environment });
  const { body } = await shut.send<DeliveryReply>('POST', '/receivers/default/test');
  assert.equal(body.state, 'failed');
  assert.match(body.lastError, /certificate/);
  assert.equal(mails.length, 1);
});

test('a mail server that greets and says no more is waited for so long and no longer, and stopping does not wait for it', async (t) => {
  const sockets = new Set<{ destroy: () => unknown }>();
  const slow = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).write('220 hello\r\n');
  });
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
  t.after(() => (sockets.forEach((s) => s.destroy()), slow.close()));
  const { port } = slow.address() as { port: number };
  const stop = new AbortController();
  const message = { delivery: 'dlv_1', alert: { labels: {} }, evidence: { value: null, threshold: null } } as unknown as Message;
  const receiver = {
    kind: 'email',
    name: 'default',
    to: ['o@a.org'],
    from: 'g@a.org',
    server: '',
    repeatUs: 0,
    sendResolved: true,
  } as const;
  const sent = sendMail(receiver, `smtp://127.0.0.1:${port}`, message, { base: '', allowed: '127.0.0.1', signal: stop.signal });
  setTimeout(() => stop.abort(new Error('the server stops')), 200);
  await assert.rejects(sent);
});
