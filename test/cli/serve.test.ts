// `gyre serve` alone, as a process: what it says, whom it answers, and how it ends.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { folder } from '../../src/domains/serving/fixtures/plane.ts';
import { gyre, start, written, type Started } from './gyre.ts';

const flat = join(import.meta.dirname, '../../src/domains/serving/fixtures/flat.onnx');
const MLMODEL = `flavors:
  onnx:
    data: model.onnx
signature:
  inputs: '[{"name": "x", "type": "double", "required": true}]'
`;

interface Ready {
  readonly url: string;
  readonly grpc: string | null;
  readonly models: readonly { readonly name: string; readonly version: string }[];
}

async function serve(
  t: TestContext,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ready & { started: Started; dir: string }> {
  const dir = folder(t);
  const started = start(['serve', ...args, '--port', '0', '--json'], { cwd: dir, env });
  t.after(async () => {
    started.child.kill('SIGTERM');
    await started.ended;
  });
  const [line] = await written(started, /^\{"url".*$/m);
  return { ...(JSON.parse(line) as Ready), started, dir };
}

const ask = async (url: string, name = 'flat', headers: Record<string, string> = {}) => {
  const reply = await fetch(`${url}/models/${name}/invocations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: '{"inputs": [1, 2]}',
  });
  return { status: reply.status, text: await reply.text(), headers: reply.headers };
};

function modelFolder(t: TestContext, mlmodel = MLMODEL): string {
  const path = join(folder(t), 'model');
  mkdirSync(path);
  writeFileSync(join(path, 'MLmodel'), mlmodel);
  copyFileSync(flat, join(path, 'model.onnx'));
  return path;
}

test(
  'A file and a folder are served under their names and versions; nothing is written, and SIGTERM ends it',
  { timeout: 60_000 },
  async (t) => {
    const { url, grpc, models, started, dir } = await serve(t, [
      ...['--model', `flat=${flat}`, '--model', `flat@v2=${modelFolder(t)}`, '--model', `other=${flat}`, '--grpc-port', '0'],
    ]);
    assert.deepEqual(
      models.map((m) => `${m.name}@${m.version}`),
      ['flat@1', 'flat@v2', 'other@1'],
    );
    assert.match(grpc!, /^127\.0\.0\.1:\d+$/);
    // A file answers arrays with arrays; a folder has a signature of columns, and answers with records.
    assert.equal((await ask(url, 'other')).text, '{"predictions":{"score":[3,5]}}');
    assert.equal((await ask(url, 'flat')).text, '{"predictions":[{"score":3},{"score":5}]}');
    assert.equal((await ask(url, 'flat/versions/1')).text, '{"predictions":{"score":[3,5]}}');
    const ready = (await (await fetch(`${url}/v2/models/flat/versions/v2/ready`)).json()) as { ready: boolean };
    assert.equal(ready.ready, true);
    started.child.kill('SIGTERM');
    assert.equal((await started.ended).code, 0);
    assert.deepEqual(
      readdirSync(dir).filter((name) => name === '.gyre'),
      [],
    );
  },
);

test('What it prints names the addresses, and where each model runs', { timeout: 60_000 }, async (t) => {
  const started = start(['serve', '--model', `flat=${flat}`, '--port', '0'], { cwd: folder(t) });
  t.after(() => started.child.kill('SIGKILL'));
  await written(started, /flat version 1: ONNX in this process; a row took [\d.e-]+ ms in warm-up/);
  assert.match(started.so.out, /^Gyre answers predictions at http:\/\/127\.0\.0\.1:\d+\n/);
  started.child.kill('SIGINT');
  assert.equal((await started.ended).code, 0);
});

test('Every mistake in the command line is one sentence with its exit code, and nothing was started', { timeout: 60_000 }, async (t) => {
  const dir = folder(t);
  const file = (name: string, text: string, mode = 0o600): string => {
    writeFileSync(join(dir, name), text, { mode });
    return join(dir, name);
  };
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => taken.close());
  const port = String((taken.address() as AddressInfo).port);
  const model = ['--model', `flat=${flat}`];
  const token = '0123456789abcdef';
  const cases: [string[], number, string, RegExp][] = [
    [['--model', 'flat'], 2, 'option-invalid', /NAME=PATH or NAME@VERSION=PATH/],
    [['--model', 'a/b=x'], 2, 'option-invalid', /NAME=PATH/],
    [['--model', `a@1@2=${flat}`], 2, 'option-invalid', /NAME=PATH/],
    [[...model, ...model], 2, 'model-given-twice', /Version 1 of the model "flat" is given twice/],
    [['--model', 'flat=/nowhere/model.onnx'], 3, 'file-unusable', /\/nowhere\/model\.onnx.*there is no such file/],
    [['--model', `flat=${dir}`], 3, 'model-folder-invalid', /there is no file MLmodel in it/],
    [['--model', `flat=${modelFolder(t, 'flavors: [')}`], 3, 'model-folder-invalid', /not YAML/],
    [['--model', `flat=${modelFolder(t, `${MLMODEL}  params: 'x'\n`)}`], 3, 'model-folder-invalid', /signature/],
    [['--model', `flat=${modelFolder(t, 'flavors: {onnx: {data: gone.onnx}}')}`], 3, 'model-folder-invalid', /gone\.onnx/],
    [['--model', `flat=${file('corrupt.onnx', 'nonsense')}`], 3, 'onnx-unreadable', /corrupt\.onnx is not an ONNX model/],
    [[...model, '--host', '0.0.0.0'], 2, 'open-without-tokens', /--token-file/],
    [[...model, '--token-file', join(dir, 'gone')], 3, 'file-unusable', /gone/],
    [[...model, '--token-file', dir], 3, 'token-file-invalid', /it is no file/],
    [[...model, '--token-file', file('open', token, 0o644)], 3, 'token-file-invalid', /0644.*chmod 600/],
    [[...model, '--token-file', file('empty', '# none\n\n')], 3, 'token-file-invalid', /no token/],
    [[...model, '--token-file', file('short', 'short')], 3, 'token-file-invalid', /line 1 has fewer than 16/],
    [[...model, '--token-file', file('twice', `${token}\n${token} flat`)], 3, 'token-file-invalid', /line 2 was there before/],
    [[...model, '--token-file', file('many', `${token} flat other`)], 3, 'token-file-invalid', /separated by commas/],
    [[...model, '--port', port], 5, 'address-unusable', /is taken/],
    [[...model, '--grpc-port', port], 5, 'address-unusable', /is taken/],
    [[...model, '--port', 'http'], 2, 'option-invalid', /a port from 0 to 65535/],
    [[...model, '--processes', '0'], 2, 'setting-invalid', /from 1 to 128/],
    [[...model, '--cors-origin', 'https://a.example/'], 2, 'setting-invalid', /origins/],
    [[...model, '--tls-cert', flat], 3, 'certificate-invalid', /one of the two/],
    [[...model, '--tls-cert', flat, '--tls-key', flat], 3, 'certificate-invalid', /PEM/],
  ];
  for (const [args, code, problem, sentence] of cases) {
    const ran = await gyre('serve', ...(args.includes('--port') ? [] : ['--port', '0']), ...args);
    assert.deepEqual([ran.code, ran.out], [code, ''], `${args.join(' ')}: ${ran.err}`);
    assert.match(ran.err, sentence, args.join(' '));
    assert.match(ran.err, new RegExp(`\\(${problem}\\)\n$`), args.join(' '));
  }
});

test('With a file of tokens nobody asks without one, and each asks what it is for, over both protocols', { timeout: 60_000 }, async (t) => {
  const tokens = join(folder(t), 'tokens');
  writeFileSync(tokens, '# who may ask\nwhole-0123456789abcdef\n\nnarrow-0123456789abcdef other,more\n', { mode: 0o600 });
  const { url } = await serve(t, ['--model', `flat=${flat}`, '--model', `other=${flat}`, '--token-file', tokens, '--host', '0.0.0.0']);
  const here = url.replace('0.0.0.0', '127.0.0.1');
  const as = (token: string) => ({ authorization: `Bearer ${token}` });
  assert.equal((await ask(here)).status, 401);
  assert.equal((await ask(here, 'flat', as('wrong-0123456789abcdef'))).status, 401);
  assert.equal((await ask(here, 'flat', as('whole-0123456789abcdef'))).status, 200);
  assert.equal((await ask(here, 'other', as('narrow-0123456789abcdef'))).status, 200);
  assert.equal((await ask(here, 'flat', as('narrow-0123456789abcdef'))).status, 404);
  const models = await fetch(`${here}/v2/models`, { headers: as('narrow-0123456789abcdef') });
  assert.deepEqual(await models.json(), { models: ['other'] });
  assert.equal((await fetch(`${here}/v2/health/ready`)).status, 200);
});

test('Web pages of the origins that are named may ask, after a preflight; those of others may not', { timeout: 60_000 }, async (t) => {
  const { url } = await serve(t, [
    '--model',
    `flat=${flat}`,
    '--cors-origin',
    'https://a.example',
    '--cors-origin',
    'http://localhost:3000',
  ]);
  const preflight = (origin: string) =>
    fetch(`${url}/models/flat/invocations`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } });
  const allowed = await preflight('https://a.example');
  assert.deepEqual([allowed.status, allowed.headers.get('access-control-allow-origin')], [204, 'https://a.example']);
  assert.match(allowed.headers.get('access-control-allow-headers')!, /Content-Type/);
  const foreign = await preflight('https://b.example');
  assert.deepEqual([foreign.status, foreign.headers.get('access-control-allow-origin')], [403, null]);
  const asked = await ask(url, 'flat', { origin: 'http://localhost:3000' });
  assert.deepEqual([asked.status, asked.headers.get('access-control-allow-origin')], [200, 'http://localhost:3000']);
  const refused = await ask(url, 'flat', { origin: 'https://b.example' });
  assert.deepEqual([refused.status, refused.headers.get('access-control-allow-origin')], [403, null]);
});

test('With a certificate both protocols speak TLS', { timeout: 60_000 }, async (t) => {
  const dir = folder(t);
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
      ...['-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost', '-keyout', key, '-out', cert],
    ],
    { stdio: 'ignore' },
  );
  const { url, grpc } = await serve(t, ['--model', `flat=${flat}`, '--grpc-port', '0', '--tls-cert', cert, '--tls-key', key]);
  const ca = readFileSync(cert);
  const [reply] = (await once(request(`${url}/ping`, { ca }).end(), 'response')) as [{ statusCode: number; resume: () => void }];
  reply.resume();
  assert.equal(reply.statusCode, 200);
  const { Client, credentials } = await import('@grpc/grpc-js');
  const client = new Client(grpc!.replace('127.0.0.1', 'localhost'), credentials.createSsl(ca));
  t.after(() => client.close());
  await new Promise<void>((resolve, reject) => client.waitForReady(Date.now() + 10_000, (error) => (error ? reject(error) : resolve())));
});

test('The plan of a folder is followed as well where one is named', { timeout: 60_000 }, async (t) => {
  const { url, started, dir } = await serve(t, ['--model', `flat=${flat}`, '--dir', 'data']);
  assert.equal((await ask(url)).status, 200);
  assert.ok(existsSync(join(dir, 'data/serving/plan.key')));
  started.child.kill('SIGTERM');
  assert.equal((await started.ended).code, 0);
});
