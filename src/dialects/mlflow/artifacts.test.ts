// The artifact proxy over raw HTTP: streams, headers, and paths that try to get out.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, fstatSync, readdirSync, statSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createToken, createUser } from '../../domains/access/public.ts';
import { createLoggedModel, createRun } from '../../domains/tracking/public.ts';
import type { PathZone } from '../../kernel/blobs/path-zone.ts';
import type { Reply } from '../../kernel/http/route.ts';
import { artifactRoutes } from './routes/artifacts.ts';
import { startServer, type TestServer } from '../../../test/support/server.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const ROOT = '/api/2.0/mlflow-artifacts/artifacts';

/** Sends the path as it is; `fetch` would tidy it up first. */
function raw(
  server: TestServer,
  method: string,
  path: string,
  body: Readable | Buffer = Buffer.alloc(0),
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    const sent = request({ hostname, port, method, path, headers }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) });
    });
    sent.once('error', reject);
    if (Buffer.isBuffer(body)) sent.end(body);
    else body.pipe(sent);
  });
}
const newRun = async (t: TestContext) => {
  const server = await startServer(t);
  const run = await createRun(server.ctx(), { experimentId: '0', userId: '', name: 'r', startMs: 1, tags: [] });
  return { server, run, base: `${ROOT}/0/${run.id}/artifacts` };
};

test('a file goes up in chunks, larger than any JSON body may be, and comes down byte for byte with safe headers', async (t) => {
  const { server, base } = await newRun(t);
  const chunk = randomBytes(1 << 20);
  const hash = createHash('sha256');
  const size = 120;
  const held: number[] = [];
  const source = Readable.from(
    (function* () {
      for (let i = 0; i < size; i++) {
        hash.update(chunk);
        // What was read and is let go stays counted until it is collected.
        if (i === 0 || i === size - 1) {
          collectGarbage();
          held.push(process.memoryUsage().arrayBuffers);
        }
        yield chunk;
      }
    })(),
  );
  assert.equal((await raw(server, 'PUT', `${base}/big.bin`, source)).status, 200);
  assert.ok(held[1]! - held[0]! < 60 << 20, `the body was held in memory: ${held.join(' -> ')} bytes`);
  const down = await raw(server, 'GET', `${base}/big.bin`);
  assert.equal(createHash('sha256').update(down.body).digest('hex'), hash.digest('hex'));
  assert.equal(down.headers['content-length'], String(size << 20));
  assert.equal(down.headers['x-content-type-options'], 'nosniff');
  assert.match(String(down.headers['content-disposition']), /^attachment;/);
  assert.equal(down.headers['content-type'], 'application/octet-stream');
});

test('a file that is replaced while it is asked for comes down whole, with its own length', async (t) => {
  const { server, base, run } = await newRun(t);
  await raw(server, 'PUT', `${base}/f.txt`, Buffer.from('old'));
  const ctx = server.ctx();
  const { paths } = ctx.blobs;
  const replaced: PathZone = {
    ...paths,
    openPart: async (path, choose) => {
      const file = await paths.openPart(path, choose);
      await paths.write(path, Readable.from([Buffer.from('new and longer')]));
      return file;
    },
  };
  const download = artifactRoutes.find((r) => r.method === 'GET' && r.path === `${ROOT}/*`)!;
  const input = { params: { '*': `0/${run.id}/artifacts/f.txt` }, headers: {} } as never;
  const reply = (await download.handler({ ...ctx, blobs: { ...ctx.blobs, paths: replaced } }, input)) as Reply;
  assert.equal(Buffer.concat(await (reply.body as Readable).toArray()).toString(), 'old');
  assert.equal(reply.headers['content-length'], '3');
  const after = await raw(server, 'GET', `${base}/f.txt`);
  assert.deepEqual([after.body.toString(), after.headers['content-length']], ['new and longer', '14']);
});

test('a download that the client breaks off, or asks only the head of, leaves no file open', { timeout: 30_000 }, async (t) => {
  const { server, base, run } = await newRun(t);
  await raw(server, 'PUT', `${base}/big.bin`, Buffer.alloc(32 << 20));
  const { ino } = statSync(join(server.folder, 'paths/default/0', run.id, 'artifacts/big.bin'));
  const held = (): boolean =>
    readdirSync('/dev/fd').some((fd) => {
      try {
        return fstatSync(Number(fd)).ino === ino;
      } catch {
        return false;
      }
    });
  const { hostname, port } = new URL(server.url);
  const sent = request({ hostname, port, path: `${base}/big.bin` }).end();
  sent.on('error', () => undefined);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  assert.equal(held(), true);
  response.destroy();
  while (held()) await new Promise(setImmediate);
  const head = await raw(server, 'HEAD', `${base}/big.bin`);
  assert.deepEqual([head.status, head.headers['content-length']], [200, String(32 << 20)]);
  while (held()) await new Promise(setImmediate);
});

test('types are guessed from the name as MLflow does, and nothing that a browser would run can do anything', async (t) => {
  const { server, base } = await newRun(t);
  const types = {
    'a.txt': 'text/plain',
    'a.js': 'text/plain',
    'a.py': 'text/plain',
    'a.json': 'text/plain',
    'a.csv': 'text/plain',
    'a.yaml': 'text/plain',
    'a.ipynb': 'text/plain',
    MLmodel: 'text/plain',
    'a.html': 'text/html',
    'a.svg': 'image/svg+xml',
    'a.PNG': 'image/png',
    'a.tar.gz': 'application/x-tar',
    'a.tgz': 'application/x-tar',
    'a.pkl': 'application/octet-stream',
    'a.gz': 'application/octet-stream',
    plain: 'application/octet-stream',
    '.json': 'application/octet-stream',
  };
  for (const [name, type] of Object.entries(types)) {
    await raw(server, 'PUT', `${base}/${name}`, Buffer.from('x'), { 'content-type': 'text/html' });
    const { headers } = await raw(server, 'GET', `${base}/${name}`);
    assert.deepEqual([headers['content-type'], headers['content-disposition']], [type, `attachment; filename=${name}`]);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.match(String(headers['content-security-policy']), /^sandbox; default-src 'none'/);
  }
});

test('an upload that is cut off leaves the old file, and no trace of the new one', { timeout: 30_000 }, async (t) => {
  const { server, base, run } = await newRun(t);
  await raw(server, 'PUT', `${base}/f.txt`, Buffer.from('old'));
  const folder = join(server.folder, 'paths/default/0', run.id, 'artifacts');
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise(setImmediate);
  };
  const { hostname, port } = new URL(server.url);
  const sent = request({ hostname, port, method: 'PUT', path: `${base}/f.txt`, headers: { 'content-length': '1000' } });
  sent.on('error', () => undefined);
  sent.write('half');
  await until(() => readdirSync(folder).length === 2);
  sent.destroy();
  await until(() => readdirSync(folder).length === 1);
  assert.deepEqual(readdirSync(folder), ['f.txt']);
  assert.equal((await raw(server, 'GET', `${base}/f.txt`)).body.toString(), 'old');
});

test('no path leads out of the workspace, however it is wrapped', async (t) => {
  const { server, base } = await newRun(t);
  const tries = [
    '../x',
    '%2e%2e/x',
    '%252e%252e/x',
    '%25252e%25252e%252fx',
    '..%2fx',
    'a/../../x',
    'a/..%5c..%5cx',
    '%2fetc/passwd',
    'a%00b',
    'C%3A%5Cx',
    'a%23b',
    './a',
    'a/%2e/b',
    '%5c%5chost',
    `${'a/'.repeat(2500)}x`,
  ];
  for (const path of tries)
    for (const [method, place] of [
      ['PUT', base],
      ['GET', base],
      ['DELETE', base],
      ['PUT', ROOT],
      ['GET', ROOT],
    ] as const) {
      const reply = await raw(server, method, `${place}/${path}`, Buffer.from(method === 'PUT' ? 'x' : ''));
      assert.ok(reply.status === 400 || reply.status === 404, `${method} ${place}/${path}: ${reply.status}`);
      assert.match(reply.body.toString(), /"error_code"/);
    }
  assert.equal((await raw(server, 'PUT', `${ROOT}/C:/x`, Buffer.from('x'))).status, 400);
  for (const path of ['../..', '%2e%2e', '/etc', 'a/../..']) {
    const reply = await raw(server, 'GET', `${ROOT}?path=${encodeURIComponent(path)}`);
    assert.equal(reply.status, 400, path);
  }
  assert.ok(!existsSync(join(server.folder, 'paths')), 'something was written');
});

test('a listing has names only, of a file nothing or itself, and of what is not there nothing', async (t) => {
  const { server, base, run } = await newRun(t);
  await raw(server, 'PUT', `${base}/d/100%25 ä.txt`.replaceAll(' ', '%20').replaceAll('ä', '%C3%A4'), Buffer.from('xy'));
  const list = async (path: string) =>
    JSON.parse((await raw(server, 'GET', `${ROOT}?path=${encodeURIComponent(path)}`)).body.toString()) as object;
  assert.deepEqual(await list(`0/${run.id}/artifacts`), { files: [{ path: 'd', is_dir: true }] });
  assert.deepEqual(await list(`0/${run.id}/artifacts/d`), { files: [{ path: '100% ä.txt', is_dir: false, file_size: 2 }] });
  assert.deepEqual(await list(`0/${run.id}/artifacts/d/100% ä.txt`), {});
  assert.deepEqual(await list('nowhere/at/all'), {});
  assert.equal((await raw(server, 'GET', `${base}/d`)).status, 400, 'a folder is no file');
  assert.equal((await raw(server, 'PUT', `${base}/d`, Buffer.from('x'))).status, 400, 'a file cannot take the place of a folder');
  assert.equal((await raw(server, 'DELETE', `${base}/d`)).status, 200);
  assert.deepEqual(await list(`0/${run.id}/artifacts`), {});
});

test('multipart uploads are not offered, in the words that make clients fall back', async (t) => {
  const { server, base } = await newRun(t);
  for (const verb of ['create', 'complete', 'abort']) {
    const path = `${base.replace('/artifacts/0', `/mpu/${verb}/0`)}/f`;
    const reply = await raw(server, 'POST', path, Buffer.from('{"path":"f","num_parts":2,"upload_id":"u","parts":[]}'), {
      'content-type': 'application/json',
    });
    assert.equal(reply.status, 501, path);
    const { error_code, message } = JSON.parse(reply.body.toString()) as Record<string, string>;
    assert.equal(error_code, 'NOT_IMPLEMENTED');
    assert.ok(message!.startsWith('Multipart upload is not supported for the current artifact repository'));
  }
});

test('a step’s token writes artifacts of its own run and of the models it logs, and no others', async (t) => {
  const { server, run, base } = await newRun(t);
  const ctx = server.ctx();
  const child = await createRun(ctx, {
    experimentId: '0',
    userId: '',
    name: 'c',
    startMs: 1,
    tags: [{ key: 'mlflow.parentRunId', value: run.id }],
  });
  const foreign = await createRun(ctx, { experimentId: '0', userId: '', name: 'f', startMs: 1, tags: [] });
  const model = (sourceRunId: string) =>
    createLoggedModel(ctx, { experimentId: '0', name: 'm', modelType: '', sourceRunId, params: [], tags: [] });
  const [mine, theirs] = [await model(run.id), await model(foreign.id)];
  const { secret } = await createToken(ctx, {
    name: 'step',
    role: 'step',
    scope: { trackingRunIds: [run.id] },
    expiresMs: Number.MAX_SAFE_INTEGER,
  });
  const put = async (path: string) => (await raw(server, 'PUT', path, Buffer.from('x'), { authorization: `Bearer ${secret}` })).status;
  assert.equal(await put(`${base}/a`), 200);
  assert.equal(await put(`${ROOT}/0/${child.id}/artifacts/a`), 200);
  assert.equal(await put(`${ROOT}/0/models/${mine.id}/artifacts/a`), 200);
  assert.equal(await put(`${ROOT}/0/models/${theirs.id}/artifacts/a`), 403);
  assert.equal(await put(`${ROOT}/0/models/m-${'0'.repeat(32)}/artifacts/a`), 404);
  assert.equal(await put(`${ROOT}/0/${foreign.id}/artifacts/a`), 403);
  assert.equal(await put(`${ROOT}/elsewhere`), 403);
});

test('who is not known, and who may not, is told so in plain text as MLflow’s clients expect', async (t) => {
  const server = await startServer(t);
  const ctx = server.ctx();
  await createUser(ctx, { name: 'root', password: 'a long password', role: 'admin' });
  await createUser(ctx, { name: 'ada', password: 'a long password', role: 'viewer' });
  const ask = async (headers: Record<string, string>, method = 'GET', path = '/api/2.0/mlflow/experiments/get?experiment_id=0') => {
    const reply = await raw(server, method, path, Buffer.from(method === 'GET' ? '' : '{"name":"e"}'), {
      ...headers,
      ...(method === 'GET' ? {} : { 'content-type': 'application/json' }),
    });
    return {
      status: reply.status,
      text: reply.body.toString(),
      type: String(reply.headers['content-type']),
      asks: reply.headers['www-authenticate'],
    };
  };
  const basic = (password: string) => ({ authorization: `Basic ${Buffer.from(`ada:${password}`).toString('base64')}` });
  const unknown = await ask({});
  assert.equal(unknown.status, 401);
  assert.match(unknown.text, /^You are not authenticated/);
  assert.match(unknown.type, /^text\/plain/);
  assert.match(String(unknown.asks), /Basic/);
  assert.equal((await ask(basic('wrong'))).status, 401);
  assert.equal((await ask(basic('a long password'))).status, 200);
  const refused = await ask(basic('a long password'), 'POST', '/api/2.0/mlflow/experiments/create');
  assert.deepEqual([refused.status, refused.text], [403, 'Permission denied']);
  assert.match(refused.type, /^text\/plain/);
});
