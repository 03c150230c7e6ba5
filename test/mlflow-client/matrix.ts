// One client of MLflow against servers with other stores: records in PostgreSQL, bytes in S3, artifacts past the server.
import { join } from 'node:path';
import { test } from 'node:test';
import { onPostgres, onS3, runScenario, serve, temporaryFolder, type Client } from './served.ts';

const MB = 1024 * 1024;
const TIMEOUT_MS = 600_000;
/** Of themes, those that move bytes. */
const BYTES = ['artifacts', 'models', 'registry', 'autologging', 'commands'];

// Conflicts on PostgreSQL are answered 503 after some attempts: the client is meant to repeat them.
const PATIENT = { MLFLOW_HTTP_REQUEST_MAX_RETRIES: '5', MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: '1' };

export function testStores(client: Client, name: string): void {
  test(`scripts with ${name}, PostgreSQL and a folder`, { timeout: TIMEOUT_MS }, async (t) => {
    await runScenario(t, client, await serve(t, await onPostgres(t)), { environment: PATIENT });
  });

  test(`scripts with ${name}, PostgreSQL and S3`, { timeout: TIMEOUT_MS }, async (t) => {
    const { settings } = await onS3(t);
    await runScenario(t, client, await serve(t, { ...(await onPostgres(t)), ...settings }), { environment: PATIENT });
  });

  test(`scripts with ${name}, an embedded database and S3`, { timeout: TIMEOUT_MS }, async (t) => {
    await runScenario(t, client, await serve(t, (await onS3(t)).settings), { themes: BYTES });
  });

  test(`scripts with ${name}, in parts past a server whose bytes are in S3`, { timeout: TIMEOUT_MS }, async (t) => {
    const served = await serve(t, (await onS3(t)).settings);
    await runScenario(t, client, served, {
      themes: BYTES,
      environment: {
        MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD: 'true',
        MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE: String(6 * MB),
        MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE: String(5 * MB),
        MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD: 'true',
        MLFLOW_MULTIPART_DOWNLOAD_MINIMUM_FILE_SIZE: String(6 * MB),
        MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE: String(5 * MB),
      },
    });
  });

  test(`scripts with ${name} that write s3:// by themselves`, { timeout: TIMEOUT_MS }, async (t) => {
    const { settings, root, client: environment } = await onS3(t);
    const served = await serve(t, { ...settings, GYRE_ARTIFACT_ROOT: `${root}/artifacts`, GYRE_SERVE_ARTIFACTS: '0' });
    await runScenario(t, client, served, { themes: BYTES, environment });
  });

  test(`scripts with ${name} that write a shared folder by themselves`, { timeout: TIMEOUT_MS }, async (t) => {
    const root = `file://${join(temporaryFolder(t), 'artifacts')}`;
    const served = await serve(t, { GYRE_ARTIFACT_ROOT: root, GYRE_SERVE_ARTIFACTS: '0' });
    await runScenario(t, client, served, { themes: BYTES });
  });

  test(`scripts with ${name} and a server that is told of no root and serves no artifacts`, { timeout: TIMEOUT_MS }, async (t) => {
    await runScenario(t, client, await serve(t, { GYRE_SERVE_ARTIFACTS: '0' }), { themes: BYTES });
  });
}
