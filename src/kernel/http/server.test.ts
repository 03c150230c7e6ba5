import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { request as sendRequest } from 'node:http';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import Type from './json-schema.ts';
import { openTestServer, type HttpAnswer } from '../../../test/support/http.ts';
import { fail } from '../errors.ts';
import type { Log, LogLine } from '../log.ts';
import { Reply, route, type AnyRoute, type Dialect } from './route.ts';

const shared = { permission: 'system:read', summary: 'A route of the test', errors: [] } as const;

const shouting: Dialect = {
  name: 'shouting',
  renderProblem: (problem) => ({ status: problem.status, contentType: 'application/json', body: JSON.stringify({ ERROR: problem.code }) }),
};

const routes: readonly AnyRoute[] = [
  route({
    ...shared,
    method: 'POST',
    path: '/things/:id',
    params: Type.Object({ id: Type.String({ maxLength: 5 }) }),
    query: Type.Object({ dry: Type.Optional(Type.Boolean()), limit: Type.Optional(Type.Integer({ minimum: 1, default: 7 })) }),
    body: Type.Object({
      name: Type.String(),
      count: Type.Optional(Type.Integer()),
      tags: Type.Optional(Type.Record(Type.String(), Type.String())),
      inner: Type.Optional(Type.Object({ a: Type.Number() })),
    }),
    reply: { 201: Type.Unknown() },
    handler: async (_ctx, { params, query, body }) => ({ params, query, body }),
  }),
  route({ ...shared, method: 'POST', path: '/act', handler: async () => ({ done: true }) }),
  route({ ...shared, method: 'GET', path: '/plain', handler: async () => ({ plain: true }) }),
  route({
    ...shared,
    method: 'GET',
    path: '/raw',
    handler: async () => new Reply(200, Readable.from(['raw']), { 'content-type': 'text/plain' }),
  }),
  route({
    ...shared,
    method: 'GET',
    path: '/own-query',
    dialect: shouting,
    handler: async (_ctx, { rawQuery }) => ({ rawQuery }),
  }),
  route({ ...shared, method: 'DELETE', path: '/plain', handler: async () => new Reply(204, undefined) }),
  route({ ...shared, method: 'GET', path: '/gone', handler: async () => fail('not-found', { kind: 'thing', id: 'x' }) }),
  route({
    ...shared,
    method: 'GET',
    path: '/bug',
    handler: async () => {
      throw new Error('a password=hunter2 in a message');
    },
  }),
  route({
    ...shared,
    method: 'GET',
    path: '/full',
    handler: async () => {
      throw Object.assign(new Error('write failed'), { code: 'ENOSPC' });
    },
  }),
  route({
    ...shared,
    method: 'PUT',
    path: '/upload',
    body: 'stream',
    handler: async (_ctx, { stream }) => {
      let size = 0;
      for await (const chunk of stream) size += (chunk as Buffer).length;
      return { size };
    },
  }),
  route({
    ...shared,
    method: 'POST',
    path: '/loud/echo',
    body: 'json',
    dialect: shouting,
    handler: async (_ctx, { rawBody }) => ({ rawBody }),
  }),
];

/** The parts of a problem document that every one must have (RFC 9457), checked; returns its code and faults. */
function problemIn(answer: HttpAnswer, status: number): { code: string; errors: { pointer: string; detail: string }[] } {
  assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json\b/, answer.text);
  const body = answer.json();
  assert.equal(answer.status, status, answer.text);
  assert.equal(body.status, status);
  assert.match(String(body.type), /^https:\/\/gyre\.dev\/errors\/[a-z-]+$/);
  assert.match(String(body.instance), /^req_/);
  assert.equal(answer.headers['x-request-id'], body.instance);
  assert.ok(String(body.title).length > 3 && String(body.detail).length > 3);
  return { code: String(body.code), errors: (body.errors ?? []) as { pointer: string; detail: string }[] };
}

test('a request is checked and answered; texts of path and query become what the schema says', async (t) => {
  const { ask } = await openTestServer(t, routes);
  const answer = await ask('POST', '/things/a%20b?dry=true', { name: 'n' });
  assert.equal(answer.status, 201);
  assert.match(answer.headers['x-request-id'] as string, /^req_/);
  assert.deepEqual(answer.json(), { params: { id: 'a b' }, query: { dry: true, limit: 7 }, body: { name: 'n' } });
  assert.equal((await ask('DELETE', '/plain')).status, 204);
  // A question mark within a query is a character like any other (RFC 3986, 3.4).
  assert.deepEqual((await ask('GET', '/own-query?a=b?c&d=?')).json(), { rawQuery: 'a=b?c&d=?' });
  assert.deepEqual((await ask('GET', '/own-query')).json(), { rawQuery: '' });
  assert.deepEqual((await ask('POST', '/act')).json(), { done: true });
  assert.deepEqual((await ask('POST', '/act', {})).json(), { done: true });
});

const wrong: Readonly<Record<string, { path?: string; body: string | object; pointer: string }>> = {
  'a missing member': { body: {}, pointer: '/' },
  'a member of the wrong type': { body: { name: 1 }, pointer: '/name' },
  'a text where a number belongs, which is not converted': { body: { name: 'n', count: '1' }, pointer: '/count' },
  'an unknown member': { body: { name: 'n', nmae: 'm' }, pointer: '/nmae' },
  'an unknown member inside': { body: { name: 'n', inner: { a: 1, b: 2 } }, pointer: '/inner/b' },
  'a member whose name needs escaping': { body: { name: 'n', 'a/b~c': 1 }, pointer: '/a~1b~0c' },
  'an integer that no number holds exactly': { body: { name: 'n', count: 2 ** 53 }, pointer: '/count' },
  'an integer with 300 digits': { body: `{"name":"n","count":1${'0'.repeat(300)}}`, pointer: '/count' },
  'a number that overflows': { body: '{"name":"n","inner":{"a":1e999}}', pointer: '/inner/a' },
  'a list instead of an object': { body: [], pointer: '/' },
  'a bare text': { body: '"name"', pointer: '/' },
  null: { body: 'null', pointer: '/' },
  'JSON that breaks off': { body: '{"name":', pointer: '/' },
  'JSON with a comma too many': { body: '{"name":"n",}', pointer: '/' },
  'a key that reaches the prototype': { body: '{"name":"n","__proto__":{"admin":true}}', pointer: '/' },
  'a key that reaches the constructor': { body: '{"name":"n","constructor":{"prototype":{"admin":true}}}', pointer: '/' },
  'a value nested a hundred thousand deep': { body: `{"name":"n","tags":${'['.repeat(4000)}${']'.repeat(4000)}}`, pointer: '/' },
  'a parameter that is too long': { path: '/things/abcdef', body: { name: 'n' }, pointer: '/id' },
  'a query with an unknown member': { path: '/things/a?drry=true', body: { name: 'n' }, pointer: '/drry' },
  'a query value of the wrong type': { path: '/things/a?limit=many', body: { name: 'n' }, pointer: '/limit' },
  'a query value given twice': { path: '/things/a?limit=1&limit=2', body: { name: 'n' }, pointer: '/limit' },
  'a query value out of range': { path: '/things/a?limit=0', body: { name: 'n' }, pointer: '/limit' },
  'a query where none belongs': { path: '/act?force=1', body: {}, pointer: '/force' },
  'a body where none belongs': { path: '/act', body: { force: true }, pointer: '/force' },
  'a path that does not decode': { path: '/things/%E0%A4%A', body: { name: 'n' }, pointer: '/' },
};

test('wrong input gets a problem that points at the place', async (t) => {
  const { ask } = await openTestServer(t, routes);
  for (const [what, { path = '/things/a', body, pointer }] of Object.entries(wrong)) {
    const { code, errors } = problemIn(await ask('POST', path, body), 400);
    assert.equal(code, 'invalid-input', what);
    assert.equal(errors[0]?.pointer, pointer, `${what}: ${JSON.stringify(errors)}`);
  }
  assert.equal(({} as Record<string, unknown>).admin, undefined);
});

test('bytes that are no UTF-8 are refused, not replaced', async (t) => {
  const { ask } = await openTestServer(t, routes);
  const { errors } = problemIn(await ask('POST', '/things/a', Buffer.from([0x22, 0xff, 0x22])), 400);
  assert.match(errors[0]!.detail, /UTF-8/);
});

test('brackets inside texts are no depth', async (t) => {
  const { ask } = await openTestServer(t, routes);
  assert.equal((await ask('POST', '/things/a', { name: '[{"'.repeat(1000) })).status, 201);
});

test('what is no route, no JSON, or too large is said as such', async (t) => {
  const { ask } = await openTestServer(t, routes);
  for (const [method, path] of [
    ['GET', '/nothing'],
    ['POST', '/nothing'],
    ['GET', '/things/a'],
    ['PATCH', '/plain'],
    ['OPTIONS', '/plain'],
    ['PROPFIND', '/plain'],
    ['GET', '/../../etc/passwd'],
    ['GET', '/%2e%2e/%2e%2e/etc/passwd'],
  ] as const)
    assert.equal(
      problemIn(await ask(method, path, method === 'POST' ? { a: 1 } : undefined), 404).code,
      'route-not-found',
      `${method} ${path}`,
    );
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', ''])
    assert.equal(problemIn(await ask('POST', '/things/a', 'name=n', { 'content-type': type }), 415).code, 'unsupported-media-type', type);
  assert.equal(
    (await ask('POST', '/things/a', '{"name":"n"}', { 'content-type': 'application/merge-patch+json; charset=utf-8' })).status,
    201,
  );
  assert.equal(problemIn(await ask('POST', '/things/a', { name: 'x'.repeat(20_000) }), 413).code, 'payload-too-large');
});

test('a body without an announced length is bounded too, and the client gets to read why', async (t) => {
  const { port } = await openTestServer(t, routes);
  const status = await new Promise<number>((resolve, reject) => {
    const request = sendRequest({ port, method: 'POST', path: '/things/a', headers: { 'content-type': 'application/json' } }, (reply) => {
      reply.resume();
      resolve(reply.statusCode!);
    });
    request.on('error', reject);
    for (let i = 0; i < 50; i++) request.write('x'.repeat(1000));
    request.end();
  });
  assert.equal(status, 413);
});

test('a raw upload is streamed beyond that bound, with any content type or none', async (t) => {
  const { ask } = await openTestServer(t, routes);
  const bytes = Buffer.alloc(100_000);
  assert.deepEqual((await ask('PUT', '/upload', bytes, { 'content-type': 'application/octet-stream' })).json(), { size: 100_000 });
  assert.deepEqual((await ask('PUT', '/upload', bytes, { 'content-type': '' })).json(), { size: 100_000 });
  assert.deepEqual((await ask('PUT', '/upload')).json(), { size: 0 });
});

test('what is no HTTP is answered with a problem as well', async (t) => {
  const { port } = await openTestServer(t, routes);
  const reply = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('BREW /coffee HTCPCP/1.0\r\n\r\n'));
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('end', () => resolve(text));
    socket.on('error', reject);
  });
  assert.match(reply, /^HTTP\/1.1 400 .*application\/problem\+json.*"code":"invalid-input"/s);
});

function recordingLog(): { log: Log; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const note = (line: LogLine) => void lines.push(line);
  const log: Log = { debug: note, info: note, warn: note, error: note, child: () => log };
  return { log, lines };
}

test('a defect of ours is a 500 that tells nothing but the id under which the log has it', async (t) => {
  const { log, lines } = recordingLog();
  const { ask } = await openTestServer(t, routes, { log });
  const answer = await ask('GET', '/bug');
  assert.equal(problemIn(answer, 500).code, 'internal');
  assert.doesNotMatch(answer.text, /hunter2|Error:|server\.test/);
  assert.deepEqual(
    lines.filter((l) => l.event === 'http.defect').map((l) => l.requestId),
    [answer.json().instance],
  );
  assert.match((await ask('GET', '/metrics')).text, /gyre_http_defects_total 1\n/);
});

test('problems of use cases and a full disk come through with their own status', async (t) => {
  const { ask } = await openTestServer(t, routes);
  assert.equal(problemIn(await ask('GET', '/gone'), 404).code, 'not-found');
  assert.equal(problemIn(await ask('GET', '/full'), 507).code, 'storage-full');
  assert.equal(problemIn(await ask('GET', '/plain', undefined, { 'x-user': 'nobody' }), 403).code, 'test-forbidden');
});

test('who may not is told so before the body is read', async (t) => {
  const { ask } = await openTestServer(t, routes);
  assert.equal(problemIn(await ask('POST', '/things/a', '{"broken', { 'x-user': 'nobody' }), 403).code, 'test-forbidden');
});

test('a dialect speaks of problems in its own words, also of its own missing routes', async (t) => {
  const { ask } = await openTestServer(t, routes, { dialectOf: (path) => (path.startsWith('/loud') ? shouting : undefined) });
  assert.deepEqual((await ask('POST', '/loud/echo?any=thing', { what: ['ever'] })).json(), { rawBody: { what: ['ever'] } });
  assert.deepEqual((await ask('POST', '/loud/echo', '{')).json(), { ERROR: 'invalid-input' });
  assert.deepEqual((await ask('GET', '/loud/nothing')).json(), { ERROR: 'route-not-found' });
  assert.equal(problemIn(await ask('GET', '/nothing'), 404).code, 'route-not-found');
});

test('HEAD answers what GET would, without the body', async (t) => {
  const { ask } = await openTestServer(t, routes);
  for (const path of ['/plain', '/raw', '/health']) {
    const answer = await ask('HEAD', path);
    assert.deepEqual([answer.status, answer.text], [200, ''], path);
  }
  assert.equal((await ask('HEAD', '/gone')).status, 404);
});

test('health, readiness and metrics tell how the server is', async (t) => {
  let database = true;
  const { ask } = await openTestServer(t, routes, { readiness: async () => ({ database }) });
  assert.equal((await ask('GET', '/health')).text, 'OK');
  assert.deepEqual((await ask('GET', '/ready')).json(), { ready: true, checks: { database: true } });
  database = false;
  const notReady = await ask('GET', '/ready');
  assert.deepEqual([notReady.status, notReady.json()], [503, { ready: false, checks: { database: false } }]);
  assert.equal((await ask('GET', '/health')).text, 'OK');
  await ask('POST', '/things/secret-id', { name: 'n' });
  const { text } = await ask('GET', '/metrics');
  // By route, never by what is in the path.
  assert.match(text, /gyre_http_request_duration_seconds_count\{method="POST",route="\/things\/:id",status="\d+"\} 1/);
  assert.doesNotMatch(text, /secret-id/);
  assert.equal((await ask('GET', '/metrics', undefined, { 'x-user': 'nobody' })).status, 403);
});

async function hangUp(t: TestContext, method: string, send: (socket: ReturnType<typeof connect>) => void) {
  const { log, lines } = recordingLog();
  let begun: () => void = () => undefined;
  const started = new Promise<void>((resolve) => (begun = resolve));
  let heard: (why: unknown) => void = () => undefined;
  const aborted = new Promise<unknown>((resolve) => (heard = resolve));
  const waiting = route({
    ...shared,
    method: method as 'GET',
    path: '/wait',
    ...(method === 'PUT' ? { body: 'stream' as const } : {}),
    handler: async ({ signal }, { stream }) => {
      begun();
      stream.on('error', () => undefined).resume();
      await new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => (heard(signal.reason), reject(signal.reason as Error))),
      );
    },
  });
  const { port, ask } = await openTestServer(t, [waiting], { log });
  const socket = connect(port, '127.0.0.1', () => send(socket));
  await started;
  socket.destroy();
  assert.match(String(await aborted), /the client went away/);
  assert.equal((await ask('GET', '/health')).text, 'OK');
  assert.deepEqual(
    lines.filter((line) => line.event === 'http.defect'),
    [],
  );
}

test('work for a client that went away while it waited is told to stop, and that is no defect', (t) =>
  hangUp(t, 'GET', (socket) => socket.write('GET /wait HTTP/1.1\r\nhost: x\r\n\r\n')));

test('so is work for one that went away in the middle of its upload', (t) =>
  hangUp(t, 'PUT', (socket) => socket.write('PUT /wait HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf')));

test('an answered request is not told to stop', async (t) => {
  const signals: AbortSignal[] = [];
  const quick = route({ ...shared, method: 'GET', path: '/quick', handler: async ({ signal }) => ({ n: signals.push(signal) }) });
  const { ask } = await openTestServer(t, [quick]);
  await ask('GET', '/quick');
  await ask('GET', '/quick');
  assert.equal(signals[0]!.aborted, false);
});
