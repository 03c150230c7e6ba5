// Uploads in parts and signed addresses, with a real store of objects behind the server.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { openTestBucket } from '../../../test/support/s3.ts';
import { startServer } from '../../../test/support/server.ts';
import { createToken, createUser } from '../../domains/access/public.ts';
import { createRun } from '../../domains/tracking/public.ts';

const MB = 1024 * 1024;
const PROXY = '/api/2.0/mlflow-artifacts';
const MLFLOW = '/api/2.0/mlflow';

async function open(t: TestContext, environment: (at: string) => Record<string, string>) {
  const { bucket, prefix, server: s3 } = await openTestBucket(t);
  const at = `s3://${bucket}/${prefix.replace(/\/$/, '')}`;
  const server = await startServer(t, 'sqlite', { GYRE_S3_ENDPOINT: s3.url, GYRE_S3_PATH_STYLE: '1', ...environment(at) });
  const run = await createRun(server.ctx(), { experimentId: '0', userId: '', name: 'r', startMs: 1, tags: [] });
  const ask = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const reply = await fetch(`${server.url}${path}`, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await reply.text();
    return { status: reply.status, text, body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {} };
  };
  return { at, server, run, ask, base: `0/${run.id}/artifacts` };
}
const inBlobs = (at: string) => ({ GYRE_BLOBS_URL: at });

interface Credential {
  readonly url: string;
  readonly part_number: number;
  readonly headers: Record<string, string>;
}

test('a file goes up in parts past the server, and is there only when all of it is', async (t) => {
  const { server, ask, base } = await open(t, inBlobs);
  const bytes = randomBytes(11 * MB);
  const local = { path: '/home/me/models/ü 1.bin' };
  const begun = await ask('POST', `${PROXY}/mpu/create/${base}/deep`, { ...local, num_parts: 3 });
  assert.equal(begun.status, 200, begun.text);
  const { upload_id: id, credentials } = begun.body as { upload_id: string; credentials: Credential[] };
  assert.deepEqual(
    credentials.map((c) => c.part_number),
    [1, 2, 3],
  );
  const parts = [];
  for (const { url, part_number: n, headers } of credentials) {
    const reply = await fetch(url, { method: 'PUT', headers, body: bytes.subarray((n - 1) * 5 * MB, n * 5 * MB) });
    assert.equal(reply.status, 200);
    parts.push({ part_number: n, etag: reply.headers.get('etag'), url });
  }
  const file = `${PROXY}/artifacts/${base}/deep/${encodeURIComponent('ü 1.bin')}`;
  assert.equal((await ask('GET', file)).status, 404);
  const short = await ask('POST', `${PROXY}/mpu/complete/${base}/deep`, { ...local, upload_id: id, parts: [] });
  assert.equal(short.status, 400, short.text);
  const done = await ask('POST', `${PROXY}/mpu/complete/${base}/deep`, { ...local, upload_id: id, parts });
  assert.deepEqual([done.status, done.text], [200, '{}']);
  const down = await fetch(`${server.url}${file}`);
  assert.ok(Buffer.from(await down.arrayBuffer()).equals(bytes));
  const some = await fetch(`${server.url}${file}`, { headers: { range: `bytes=${5 * MB - 2}-${5 * MB + 1}` } });
  assert.deepEqual([some.status, some.headers.get('content-range')], [206, `bytes ${5 * MB - 2}-${5 * MB + 1}/${11 * MB}`]);
  assert.ok(Buffer.from(await some.arrayBuffer()).equals(bytes.subarray(5 * MB - 2, 5 * MB + 2)));
});

test('an upload that is called off leaves nothing, and one that nobody knows is told so without a 5xx', async (t) => {
  const { ask, base } = await open(t, inBlobs);
  const begun = await ask('POST', `${PROXY}/mpu/create/${base}`, { path: 'f.bin', num_parts: 1 });
  const { upload_id: id, credentials } = begun.body as { upload_id: string; credentials: Credential[] };
  const etag = (await fetch(credentials[0]!.url, { method: 'PUT', body: 'x' })).headers.get('etag');
  assert.equal((await ask('POST', `${PROXY}/mpu/abort/${base}`, { path: 'f.bin', upload_id: id })).status, 200);
  assert.deepEqual((await ask('GET', `${PROXY}/artifacts?path=${base}`)).body, {});
  const late = await ask('POST', `${PROXY}/mpu/complete/${base}`, { path: 'f.bin', upload_id: id, parts: [{ part_number: 1, etag }] });
  assert.ok(late.status === 404 || late.status === 400, late.text);
  for (const num of [0, -1, 10_001])
    assert.equal((await ask('POST', `${PROXY}/mpu/create/${base}`, { path: 'f', num_parts: num })).status, 400);
});

test('a download is given an address of the store, which is good for that one file', async (t) => {
  const { server, ask, base } = await open(t, inBlobs);
  await fetch(`${server.url}${PROXY}/artifacts/${base}/a.html`, { method: 'PUT', body: '<p>hello</p>' });
  const { url, file_size: size, headers } = (await ask('GET', `${PROXY}/presigned/${base}/a.html`)).body as Record<string, string>;
  assert.deepEqual([size, headers], [12, {}]);
  assert.equal(await (await fetch(url!)).text(), '<p>hello</p>');
  assert.equal((await fetch(url!.replace('a.html', 'b.html'))).status, 403);
  assert.equal((await ask('GET', `${PROXY}/presigned/${base}/none`)).status, 404);
});

// GHSA-8c7q-86fq-vvmh: routes of multipart uploads that asked nobody who they are.
test('every route past the server asks who it is, and whether that one may', async (t) => {
  const { server, ask, run, base } = await open(t, inBlobs);
  const ctx = server.ctx();
  const foreign = await createRun(ctx, { experimentId: '0', userId: '', name: 'f', startMs: 1, tags: [] });
  await createUser(ctx, { name: 'root', password: 'a long password', role: 'admin' });
  await createUser(ctx, { name: 'vic', password: 'a long password', role: 'viewer' });
  const { secret } = await createToken(ctx, {
    name: 'step',
    role: 'step',
    scope: { trackingRunIds: [run.id] },
    expiresMs: Number.MAX_SAFE_INTEGER,
  });
  const step = { authorization: `Bearer ${secret}` };
  const viewer = { authorization: `Basic ${Buffer.from('vic:a long password').toString('base64')}` };
  const writes = ['/api/2.0', '/ajax-api/2.0'].flatMap((prefix) =>
    ['create', 'complete', 'abort'].map((verb) => `${prefix}/mlflow-artifacts/mpu/${verb}`),
  );
  const body = { path: 'f', num_parts: 1, upload_id: 'u', parts: [{ part_number: 1, etag: 'e' }] };
  for (const path of writes) {
    assert.equal((await ask('POST', `${path}/${base}`, body)).status, 401, path);
    assert.equal((await ask('POST', `${path}/${base}`, body, viewer)).status, 403, path);
    assert.equal((await ask('POST', `${path}/0/${foreign.id}/artifacts`, body, step)).status, 403, path);
    assert.equal((await ask('POST', path, body, step)).status, 403, path);
  }
  assert.equal((await ask('POST', `${PROXY}/mpu/create/${base}`, body, step)).status, 200);
  assert.equal((await ask('GET', `${PROXY}/presigned/${base}/f`)).status, 401);
  for (const verb of ['presigned-upload-url', 'presigned-download-url'])
    assert.equal((await ask('POST', `${MLFLOW}/artifacts/${verb}`, { run_id: run.id, path: 'f' })).status, 401);
  assert.equal((await ask('POST', `${MLFLOW}/artifacts/presigned-upload-url`, { run_id: run.id, path: 'f' }, viewer)).status, 403);
  for (const path of [`/get-artifact?run_id=${run.id}&path=f`, `/model-versions/get-artifact?name=m&version=1&path=f`])
    assert.equal((await ask('GET', path)).status, 401, path);
  const upload = await fetch(`${server.url}/ajax-api/2.0/mlflow/upload-artifact?run_uuid=${foreign.id}&path=f`, {
    method: 'POST',
    body: 'x',
    headers: step,
  });
  assert.equal(upload.status, 403);
});

test('below a root in a bucket the client writes itself, by signed addresses too, and the server reads and seals', async (t) => {
  const { server, ask, run, at } = await open(t, (root) => ({ GYRE_ARTIFACT_ROOT: `${root}/direct` }));
  assert.equal(run.artifactUri, `${at}/direct/0/${run.id}/artifacts`);
  const signed = await ask('POST', `${MLFLOW}/artifacts/presigned-upload-url`, { run_id: run.id, path: 'd/f.txt', expiration: 60 });
  assert.equal(signed.status, 200, signed.text);
  const { presigned_url: to, headers = {} } = signed.body as { presigned_url: string; headers?: Record<string, string> };
  assert.equal((await fetch(to, { method: 'PUT', headers, body: 'hello' })).status, 200);
  const { body: listed } = await ask('GET', `${MLFLOW}/artifacts/list?run_id=${run.id}&path=d`);
  assert.deepEqual(listed, { root_uri: run.artifactUri, files: [{ path: 'd/f.txt', is_dir: false, file_size: 5 }] });
  assert.equal((await ask('GET', `/get-artifact?run_id=${run.id}&path=d/f.txt`)).text, 'hello');
  const from = (await ask('POST', `${MLFLOW}/artifacts/presigned-download-url`, { run_id: run.id, path: 'd/f.txt' })).body;
  assert.equal(from.file_size, 5);
  assert.equal(await (await fetch(String(from.presigned_url))).text(), 'hello');
  assert.equal(
    (await ask('POST', `${MLFLOW}/artifacts/presigned-download-url`, { run_id: run.id, path: 'f', expiration: 604_801 })).status,
    400,
  );

  const { body: made } = await ask('POST', `${MLFLOW}/logged-models`, { experiment_id: '0', name: 'm', source_run_id: run.id });
  const { model_id: model } = (made.model as { info: { model_id: string } }).info;
  const { presigned_url: put } = (await ask('POST', `${MLFLOW}/artifacts/presigned-upload-url`, { model_id: model, path: 'MLmodel' })).body;
  await fetch(String(put), { method: 'PUT', body: 'flavors: {}' });
  await ask('PATCH', `${MLFLOW}/logged-models/${model}`, { model_id: model, status: 'LOGGED_MODEL_READY' });
  const { modelFiles } = await import('../../domains/tracking/public.ts');
  assert.deepEqual(
    (await modelFiles(server.ctx(), model)).map((f) => f.path),
    ['MLmodel'],
  );
  // What is not below the root is the client's own affair.
  const { body: other } = await ask('POST', `${MLFLOW}/experiments/create`, { name: 'o', artifact_location: `${at}/elsewhere` });
  const { body: created } = await ask('POST', `${MLFLOW}/runs/create`, { experiment_id: other.experiment_id });
  const { run_id: away } = (created.run as { info: { run_id: string } }).info;
  assert.equal((await ask('GET', `/get-artifact?run_id=${away}&path=f`)).status, 400);
  assert.equal((await ask('POST', `${MLFLOW}/artifacts/presigned-download-url`, { run_id: away, path: 'f' })).status, 501);
});

test('addresses are signed only where the store can and the root is direct', async (t) => {
  const server = await startServer(t);
  const run = await createRun(server.ctx(), { experimentId: '0', userId: '', name: 'r', startMs: 1, tags: [] });
  const ask = async (path: string, body?: object) => {
    const reply = await fetch(`${server.url}${path}`, {
      method: body ? 'POST' : 'GET',
      ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
    });
    const { error_code: code, message } = (await reply.json()) as Record<string, string>;
    return [reply.status, code, message];
  };
  assert.deepEqual(await ask(`${PROXY}/presigned/0/${run.id}/artifacts/f`), [
    501,
    'NOT_IMPLEMENTED',
    'Multipart download is not supported for the current artifact repository',
  ]);
  assert.deepEqual(await ask(`${MLFLOW}/artifacts/presigned-upload-url`, { run_id: run.id, path: 'f' }), [
    400,
    'INVALID_PARAMETER_VALUE',
    'Presigned upload is not supported for proxied artifact storage (artifact URI scheme: mlflow-artifacts). This endpoint requires a direct cloud storage artifact URI.',
  ]);
  assert.match(
    String((await ask(`${MLFLOW}/artifacts/presigned-download-url`, { run_id: run.id, path: 'f' }))[2]),
    /^Presigned download is not supported for runs with proxied/,
  );
  assert.match(String((await ask(`${MLFLOW}/artifacts/presigned-upload-url`, { path: 'f' }))[2]), /^Exactly one of run_id and model_id/);
});
