import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { planOf } from '../../../domains/serving/fixtures/plane.ts';
import { definition, MB, runGrpc } from '../fixtures/grpc-call.ts';
import { extensions } from '../management.ts';
import { nameOf } from '../fixtures/identities.ts';

const { INVALID_ARGUMENT, NOT_FOUND, OK, RESOURCE_EXHAUSTED, UNAUTHENTICATED, UNIMPLEMENTED } = grpc.status;

const typedInput = (datatype: string, shape: readonly number[], contents: object) => ({ name: 'x', datatype, shape, contents });

test('Server and models answer their metadata, and what is not there is said to be so', async (t) => {
  const { call } = await runGrpc(t);
  assert.deepEqual((await call('ServerMetadata', {})).value, { name: 'gyre', version: '0.1.0', extensions: [...extensions] });
  assert.deepEqual([(await call('ServerLive', {})).value, (await call('ServerReady', {})).value], [{ live: true }, { ready: true }]);
  assert.deepEqual((await call('ModelMetadata', { name: 'versions', version: 'v9' })).value, {
    name: 'versions',
    versions: ['1', 'v1.2.3', 'v9', 'v10'],
    platform: 'onnxruntime_onnx',
    inputs: [{ name: 'x', datatype: 'INT32', shape: ['-1', '2', '2'] }],
    outputs: [{ name: 'x_out', datatype: 'INT32', shape: ['-1', '2', '2'] }],
    properties: {},
  });
  for (const [request, ready] of [
    [{ name: 'versions' }, true],
    [{ name: 'versions', version: 'v10' }, true],
    [{ name: 'versions', version: '10' }, false],
    [{ name: 'none' }, false],
  ] as const)
    assert.deepEqual((await call('ModelReady', request)).value, { ready });
  for (const request of [{ name: 'none' }, { name: 'versions', version: '2' }])
    assert.equal((await call('ModelMetadata', request)).code, NOT_FOUND);
});

test('Connections that end, break off or speak something else before gRPC is there disturb nobody', async (t) => {
  const { plane, call } = await runGrpc(t);
  const [host, port] = plane.urls.grpc!.split(':');
  const ways: readonly ((socket: Socket) => void)[] = [
    (socket) => void socket.resetAndDestroy(),
    (socket) => void socket.destroy(),
    (socket) => void socket.end('GET / HTTP/1.1\r\n\r\n'),
    (socket) => void socket.write('x'.repeat(10_000)),
  ];
  for (let i = 0; i < 20; i++) {
    const socket = connect(Number(port), host);
    t.after(() => socket.destroy());
    socket.on('error', () => undefined);
    socket.once('connect', () => ways[i % ways.length]!(socket));
  }
  assert.deepEqual((await call('ServerLive', {})).value, { live: true });
});

const typed: readonly [datatype: string, contents: Record<string, unknown[]>][] = [
  ['BOOL', { bool_contents: [true, false] }],
  ['INT8', { int_contents: [-128, 127] }],
  ['INT16', { int_contents: [-32768, 32767] }],
  ['INT32', { int_contents: [-2147483648, 2147483647] }],
  ['INT64', { int64_contents: ['-9223372036854775808', '9223372036854775807'] }],
  ['UINT8', { uint_contents: [0, 255] }],
  ['UINT16', { uint_contents: [0, 65535] }],
  ['UINT32', { uint_contents: [0, 4294967295] }],
  ['UINT64', { uint64_contents: ['0', '18446744073709551615'] }],
  ['FP32', { fp32_contents: [-0.5, NaN] }],
  ['FP64', { fp64_contents: [0.1, -Infinity] }],
  ['BYTES', { bytes_contents: [Buffer.from('a'), Buffer.from('\u2713')] }],
];

test('Typed contents come back typed and raw ones raw, or as the setting says', async (t) => {
  const mirror = await runGrpc(t);
  const raw = await runGrpc(t, { contents: 'raw' });
  const both = await runGrpc(t, { contents: 'typed' });
  for (const [datatype, contents] of typed) {
    const [field] = Object.keys(contents) as [string];
    const request = { model_name: nameOf(datatype), id: 'mine', inputs: [typedInput(datatype, [1, 2], contents)] };
    const { value, code, details } = await mirror.call('ModelInfer', request);
    assert.equal(code, OK, `${datatype}: ${details}`);
    assert.deepEqual([value.model_name, value.model_version, value.id, value.raw_output_contents], [nameOf(datatype), '1', 'mine', []]);
    assert.deepEqual(value.outputs[0]!.contents?.[field], contents[field], datatype);
    assert.deepEqual([value.outputs[0]!.name, value.outputs[0]!.datatype, value.outputs[0]!.shape], ['x_out', datatype, ['1', '2']]);
    const asRaw = (await raw.call('ModelInfer', request)).value;
    assert.equal(asRaw.outputs[0]!.contents, null);
    const again = {
      model_name: nameOf(datatype),
      inputs: [{ name: 'x', datatype, shape: [1, 2], contents: {} }],
      raw_input_contents: asRaw.raw_output_contents,
    };
    const mirrored = (await mirror.call('ModelInfer', again)).value;
    assert.deepEqual(mirrored.raw_output_contents, asRaw.raw_output_contents, datatype);
    const asTyped = (await both.call('ModelInfer', again)).value;
    assert.deepEqual(asTyped.outputs[0]!.contents?.[field], contents[field], datatype);
  }
  const half = {
    model_name: 'identity-fp16',
    inputs: [{ name: 'x', datatype: 'FP16', shape: [1, 1] }],
    raw_input_contents: [Buffer.from('003c', 'hex')],
  };
  assert.deepEqual((await both.call('ModelInfer', half)).value.raw_output_contents, [Buffer.from('003c', 'hex')]);
});

test('The bytes of an inference on the wire', async (t) => {
  const { client } = await runGrpc(t);
  const request = Buffer.concat([
    Buffer.from('\x0a\x0eidentity-int32\x1a\x01i'),
    Buffer.from('\x2a\x0e\x0a\x01x\x12\x05INT32\x1a\x02\x01\x02', 'latin1'),
    Buffer.from('3a080700000009000000', 'hex'),
  ]);
  const reply = await new Promise<Buffer>((resolve, reject) =>
    client.makeUnaryRequest(
      '/inference.GRPCInferenceService/ModelInfer',
      (b: Buffer) => b,
      (b) => b,
      request,
      (error, value) => (error ? reject(error) : resolve(value!)),
    ),
  );
  assert.equal(
    reply.toString('latin1'),
    '\x0a\x0eidentity-int32\x12\x011\x1a\x01i' + '\x2a\x12\x0a\x05x_out\x12\x05INT32\x1a\x02\x01\x02' + '\x32\x08\x07\0\0\0\x09\0\0\0',
  );
});

test('Faults of a request have the status and the words that clients know', async (t) => {
  const { call } = await runGrpc(t, { limitBytes: MB });
  const int32 = (change: object) => ({
    model_name: 'identity-int32',
    inputs: [{ ...typedInput('INT32', [1, 2], { int_contents: [1, 2] }), ...change }],
  });
  const raw = Buffer.alloc(8);
  for (const [request, code, details] of [
    [{ ...int32({}), model_name: 'none' }, NOT_FOUND, /none/],
    [{ ...int32({}), model_version: '2' }, NOT_FOUND, /version "2"/],
    [{ ...int32({}), outputs: [{ name: 'nope' }] }, INVALID_ARGUMENT, /no output "nope"/],
    [{ ...int32({}), outputs: [{ name: 'x_out' }, { name: 'x_out' }] }, INVALID_ARGUMENT, /Duplicate output name 'x_out'/],
    [{ model_name: 'identity-int32' }, INVALID_ARGUMENT, /no inputs/],
    [
      { ...int32({}), raw_input_contents: [raw] },
      INVALID_ARGUMENT,
      /contents field must not be specified when using raw_input_contents for 'x' for model 'identity-int32'/,
    ],
    [{ ...int32({ contents: null }), raw_input_contents: [raw, raw] }, INVALID_ARGUMENT, /either all inputs are raw or none/],
    [{ ...int32({ contents: null }), raw_input_contents: [raw.subarray(1)] }, INVALID_ARGUMENT, /7 bytes/],
    [int32({ shape: [1, 3] }), INVALID_ARGUMENT, /2 elements, its shape says 3/],
    [int32({ shape: [-1, 2] }), INVALID_ARGUMENT, /shape/],
    [int32({ shape: ['1152921504606846976', 4] }), INVALID_ARGUMENT, /byte size overflow/],
    [int32({ contents: { uint_contents: [1, 2] } }), INVALID_ARGUMENT, /not those of INT32/],
    [int32({ datatype: 'INT9' }), INVALID_ARGUMENT, /INT9/],
    [int32({ datatype: 'INT8', contents: { int_contents: [1, 128] } }), INVALID_ARGUMENT, /element 1 of the input "x" is not INT8/],
    [int32({ datatype: 'FP16' }), INVALID_ARGUMENT, /raw_input_contents only/],
    [int32({ datatype: 'BYTES', contents: { bytes_contents: [Buffer.from([255]), raw] } }), INVALID_ARGUMENT, /not UTF-8/],
    [int32({ name: '' }), INVALID_ARGUMENT, /name/],
    [Buffer.from('ffffff', 'hex'), INVALID_ARGUMENT, /not one of this method/],
    [Buffer.alloc(2 * MB), RESOURCE_EXHAUSTED, /larger/],
  ] as const) {
    const reply = await call('ModelInfer', request);
    assert.deepEqual(
      [reply.code, details.test(reply.details)],
      [code, true],
      `${JSON.stringify(request).slice(0, 200)}: ${reply.code} ${reply.details}`,
    );
  }
  assert.equal((await call('ModelMetadata', Buffer.from('ffffff', 'hex'))).code, INVALID_ARGUMENT);
  assert.equal((await call('ModelInfer', int32({}))).code, OK);
});

test('An endpoint of the plan answers too, with the id of the prediction in the metadata, and asks for the token', async (t) => {
  const { call, plane } = await runGrpc(t, {}, { plan: planOf(1) });
  const inputs = [
    { name: 'origin', datatype: 'BYTES', shape: [1], contents: { bytes_contents: [Buffer.from('EWR')] } },
    { name: 'carrier', datatype: 'BYTES', shape: [1], contents: { bytes_contents: [Buffer.from('UA')] } },
    { name: 'hour', datatype: 'INT64', shape: [1, 1], contents: { int64_contents: [20] } },
  ];
  const { value, headers, details } = await call('ModelInfer', { model_name: 'late-arrival', inputs });
  assert.equal(value?.model_version, '1', details);
  assert.equal(value.parameters.prediction_id.string_param, headers.get('gyre-prediction-id')[0]);
  assert.equal(value.outputs[1]!.contents?.fp32_contents?.length, 2);
  const wrong = await call('ModelInfer', { model_name: 'late-arrival', inputs: inputs.slice(1) });
  assert.deepEqual([wrong.code, /"origin" is missing/.test(wrong.details)], [INVALID_ARGUMENT, true]);

  const token = { digest: hash('sha256', 'secret', 'hex'), workspace: 'default', endpoints: ['late-arrival'], expiresMs: null };
  await plane.publish(planOf(2, undefined, { access: { open: false, tokens: [token] } }));
  assert.equal((await call('ModelInfer', { model_name: 'late-arrival', inputs })).code, UNAUTHENTICATED);
  assert.equal((await call('ServerReady', {})).code, OK);
  const bearer = { authorization: 'Bearer secret' };
  assert.equal((await call('ModelInfer', { model_name: 'late-arrival', inputs }, bearer)).code, OK);
  assert.equal((await call('ModelMetadata', { name: 'all' }, bearer)).code, NOT_FOUND);
});

test('Health and reflection answer, and who watches is told of the end', async (t) => {
  const { call, client, plane } = await runGrpc(t);
  assert.deepEqual((await call('Check', { service: 'inference.GRPCInferenceService' })).value, { status: 1 });
  assert.equal((await call('Check', { service: 'none' })).code, NOT_FOUND);
  const { path, requestSerialize, responseDeserialize } = (
    definition['grpc.health.v1.Health'] as unknown as Record<string, grpc.MethodDefinition<object, { status: number }>>
  ).Watch!;
  const seen: number[] = [];
  const watch = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service: '' });
  watch.on('error', () => undefined);
  const first = new Promise<void>((resolve) => watch.on('data', ({ status }: { status: number }) => (seen.push(status), resolve())));
  await first;

  // list_services of grpc.reflection.v1: field 7 of the request.
  const listed = await new Promise<string>((resolve, reject) => {
    const stream = client.makeBidiStreamRequest(
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      (b: Buffer) => b,
      (b) => b.toString('latin1'),
    );
    stream.on('data', (text: string) => resolve(text));
    stream.on('error', reject);
    stream.end(Buffer.from('3a00', 'hex'));
  });
  assert.match(listed, /inference\.GRPCInferenceService/);
  assert.match(listed, /grpc\.health\.v1\.Health/);
  const unbuilt = await new Promise<number>((resolve) =>
    client.makeUnaryRequest(
      '/inference.GRPCInferenceService/SystemSharedMemoryRegister',
      (b: Buffer) => b,
      (b) => b,
      Buffer.alloc(0),
      (error) => resolve(error?.code ?? OK),
    ),
  );
  assert.equal(unbuilt, UNIMPLEMENTED);

  const ended = new Promise((resolve) => watch.on('end', resolve));
  await plane.close();
  await ended;
  assert.deepEqual(seen, [1, 2]);
});
