// What is sent on a bare socket: requests that no client makes. Each is answered with a refusal or not at all, never with a
// fault of the server, and afterwards it answers others as before.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { compose } from '../../src/app/compose.ts';
import { accessOf } from '../../src/domains/access/public.ts';
import { createUser } from '../../src/domains/access/service.ts';
import { buildServer } from '../../src/kernel/http/server.ts';
import { openPlatform } from '../support/platform.ts';
import { startServer, type TestServer } from '../support/server.ts';

const port = (server: TestServer): number => Number(new URL(server.url).port);

/** All that the server says until it closes the connection, or ours is at an end. */
async function say(server: TestServer, parts: string | Buffer | readonly (string | Buffer)[]): Promise<string> {
  const socket = connect(port(server), '127.0.0.1');
  let heard = '';
  socket.setEncoding('latin1').on('data', (text: string) => (heard += text));
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  for (const part of [parts].flat()) socket.write(part);
  socket.end();
  await once(socket, 'close');
  return heard;
}

const alive = async (server: TestServer): Promise<void> => {
  assert.equal(await (await fetch(`${server.url}/health`)).text(), 'OK');
};

const host = 'host: 127.0.0.1\r\n';
const json = `${host}content-type: application/json\r\n`;
const create = 'POST /api/2.0/mlflow/experiments/create HTTP/1.1\r\n';
const length = (text: string | Buffer): string => `content-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n`;
const search = 'GET /api/2.0/mlflow/experiments/search?max_results=1 HTTP/1.1\r\n';
const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));

const odd: Readonly<Record<string, string | Buffer | readonly (string | Buffer)[]>> = {
  'no HTTP at all': 'hello\r\n\r\n',
  'nothing but bytes': Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 37) % 256)),
  'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'HTTP/0.9': 'GET /health\r\n\r\n',
  'a method that is none': `BREW /api/gyre/v1/status HTTP/1.1\r\n${host}\r\n`,
  'a small method': `get /health HTTP/1.1\r\n${host}\r\n`,
  TRACE: `TRACE /api/gyre/v1/status HTTP/1.1\r\n${host}connection: close\r\n\r\n`,
  CONNECT: `CONNECT 169.254.169.254:80 HTTP/1.1\r\n${host}\r\n`,
  'OPTIONS *': `OPTIONS * HTTP/1.1\r\n${host}connection: close\r\n\r\n`,
  'an absolute address': `GET http://169.254.169.254/latest HTTP/1.1\r\n${host}connection: close\r\n\r\n`,
  'an upgrade': `GET /api/gyre/v1/status HTTP/1.1\r\n${host}connection: upgrade\r\nupgrade: websocket\r\n\r\n`,
  'no host': 'GET /api/gyre/v1/status HTTP/1.1\r\nconnection: close\r\n\r\n',
  'two hosts': `GET /api/gyre/v1/status HTTP/1.1\r\n${host}host: evil.example\r\nconnection: close\r\n\r\n`,
  'another host': 'GET /api/gyre/v1/status HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n',
  'a split header': `GET /api/gyre/v1/status HTTP/1.1\r\n${host}x: a\rb\r\n\r\n`,
  'a NUL in a header': `GET /api/gyre/v1/status HTTP/1.1\r\n${host}x: a\0b\r\n\r\n`,
  'a header of a megabyte': `GET /health HTTP/1.1\r\n${host}x: ${'a'.repeat(1 << 20)}\r\n\r\n`,
  'ten thousand headers': `GET /health HTTP/1.1\r\n${host}${'x: a\r\n'.repeat(10_000)}\r\n`,
  'a path of 100 kB': `GET /${'a'.repeat(100_000)} HTTP/1.1\r\n${host}\r\n`,
  'a NUL in the path': `GET /api/2.0/mlflow-artifacts/artifacts/a%00b HTTP/1.1\r\n${host}connection: close\r\n\r\n`,
  'a path that does not decode': `GET /api/2.0/mlflow-artifacts/artifacts/%c0%ae%c0%ae HTTP/1.1\r\n${host}connection: close\r\n\r\n`,
  'a length and chunks': [`${create}${json}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`],
  'two lengths': [`${create}${json}content-length: 2\r\ncontent-length: 20\r\n\r\n{}`],
  'a negative length': `${create}${json}content-length: -1\r\n\r\n{}`,
  'a length beyond all': `${create}${json}content-length: 99999999999999999999999\r\nconnection: close\r\n\r\n{}`,
  'a length of an exabyte': `${create}${json}content-length: 1000000000000000000\r\nconnection: close\r\n\r\n{}`,
  'a length that is never reached': `${create}${json}content-length: 100\r\n\r\n{"name"`,
  'a chunk that lies': `${create}${json}transfer-encoding: chunked\r\n\r\nff\r\n{}\r\n0\r\n\r\n`,
  'a chunk of no number': `${create}${json}transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`,
  'a chunk of a huge number': `${create}${json}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}`,
  'an unknown coding': `${create}${json}transfer-encoding: x\r\n\r\n{}`,
  'a request smuggled behind another': `${create}${json}content-length: 2\r\n\r\n{}GET /x HTTP/1.1\r\n${host}connection: close\r\n\r\n`,
  'a compressed bomb': [Buffer.from(`${create}${json}content-encoding: gzip\r\n${length(bomb)}`), bomb],
  'a body to a GET': `${search}${json}${length('{"max_results": 1, "filter": 5}')}{"max_results": 1, "filter": 5}`,
  'an expectation': `${create}${json}expect: 200-maybe\r\n${length('{}')}{}`,
  'form data': `${create}${host}content-type: multipart/form-data; boundary=x\r\n${length('--x--')}--x--`,
  'an upload that breaks off': `PUT /api/2.0/mlflow-artifacts/artifacts/0/x/artifacts/f HTTP/1.1\r\n${host}content-length: 1000\r\n\r\nabc`,
  'another method by a header': `GET /api/gyre/v1/status HTTP/1.1\r\n${host}x-http-method-override: DELETE\r\nconnection: close\r\n\r\n`,
};

test('What is no proper request is refused, and the server goes on', async (t) => {
  const server = await startServer(t);
  const wrong: string[] = [];
  for (const [name, parts] of Object.entries(odd)) {
    const heard = await say(server, parts);
    const statuses = [...heard.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map((m) => Number(m[1]));
    // 431, 417 and 501 are Node's own words for headers, expectations and codings that nobody offers.
    if (statuses.some((status) => status >= 500 && status !== 501)) wrong.push(`${name}: ${heard.slice(0, 300)}`);
    if (/set-cookie|meta-data/i.test(heard)) wrong.push(`${name}: ${heard.slice(0, 300)}`);
  }
  assert.deepEqual(wrong, []);
  await alive(server);
  const [bombed] = [await say(server, odd['a compressed bomb']!)];
  assert.match(bombed, /^HTTP\/1\.1 4\d\d/, 'what is compressed is not unpacked');
  const there = await (await fetch(`${server.url}/api/2.0/mlflow/experiments/search?max_results=100`)).json();
  assert.equal((there as { experiments: unknown[] }).experiments.length, 1, 'nothing was made by any of it');
});

test('Double and encoded slashes lead to the same route or to none, never past who may ask', async (t) => {
  const server = await startServer(t);
  await createUser(server.ctx(), { name: 'ada', password: 'correct horse battery', role: 'admin' });
  for (const path of [
    '//api/2.0/mlflow/experiments/search?max_results=1',
    '/api//2.0///mlflow/experiments/search?max_results=1',
    '/api/2.0/mlflow/experiments%2fsearch?max_results=1',
    '/%61pi/2.0/mlflow/experiments/search?max_results=1',
    '/api/2.0/mlflow/./experiments/search?max_results=1',
    '/health/../api/2.0/mlflow/experiments/search?max_results=1',
    '/login/%2e%2e/api/gyre/v1/status',
    '/api/gyre/v1/status;/health',
    '/API/GYRE/V1/STATUS',
    '/api/gyre/v1/status/',
    '/metrics',
  ]) {
    const heard = await say(server, `GET ${path} HTTP/1.1\r\n${host}connection: close\r\n\r\n`);
    assert.match(heard, /^HTTP\/1\.1 (400|401|404)/, `${path}: ${heard.slice(0, 100)}`);
  }
});

/** Opens connections that say a part of a request, and nothing more. */
async function open(at: number, many: number, text: string): Promise<Socket[]> {
  const sockets = Array.from({ length: many }, () => connect(at, '127.0.0.1').on('error', () => undefined));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  sockets.forEach((socket) => socket.write(text));
  return sockets;
}

test('A thousand connections that never end their request keep nobody else out', { timeout: 60_000 }, async (t) => {
  const server = await startServer(t);
  const sockets = [
    ...(await open(port(server), 500, `GET /health HTTP/1.1\r\n${host}x: `)),
    ...(await open(port(server), 500, `${create}${json}content-length: 1000\r\n\r\n{`)),
  ];
  await alive(server);
  // Who sends no end of a header is cut off by Node itself.
  const { headersTimeout } = server.app.server;
  assert.ok(headersTimeout > 0 && headersTimeout <= 60_000, `${headersTimeout} ms`);
  for (const socket of sockets) socket.destroy();
});

test('A body that stops coming ends with its connection, whether it is read or streamed', { timeout: 60_000 }, async (t) => {
  const { platform } = await openPlatform(t);
  const app = buildServer({
    platform,
    routes: compose(platform.blobs, () => '').routes,
    access: accessOf(platform),
    readiness: async () => ({}),
    bodyIdleMs: 50,
  });
  const at = Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port);
  const upload = `PUT /api/2.0/mlflow-artifacts/artifacts/x/f HTTP/1.1\r\n${host}content-length: 1000\r\n\r\nabc`;
  const sockets = [...(await open(at, 5, `${create}${json}content-length: 1000\r\n\r\n{`)), ...(await open(at, 5, upload))];
  await Promise.all(sockets.map((socket) => once(socket.resume(), 'close')));
  // A reply that takes longer than that is waited for, and so is the next request of the connection.
  const answer = await fetch(`http://127.0.0.1:${at}/api/2.0/mlflow/experiments/create`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name": "a"}',
  });
  assert.equal(answer.status, 200);
  await app.close();
  assert.deepEqual(globSync('**/.incoming-*', { cwd: platform.settings.dir }), [], 'nothing is left of what broke off');
});
