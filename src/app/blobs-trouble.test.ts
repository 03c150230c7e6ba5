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
import { openLog } from '../kernel/log.ts';
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
