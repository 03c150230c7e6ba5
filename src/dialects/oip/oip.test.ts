import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { endpointOf, planOf, runPlane, sealModel } from '../../domains/serving/fixtures/plane.ts';
import { findPrediction, servingPaths } from '../../domains/serving/public.ts';
import { oipDialect } from './oip.ts';

const base = '/v2/models/late-arrival';
const infer = `${base}/infer`;
const tensor = (name: string, datatype: string, data: unknown, shape: unknown = [(data as unknown[]).length, 1]) => ({
  name,
  datatype,
  shape,
  data,
});
const inputs = [tensor('origin', 'BYTES', ['EWR', 'JFK']), tensor('carrier', 'BYTES', ['UA', 'AA']), tensor('hour', 'INT64', [20, 3])];
const run = (t: Parameters<typeof runPlane>[0], options: Parameters<typeof runPlane>[1] = {}) =>
  runPlane(t, { dialects: [oipDialect], ...options });

test('Server and model answer their metadata, health and readiness as JSON', async (t) => {
  const plane = await run(t);
  const extensions = ['binary_tensor_data', 'model_configuration', 'model_repository', 'parameters', 'statistics'];
  const get = async (path: string) => (await plane.send(path)).body as unknown;
  assert.deepEqual(await get('/v2'), { name: 'gyre', version: '0.1.0', extensions });
  assert.deepEqual(await get('/v2/'), { name: 'gyre', version: '0.1.0', extensions });
  assert.deepEqual(await get('/v2/models'), { models: ['late-arrival'] });
  assert.deepEqual([await get('/v2/health/live'), await get('/v2/health/ready')], [{ live: true }, { ready: true, live: true }]);
  assert.deepEqual(
    [await get(`${base}/ready`), await get(`${base}/versions/1/ready`)],
    [
      { name: 'late-arrival', ready: true },
      { name: 'late-arrival', ready: true },
    ],
  );
  const { properties, ...metadata } = (await get(`${base}?any=query`)) as unknown as { properties: Record<string, string> };
  assert.match(properties['execution.stable']!, /^(inline|process), a row in [\d.]+ ms/);
  assert.deepEqual([Object.keys(properties), properties.revision], [['revision', 'execution.stable'], '1']);
  assert.deepEqual(metadata, {
    name: 'late-arrival',
    versions: ['1'],
    platform: 'onnxruntime_onnx',
    inputs: [
      { name: 'origin', datatype: 'BYTES', shape: [-1, 1] },
      { name: 'carrier', datatype: 'BYTES', shape: [-1, 1] },
      { name: 'hour', datatype: 'INT64', shape: [-1, 1] },
    ],
    outputs: [
      { name: 'label', datatype: 'INT64', shape: [-1] },
      { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] },
    ],
  });
});

test('Rows go in as one tensor per column and the model’s tensors come out, with id, version and prediction id', async (t) => {
  const plane = await run(t);
  const { status, headers, body } = await plane.send(infer, { id: 'mine', inputs });
  assert.equal(status, 200, JSON.stringify(body));
  const [label, probabilities] = body.outputs as unknown as { name: string; datatype: string; shape: number[]; data: number[] }[];
  assert.deepEqual([body.model_name, body.model_version, body.id], ['late-arrival', '1', 'mine']);
  assert.deepEqual(
    [label!.datatype, label!.shape, probabilities!.datatype, probabilities!.shape, probabilities!.data.length],
    ['INT64', [2], 'FP32', [2, 2], 4],
  );
  assert.deepEqual(body.parameters as unknown, {
    prediction_id: headers.get('gyre-prediction-id'),
    prediction_count: 2,
    variant: 'stable',
  });
  const record = findPrediction(servingPaths(plane.dir).log, headers.get('gyre-prediction-id')!)!;
  assert.equal(record.score, probabilities!.data[1]);
  const only = await plane.send(infer, { inputs, outputs: [{ name: 'probabilities' }] });
  assert.deepEqual(
    (only.body.outputs as unknown as { name: string; data: number[] }[]).map((o) => [o.name, o.data]),
    [['probabilities', probabilities!.data]],
  );
});

test('Flat and nested data, shapes [N] and [N, 1] and null for a missing value are all read alike', async (t) => {
  const plane = await run(t);
  const ask = async (carrier: unknown) => {
    const { status, body } = await plane.send(infer, { inputs: [inputs[0], carrier, inputs[2]], outputs: [{ name: 'probabilities' }] });
    assert.equal(status, 200, JSON.stringify(body));
    return JSON.stringify(body.outputs);
  };
  const flat = await ask(inputs[1]);
  assert.equal(await ask(tensor('carrier', 'BYTES', [['UA'], ['AA']], [2, 1])), flat);
  assert.equal(await ask(tensor('carrier', 'BYTES', ['UA', 'AA'], [2])), flat);
  assert.notEqual(await ask(tensor('carrier', 'BYTES', [null, 'AA'])), flat);
});

test('A version in the path pins that variant, and one that is not served is unknown', async (t) => {
  const plane = await run(t, { plan: null });
  const modelPath = sealModel(plane.dir, 'late', 'second');
  const variant = endpointOf().variants[0]!;
  await plane.publish(
    planOf(1, [
      endpointOf({
        variants: [
          { ...variant, weight: 0 },
          { ...variant, id: 'candidate', modelVersion: 'v1.2', modelDigest: 'second', modelPath, weight: 1 },
        ],
      }),
    ]),
  );
  assert.equal((await plane.send(infer, { inputs })).body.model_version, 'v1.2' as never);
  const pinned = await plane.send(`${base}/versions/1/infer`, { inputs });
  assert.equal(pinned.body.model_version, '1' as never);
  assert.equal(findPrediction(servingPaths(plane.dir).log, pinned.headers.get('gyre-prediction-id')!)?.assignment, 'pinned');
  for (const path of [`${base}/versions/9/infer`, `${base}/versions/9`, `${base}/versions/9/ready`])
    assert.equal((await plane.send(path, path.endsWith('infer') ? { inputs } : undefined)).status, 404, path);
});

test('Every fault of a request is a 4xx with one sentence in "error"', async (t) => {
  const plane = await run(t);
  const [origin, carrier, hour] = inputs;
  const faults: [unknown, RegExp][] = [
    ['{', /not JSON/],
    ['', /empty/],
    [[], /object/],
    [{}, /"inputs"/],
    [{ inputs: [] }, /"inputs"/],
    [{ inputs: [{}] }, /"name"/],
    [{ inputs: [origin, origin] }, /twice/],
    [{ inputs: [{ ...origin, shape: [3, 1] }] }, /2 elements, its shape says 3/],
    [{ inputs: [{ ...origin, shape: [-2] }] }, /'shape'/],
    [{ inputs: [{ ...origin, shape: [2 ** 60, 2 ** 60] }] }, /shape/],
    [{ inputs: [{ ...origin, shape: [1, 2] }] }, /one column/],
    [{ inputs: [{ ...origin, shape: [], data: ['EWR'] }] }, /one column/],
    [{ inputs: [{ ...origin, shape: [0], data: [] }] }, /no rows/],
    [{ inputs: [{ ...origin, data: undefined }] }, /"data"/],
    [{ inputs: [{ ...origin, data: [['EWR'], ['JFK', 'LGA']] }] }, /nested/],
    [{ inputs: [{ ...origin, datatype: 'FP16' }] }, /FP16/],
    [{ inputs: [{ ...origin, datatype: 'constructor' }] }, /constructor/],
    [{ inputs: [{ ...origin, datatype: undefined }] }, /"datatype"/],
    [{ inputs: [{ ...origin, parameters: { binary_data_size: 4 } }] }, /either "data" or "binary_data_size"/],
    [{ inputs: [origin, carrier, { ...hour, datatype: 'INT8', data: [300, 1] }] }, /element 0 of the input "hour" is not INT8/],
    [{ inputs: [origin, carrier, { ...hour, data: [1.5, 1] }] }, /not INT64/],
    [{ inputs: [origin, tensor('carrier', 'BYTES', ['UA'])] }, /1 rows, the ones before it 2/],
    [{ inputs: [tensor('origin', 'INT64', [1])] }, /"origin" must be a string/],
    [{ inputs: [carrier] }, /"origin" is missing/],
    [{ inputs: [...inputs, tensor('temp', 'FP32', [1, 2])] }, /"temp" is a feature/],
    [{ inputs, outputs: [{ name: 'nope' }] }, /no output "nope"/],
    [{ inputs, outputs: [{ name: 'label' }, { name: 'label' }] }, /Duplicate output name 'label' is not allowed in a request/],
    [{ inputs, outputs: [{ name: 'label', parameters: { binary_data: 1 } }] }, /binary_data/],
    [{ inputs, outputs: [{ name: 'label', parameters: { classification: 2 } }] }, /classification/],
    [{ inputs, id: 7 }, /"id"/],
    [{ inputs, parameters: [] }, /"parameters"/],
  ];
  for (const [body, error] of faults) {
    const reply = await plane.send(infer, body);
    assert.equal(reply.status, 400, JSON.stringify(body));
    assert.match(String(reply.body.error), error);
    assert.deepEqual(Object.keys(reply.body), ['error']);
  }
  for (const [path, body, status] of [
    ['/v2/models/none/infer', { inputs }, 404],
    ['/v2/models/none', undefined, 404],
    ['/v2/nothing', undefined, 404],
    [infer, undefined, 405],
    [base, {}, 405],
    ['/v2/models/%E0%A4%A/infer', { inputs }, 400],
  ] as const) {
    const reply = await plane.send(path, body);
    assert.deepEqual([reply.status, typeof reply.body.error], [status, 'string'], path);
  }
  assert.equal((await plane.send(infer, 'x', { 'inference-header-content-length': '1' })).status, 400);
});

test('A body without a content type is read as JSON', async (t) => {
  const plane = await run(t);
  const reply = await fetch(plane.url + infer, { method: 'POST', body: new TextEncoder().encode(JSON.stringify({ inputs })) });
  assert.equal(reply.status, 200);
});

test('Malformed tensors of any kind are refused, never a 5xx', async (t) => {
  const plane = await run(t);
  const any = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom('EWR', 1e308, -1, 2 ** 53, '__proto__'));
  const member = fc.record(
    {
      name: fc.oneof(fc.constantFrom('origin', 'carrier', 'hour', '__proto__', 'toString'), any),
      shape: fc.oneof(fc.constantFrom([1], [1, 1], [2]), any),
      datatype: fc.oneof(fc.constantFrom('BYTES', 'INT64', 'FP32', 'BOOL'), any),
      data: fc.oneof(fc.array(any, { maxLength: 2 }), any),
      parameters: any,
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.record(
        { inputs: fc.oneof(fc.array(member, { maxLength: 3 }), any), outputs: any, id: any, parameters: any },
        { requiredKeys: [] },
      ),
      async (body) => {
        const reply = await plane.send(infer, body);
        assert.ok(reply.status < 500, JSON.stringify(body));
        if (reply.status !== 200) assert.equal(typeof reply.body.error, 'string');
      },
    ),
    { numRuns: 200 },
  );
});
