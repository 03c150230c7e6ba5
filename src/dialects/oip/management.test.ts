import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hash } from 'node:crypto';
import { writeIdentity } from '../../domains/serving/fixtures/identity.ts';
import { endpointOf, folder, planOf, runPlane } from '../../domains/serving/fixtures/plane.ts';
import { runIdentities } from './fixtures/identities.ts';
import { oipDialect } from './oip.ts';

interface Stat {
  readonly name: string;
  readonly version: string;
  readonly inference_count: number;
  readonly execution_count: number;
  readonly inference_stats: Readonly<Record<'success' | 'fail', { readonly count: number }>>;
  readonly last_inference: number;
}

const one = { inputs: [{ name: 'x', datatype: 'INT32', shape: [1, 2, 2], data: [1, 2, 3, 4] }] };

test('The configuration of a model has the shape of Triton’s, with whole dimensions', async (t) => {
  const plane = await runIdentities(t, { plan: planOf(1) });
  const { status, body } = await plane.send('/v2/models/fixed/config');
  assert.equal(status, 200);
  const config = body as unknown as Record<string, unknown>;
  assert.deepEqual(
    [config.name, config.platform, config.backend, config.max_batch_size, config.version_policy],
    ['fixed', 'onnxruntime_onnx', 'onnxruntime', 0, { all: {} }],
  );
  const [input] = config.input as Record<string, unknown>[];
  const [output] = config.output as Record<string, unknown>[];
  assert.deepEqual([input!.name, input!.data_type, input!.dims], ['x', 'TYPE_INT32', [-1, 2, 2]]);
  assert.deepEqual([output!.name, output!.data_type, output!.dims], ['x_out', 'TYPE_INT32', [-1, 2, 2]]);
  const endpoint = (await plane.send('/v2/models/late-arrival/versions/1/config')).body as unknown as { input: { data_type: string }[] };
  assert.deepEqual(
    endpoint.input.map((i) => i.data_type),
    ['TYPE_STRING', 'TYPE_STRING', 'TYPE_INT64'],
  );
  assert.equal((await plane.send('/v2/models/none/config')).status, 404);
  assert.equal((await plane.send('/v2/models/fixed/config', {})).status, 405);
});

test('Statistics count requests and rows of each version, whatever protocol asked', async (t) => {
  const plane = await runIdentities(t, { plan: planOf(1) });
  const stats = async (path: string) =>
    ((await plane.send(path)).body as unknown as { model_stats: Stat[] }).model_stats.map((s) => [
      s.name,
      s.version,
      s.inference_count,
      s.execution_count,
      s.inference_stats.success.count,
      s.inference_stats.fail.count,
      s.last_inference > 0,
    ]);
  assert.deepEqual(await stats('/v2/models/fixed/stats'), [['fixed', '1', 0, 0, 0, 0, false]]);
  const two = { inputs: [{ name: 'x', datatype: 'INT32', shape: [2, 2, 2], data: [1, 2, 3, 4, 5, 6, 7, 8] }] };
  for (const body of [one, two]) assert.equal((await plane.send('/v2/models/versions/versions/v9/infer', body)).status, 200);
  assert.equal((await plane.send('/v2/models/versions/infer', { inputs: [] })).status, 400);
  assert.deepEqual(await stats('/v2/models/versions/versions/v9/stats'), [['versions', 'v9', 3, 2, 2, 0, true]]);
  assert.equal((await stats('/v2/models/versions/stats')).length, 4);
  const rows = { rows: [{ origin: 'EWR', carrier: 'UA', hour: 20 }] };
  assert.equal((await plane.send('/endpoints/late-arrival/predict', rows)).status, 200);
  assert.deepEqual(await stats('/v2/models/late-arrival/stats'), [['late-arrival', '1', 1, 1, 1, 0, true]]);
  assert.ok((await stats('/v2/models/stats')).length > 20);
  assert.equal((await plane.send('/v2/models/none/stats')).status, 404);
});

test('The index has every version; without explicit control nothing is loaded or unloaded', async (t) => {
  const plane = await runIdentities(t, { plan: planOf(1) });
  const { body } = await plane.send('/v2/repository/index', {});
  const index = body as unknown as { name: string; version: string; state: string; reason: string }[];
  assert.deepEqual(
    index.filter((e) => e.name === 'versions' || e.name === 'late-arrival'),
    ['late-arrival 1', 'versions 1', 'versions v9', 'versions v10', 'versions v1.2.3'].map((e) => {
      const [name, version] = e.split(' ');
      return { name, version, state: 'READY', reason: '' };
    }),
  );
  for (const action of ['load', 'unload']) {
    const refused = await plane.send(`/v2/repository/models/fixed/${action}`, {});
    assert.equal(refused.status, 503);
    assert.match(String(refused.body.error), /explicit model load \/ unload is not allowed if polling is enabled/);
  }
  assert.equal((await plane.send('/v2/repository/index')).status, 405);
  assert.equal((await plane.send('/v2/repository/index', { ready: 1 })).status, 400);
  const broken = await plane.send('/v2/repository/index', 'AAAA');
  assert.match(String(broken.body.error), /failed to parse the request JSON buffer: Invalid value. at 0/);
});

test('A model is unloaded and loaded anew from its path; what is under way is answered, and a broken file leaves the old one', async (t) => {
  const dir = folder(t);
  const path = writeIdentity(join(dir, 'a.onnx'), [{ name: 'x', datatype: 'INT32', shape: ['N', 2, 2] }]);
  const models = ['1', '2'].map((version) => ({ name: 'a', version, path }));
  const plane = await runPlane(t, { plan: null, dir, models, modelControl: 'explicit', dialects: [oipDialect] });
  const infer = async () => (await plane.send('/v2/models/a/infer', one)).status;
  const act = (action: string, body: unknown = {}) => plane.send(`/v2/repository/models/a/${action}`, body);
  assert.equal(await infer(), 200);

  const underWay = Array.from({ length: 50 }, infer);
  const unloaded = act('unload', { parameters: { unload_dependents: false } });
  for (const status of await Promise.all(underWay)) assert.ok(status === 200 || status === 404, String(status));
  assert.equal((await unloaded).status, 200);
  assert.equal(await infer(), 404);
  assert.match(String((await plane.send('/v2/models/a')).body.error), /Request for unknown model: 'a' is not found/);
  const index = async (body: object) =>
    (await plane.send('/v2/repository/index', body)).body as unknown as { state: string; reason: string }[];
  assert.deepEqual(
    (await index({})).map((e) => [e.state, e.reason]),
    [
      ['UNAVAILABLE', 'unloaded'],
      ['UNAVAILABLE', 'unloaded'],
    ],
  );
  assert.deepEqual(await index({ ready: true }), []);

  assert.equal((await act('load', '')).status, 200);
  assert.equal(await infer(), 200);
  // A model of another shape at the same path is what the next load finds.
  writeIdentity(join(dir, 'a.onnx'), [{ name: 'x', datatype: 'FP32', shape: ['N'] }]);
  assert.equal(await infer(), 200);
  copyFileSync(path, join(dir, 'kept.onnx'));
  writeFileSync(path, 'no model');
  const broken = await act('load');
  assert.deepEqual([broken.status, /a\.onnx is not an ONNX model/.test(String(broken.body.error))], [400, true]);
  assert.equal(await infer(), 200);
  copyFileSync(join(dir, 'kept.onnx'), path);
  // Each of several at once comes to an end, and the last one stands.
  const loads = await Promise.all([act('load'), act('load'), act('load')]);
  assert.deepEqual(
    loads.map((l) => l.status),
    [200, 200, 200],
  );
  assert.equal(await infer(), 400);

  for (const [body, status] of [
    [{ parameters: { config: '{}' } }, 400],
    [{ parameters: { 'file:1/model.onnx': 'AAAA' } }, 400],
    [{ parameters: [] }, 400],
    [[], 400],
  ] as const)
    assert.equal((await act('load', body)).status, status, JSON.stringify(body));
  const none = await plane.send('/v2/repository/models/none/load', {});
  assert.deepEqual([none.status, /Model none not found/.test(String(none.body.error))], [404, true]);
});

test('A token for some endpoints loads and unloads nothing, and sees only its own in the index', async (t) => {
  const token = { digest: hash('sha256', 'secret', 'hex'), workspace: 'default', endpoints: ['fixed'], expiresMs: null };
  const plan = planOf(1, [endpointOf()], { access: { open: false, tokens: [token] } });
  const plane = await runIdentities(t, { plan, modelControl: 'explicit' });
  const bearer = { authorization: 'Bearer secret' };
  assert.equal((await plane.send('/v2/repository/models/fixed/unload', {}, bearer)).status, 503);
  const { body } = await plane.send('/v2/repository/index', {}, bearer);
  assert.deepEqual(
    (body as unknown as { name: string }[]).map((e) => e.name),
    ['fixed'],
  );
});

test('Settings of tracing and of the log are told and not changed; what is not built says so', async (t) => {
  const plane = await runIdentities(t);
  assert.equal(((await plane.send('/v2/trace/setting')).body.trace_level as unknown as string[])[0], 'OFF');
  assert.equal((await plane.send('/v2/models/fixed/trace/setting', {})).status, 200);
  assert.equal((await plane.send('/v2/trace/setting', { trace_level: ['TIMESTAMPS'] })).status, 400);
  assert.equal((await plane.send('/v2/logging')).body.log_info, true as never);
  assert.equal((await plane.send('/v2/logging', { log_verbose_level: 1 })).status, 400);
  assert.deepEqual((await plane.send('/v2/systemsharedmemory/status')).body, [] as never);
  assert.equal((await plane.send('/v2/cudasharedmemory/unregister', '')).status, 200);
  for (const path of [
    '/v2/systemsharedmemory/region/a/register',
    '/v2/models/fixed/generate',
    '/v2/models/fixed/versions/1/generate_stream',
  ])
    assert.deepEqual([(await plane.send(path, {})).status, typeof (await plane.send(path, {})).body.error], [501, 'string'], path);
});

test('A time limit in microseconds is a whole number, and what it gives no time for is given up', async (t) => {
  const plane = await runIdentities(t, { plan: planOf(1) });
  const columns = ['origin', 'carrier'].map((name) => ({ name, datatype: 'BYTES', shape: [1], data: ['EWR'] }));
  for (const [path, body] of [
    ['/v2/models/fixed/infer', one],
    ['/v2/models/late-arrival/infer', { inputs: columns }],
  ] as const) {
    const ask = (parameters: object) => plane.send(path, { ...body, parameters });
    for (const parameters of [{ timeout: 0 }, { timeout: 10_000_000, priority: 1 }, { sequence_id: 0, any: 'text' }])
      assert.equal((await ask(parameters)).status, 200, JSON.stringify(parameters));
    const late = await ask({ timeout: 1e-3 });
    assert.equal(late.status, 400);
    for (const parameters of [{ timeout: -1 }, { timeout: '1' }, { priority: 1.5 }]) assert.equal((await ask(parameters)).status, 400);
    const expired = await ask({ timeout: 1 });
    assert.deepEqual([expired.status, /Request timeout expired/.test(String(expired.body.error))], [504, true], path);
  }
});
