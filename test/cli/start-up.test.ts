// Starting and stopping, as suites do it that want a fresh server for each test: from the source and as packed.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { sql } from 'kysely';
import { openPostgres } from '../../src/kernel/db/postgres.ts';
import { postgresUrl } from '../support/postgres.ts';
import { folder, written, type Started } from './gyre.ts';

const repository = join(import.meta.dirname, '../..');
const cwd = folder((remove) => after(remove));
// In a checkout it runs the source.
const source = [join(repository, 'bin/gyre.js')];
const packed = [join(cwd, 'package/bin/gyre.js')];

before(async () => {
  const root = join(cwd, 'package');
  mkdirSync(join(root, 'bin'), { recursive: true });
  for (const file of ['bin/gyre.js', 'package.json', 'openapi.json', 'gyre.schema.json'])
    copyFileSync(join(repository, file), join(root, file));
  symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'));
  const tsc = join(repository, 'node_modules/.bin/tsc');
  await promisify(execFile)(tsc, ['-p', 'tsconfig.build.json', '--outDir', join(root, 'dist')], { cwd: repository });
});

function up(program: readonly string[], dir: string, ...options: string[]): Started {
  const child = spawn(process.execPath, ['--no-warnings', ...program, 'up', '--dir', dir, ...options], {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, TMPDIR: cwd, GYRE_LOG_LEVEL: 'error' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  after(() => child.kill('SIGKILL'));
  const so = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (so.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (so.err += text));
  return { child, so, ended: once(child, 'close').then(([code]) => ({ code: code as number | null, ...so })) };
}

const ready = async (started: Started): Promise<string> => (await written(started, /^Gyre is ready at (http:\S+)$/m))[1]!;

/** Ends it as a suite does; it must go by itself, long before anybody would kill it. */
async function stop(started: Started): Promise<number> {
  const began = performance.now();
  started.child.kill('SIGTERM');
  const { code, err } = await started.ended;
  assert.equal(code, 0, err);
  const took = performance.now() - began;
  // Well below a second by itself; the bound is for a machine that is busy.
  assert.ok(took < 8000, `it took ${took} ms to stop`);
  return took;
}

async function experimentsAt(url: string, headers: Record<string, string> = {}): Promise<number> {
  return (await fetch(`${url}/api/2.0/mlflow/experiments/get?experiment_id=0`, { headers })).status;
}

const password = 'a-long-password';
const logins = (): string[] => {
  writeFileSync(join(cwd, 'password'), password);
  return ['--auth', 'basic', '--admin-user', 'root', '--admin-password-file', join(cwd, 'password')];
};

const ways: readonly (readonly [string, () => string[]])[] = [
  ['everything', () => []],
  ['no data plane', () => ['--no-data-plane']],
  ['an artifact root', () => ['--no-data-plane', '--artifact-root', join(cwd, 'artifacts')]],
  ['an artifact root past the server', () => ['--no-data-plane', '--artifact-root', 's3://bucket/x', '--no-serve-artifacts']],
  ['logins', () => ['--no-data-plane', ...logins()]],
];

for (const [program, name] of [
  [source, 'its source'],
  [packed, 'the package'],
] as const)
  test(`fresh servers from ${name} answer and go, one after another, with each set of options`, async (t) => {
    for (const [i, [what, options]] of ways.entries()) {
      const began = performance.now();
      const server = up(program, join(cwd, name, String(i)), '--port', '0', ...options());
      const url = await ready(server);
      const took = performance.now() - began;
      const health = await fetch(`${url}/health`);
      assert.deepEqual([what, health.status, await health.text()], [what, 200, 'OK']);
      assert.match(await (await fetch(`${url}/version`)).text(), /^3\.\d+\.\d+/);
      if (what === 'logins') {
        assert.equal(await experimentsAt(url), 401);
        const authorization = `Basic ${Buffer.from(`root:${password}`).toString('base64')}`;
        assert.equal(await experimentsAt(url, { authorization }), 200);
      } else assert.equal(await experimentsAt(url), 200);
      t.diagnostic(`${what}: ready after ${took.toFixed(0)} ms, gone after ${(await stop(server)).toFixed(0)} ms`);
    }
  });

test('a server on PostgreSQL starts on an empty database, and again on its own', async (t) => {
  const name = `start_${randomBytes(6).toString('hex')}`;
  const url = await postgresUrl();
  const admin = await openPostgres(url, { poolSize: 1 });
  t.after(async () => {
    await sql.raw(`drop database ${name} with (force)`).execute(admin.reader);
    await admin.close();
  });
  await sql.raw(`create database ${name}`).execute(admin.reader);
  for (let round = 0; round < 2; round++) {
    const server = up(
      packed,
      join(cwd, 'postgres'),
      '--port',
      '0',
      '--no-data-plane',
      '--database-url',
      url.replace(/\/[^/]*$/, `/${name}`),
    );
    assert.equal(await experimentsAt(await ready(server)), 200);
    await stop(server);
  }
});

test('a port that is taken is said in one sentence, and nothing is left running', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const { code, out, err } = await up(source, join(cwd, 'taken'), '--port', String(port), '--no-data-plane').ended;
  assert.deepEqual([code, out], [5, '']);
  assert.match(err, new RegExp(`^Port ${port} is in use by another program\\.`));
  const again = up(source, join(cwd, 'taken'), '--port', '0', '--no-data-plane');
  await ready(again);
  await stop(again);
});

test('a server that was killed starts again at once, on its port and with everything it acknowledged', async () => {
  const dir = join(cwd, 'killed');
  const first = up(packed, dir, '--port', '0', '--no-data-plane');
  const url = await ready(first);
  const made = await fetch(`${url}/api/2.0/mlflow/experiments/create`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name": "kept"}',
  });
  assert.equal(made.status, 200);
  const { control } = JSON.parse(readFileSync(join(dir, 'run/processes.json'), 'utf8')) as { control: { pid: number } };
  first.child.kill('SIGKILL');
  process.kill(control.pid, 'SIGKILL');
  const second = up(packed, dir, '--port', new URL(url).port, '--no-data-plane');
  assert.equal(await ready(second), url);
  const found = await fetch(`${url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=kept`);
  assert.equal(found.status, 200);
  await stop(second);
});
