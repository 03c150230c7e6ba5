// What the unmodified MLflow client sends to a server with logins. The checks are in access.py; each becomes a test of
// its name.
import assert from 'node:assert/strict';
import { fork, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';

const repository = join(import.meta.dirname, '../..');

async function startServer(t: TestContext, dir: string): Promise<string> {
  const password = join(dir, 'password');
  writeFileSync(password, 'admin-has-a-password');
  const child = fork(join(repository, 'src/app/control-process.ts'), [], {
    execArgv: ['--no-warnings'],
    env: {
      PATH: process.env.PATH,
      GYRE_DIR: join(dir, 'gyre'),
      GYRE_PORT: '0',
      GYRE_DURABILITY: 'process',
      GYRE_LOG_LEVEL: 'error',
      BOOTSTRAP_AUTH: 'basic',
      BOOTSTRAP_ADMIN_USER: 'admin',
      BOOTSTRAP_ADMIN_PASSWORD_FILE: password,
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  });
  return new Promise((resolve, reject) => {
    child.once('message', (message: { ready?: { url: string }; failed?: { detail: string } }) =>
      message.ready ? resolve(message.ready.url) : reject(new Error(message.failed?.detail)),
    );
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
}

test('the unmodified MLflow client at a server with logins', { timeout: 180_000 }, async (t) => {
  const python = [process.env.TEST_PYTHON, join(repository, '.cache/python/bin/python')].find((path) => path && existsSync(path));
  assert.ok(python, 'There is no Python with the MLflow client: run "sh scripts/set-up.sh --python", or name one in TEST_PYTHON.');
  const dir = mkdtempSync(join(tmpdir(), 'gyre-mlflow-access-'));
  const url = await startServer(t, dir);
  const client = spawn(python, [join(import.meta.dirname, 'access.py')], {
    cwd: dir,
    env: {
      PATH: process.env.PATH,
      HOME: dir,
      MLFLOW_TRACKING_URI: url,
      MLFLOW_HTTP_REQUEST_MAX_RETRIES: '0',
      MLFLOW_DISABLE_TELEMETRY: 'true',
      MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR: 'false',
      GIT_PYTHON_REFRESH: 'quiet',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => client.kill('SIGKILL'));
  let complaint = '';
  client.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-4000)));
  const ended = new Promise<number | null>((resolve) => client.once('close', resolve));
  let count = 0;
  // The client prints lines of its own between ours.
  for await (const line of createInterface({ input: client.stdout })) {
    if (!line.startsWith('{"check"')) continue;
    const { check, error } = JSON.parse(line) as { check: string; error: string | null };
    count++;
    await t.test(check, () => assert.equal(error, null, error ?? ''));
  }
  assert.equal(await ended, 0, complaint);
  assert.equal(count, 7, complaint);
});
