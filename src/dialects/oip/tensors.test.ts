import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nameOf, runIdentities, sendInfer } from './fixtures/identities.ts';

const input = (datatype: string, shape: readonly number[], data: string): string =>
  `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[${shape.join(',')}],"data":${data}}]}`;
const binaryInput = (datatype: string, shape: readonly number[], size: number, rest = ''): string =>
  `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[${shape.join(',')}],"parameters":{"binary_data_size":${size}}}]${rest}}`;

/** Elements as they stand in JSON, and the same as little-endian bytes. */
const golden: readonly [datatype: string, json: string, hex: string][] = [
  ['BOOL', 'true,false,true', '010001'],
  ['UINT8', '0,1,255', '0001ff'],
  ['UINT16', '0,258,65535', '00000201ffff'],
  ['UINT32', '0,16909060,4294967295', '0000000004030201ffffffff'],
  ['UINT64', '0,9007199254740993,18446744073709551615', '000000000000000001000000000020' + '00ffffffffffffffff'],
  ['INT8', '-128,0,127', '80007f'],
  ['INT16', '-32768,0,32767', '00800000ff7f'],
  ['INT32', '-2147483648,0,2147483647', '0000008000000000ffffff7f'],
  ['INT64', '-9223372036854775808,-9007199254740993,9223372036854775807', '0000000000000080ffffffffffffdfffffffffffffffff7f'],
  ['FP32', '0.5,-0.0,3.4028234663852886e+38', '0000003f00000080ffff7f7f'],
  ['FP64', '0.1,0.30000000000000004,5e-324', '9a9999999999b93f343333333333d33f0100000000000000'],
  ['BYTES', '"","a\\tb","\u00fc\u{1f600}"', '00000000' + '03000000610962' + '06000000c3bcf09f9880'],
];

test('Every datatype goes in and out as JSON and as bytes, exactly and alike', async (t) => {
  const plane = await runIdentities(t);
  for (const [datatype, json, hex] of golden) {
    const raw = Buffer.from(hex, 'hex');
    const data = (text: string): string => `{"name":"x_out","datatype":"${datatype}","shape":[1,3],"data":[${text}]}`;
    const asJson = JSON.stringify(JSON.parse(`[${datatype === 'BYTES' ? json : '""'}]`)).slice(1, -1);
    const back = data(datatype === 'BYTES' ? asJson : json);
    const whole = (outputs: string): string => `{"model_name":"${nameOf(datatype)}","model_version":"1","outputs":[${outputs}]}`;
    const binary = `{"name":"x_out","datatype":"${datatype}","shape":[1,3],"parameters":{"binary_data_size":${raw.length}}}`;

    const jsonToJson = await sendInfer(plane, nameOf(datatype), input(datatype, [1, 3], `[${json}]`));
    assert.deepEqual([jsonToJson.status, jsonToJson.text], [200, whole(back)]);
    assert.equal((await sendInfer(plane, nameOf(datatype), input(datatype, [1, 3], `[[${json}]]`))).text, whole(back), 'nested');

    const binaryToJson = await sendInfer(plane, nameOf(datatype), binaryInput(datatype, [1, 3], raw.length), raw);
    assert.deepEqual([binaryToJson.status, binaryToJson.text], [200, whole(back)]);
    assert.equal(binaryToJson.headers.get('inference-header-content-length'), null);

    const asked = ',"parameters":{"binary_data_output":true}';
    const both = await sendInfer(plane, nameOf(datatype), binaryInput(datatype, [1, 3], raw.length, asked), raw);
    assert.deepEqual([both.status, both.text, both.raw.toString('hex')], [200, whole(binary), hex]);
    assert.equal(both.headers.get('content-type'), 'application/octet-stream');
    assert.equal(both.headers.get('content-length'), String(both.bytes.length));

    const jsonToBinary = await sendInfer(
      plane,
      nameOf(datatype),
      input(datatype, [1, 3], `[${json}]`).replace(/}$/, ',"outputs":[{"name":"x_out","parameters":{"binary_data":true}}]}'),
    );
    assert.equal(jsonToBinary.raw.toString('hex'), hex, datatype);
  }
});

test('FP16 travels as bytes alone', async (t) => {
  const plane = await runIdentities(t);
  const raw = Buffer.from('003c00c0007c', 'hex');
  // Who sends bytes can read them, so they come back also unasked.
  for (const more of [',"parameters":{"binary_data_output":true}', '', ',"outputs":[{"name":"x_out"}]']) {
    const reply = await sendInfer(plane, 'identity-fp16', binaryInput('FP16', [1, 3], 6, more), raw);
    assert.deepEqual([reply.status, reply.raw.toString('hex')], [200, '003c00c0007c'], more);
  }
  for (const reply of [
    await sendInfer(plane, 'identity-fp16', input('FP16', [1, 3], '[1,2,3]')),
    await sendInfer(plane, 'identity-fp16', binaryInput('FP16', [1, 3], 6, ',"parameters":{"binary_data_output":false}'), raw),
    await sendInfer(
      plane,
      'identity-fp16',
      binaryInput('FP16', [1, 3], 6, ',"outputs":[{"name":"x_out","parameters":{"binary_data":false}}]'),
      raw,
    ),
  ]) {
    assert.equal(reply.status, 400);
    assert.match(reply.text, /use the binary data format/);
  }
});

test('NaN is null in JSON: bare NaN and Infinity are read, null is NaN, and bytes keep them all', async (t) => {
  const plane = await runIdentities(t);
  for (const datatype of ['FP32', 'FP64']) {
    const sent = input(datatype, [1, 5], '[NaN,Infinity,-Infinity,null,1.5]');
    const inJson = await sendInfer(plane, nameOf(datatype), sent);
    assert.match(inJson.text, /"data":\[null,null,null,null,1.5\]/);
    const inBytes = await sendInfer(plane, nameOf(datatype), sent.replace(/}$/, ',"parameters":{"binary_data_output":true}}'));
    const { raw } = inBytes;
    const numbers = Array.from({ length: 5 }, (_, i) => (datatype === 'FP32' ? raw.readFloatLE(i * 4) : raw.readDoubleLE(i * 8)));
    assert.deepEqual(numbers, [NaN, Infinity, -Infinity, NaN, 1.5]);
  }
});

test('An element that its datatype cannot hold is refused, never wrapped or rounded', async (t) => {
  const plane = await runIdentities(t);
  for (const [datatype, element] of [
    ['INT8', '300'],
    ['INT8', '-129'],
    ['UINT8', '-1'],
    ['UINT16', '65536'],
    ['INT32', '1.5'],
    ['INT32', 'true'],
    ['INT32', 'null'],
    ['INT32', 'NaN'],
    ['INT64', '9223372036854775808'],
    ['INT64', '1e19'],
    ['INT64', '"1"'],
    ['UINT64', '18446744073709551616'],
    ['UINT64', '-1'],
    ['UINT64', '123456789012345678901234567890'],
    ['FP32', '1e39'],
    ['FP64', '1e400'],
    ['FP64', '"NaN"'],
    ['BOOL', '1'],
    ['BYTES', '1'],
    ['BYTES', 'null'],
    ['BYTES', 'NaN'],
    ['BYTES', '"\\u0000NaN"'],
  ] as const) {
    const reply = await sendInfer(plane, nameOf(datatype), input(datatype, [1, 1], `[${element}]`));
    assert.deepEqual(
      [reply.status, reply.text],
      [400, `{"error":"The body cannot be read: element 0 of the input \\"x\\" is not ${datatype}."}`],
      element,
    );
  }
});

test('Shapes and lists that do not fit each other or the model are refused', async (t) => {
  const plane = await runIdentities(t);
  const say = (shape: string, data: string): string => `{"inputs":[{"name":"x","datatype":"INT32","shape":${shape},"data":${data}}]}`;
  const ok = await sendInfer(plane, 'fixed', say('[1,2,2]', '[[[1,2],[3,4]]]'));
  assert.equal(ok.status, 200, ok.text);
  assert.equal((await sendInfer(plane, 'fixed', say('[0,2,2]', '[]'))).status, 200);
  // A dimension of one may be left out or added, up to the depth that is read at all.
  for (const data of ['[[1,2],[3,4]]', '[[[[1],[2]],[[3],[4]]]]', `${'['.repeat(90)}[1,2],[3,4]${']'.repeat(90)}`])
    assert.match((await sendInfer(plane, 'fixed', say('[1,2,2]', data))).text, /"data":\[1,2,3,4\]/, data);
  for (const [shape, data, error] of [
    ['[1,2,2]', '[[[1,2],[3]]]', /nested/],
    ['[1,2,2]', '[[[1,2],[3,4]],[[1,2],[3,4]]]', /nested/],
    ['[1,2,2]', '[[[1,2,3,4]]]', /nested/],
    ['[1,2,2]', '[[[1,2]],[[3,4]],[[5,6]]]', /nested/],
    ['[1,2,2]', '[1,2,3,[4]]', /element 3/],
    ['[1,2,2]', '[1,2,3]', /3 elements, its shape says 4/],
    ['[1,2,2]', '{}', /a list/],
    ['[-1,2,2]', '[1,2,3,4]', /Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer/],
    ['[1.5,2,2]', '[1,2,3,4]', /'shape'/],
    ['["1",2,2]', '[1,2,3,4]', /'shape'/],
    ['[1152921504606846978,16]', '[1]', /causes total element count to exceed maximum size of 9223372036854775807/],
    ['[1152921504606846978,4]', '[1]', /byte size overflow for input "x"/],
    ['[2147483647,2147483647,2147483647]', '[1]', /causes total element count to exceed/],
    ['[2147483647,2147483647]', '[1]', /byte size overflow/],
    ['[2147483647,2]', '[1]', /more elements than a request can hold/],
    [`[${'1,'.repeat(40)}1]`, '[1]', /more than 32 dimensions/],
    ['[0,2147483647,2]', '[]', /takes \[-1, 2, 2\]/],
    ['[4]', '[1,2,3,4]', /takes \[-1, 2, 2\]/],
    ['[2,2,1]', '[1,2,3,4]', /takes \[-1, 2, 2\]/],
    ['4', '[1,2,3,4]', /"shape"/],
  ] as const) {
    const reply = await sendInfer(plane, 'fixed', say(shape, data));
    assert.equal(reply.status, 400, `${shape} ${data}`);
    assert.match((JSON.parse(reply.text) as { error: string }).error, error);
  }
  const scalar = await sendInfer(plane, 'scalar', '{"inputs":[{"name":"x","datatype":"FP64","shape":[],"data":[2.5]}]}');
  assert.match(scalar.text, /"shape":\[\],"data":\[2.5\]/);
  for (const [body, error] of [
    [input('FP32', [1, 1], '[1]'), /x" is FP32, the model takes INT32/],
    ['{"inputs":[{"name":"y","datatype":"INT32","shape":[1],"data":[1]}]}', /"x" is missing/],
  ] as const)
    assert.match((await sendInfer(plane, 'identity-int32', body)).text.replaceAll('\\"', '"'), error);
  const deep = await sendInfer(plane, 'identity-int32', `{"inputs":${'['.repeat(101)}${']'.repeat(101)}}`);
  assert.match(deep.text, /JSON nesting depth exceeds maximum allowed limit \(100\)/);
});

test('Lengths of raw tensors are checked to the byte', async (t) => {
  const plane = await runIdentities(t);
  const raw = Buffer.alloc(8);
  const body = (size: unknown, more = '') =>
    `{"inputs":[{"name":"x","datatype":"INT32","shape":[1,2],"parameters":{"binary_data_size":${JSON.stringify(size)}}${more}}]}`;
  const faults: [string, Buffer, string | undefined, RegExp][] = [
    [body(8), Buffer.alloc(9), undefined, /1 bytes after the last tensor/],
    [body(8), Buffer.alloc(7), undefined, /at most those that are left/],
    [body(4), Buffer.alloc(4), undefined, /has 4 bytes, its shape and datatype say 8/],
    [body(-8), raw, undefined, /binary_data_size/],
    [body('8'), raw, undefined, /binary_data_size/],
    [body(2 ** 60), raw, undefined, /binary_data_size/],
    [body(8, ',"data":[1,2]'), raw, undefined, /either/],
    [body(8).replace('binary_data_size', 'shared_memory_region'), raw, undefined, /shared memory/],
    ...['', 'x', '-1', '1e1', '0x10', '9999999999', '99999999999999999999', String(2 ** 31), '1000'].map(
      (length): [string, Buffer, string, RegExp] => [body(8), raw, length, /Inference-Header-Content-Length/],
    ),
    [body(8), raw, '5', /not JSON/],
  ];
  for (const [json, tensors, length, error] of faults) {
    const reply = await sendInfer(
      plane,
      'identity-int32',
      json,
      tensors,
      length === undefined ? {} : { 'inference-header-content-length': length },
    );
    assert.equal(reply.status, 400, `${json} ${length}`);
    assert.match((JSON.parse(reply.text) as { error: string }).error, error);
  }
  assert.equal((await sendInfer(plane, 'identity-int32', body(8))).status, 400, 'no header and no bytes');
  for (const [hex, error] of [
    ['05000000616263', /cut off/],
    ['ffffffff', /cut off/],
    ['0300', /too few/],
    ['0100000061' + '00000000', /1 elements|after its last/],
    ['02000000c328', /not UTF-8/],
    ['03000000610062', /a NUL/],
  ] as const) {
    const texts = Buffer.from(hex, 'hex');
    const reply = await sendInfer(plane, 'identity-bytes', binaryInput('BYTES', [1, 1], texts.length), texts);
    assert.equal(reply.status, 400, hex);
    assert.match(reply.text, error);
  }
  assert.equal((await sendInfer(plane, 'identity-bool', binaryInput('BOOL', [1, 1], 1), Buffer.from([2]))).status, 400);
});

test('A body without JSON is one tensor, and its answer is bytes', async (t) => {
  const plane = await runIdentities(t);
  const ask = (model: string, hex: string) =>
    sendInfer(plane, model, '', Buffer.from(hex, 'hex'), { 'inference-header-content-length': '0' });
  const numbers = await ask('identity-int16', '010002000300');
  assert.match(numbers.text, /"shape":\[1,3\],"parameters":\{"binary_data_size":6\}/);
  assert.equal(numbers.raw.toString('hex'), '010002000300');
  assert.match((await ask('fixed', '00'.repeat(32))).text, /"shape":\[2,2,2\]/);
  const text = await ask('text', Buffer.from('hello').toString('hex'));
  assert.equal(text.raw.toString('hex'), '0500000068656c6c6f');
  for (const [model, hex, error] of [
    ['fixed', '00'.repeat(31), /31 bytes/],
    ['all', '00', /Raw request must only have 1 input \(found 1\) to be deduced but got 13 inputs in 'all' model configuration/],
    ['identity-int16', '00', /1 bytes/],
    ['cube', '00', /shape of the raw input 'x' can not be deduced because there are more than one variable-sized dimension/],
    ['identity-bytes', '00', /For BYTE datatype raw input 'x', the model must have input shape \[1\]/],
  ] as const) {
    const reply = await ask(model, hex);
    assert.deepEqual([reply.status, error.test(reply.text)], [400, true], `${model}: ${reply.text}`);
  }
});

test('Outputs are chosen, in any order, each as it is asked for', async (t) => {
  const plane = await runIdentities(t);
  const values: Record<string, string> = { fp16: '', bytes: '"a"', bool: 'true' };
  const types = ['FP32', 'UINT8', 'INT8', 'UINT16', 'INT16', 'INT32', 'INT64', 'BYTES', 'BOOL', 'FP16', 'FP64', 'UINT32', 'UINT64'];
  const inputs = types.map((datatype) =>
    datatype === 'FP16'
      ? '{"name":"fp16","datatype":"FP16","shape":[1],"parameters":{"binary_data_size":2}}'
      : `{"name":"${datatype.toLowerCase()}","datatype":"${datatype}","shape":[1],"data":[${values[datatype.toLowerCase()] ?? 7}]}`,
  );
  const outputs =
    '[{"name":"int8_out","parameters":{"binary_data":true}},{"name":"bool_out"},{"name":"fp16_out"},{"name":"bytes_out","parameters":{"binary_data":false}}]';
  const body = `{"id":"42","parameters":{"binary_data_output":true},"inputs":[${inputs.join(',')}],"outputs":${outputs}}`;
  const reply = await sendInfer(plane, 'all', body, Buffer.from('003c', 'hex'));
  assert.deepEqual(
    [reply.text, reply.raw.toString('hex')],
    [
      '{"model_name":"all","model_version":"1","id":"42","outputs":[' +
        '{"name":"int8_out","datatype":"INT8","shape":[1],"parameters":{"binary_data_size":1}},' +
        '{"name":"bool_out","datatype":"BOOL","shape":[1],"parameters":{"binary_data_size":1}},' +
        '{"name":"fp16_out","datatype":"FP16","shape":[1],"parameters":{"binary_data_size":2}},' +
        '{"name":"bytes_out","datatype":"BYTES","shape":[1],"data":["a"]}]}',
      '0701003c',
    ],
  );
});

test('The newest version answers when none is named, and any text may be one', async (t) => {
  const plane = await runIdentities(t);
  const { body } = await plane.send('/v2/models/versions');
  assert.deepEqual(body.versions, ['1', 'v1.2.3', 'v9', 'v10']);
  const sent = { inputs: [{ name: 'x', datatype: 'INT32', shape: [1, 2, 2], data: [1, 2, 3, 4] }] };
  const answered = async (path: string) => (await plane.send(`/v2/models/versions${path}/infer?any=query`, sent)).body.model_version;
  assert.deepEqual([await answered(''), await answered('/versions/v1.2.3'), await answered('/versions/1')], ['v10', 'v1.2.3', '1']);
  const unknown = await plane.send('/v2/models/versions/versions/2/ready');
  assert.deepEqual([unknown.status, typeof unknown.body.error], [404, 'string']);
  assert.deepEqual((await plane.send('/v2/models/versions/versions/v9/ready')).body, { name: 'versions', ready: true });
});
