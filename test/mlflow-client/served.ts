// A server in a process of its own, and the unmodified MLflow clients that talk to it. What a client's script prints
// as a line of JSON {"check", "error"} becomes a test of that name.
import assert from 'node:assert/strict';
import { fork, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { sql } from 'kysely';
import { openPostgres } from '../../src/kernel/db/postgres.ts';
import { postgresUrl } from '../support/postgres.ts';
import { openTestBucket } from '../support/s3.ts';

const repository = join(import.meta.dirname, '../..');
type Environment = Readonly<Record<string, string>>;

/** The newest client of MLflow 3, and the last one of MLflow 2. */
export type Client = '3' | '2';

interface Served {
  readonly url: string;
  readonly pid: number;
}

// Last begun, first ended: a client before its server, a server before its database.
const endings = new WeakMap<TestContext, (() => unknown)[]>();

function atTheEnd(t: TestContext, end: () => unknown): void {
  const known = endings.get(t);
  if (known) return void known.push(end);
  const steps = [end];
  endings.set(t, steps);
  t.after(async () => {
    for (const step of steps.toReversed()) await step();
  });
}

export function temporaryFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'gyre-mlflow-'));
  atTheEnd(t, () => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Starts a control process with an embedded database and a folder, unless the environment says otherwise. */
export async function serve(t: TestContext, environment: Environment = {}): Promise<Served> {
  const dir = join(temporaryFolder(t), 'gyre');
  const child = fork(join(repository, 'src/app/control-process.ts'), [], {
    execArgv: ['--no-warnings'],
    env: { PATH: process.env.PATH, GYRE_DIR: dir, GYRE_PORT: '0', GYRE_DURABILITY: 'process', GYRE_LOG_LEVEL: 'error', ...environment },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit');
  atTheEnd(t, async () => {
    child.kill('SIGTERM');
    await ended;
  });
  const [message] = (await Promise.race([once(child, 'message'), ended])) as [{ ready?: { url: string }; failed?: { detail: string } }];
  assert.ok(message?.ready, message?.failed?.detail ?? `the server ended with ${String(message)}`);
  return { url: message.ready.url, pid: child.pid! };
}

/** Runs a script with the given interpreter against the server; answers how many checks it had. */
export async function runChecks(
  t: TestContext,
  { python, script, url, environment = {} }: { python: string; script: readonly string[]; url: string; environment?: Environment },
): Promise<number> {
  const home = temporaryFolder(t);
  const child = spawn(python, script, {
    cwd: home,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      TMPDIR: home,
      MPLCONFIGDIR: join(repository, '.cache/matplotlib'),
      MLFLOW_TRACKING_URI: url,
      // A server error fails at once instead of being repeated for minutes.
      MLFLOW_HTTP_REQUEST_MAX_RETRIES: '0',
      MLFLOW_DISABLE_TELEMETRY: 'true',
      MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR: 'false',
      GIT_PYTHON_REFRESH: 'quiet',
      PYTHONWARNINGS: 'ignore',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  atTheEnd(t, () => child.kill('SIGKILL'));
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-4000)));
  const closed = once(child, 'close');
  let count = 0;
  // The client prints lines of its own between ours.
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{"check"')) continue;
    const { check, error } = JSON.parse(line) as { check: string; error: string | null };
    count++;
    await t.test(check, () => assert.equal(error, null, error ?? ''));
  }
  assert.deepEqual(await closed, [0, null], complaint);
  return count;
}

/** An interpreter of this checkout. */
export function interpreter(environment: 'python' | `mlflow-${Client}`): string {
  const python = join(repository, '.cache', environment, 'bin/python');
  const own = environment === 'python' ? process.env.TEST_PYTHON : undefined;
  const found = [own, python].find((path) => path && existsSync(path));
  assert.ok(found, `There is no ${python}: run "sh scripts/set-up.sh --python --mlflow-clients".`);
  return found;
}

/** What users' scripts do, theme by theme (scenario/__main__.py lists them), with one client. */
export async function runScenario(
  t: TestContext,
  client: Client,
  served: Served,
  { themes = [], environment = {} }: { themes?: readonly string[]; environment?: Environment } = {},
): Promise<void> {
  const count = await runChecks(t, {
    python: interpreter(`mlflow-${client}`),
    script: [join(import.meta.dirname, 'scenario'), ...themes],
    url: served.url,
    environment,
  });
  assert.ok(count > (themes.length > 0 ? 10 : 65), `only ${count} checks ran`);
}

/** Settings for records in a database of its own on PostgreSQL. */
export async function onPostgres(t: TestContext): Promise<Environment> {
  const name = `mlflow_${randomBytes(6).toString('hex')}`;
  const url = await postgresUrl();
  const admin = await openPostgres(url, { poolSize: 1 });
  await sql.raw(`create database ${name}`).execute(admin.reader);
  atTheEnd(t, async () => {
    await sql.raw(`drop database ${name} with (force)`).execute(admin.reader);
    await admin.close();
  });
  return { GYRE_DATABASE_URL: url.replace(/\/[^/]*$/, `/${name}`) };
}

/** A place in a bucket: settings of a server that keeps its bytes there, and of a client that goes there by itself. */
export async function onS3(t: TestContext): Promise<{ settings: Environment; root: string; client: Environment }> {
  const { bucket, prefix, server } = await openTestBucket(t);
  const keys = { AWS_ACCESS_KEY_ID: server.accessKeyId, AWS_SECRET_ACCESS_KEY: server.secretAccessKey };
  const root = `s3://${bucket}/${prefix.replace(/\/$/, '')}`;
  return {
    root,
    settings: { GYRE_BLOBS_URL: `${root}/blobs`, GYRE_S3_ENDPOINT: server.url, GYRE_S3_PATH_STYLE: '1', ...keys },
    client: { MLFLOW_S3_ENDPOINT_URL: server.url, AWS_DEFAULT_REGION: 'us-east-1', ...keys },
  };
}
