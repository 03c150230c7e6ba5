// A server whose object store is not there: what somebody has to mend stops it with one sentence, what may pass
// by itself does not.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBrokenLine } from '../../test/support/broken-line.ts';
import { openTestBucket } from '../../test/support/s3.ts';
import { readSettings, type Settings } from '../kernel/config/settings.ts';
import { isProblem } from '../kernel/errors.ts';
import { openLog, silentLog } from '../kernel/log.ts';
import { startControl } from './control.ts';

function settingsFor(t: TestContext, env: Record<string, string>): Settings {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-trouble-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return readSettings({ GYRE_DIR: dir, GYRE_DURABILITY: 'process', GYRE_PORT: '0', GYRE_S3_PATH_STYLE: '1', ...env });
}

test('a server whose bucket does not exist, or that is not let in, does not start and says why', async (t) => {
  const { server } = await openTestBucket(t);
  const missing = settingsFor(t, { GYRE_BLOBS_URL: 's3://there-is-none/x', GYRE_S3_ENDPOINT: server.url });
  await assert.rejects(
    startControl(missing),
    (error) => isProblem(error, 'blob-store-missing') && /There is no bucket for s3:\/\/there-is-none/.test(error.message),
  );
  process.env.AWS_SECRET_ACCESS_KEY = 'not-the-secret';
  try {
    const refused = settingsFor(t, { GYRE_BLOBS_URL: 's3://gyre-tests/x', GYRE_S3_ENDPOINT: server.url });
    await assert.rejects(
      startControl(refused),
      (error) => isProblem(error, 'blob-store-refused') && /docs\/storage\.md/.test(error.message),
    );
  } finally {
    process.env.AWS_SECRET_ACCESS_KEY = server.secretAccessKey;
  }
});

test('a server whose store does not answer starts, is not ready, and is when the store is back; no log shows the secret', async (t) => {
  const { prefix, server } = await openTestBucket(t);
  const line = await startBrokenLine(t, server.port);
  await line.fault({ answer503: true });
  const settings = settingsFor(t, { GYRE_BLOBS_URL: `s3://gyre-tests/${prefix}`, GYRE_S3_ENDPOINT: line.url });
  const logFile = join(settings.dir, 'test.log');
  mkdirSync(settings.dir, { recursive: true });
  const fd = openSync(logFile, 'w');
  const control = await startControl(settings, {}, { log: openLog('debug', { fd }) });
  t.after(async () => {
    await control.close();
    closeSync(fd);
  });
  const ready = async (): Promise<[number, unknown]> => {
    const reply = await fetch(`${control.url}/ready`);
    return [reply.status, await reply.json()];
  };
  assert.deepEqual(await ready(), [
    503,
    { ready: false, checks: { database: true, blobs: false }, reasons: { blobs: 'The object store does not answer' } },
  ]);
  const put = (): Promise<Response> =>
    fetch(`${control.url}/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts/f`, { method: 'PUT', body: 'bytes' });
  await line.fault(undefined);
  assert.equal((await put()).status, 200);
  while ((await ready())[0] !== 200);
  const log = readFileSync(logFile, 'utf8');
  assert.match(log, /blobs.unavailable/);
  assert.doesNotMatch(log, new RegExp(`${server.secretAccessKey}|${server.accessKeyId}`));
});

test('while the store answers 503, slowly or cuts the line, tracking goes on, no half artifact is there, and no restart is needed', async (t) => {
  const { prefix, server } = await openTestBucket(t);
  const line = await startBrokenLine(t, server.port);
  const control = await startControl(
    settingsFor(t, { GYRE_BLOBS_URL: `s3://gyre-tests/${prefix}`, GYRE_S3_ENDPOINT: line.url }),
    {},
    { log: silentLog },
  );
  t.after(() => control.close());
  const put = (name: string, body: string): Promise<Response> =>
    fetch(`${control.url}/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts/${name}`, { method: 'PUT', body });
  const get = (name: string): Promise<Response> => fetch(`${control.url}/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts/${name}`);
  const track = async (): Promise<number> =>
    (
      await fetch(`${control.url}/api/2.0/mlflow/runs/create`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ experiment_id: '0', start_time: 1 }),
      })
    ).status;
  const bytes = 'x'.repeat(300_000);
  for (const [name, fault] of [
    ['refused', { answer503: true }],
    ['cut', { cutUpAfter: 100_000 }],
  ] as const) {
    await line.fault(fault);
    const [stored, tracked] = await Promise.all([put(name, bytes), track()]);
    assert.equal(stored.status, 503, name);
    assert.equal(((await stored.json()) as { error_code: string }).error_code, 'TEMPORARILY_UNAVAILABLE');
    assert.equal(tracked, 200);
    await line.fault(undefined);
    assert.equal((await get(name)).status, 404, `nothing of ${name} is there`);
    assert.equal((await put(name, bytes)).status, 200);
    assert.equal(await (await get(name)).text(), bytes);
  }
  // One that is cut off in the middle of its parts is answered as well, while its client is still sending.
  await line.fault({ answer503: true });
  const large = await put('large', 'x'.repeat(40_000_000));
  assert.deepEqual([large.status, ((await large.json()) as { error_code: string }).error_code], [503, 'TEMPORARILY_UNAVAILABLE']);
  await line.fault(undefined);
  assert.equal((await get('large')).status, 404);
  await line.fault({ delayMs: 100 });
  const [stored, tracked] = await Promise.all([put('slow', bytes), track()]);
  assert.deepEqual([stored.status, tracked], [200, 200]);
  assert.equal(await (await get('slow')).text(), bytes);
});
