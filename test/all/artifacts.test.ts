// Large artifacts with the unmodified MLflow client.
import assert from 'node:assert/strict';
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openTestBucket } from '../support/s3.ts';

const repository = join(import.meta.dirname, '../..');
const python = [process.env.TEST_PYTHON, join(repository, '.cache/python/bin/python')].find((path) => path && existsSync(path))!;

async function startServer(t: TestContext, environment: Record<string, string> = {}): Promise<{ url: string; pid: number }> {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-artifacts-'));
  const child = fork(join(repository, 'src/app/control-process.ts'), [], {
    execArgv: ['--no-warnings'],
    env: { PATH: process.env.PATH, GYRE_DIR: dir, GYRE_PORT: '0', GYRE_LOG_LEVEL: 'error', ...environment },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  t.after(async () => {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  });
  const [message] = (await once(child, 'message')) as [{ ready: { url: string } }];
  return { url: message.ready.url, pid: child.pid! };
}

async function runClient(t: TestContext, task: string, url: string, environment: Record<string, string> = {}): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'gyre-artifacts-home-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const client = spawn(python, [join(repository, 'test/mlflow-client/artifacts.py'), task], {
    cwd: home,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      TMPDIR: home,
      MLFLOW_TRACKING_URI: url,
      MLFLOW_HTTP_REQUEST_MAX_RETRIES: '0',
      MLFLOW_DISABLE_TELEMETRY: 'true',
      MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR: 'false',
      ...environment,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(client, 'exit')) as [number | null];
  assert.equal(code, 0);
}

const residentMb = (pid: number): number => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;

/** Forwards to the server and notes what was asked for. */
async function watch(t: TestContext, url: string): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server: Server = createServer((incoming, reply) => {
    asked.push(`${incoming.method} ${incoming.url}`);
    const { hostname, port } = new URL(url);
    const { method, headers, url: path } = incoming;
    incoming.pipe(
      request({ hostname, port, method, headers, path }, (answer) => {
        reply.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(reply);
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, asked };
}

test('an artifact of 5 GB goes up and comes down, and the server’s memory does not grow with it', { timeout: 1_800_000 }, async (t) => {
  const server = await startServer(t);
  const before = residentMb(server.pid);
  let most = before;
  const looking = setInterval(() => (most = Math.max(most, residentMb(server.pid))), 100);
  try {
    await runClient(t, 'parts', server.url);
    await runClient(t, 'sparse', server.url);
  } finally {
    clearInterval(looking);
  }
  t.diagnostic(`${before.toFixed(0)} MB before, ${most.toFixed(0)} MB at most`);
  assert.ok(most - before < 64, `${before} MB -> ${most} MB`);
});

test('a file goes up in parts and comes down in ranges past the server, when the client is told to', { timeout: 300_000 }, async (t) => {
  const { bucket, prefix, server: s3 } = await openTestBucket(t);
  const { url } = await startServer(t, {
    GYRE_BLOBS_URL: `s3://${bucket}/${prefix.replace(/\/$/, '')}`,
    GYRE_S3_ENDPOINT: s3.url,
    GYRE_S3_PATH_STYLE: '1',
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
  });
  const watched = await watch(t, url);
  const MB = 1024 * 1024;
  await runClient(t, 'parts', watched.url, {
    MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD: 'true',
    MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE: String(10 * MB),
    MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE: String(5 * MB),
    MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD: 'true',
    MLFLOW_MULTIPART_DOWNLOAD_MINIMUM_FILE_SIZE: String(10 * MB),
    MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE: String(5 * MB),
  });
  const artifacts = watched.asked.filter((a) => a.includes('/mlflow-artifacts/'));
  assert.ok(artifacts.some((a) => a.startsWith('POST') && a.includes('/mpu/create/')));
  assert.ok(artifacts.some((a) => a.startsWith('POST') && a.includes('/mpu/complete/')));
  assert.ok(artifacts.some((a) => a.startsWith('GET') && a.includes('/presigned/')));
  const through = artifacts.filter((a) => a.startsWith('PUT') || (a.startsWith('GET') && a.includes('/mlflow-artifacts/artifacts/')));
  assert.deepEqual(through, [], 'no byte of it goes through the server');
});
