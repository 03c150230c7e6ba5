// Problem codes that no room's own tests come by: what leads to each of them.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startControl } from '../src/app/control.ts';
import { mlflowScoringDialect } from '../src/dialects/mlflow-scoring/mlflow-scoring.ts';
import { oipDialect } from '../src/dialects/oip/oip.ts';
import type { DatasetVersion } from '../src/domains/datasets/model.ts';
import { diffVersions } from '../src/domains/datasets/service/read.ts';
import { findInterpreter } from '../src/domains/environments/interpreter.ts';
import { findUv } from '../src/domains/environments/uv.ts';
import { revisionById } from '../src/domains/projects/public.ts';
import { checkSource, createModel, setModelTag } from '../src/domains/registry/public.ts';
import { endpointOf, planOf, runPlane } from '../src/domains/serving/fixtures/plane.ts';
import { shipSegments } from '../src/domains/serving/public.ts';
import { deleteTag } from '../src/domains/tracking/public.ts';
import { openCompute } from '../src/kernel/compute/compute.ts';
import { readSettings } from '../src/kernel/config/settings.ts';
import { folder, gyre, start, writeFiles } from './cli/gyre.ts';
import { projectFiles } from './crash/project.ts';
import { openPlatform } from './support/platform.ts';
import { startServer } from './support/server.ts';

const root = folder((remove) => after(remove));
const settings = (more: Record<string, string> = {}) =>
  readSettings({ GYRE_DIR: join(root, 'gyre'), GYRE_DURABILITY: 'process', GYRE_LOG_LEVEL: 'silent', GYRE_PORT: '0', ...more });

test('Settings that do not exist, or cannot be what they are', () => {
  assert.throws(() => readSettings({ GYRE_PROT: '1' }), { code: 'setting-unknown', message: /Did you mean GYRE_PORT\?/ });
  assert.throws(() => readSettings({ GYRE_PORT: 'x' }), { code: 'setting-invalid', message: /GYRE_PORT=x cannot be used/ });
});

test('A server that may not start says why', async () => {
  await assert.rejects(startControl(settings({ GYRE_HOST: '0.0.0.0' })), { code: 'users-needed' });
  const password = join(root, 'password');
  writeFileSync(password, 'short');
  await assert.rejects(startControl(settings(), { adminUser: 'ann', adminPasswordFile: password }), { code: 'password-too-short' });
  const absent = join(root, 'no-password');
  await assert.rejects(startControl(settings(), { adminUser: 'ann', adminPasswordFile: absent }), { code: 'password-unreadable' });
  await assert.rejects(startControl(settings(), { auth: 'basic' }), { code: 'admin-needed', message: /--admin-user NAME/ });
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  await assert.rejects(startControl(settings({ GYRE_PORT: String(port) })), { code: 'port-in-use' });
  other.close();
  const dead = await start(['up', '--dir', join(root, 'dead'), '--port', '0'], {
    cwd: root,
    env: { GYRE_FAILPOINTS: 'serving.before-file-replaced=kill' },
  }).ended;
  assert.equal(dead.code, 8);
  assert.match(dead.err, /ended with SIGKILL while starting\n\(start-failed\)/);
});

test('The command line says which mistake it is', async () => {
  const codeOf = async (...line: string[]): Promise<string> => {
    const { out } = await gyre(...line, '--json');
    return (JSON.parse(out) as { error: { code: string } }).error.code;
  };
  assert.equal(await codeOf('status', '--url', 'http://127.0.0.1:1'), 'server-unreachable');
  assert.match((await gyre('up', '--auth', 'ldap')).err, /\(option-invalid\)/);
  assert.match((await gyre('up', '--auth', 'basic', '--admin-user', 'ann')).err, /\(option-invalid\)/);
  const stranger = createServer((_, response) => response.writeHead(404).end('<html>not found</html>')).listen(0, '127.0.0.1');
  await new Promise((resolve) => stranger.once('listening', resolve));
  const at = ['--url', `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`];
  assert.equal(await codeOf('status', ...at), 'reply-not-understood');
  stranger.close();
  assert.equal(await codeOf('plan', '--file', join(root, 'nothing.yaml')), 'project-file-missing');
  assert.equal(await codeOf('predict', 'late', 'no-value'), 'parameter-form');
  const file = join(root, 'gyre.yaml');
  writeFileSync(file, 'project: lost\ndatasets:\n  rows: { source: rows.parquet, key: [id], contract: contracts/rows.yaml }\n');
  assert.equal(await codeOf('apply', '--file', file, '--no-data'), 'project-files-missing');
});

test('Without a data plane there is nobody to ask for a prediction', async (t) => {
  const { url } = await startServer(t);
  const { code, err } = await gyre('predict', 'late', 'x=1', '--url', url);
  assert.equal(code, 5);
  assert.match(err, /\(no-data-plane\)/);
});

test('Routes name what they do not find, or may not do', async (t) => {
  const server = await startServer(t);
  const ask = async (method: 'GET' | 'POST', path: string, body?: object, headers: Record<string, string> = {}) => {
    const reply = await server.app.inject({
      method,
      url: path.startsWith('/api/2.0') ? path : `/api/gyre/v1${path}`,
      headers: { host: '127.0.0.1', ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
      ...(body ? { payload: JSON.stringify(body) } : {}),
    });
    return JSON.parse(reply.payload) as Record<string, never>;
  };
  const project = join(root, 'project');
  const files = projectFiles(join(root, 'counter'));
  const more = `  plain: { params: {}, steps: { closed: { run: sh steps/two.sh 1, secrets: { KEY: "env:NOBODY_HAS_SET_THIS" } } } }
models:`;
  writeFiles(project, { ...files, 'gyre.yaml': files['gyre.yaml']!.toString().replace('models:', more) });
  const applied = await gyre('apply', '--no-data', '--url', server.url, '--file', join(project, 'gyre.yaml'));
  assert.equal(applied.code, 0, applied.err);
  assert.equal((await ask('GET', '/whoami', undefined, { authorization: 'Bearer nobody' })).code, 'unauthenticated');
  assert.equal((await ask('GET', '/whoami', undefined, { 'x-gyre-workspace': 'nowhere' })).code, 'workspace-not-found');
  assert.equal((await ask('POST', '/projects/crash/report', { endpoint: 'nothing' })).code, 'report-endpoint-missing');
  const parts = await ask('POST', '/api/2.0/mlflow-artifacts/mpu/create/0/x', { path: 'x', num_parts: 1 });
  assert.equal(parts.error_code, 'NOT_IMPLEMENTED', 'mlflow-not-offered');
  assert.match(
    String((await ask('POST', '/api/2.0/mlflow/runs/create', { start_time: 'x' })).message),
    /start_time/,
    'mlflow-parameter-invalid',
  );
  const { run } = (await ask('POST', '/api/2.0/mlflow/runs/create', {})) as unknown as { run: { info: { run_id: string } } };
  await assert.rejects(deleteTag(server.ctx(), run.info.run_id, 'nothing'), { code: 'tag-not-found' });

  const { id } = (await ask('POST', '/projects/crash/pipelines/plain/runs', {})) as unknown as { id: string };
  await server.worker.drain();
  const { steps } = (await ask('GET', `/runs/${id}`)) as unknown as { steps: { name: string; error: { code: string } | null }[] };
  assert.deepEqual(
    steps.map((s) => [s.name, s.error?.code]),
    [['closed', 'secret-missing']],
  );
  const model = (await ask('POST', '/projects/crash/pipelines/model/runs', {})) as unknown as { id: string };
  assert.equal((await ask('POST', `/runs/${model.id}/steps/register/stage`)).code, 'step-without-workspace');
});

test('The data plane counts what it refuses by its code', async (t) => {
  const second = endpointOf({ name: 'second' });
  const plane = await runPlane(t, { plan: planOf(1, [endpointOf(), second]), dialects: [oipDialect, mlflowScoringDialect] });
  const json = { 'content-type': 'application/json' };
  await plane.send('/v2/models/late-arrival/versions/99/infer', { inputs: [] });
  await plane.send('/endpoints/late-arrival/predict', '{');
  await plane.send('/endpoints/late-arrival/predict');
  await plane.send('/endpoints/late-arrival/predict', { inputs: {} }, { ...json, origin: 'http://elsewhere.example' });
  await plane.send('/internal/seal', {});
  await plane.send('/invocations', { instances: [] });
  await plane.send('/endpoints/late-arrival/invocations', '{}', { 'content-type': 'text/xml' });
  const { body } = await plane.send('/metrics');
  for (const code of [
    'served-version-not-found',
    'prediction-body-invalid',
    'serving-method-not-allowed',
    'serving-origin-refused',
    'serving-token-refused',
    'endpoint-unnamed',
    'scoring-content-type',
  ])
    assert.ok(String(body).includes(`code="${code}"`), `${code} in ${String(body)}`);
});

test('Records of a data plane that does not come back are not forgotten', async (t) => {
  const platform = await openPlatform(t);
  const log = join(platform.folder, 'serving/log/r9');
  mkdirSync(log, { recursive: true });
  writeFileSync(join(log, '0abc.open'), '');
  await assert.rejects(
    shipSegments(platform.ctx(), () => [], 50),
    { code: 'data-plane-away' },
  );
});

test('A query that needs more memory than it was given is refused', async (t) => {
  const compute = openCompute({ dir: join(root, 'compute'), memoryMb: 128, threads: 1 });
  t.after(() => compute.close());
  const job = { what: 'a large query', memoryMb: 64, statements: [], rows: 'select list(i) as l from range(100000000) r(i)' };
  await assert.rejects(compute.run(job), { code: 'compute-memory-exceeded' });
});

test('What the registry, projects and datasets cannot find or use', async (t) => {
  const platform = await openPlatform(t);
  const ctx = platform.ctx();
  await createModel(ctx, { name: 'flat' });
  await assert.rejects(setModelTag(ctx, 'flat', 0, { key: 'k'.repeat(251), value: '' }), { code: 'model-tag-invalid' });
  const climbing = checkSource(ctx, 'mlflow-artifacts:/0/../secret', { runId: null, loggedModelId: null });
  await assert.rejects(climbing, { code: 'model-source-invalid' });
  await assert.rejects(revisionById(ctx, 'rev_nothing'), { code: 'revision-not-found' });
  const version = (dataset: string): DatasetVersion => ({ project: 'p', dataset, columns: [] }) as unknown as DatasetVersion;
  await assert.rejects(diffVersions(ctx, version('a'), version('b'), []), { code: 'versions-unrelated' });
});

test('A machine without Python, or without a way to get uv, is told so', async (t) => {
  await assert.rejects(findInterpreter('3.99'), { code: 'python-missing', message: /Python 3\.99/ });
  const bin = join(root, 'bin');
  const probe = JSON.stringify([join(bin, 'python3'), 'CPython', '3.12.1', 'linux-x86_64']);
  writeFiles(bin, { python3: `#!/bin/sh\n[ "$1" = -c ] && echo '${probe}' && exit 0\necho 'no network' >&2\nexit 1\n` });
  chmodSync(join(bin, 'python3'), 0o755);
  const path = process.env.PATH;
  t.after(() => (process.env.PATH = path));
  process.env.PATH = bin;
  await assert.rejects(findUv(join(root, 'tools')), { code: 'uv-missing', message: /no network/ });
});
