// Issuers that lead elsewhere: what they name is asked only where it may be, and no more of it is read than there is use for.
import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { test, type TestContext } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { openPipelines, type PipelineBench } from '../../../test/support/pipelines.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { ANSWER_BYTES, fetchOf, leadsInside } from './sign-in/issuer-fetch.ts';

const AUDIENCE = 'https://gyre.test/api';
const key = await generateKeyPair('RS256', { extractable: true });
const jwks = { keys: [{ ...(await exportJWK(key.publicKey)), kid: 'k', alg: 'RS256', use: 'sig' }] };

interface Listening {
  readonly url: string;
  readonly port: number;
  readonly asked: string[];
}

async function listen(t: TestContext, answer: RequestListener): Promise<Listening> {
  const asked: string[] = [];
  const server = createServer((req, res) => {
    asked.push(req.url!);
    answer(req, res);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}`, port, asked };
}

const json = (res: Parameters<RequestListener>[1], body: unknown): void =>
  void res.setHeader('content-type', 'application/json').end(JSON.stringify(body));

/** An issuer whose documents are made by a test, and a server inside that should hear nothing. */
async function openBench(
  t: TestContext,
  of: { document?: (inside: Listening) => object; keys?: RequestListener; discovery?: RequestListener; allow?: boolean } = {},
  database: 'sqlite' | 'postgres' = 'sqlite',
) {
  const inside = await listen(t, (_req, res) => json(res, jwks));
  const issuer: Listening = await listen(t, (req, res) => {
    if (req.url === '/keys') return of.keys ? of.keys(req, res) : json(res, jwks);
    if (of.discovery) return of.discovery(req, res);
    return json(res, {
      issuer: issuer.url,
      jwks_uri: `${issuer.url}/keys`,
      authorization_endpoint: `${issuer.url}/authorize`,
      token_endpoint: `${issuer.url}/token`,
      ...of.document?.(inside),
    });
  });
  const b = await openPipelines(t, database, {
    GYRE_OIDC_AUDIENCE: AUDIENCE,
    GYRE_OIDC_ALLOW_HTTP: '1',
    ...(of.allow ? { GYRE_OIDC_ALLOW_HOSTS: `127.0.0.1:${inside.port}` } : {}),
  });
  b.clock.advance(Date.now() - b.clock.now());
  assert.equal((await b.send('POST', '/users', { name: 'ada', password: 'correct horse battery', role: 'admin' })).status, 201);
  const basic = { authorization: `Basic ${Buffer.from('ada:correct horse battery').toString('base64')}` };
  await b.send('POST', '/service-accounts', { name: 'ci', role: 'viewer' }, basic);
  const bind = (address: string) =>
    b.send<{ code?: string; detail?: string }>('POST', '/service-accounts/ci/bindings', { issuer: address, subject: 'job' }, basic);
  assert.equal((await bind(issuer.url)).status, 201);
  const token = await new SignJWT({ sub: 'job' })
    .setAudience(AUDIENCE)
    .setIssuer(issuer.url)
    .setProtectedHeader({ alg: 'RS256', kid: 'k' })
    .setExpirationTime('1h')
    .sign(key.privateKey);
  return { b, bind, issuer, inside, token };
}

async function ask(b: PipelineBench, token: string): Promise<{ status: number; code?: string; detail?: string }> {
  const { status, body } = await b.send<{ code?: string; detail?: string }>('GET', '/whoami', undefined, {
    authorization: `Bearer ${token}`,
  });
  return { status, ...body };
}

eachDatabase('keys of an issuer are asked for where it may lead, and nowhere inside', async (t, kind) => {
  const fine = await openBench(t, {}, kind);
  assert.equal((await ask(fine.b, fine.token)).status, 200);
  const allowed = await openBench(t, { allow: true, document: (inside) => ({ jwks_uri: `${inside.url}/k` }) }, kind);
  assert.equal((await ask(allowed.b, allowed.token)).status, 200);
  assert.deepEqual(allowed.inside.asked, ['/k']);
});

test('a document that names a place inside for its keys is not believed, however the place is written', async (t) => {
  const places: ((inside: Listening) => string)[] = [
    (inside) => inside.url,
    ({ port }) => `http://localhost:${port}/`,
    ({ port }) => `https://localhost:${port}/`,
    ({ port }) => `https://127.1:${port}/`,
    ({ port }) => `https://0x7f000001:${port}/`,
    ({ port }) => `https://[::ffff:127.0.0.1]:${port}/`,
    () => 'https://169.254.169.254/latest/meta-data/',
    () => 'http://169.254.169.254/latest/meta-data/',
    () => 'https://[fd00:ec2::254]/',
    () => 'https://10.0.0.1/',
    () => 'file:///etc/passwd',
    () => 'gopher://127.0.0.1/',
  ];
  for (const place of places) {
    const { b, inside, token } = await openBench(t, { document: (at) => ({ jwks_uri: place(at) }) });
    const { status, code, detail } = await ask(b, token);
    assert.deepEqual([status, code], [422, 'issuer-not-usable'], `${place(inside)}: ${detail}`);
    assert.deepEqual(inside.asked, [], place(inside));
  }
});

test('redirections of a document or of keys are not followed', async (t) => {
  let to = '';
  const away: RequestListener = (_req, res) => void res.writeHead(302, { location: to }).end();
  for (const documents of [{ keys: away }, { discovery: away }]) {
    const { b, inside, token } = await openBench(t, documents);
    to = inside.url;
    const { status, code, detail } = await ask(b, token);
    assert.deepEqual([status, code], [422, 'issuer-not-usable'], String(detail));
    assert.match(detail ?? '', /a redirection, which is not followed/);
    assert.deepEqual(inside.asked, []);
  }
});

test('keys without end, packed keys and keys that never come are given up', async (t) => {
  let sent = 0;
  const endless: RequestListener = (_req, res) => {
    const more = (): void => {
      while (!res.destroyed && res.write('[1,'.repeat(10_000))) sent += 30_000;
    };
    res.on('drain', more).write('{"keys":');
    more();
  };
  const { b, token } = await openBench(t, { keys: endless });
  const large = await ask(b, token);
  assert.deepEqual([large.status, large.code], [422, 'issuer-not-usable'], String(large.detail));
  assert.match(large.detail ?? '', /answers more than 1048576 bytes/);
  // What is in the buffers of a connection was sent besides.
  assert.ok(sent < 20 * ANSWER_BYTES, String(sent));

  const packed = await openBench(t, { keys: (_req, res) => void res.setHeader('content-encoding', 'gzip').end('x') });
  assert.match((await ask(packed.b, packed.token)).detail ?? '', /a coding that was not asked for/);

  const { url } = await listen(t, (_req, res) => void res.write('{'));
  const fetch = fetchOf({ oidcIssuer: url, oidcAllowHosts: '', oidcAllowHttp: false }, url);
  await assert.rejects(fetch(`${url}/keys`, { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' });
});

test('an issuer that does not answer is left alone for a while, however many tokens name it', async (t) => {
  const { b, issuer, token } = await openBench(t, { discovery: (_req, res) => void res.writeHead(500).end() });
  for (let i = 0; i < 20; i++) assert.equal((await ask(b, token)).code, 'sign-on-unreachable');
  assert.equal(issuer.asked.length, 1);
  b.clock.advance(2000);
  await ask(b, token);
  assert.equal(issuer.asked.length, 2);
});

test('nobody binds an account to an issuer inside; the server’s own provider may be there', async (t) => {
  const { b, bind } = await openBench(t);
  for (const address of [
    'https://169.254.169.254',
    'https://127.0.0.1:9200',
    'https://[::1]',
    'https://192.168.0.1/realms/x',
    'https://2130706433',
  ]) {
    const { status, body } = await bind(address);
    assert.deepEqual([status, body.code], [422, 'issuer-not-usable'], address);
    assert.match(body.detail ?? '', /private network/);
  }
  const settings = { ...b.platform.settings, oidcIssuer: 'https://10.0.0.5/realms/own' };
  assert.equal(leadsInside(settings, 'https://10.0.0.5/realms/own'), false);
  assert.equal(leadsInside(settings, 'https://10.0.0.5/realms/other'), true);
  assert.equal(leadsInside({ ...settings, oidcAllowHosts: '10.0.0.5' }, 'https://10.0.0.5/realms/other'), false);
  // Its own provider leads to itself, not to its neighbours.
  await assert.rejects(fetchOf(settings, settings.oidcIssuer)('https://10.0.0.6/keys'), /private network/);
  await assert.rejects(fetchOf(settings, settings.oidcIssuer)('http://10.0.0.5/keys'), /not https/);
});
