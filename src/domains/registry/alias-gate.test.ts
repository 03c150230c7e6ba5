// The alias that endpoints follow moves through the gate, whoever moves it; what endpoints use is not taken away.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { DatabaseKind } from '../../../test/support/databases.ts';
import { openPipelines } from '../../../test/support/pipelines.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { finishLoggedModel, logBatch } from '../tracking/public.ts';
import { identityModel, logModel } from './fixtures/models.ts';
import { createModel, deleteModel, deleteVersion, findVersion, registerVersion, renameModel, setAlias } from './public.ts';

const project = (gates: string): string =>
  `project: demo\nmodels:\n  m: { score: score, gates: ${gates} }\nendpoints:\n  e: { model: m }\n`;
const ACCURATE = '[ { metric: accuracy, floor: 0.5, trust: reported } ]';

async function open(t: TestContext, kind: DatabaseKind = 'sqlite', gates = ACCURATE) {
  const bench = await openPipelines(t, kind);
  await bench.apply(project(gates));
  const ctx = bench.ctx();
  const version = async (
    accuracy: number,
    files: Record<string, Buffer> = { 'model.onnx': identityModel({ x: 'float' }) },
    ready = true,
  ) => {
    const logged = await logModel(ctx, files, { ready });
    await logBatch(ctx, logged.runId, { metrics: [{ key: 'accuracy', value: accuracy, timestampMs: 1, step: 0 }], params: [], tags: [] });
    const { number } = await registerVersion(
      ctx,
      { model: 'm', loggedModelId: logged.id, source: logged.source, trackingRunId: logged.runId, evidence: {}, baseline: null },
      'lenient',
    );
    return { number, logged };
  };
  const mlflow = async (method: 'POST' | 'DELETE', path: string, body: object) => {
    const reply = await bench.app.inject({
      method,
      url: `/api/2.0/mlflow/${path}`,
      headers: { host: '127.0.0.1', 'content-type': 'application/json' },
      payload: JSON.stringify(body),
    });
    return { status: reply.statusCode, body: reply.json<{ error_code?: string; message?: string }>() };
  };
  const point = (number: number, alias = 'champion') =>
    mlflow('POST', 'registered-models/alias', { name: 'm', alias, version: String(number) });
  const put = async (number: number) => {
    const reply = await bench.app.inject({
      method: 'PUT',
      url: '/api/gyre/v1/models/m/aliases/champion',
      headers: { host: '127.0.0.1', 'content-type': 'application/json' },
      payload: JSON.stringify({ version: number }),
    });
    return { status: reply.statusCode, body: reply.json<{ code: string; detail: string }>() };
  };
  const champion = async (): Promise<number | undefined> => {
    try {
      return (await findVersion(ctx, 'm', 'champion')).number;
    } catch {
      return undefined;
    }
  };
  return { ...bench, ctx, version, mlflow, point, put, champion };
}

eachDatabase('the champion moves from the MLflow client only through the gate, and the answer says what is wrong', async (t, kind) => {
  const { version, point, put, champion, send, ctx } = await open(t, kind);
  await version(0.9);
  await version(0.3);
  assert.deepEqual(await point(1), { status: 200, body: {} });
  assert.equal(await champion(), 1);
  const refused = await point(2);
  assert.deepEqual([refused.status, refused.body.error_code], [400, 'INVALID_PARAMETER_VALUE']);
  assert.match(
    refused.body.message!,
    /^Alias "champion" of "m" was not moved to version 2: endpoint e follows it, and gate accuracy >= 0\.5: found 0\.3000, reported by the training code; accuracy 0\.3000 is below the floor 0\.5\. Nothing was changed\. .*gyre models override m 2 --reason/,
  );
  assert.equal(await champion(), 1);
  const own = await put(2);
  assert.deepEqual([own.status, own.body.code], [409, 'alias-not-passed']);
  // Any other alias is a name and nothing more.
  assert.equal((await point(2, 'candidate')).status, 200);
  // The same again is nothing, for clients repeat what they are not sure of.
  assert.equal((await point(1)).status, 200);
  const override = await send('POST', '/models/m/versions/2/override', { reason: 'The only one that reads the new sensor.' });
  assert.equal(override.status, 200);
  assert.equal((await point(2)).status, 200);
  assert.equal(await champion(), 2);
  assert.equal((await findVersion(ctx, 'm', 'candidate')).number, 2);
});

eachDatabase('an unsealed version never gets the alias, and gets it once its files have come', async (t, kind) => {
  const { version, point, champion, ctx, drain } = await open(t, kind, '[]');
  const { logged } = await version(0.9, { 'model.onnx': identityModel({ x: 'float' }) }, false);
  const refused = await point(1);
  assert.deepEqual([refused.status, refused.body.error_code], [400, 'INVALID_PARAMETER_VALUE']);
  assert.match(refused.body.message!, /no sealed files.*Upload the model's files and seal it/);
  assert.equal(await champion(), undefined);
  await finishLoggedModel(ctx, logged.id, 'LOGGED_MODEL_READY', '');
  await drain();
  assert.equal((await findVersion(ctx, 'm', '1')).state, 'sealed', 'it was sealed without being asked to');
  assert.equal((await point(1)).status, 200, 'no gate is declared, so being sealed is enough');
});

test('what nothing here can serve is sealed, and no endpoint follows it', async (t) => {
  const { version, point } = await open(t, 'sqlite', '[]');
  await version(0.9, { 'model.pkl': Buffer.from('80054e2e', 'hex') });
  const refused = await point(1);
  assert.equal(refused.status, 400);
  assert.match(refused.body.message!, /nothing here can serve the version: it has no model\.onnx.*Register an ONNX export/);
});

test('a model that a client made before its project did is gated as well', async (t) => {
  const { apply, ctx, put } = await open(t, 'sqlite', ACCURATE);
  await apply('project: demo\n');
  await createModel(ctx, { name: 'm' });
  await apply(project(ACCURATE));
  const logged = await logModel(ctx, { 'model.onnx': identityModel({ x: 'float' }) });
  await registerVersion(ctx, {
    ...{ model: 'm', loggedModelId: logged.id, source: logged.source, trackingRunId: null, evidence: {}, baseline: null },
  });
  const reply = await put(1);
  assert.equal(reply.body.code, 'alias-not-passed');
  assert.match(reply.body.detail, /the training code reported no accuracy/);
});

eachDatabase('the alias that an endpoint follows, its version and its model are not taken away, nor renamed', async (t, kind) => {
  const { version, point, mlflow, ctx, send } = await open(t, kind, '[]');
  await version(1);
  await version(1);
  await point(1);
  const alias = await mlflow('DELETE', 'registered-models/alias', { name: 'm', alias: 'champion' });
  assert.deepEqual([alias.status, alias.body.error_code], [400, 'INVALID_PARAMETER_VALUE']);
  assert.match(alias.body.message!, /endpoint e follows it\. Point it at another version/);
  assert.equal((await send<{ code: string }>('DELETE', '/models/m/aliases/champion')).body.code, 'alias-followed');
  for (const [what, call] of [
    [/Version 1 of "m" cannot be deleted: endpoint e/, () => mlflow('DELETE', 'model-versions/delete', { name: 'm', version: '1' })],
    [/Model "m" cannot be deleted: endpoint e/, () => mlflow('DELETE', 'registered-models/delete', { name: 'm' })],
    [/Model "m" cannot be renamed: endpoint e/, () => mlflow('POST', 'registered-models/rename', { name: 'm', new_name: 'n' })],
  ] as const) {
    const reply = await call();
    assert.deepEqual([reply.status, reply.body.error_code], [400, 'INVALID_PARAMETER_VALUE']);
    assert.match(reply.body.message!, what);
  }
  await assert.rejects(deleteVersion(ctx, 'm', 1), { code: 'model-in-use' });
  await deleteVersion(ctx, 'm', 2);
  await createModel(ctx, { name: 'free' });
  assert.equal((await renameModel(ctx, 'free', 'freer')).name, 'freer');
  await deleteModel(ctx, 'freer');
});

eachDatabase('clients that race for the champion leave one of theirs, and never one that did not pass', async (t, kind) => {
  const { version, point, champion } = await open(t, kind);
  for (const accuracy of [0.9, 0.8, 0.1, 0.7]) await version(accuracy);
  const replies = await Promise.all([1, 2, 3, 4, 1, 2, 3, 4].map((n) => point(n)));
  for (const [i, reply] of replies.entries()) {
    assert.ok(reply.status < 500, JSON.stringify(reply.body));
    if (i % 4 === 2) assert.equal(reply.status, 400);
  }
  assert.ok(replies.some((r) => r.status === 200));
  assert.ok([1, 2, 4].includes((await champion())!), String(await champion()));
  // An alias that nobody follows is simply the last one's.
  const free = await Promise.all([1, 2, 3, 4].map((n) => point(n, 'free')));
  assert.deepEqual(
    free.map((r) => r.status),
    [200, 200, 200, 200],
  );
});

test('a release moves the alias by itself, and setAlias is what it does it with', async (t) => {
  const { version, ctx, champion } = await open(t);
  await version(0.1);
  await setAlias(ctx, 'm', 'champion', 1);
  assert.equal(await champion(), 1);
});
