// Artifacts in folders and buckets that clients read and write themselves, and what a server without the proxy answers.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { startServer, type TestServer } from '../../../test/support/server.ts';
import { createWorkspace } from '../../domains/access/service.ts';
import { modelFiles } from '../../domains/tracking/public.ts';

const MLFLOW = '/api/2.0/mlflow';

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly body: Record<string, unknown>;
}
const asker =
  (server: TestServer, workspace = 'default') =>
  async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const reply = await fetch(`${server.url}${path}`, {
      method,
      headers: { 'x-mlflow-workspace': workspace, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await reply.text();
    return { status: reply.status, text, body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {} };
  };

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-roots-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const folderOf = (uri: string): string => uri.replace(/^file:\/\//, '');
const put = (uri: string, path: string, content: string): void => {
  const file = join(folderOf(uri), path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
};

async function newRun(server: TestServer, ask = asker(server), location?: string) {
  const name = `e${Math.random()}`;
  const { body } = await ask('POST', `${MLFLOW}/experiments/create`, { name, ...(location ? { artifact_location: location } : {}) });
  const id = String(body.experiment_id);
  const { body: made } = await ask('POST', `${MLFLOW}/runs/create`, { experiment_id: id });
  const run = (made.run as { info: { run_id: string; artifact_uri: string } }).info;
  return { id, ...run };
}
const names = (a: Answer): string[] => ((a.body.files ?? []) as { path: string }[]).map((f) => f.path);

for (const form of ['folder', 'file:']) {
  test(`below a root that is a ${form} the client writes, and the server lists, serves and seals`, async (t) => {
    const folder = newFolder(t);
    const root = form === 'folder' ? folder : `file://${folder}`;
    const server = await startServer(t, 'sqlite', { GYRE_ARTIFACT_ROOT: root });
    const ask = asker(server);
    const { body: found } = await ask('GET', `${MLFLOW}/experiments/get?experiment_id=0`);
    assert.equal((found.experiment as { artifact_location: string }).artifact_location, `${root}/0`);
    const run = await newRun(server);
    assert.equal(run.artifact_uri, `${root}/${run.id}/${run.run_id}/artifacts`);
    put(run.artifact_uri, 'd/ü 1.txt', 'hello');
    assert.deepEqual(names(await ask('GET', `${MLFLOW}/artifacts/list?run_id=${run.run_id}&path=d`)), ['d/ü 1.txt']);
    const down = await ask('GET', `/get-artifact?run_id=${run.run_id}&path=${encodeURIComponent('d/ü 1.txt')}`);
    assert.deepEqual([down.status, down.text], [200, 'hello']);
    const up = await fetch(`${server.url}/ajax-api/2.0/mlflow/upload-artifact?run_uuid=${run.run_id}&path=up.txt`, {
      method: 'POST',
      body: 'x',
    });
    assert.equal(up.status, 200);
    assert.deepEqual(names(await ask('GET', `${MLFLOW}/artifacts/list?run_id=${run.run_id}`)), ['d', 'up.txt']);

    const { body: made } = await ask('POST', `${MLFLOW}/logged-models`, { experiment_id: run.id, name: 'm', source_run_id: run.run_id });
    const model = (made.model as { info: { model_id: string; artifact_uri: string } }).info;
    assert.equal(model.artifact_uri, `${root}/${run.id}/models/${model.model_id}/artifacts`);
    put(model.artifact_uri, 'MLmodel', 'flavors: {}');
    put(model.artifact_uri, 'data/weights', 'w');
    await ask('PATCH', `${MLFLOW}/logged-models/${model.model_id}`, { model_id: model.model_id, status: 'LOGGED_MODEL_READY' });
    assert.deepEqual((await modelFiles(server.ctx(), model.model_id)).map((f) => f.path).toSorted(), ['MLmodel', 'data/weights']);
    const path = `${MLFLOW}/logged-models/${model.model_id}/artifacts/directories`;
    assert.deepEqual(names(await ask('GET', `${path}?artifact_directory_path=data`)), ['data/weights']);
    const file = await ask('GET', `/ajax-api/2.0/mlflow/logged-models/${model.model_id}/artifacts/files?artifact_file_path=MLmodel`);
    assert.equal(file.text, 'flavors: {}');
  });
}

test('the server reads no folder that its administrator did not name, whatever an experiment says', async (t) => {
  const [root, allowed, secret] = [newFolder(t), newFolder(t), newFolder(t)];
  put(secret, 'passwd', 'root:x');
  const server = await startServer(t, 'sqlite', { GYRE_ARTIFACT_ROOT: root, GYRE_ARTIFACT_ALLOW_ROOTS: `${allowed}, s3://elsewhere/x` });
  const ask = asker(server);
  const read = async (location: string, path: string) => {
    const run = await newRun(server, ask, location);
    put(run.artifact_uri, 'seen', 'yes');
    return [
      names(await ask('GET', `${MLFLOW}/artifacts/list?run_id=${run.run_id}`)),
      (await ask('GET', `/get-artifact?run_id=${run.run_id}&path=${path}`)).status,
    ];
  };
  assert.deepEqual(await read(`${allowed}/mine`, 'seen'), [['seen'], 200]);
  assert.deepEqual(await read(`file://${root}/own`, 'seen'), [['seen'], 200]);
  assert.deepEqual(await read(secret, 'passwd'), [[], 400]);
  assert.deepEqual(await read(`file://${secret}`, 'passwd'), [[], 400]);
  // A neighbour whose name only begins like it.
  mkdirSync(`${root}-b`);
  t.after(() => rmSync(`${root}-b`, { recursive: true, force: true }));
  assert.deepEqual(await read(`${root}-b`, 'seen'), [[], 400]);
  // Links that lead out of the root are not followed.
  const run = await newRun(server);
  put(run.artifact_uri, 'a', 'a');
  symlinkSync(join(secret, 'passwd'), join(folderOf(run.artifact_uri), 'link'));
  symlinkSync(secret, join(folderOf(run.artifact_uri), 'folder'));
  assert.deepEqual(names(await ask('GET', `${MLFLOW}/artifacts/list?run_id=${run.run_id}`)), ['a']);
  for (const path of ['link', 'folder/passwd'])
    assert.equal((await ask('GET', `/get-artifact?run_id=${run.run_id}&path=${path}`)).status, 404, path);
});

test('workspaces below one root have folders of their own, and none reads another’s', async (t) => {
  const root = newFolder(t);
  const server = await startServer(t, 'sqlite', { GYRE_ARTIFACT_ROOT: root });
  await createWorkspace(server.ctx(), 'blue');
  const [ours, theirs] = [asker(server), asker(server, 'blue')];
  const [mine, blue] = [await newRun(server, ours), await newRun(server, theirs)];
  assert.equal(blue.artifact_uri, `${root}/workspaces/blue/${blue.id}/${blue.run_id}/artifacts`);
  put(mine.artifact_uri, 'f', 'mine');
  put(blue.artifact_uri, 'f', 'blue');
  assert.equal((await theirs('GET', `/get-artifact?run_id=${blue.run_id}&path=f`)).text, 'blue');
  const spy = await newRun(server, theirs, dirname(dirname(mine.artifact_uri)));
  assert.equal((await theirs('GET', `/get-artifact?run_id=${spy.run_id}&path=f`)).status, 400);
  const back = await newRun(server, ours, `${root}/workspaces/blue/${blue.id}`);
  assert.equal((await ours('GET', `/get-artifact?run_id=${back.run_id}&path=f`)).status, 400);
});

// CVE-2023-1177, CVE-2023-6831, CVE-2023-6909, CVE-2023-6977, CVE-2024-1483, CVE-2024-1558, CVE-2024-3848, CVE-2026-2033.
test('no experiment is made at a location that climbs, hides its path, or names a host to connect to', async (t) => {
  const server = await startServer(t);
  const ask = asker(server);
  for (const location of [
    'runs:/a/b',
    'http:///#/../../../../../../etc/',
    's3://bucket/x#/../../../../etc',
    'mlflow-artifacts:/x#../../',
    's3://bucket/x?y=/../../../../etc',
    's3://bucket/x?%2e%2e/%2e%2e',
    'file:///tmp/../../etc',
    'mlflow-artifacts:/../other',
    'mlflow-artifacts:/%2e%2e/other',
    'mlflow-artifacts:/%252e%252e/other',
    'mlflow-artifacts:/a/..%2f..%2fb',
    'mlflow-artifacts:/a\\..\\b',
    '/tmp/x%00y',
    '../../etc',
    'http://169.254.169.254/latest',
    'https://example.com/x',
    'ftp://example.com/x',
    'mlflow-artifacts://example.com/x',
    `s3://bucket/${'x'.repeat(2100)}`,
  ]) {
    const { status, body } = await ask('POST', `${MLFLOW}/experiments/create`, { name: `e${Math.random()}`, artifact_location: location });
    assert.deepEqual([location, status, body.error_code], [location, 400, 'INVALID_PARAMETER_VALUE']);
  }
  const kept = await newRun(server, ask, 's3://bucket/prefix/?endpoint=x');
  assert.equal(kept.artifact_uri, `s3://bucket/prefix/${kept.run_id}/artifacts?endpoint=x`);
});

// CVE-2023-1177 (LFI by get-artifact), CVE-2023-2780, CVE-2023-6018, CVE-2024-0520, CVE-2024-2928, CVE-2026-2033.
test('every route that takes a path refuses one that climbs, however it is written', async (t) => {
  const server = await startServer(t);
  const ask = asker(server);
  const run = await newRun(server);
  await ask('POST', `${MLFLOW}/registered-models/create`, { name: 'm' });
  await ask('POST', `${MLFLOW}/model-versions/create`, { name: 'm', source: run.artifact_uri, run_id: run.run_id });
  const { body: made } = await ask('POST', `${MLFLOW}/logged-models`, { experiment_id: run.id, name: 'l' });
  const { model_id: model } = (made.model as { info: { model_id: string } }).info;
  const root = `${run.id}/${run.run_id}/artifacts`;
  const places: [string, (path: string) => string, object?][] = [
    ['GET', (p) => `/get-artifact?run_id=${run.run_id}&path=${p}`],
    ['GET', (p) => `/model-versions/get-artifact?name=m&version=1&path=${p}`],
    ['GET', (p) => `/ajax-api/2.0/mlflow/logged-models/${model}/artifacts/files?artifact_file_path=${p}`],
    ['GET', (p) => `${MLFLOW}/logged-models/${model}/artifacts/directories?artifact_directory_path=${p}`],
    ['GET', (p) => `${MLFLOW}/artifacts/list?run_id=${run.run_id}&path=${p}`],
    ['GET', (p) => `/api/2.0/mlflow-artifacts/artifacts?path=${p}`],
    ['GET', (p) => `/api/2.0/mlflow-artifacts/artifacts/${root}/${encodeURIComponent(p)}`],
    ['DELETE', (p) => `/ajax-api/2.0/mlflow-artifacts/artifacts/${root}/${encodeURIComponent(p)}`],
    ['GET', (p) => `/api/2.0/mlflow-artifacts/presigned/${root}/${encodeURIComponent(p)}`],
    ['POST', (p) => `/api/2.0/mlflow-artifacts/mpu/create/${root}/${encodeURIComponent(p)}`, { path: 'f', num_parts: 1 }],
    [
      'POST',
      (p) => `/ajax-api/2.0/mlflow-artifacts/mpu/complete/${root}/${encodeURIComponent(p)}`,
      { path: 'f', upload_id: 'u', parts: [] },
    ],
    ['POST', (p) => `/api/2.0/mlflow-artifacts/mpu/abort/${root}/${encodeURIComponent(p)}`, { path: 'f', upload_id: 'u' }],
  ];
  const paths = [
    '../x',
    '%2e%2e/x',
    '%252e%252e%252fx',
    'a/../../x',
    '/etc/passwd',
    '%2fetc%2fpasswd',
    'file:///etc/passwd',
    'C:/x',
    'a%5c..%5cx',
    'a%23b',
    'a%00b',
    'a//b',
  ];
  for (const [method, at, body] of places)
    for (const path of paths) {
      // A drive is one only at the beginning.
      if (path === 'C:/x' && at('').endsWith('/')) continue;
      const reply = await ask(method, at(path), body);
      assert.deepEqual([method, at(path), reply.status, reply.body.error_code], [method, at(path), 400, 'INVALID_PARAMETER_VALUE']);
      assert.match(String(reply.body.message), /^Invalid path|NUL character/);
    }
  for (const path of paths) {
    const decoded = decodeURIComponent(path);
    for (const verb of ['presigned-upload-url', 'presigned-download-url'])
      assert.match(
        String((await ask('POST', `${MLFLOW}/artifacts/${verb}`, { run_id: run.run_id, path: decoded })).body.message),
        /^Invalid path|NUL character/,
      );
    const upload = await fetch(`${server.url}/ajax-api/2.0/mlflow/upload-artifact?run_uuid=${run.run_id}&path=${path}`, {
      method: 'POST',
      body: 'x',
    });
    assert.equal(upload.status, 400, path);
  }
});

test('without the proxy its routes answer 503 in plain words, and new experiments are in a folder of the server', async (t) => {
  const server = await startServer(t, 'sqlite', { GYRE_SERVE_ARTIFACTS: '0' });
  const ask = asker(server);
  const run = await newRun(server);
  assert.equal(run.artifact_uri, `${server.folder}/artifacts/${run.id}/${run.run_id}/artifacts`);
  for (const [method, path] of [
    ['GET', 'artifacts/x'],
    ['PUT', 'artifacts/x'],
    ['DELETE', 'artifacts/x'],
    ['GET', 'artifacts?path=x'],
    ['POST', 'mpu/create/x'],
    ['GET', 'presigned/x'],
  ] as const)
    for (const prefix of ['/api/2.0', '/ajax-api/2.0']) {
      const reply = await ask(method, `${prefix}/mlflow-artifacts/${path}`, method === 'POST' ? {} : undefined);
      assert.equal(reply.status, 503, path);
      const rule = path.replace(/\/x$/, '/<path:artifact_path>').replace(/\?.*/, '');
      assert.equal(
        reply.text,
        `Endpoint: ${prefix}/mlflow-artifacts/${rule} disabled due to the mlflow server running with \`--no-serve-artifacts\`. To enable artifacts server functionality, run \`mlflow server\` with \`--serve-artifacts\``,
      );
    }
  put(run.artifact_uri, 'f', 'x');
  assert.deepEqual(names(await ask('GET', `${MLFLOW}/artifacts/list?run_id=${run.run_id}`)), ['f']);
});

test('a long folder is listed in pages that tokens lead through', async (t) => {
  const root = newFolder(t);
  const server = await startServer(t, 'sqlite', { GYRE_ARTIFACT_ROOT: root });
  const ask = asker(server);
  const run = await newRun(server);
  mkdirSync(folderOf(run.artifact_uri), { recursive: true });
  for (let i = 0; i < 10_002; i++) writeFileSync(join(folderOf(run.artifact_uri), `f${String(i).padStart(5, '0')}`), '');
  const first = await ask('GET', `${MLFLOW}/artifacts/list?run_id=${run.run_id}`);
  assert.deepEqual([names(first).length, names(first).at(-1)], [10_000, 'f09999']);
  const token = encodeURIComponent(String(first.body.next_page_token));
  const second = await ask('GET', `${MLFLOW}/artifacts/list?run_id=${run.run_id}&page_token=${token}`);
  assert.deepEqual([names(second), second.body.next_page_token, second.body.root_uri], [['f10000', 'f10001'], undefined, run.artifact_uri]);
  assert.equal((await ask('GET', `${MLFLOW}/artifacts/list?run_id=${run.run_id}&page_token=x`)).status, 400);
});
