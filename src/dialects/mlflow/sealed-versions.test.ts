// What a client downloads of a registered version, whatever became of the path it was registered from.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Readable } from 'node:stream';
import { eachDatabase } from '../../../test/support/platform.ts';
import { startServer } from '../../../test/support/server.ts';
import { logModel } from '../../domains/registry/fixtures/models.ts';
import { createModel, registerVersion } from '../../domains/registry/public.ts';
import { pathOfUri } from '../../domains/tracking/public.ts';

const PICKLE = Buffer.from('80044e2e', 'hex');

async function open(...[t, kind]: [...Parameters<typeof startServer>]) {
  const server = await startServer(t, kind);
  const ctx = server.ctx();
  const logged = await logModel(ctx, {
    MLmodel: Buffer.from('flavors: {}\n'),
    'data/model.pkl': PICKLE,
    'data/tags.txt': Buffer.from('t'),
  });
  await createModel(ctx, { name: 'm' });
  const version = await registerVersion(
    ctx,
    { model: 'm', loggedModelId: logged.id, trackingRunId: logged.runId, source: logged.source, evidence: {}, baseline: null },
    'lenient',
  );
  const ask = async (method: string, path: string, more: RequestInit = {}) => {
    const reply = await fetch(`${server.url}${path}`, { method, ...more });
    return { status: reply.status, type: reply.headers.get('content-disposition'), text: await reply.text() };
  };
  const { artifact_uri: uri } = JSON.parse((await ask('GET', '/api/2.0/mlflow/model-versions/get-download-uri?name=m&version=1')).text) as {
    artifact_uri: string;
  };
  return { ctx, logged, version, ask, uri, at: `/api/2.0/mlflow-artifacts/artifacts/${pathOfUri('', uri)!}` };
}

eachDatabase('a sealed version is downloaded as it was sealed, also when its source was overwritten or removed', async (t, kind) => {
  const { ctx, logged, version, ask, uri, at } = await open(t, kind);
  assert.equal(version.state, 'sealed');
  assert.notEqual(uri, logged.source);
  const root = pathOfUri(ctx.workspace, logged.source)!;
  await ctx.blobs.paths.write(`${root}/data/model.pkl`, Readable.from([Buffer.from('cposix\nsystem\n.')]));
  await ctx.blobs.paths.remove(`${root}/MLmodel`);
  assert.equal((await ask('GET', `${at}/MLmodel`)).text, 'flavors: {}\n');
  const file = await ask('GET', `${at}/data/model.pkl`);
  assert.deepEqual([file.status, file.type, file.text.includes('posix')], [200, 'attachment; filename=model.pkl', false]);
  const listed = async (path: string) =>
    (JSON.parse((await ask('GET', `/api/2.0/mlflow-artifacts/artifacts?path=${encodeURIComponent(path)}`)).text) as { files?: unknown })
      .files;
  const below = pathOfUri('', uri)!;
  assert.deepEqual(await listed(below), [
    { path: 'MLmodel', is_dir: false, file_size: 12 },
    { path: 'data', is_dir: true },
  ]);
  assert.deepEqual(await listed(`${below}/data`), [
    { path: 'model.pkl', is_dir: false, file_size: 4 },
    { path: 'tags.txt', is_dir: false, file_size: 1 },
  ]);
  assert.equal(await listed(`${below}/MLmodel`), undefined);
  assert.equal((await ask('GET', '/model-versions/get-artifact?name=m&version=1&path=MLmodel')).text, 'flavors: {}\n');
});

test('parts of sealed files are read as of others, and what is not there is not found', async (t) => {
  const { ask, at } = await open(t);
  const part = await ask('GET', `${at}/MLmodel`, { headers: { range: 'bytes=0-6' } });
  assert.deepEqual([part.status, part.text], [206, 'flavors']);
  assert.equal((await ask('GET', `${at}/nothing`)).status, 404);
  assert.equal((await ask('GET', `${at}/data`)).status, 400, 'a folder');
  assert.equal((await ask('GET', '/api/2.0/mlflow-artifacts/artifacts/.sealed/mv_none/MLmodel')).status, 404);
  // The client then reads through the server.
  assert.equal((await ask('GET', at.replace('/artifacts/', '/presigned/') + '/MLmodel')).status, 501);
});

test('nobody writes where sealed versions are read', async (t) => {
  const { ask, at } = await open(t);
  const json = { headers: { 'content-type': 'application/json' }, body: JSON.stringify({ path: 'x', num_parts: 1 }) };
  for (const reply of [
    await ask('PUT', `${at}/MLmodel`, { body: 'x' }),
    await ask('DELETE', at),
    await ask('DELETE', '/api/2.0/mlflow-artifacts/artifacts/.sealed'),
    await ask('POST', at.replace('/artifacts/', '/mpu/create/'), json),
  ]) {
    assert.equal(reply.status, 400, reply.text);
    assert.match(reply.text, /sealed model version, which never changes/);
  }
  assert.equal((await ask('GET', `${at}/MLmodel`)).text, 'flavors: {}\n');
});
