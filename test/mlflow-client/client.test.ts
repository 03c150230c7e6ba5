// The unmodified MLflow client, in the versions that the example pins, against a server in a process of its
// own. The checks are in client.py; each becomes a test of its name.
import assert from 'node:assert/strict';
import { fork, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';

const repository = join(import.meta.dirname, '../..');

/** An interpreter with the packages of the example: TEST_PYTHON, or the one that set-up makes. */
function testPython(): string {
  const found = [process.env.TEST_PYTHON, join(repository, '.cache/python/bin/python')].find((path) => path && existsSync(path));
  assert.ok(found, 'There is no Python with the MLflow client: run "sh scripts/set-up.sh --python", or name one in TEST_PYTHON.');
  return found;
}

async function startServer(t: TestContext): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-mlflow-'));
  const child = fork(join(repository, 'src/app/control-process.ts'), [], {
    execArgv: ['--no-warnings'],
    env: { PATH: process.env.PATH, GYRE_DIR: dir, GYRE_PORT: '0', GYRE_DURABILITY: 'process', GYRE_LOG_LEVEL: 'error' },
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

interface Outcome {
  readonly check: string;
  readonly error: string | null;
}

test('the unmodified MLflow client', { timeout: 180_000 }, async (t) => {
  const python = testPython();
  const url = await startServer(t);
  const home = mkdtempSync(join(tmpdir(), 'gyre-mlflow-home-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const client = spawn(python, [join(import.meta.dirname, 'client.py')], {
    cwd: home,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      MLFLOW_TRACKING_URI: url,
      // A server error fails at once instead of being repeated for minutes.
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
    const { check, error } = JSON.parse(line) as Outcome;
    count++;
    await t.test(check, () => assert.equal(error, null, error ?? ''));
  }
  assert.equal(await ended, 0, complaint);
  assert.ok(count > 30, `only ${count} checks ran: ${complaint}`);
});
