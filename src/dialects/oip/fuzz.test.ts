import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { identityTypes } from '../../domains/serving/fixtures/identity.ts';
import { nameOf, runIdentities, sendInfer, type Sent } from './fixtures/identities.ts';

const MB = 1024 * 1024;

const refusedOrRight = (reply: Sent, what: string): void => {
  assert.ok(reply.status === 200 || (reply.status >= 400 && reply.status < 500), `${reply.status} for ${what}: ${reply.text}`);
  if (reply.status !== 200) assert.deepEqual(Object.keys(JSON.parse(reply.text) as object), ['error']);
};

const dimension = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 0, max: 4 }) },
  fc.constantFrom(-1, -(2 ** 31), 2 ** 31, 2 ** 53, 2 ** 60, 2 ** 63, 2 ** 64, 1e300, 0.5, null, '1', true, [1]),
);
const shape = fc.oneof(
  { weight: 8, arbitrary: fc.array(dimension, { maxLength: 4 }) },
  fc.jsonValue({ maxDepth: 2 }),
  fc.constant(Array(500).fill(1)),
);
const header = fc.oneof(
  fc.constantFrom('0', '1', '-1', '2147483647', '2147483648', '4294967296', '18446744073709551616', 'NaN', '1e3', '0x1', '+5', ''),
  fc.nat({ max: 400 }).map(String),
);
const size = fc.oneof(
  fc.integer({ min: -2, max: 40 }),
  fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 53, 1e300, -1e300, 0.5, '4', null, true, [4]),
);
const datatype = fc.constantFrom(...identityTypes, 'BF16', 'FP8', '', 'constructor', '__proto__');
const element = fc.oneof(
  fc.constantFrom(0, 1, -1, 255, 2 ** 31, 2 ** 53, 1e308, '', 'a', '\0', '\0NaN', true, null),
  fc.jsonValue({ maxDepth: 1 }),
);
const data = fc.oneof(fc.array(element, { maxLength: 4 }), fc.array(fc.array(element, { maxLength: 3 }), { maxLength: 3 }), fc.jsonValue());

test('JSON and raw bytes of any kind are refused or answered, with any header in front', async (t) => {
  const plane = await runIdentities(t);
  const tensor = fc.record(
    {
      name: fc.constantFrom('x', 'x', 'x', 'y', ''),
      datatype,
      shape,
      data,
      parameters: fc.record({ binary_data_size: size, shared_memory_region: element }, { requiredKeys: [] }),
    },
    { requiredKeys: ['name', 'datatype', 'shape'] },
  );
  const body = fc.record(
    {
      id: fc.oneof(fc.string(), element),
      inputs: fc.oneof({ weight: 9, arbitrary: fc.array(tensor, { minLength: 1, maxLength: 2 }) }, fc.jsonValue()),
      outputs: fc.oneof(fc.constant([{ name: 'x_out', parameters: { binary_data: true } }]), fc.jsonValue({ maxDepth: 2 })),
      parameters: fc.oneof(fc.constant({ binary_data_output: true }), fc.jsonValue({ maxDepth: 2 })),
    },
    { requiredKeys: ['inputs'] },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...identityTypes),
      body,
      fc.uint8Array({ maxLength: 48 }),
      fc.option(header),
      async (type, json, raw, length) => {
        const text = JSON.stringify(json);
        const reply = await sendInfer(
          plane,
          nameOf(type),
          text,
          Buffer.from(raw),
          length === null ? {} : { 'inference-header-content-length': length },
        );
        refusedOrRight(reply, text);
      },
    ),
    { numRuns: 800 },
  );
});

test('A request of the right form with raw bytes of any kind never harms the model', async (t) => {
  const plane = await runIdentities(t);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...identityTypes),
      fc.array(fc.oneof(fc.nat({ max: 6 }), fc.constantFrom(2 ** 16, 2 ** 30, 2 ** 31 - 1)), { minLength: 2, maxLength: 2 }),
      fc.uint8Array({ maxLength: 64 }),
      async (type, dims, raw) => {
        const json = `{"inputs":[{"name":"x","datatype":"${type}","shape":[${dims.join(',')}],"parameters":{"binary_data_size":${raw.length}}}],"parameters":{"binary_data_output":true}}`;
        const reply = await sendInfer(plane, nameOf(type), json, Buffer.from(raw));
        refusedOrRight(reply, `${json} ${Buffer.from(raw).toString('hex')}`);
        if (reply.status === 200) assert.equal(reply.raw.toString('hex'), Buffer.from(raw).toString('hex'));
      },
    ),
    { numRuns: 500 },
  );
});

test('Bytes that are no request at all are refused, packed or not', async (t) => {
  const plane = await runIdentities(t);
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom('', 'gzip', 'deflate', 'br', 'gzip, gzip'),
      fc.boolean(),
      async (bytes, coding, honest) => {
        const body = Buffer.from(
          honest && coding === 'gzip' ? gzipSync(bytes) : honest && coding === 'deflate' ? deflateSync(bytes) : bytes,
        );
        const reply = await sendInfer(plane, 'identity-int8', body, undefined, coding === '' ? {} : { 'content-encoding': coding });
        assert.ok(reply.status >= 400 && reply.status < 500, `${reply.status}`);
      },
    ),
    { numRuns: 200 },
  );
});

test('Bombs of every kind are refused within bounded memory, and the next request is answered', async (t) => {
  const plane = await runIdentities(t, { bodyLimitBytes: 4 * MB });
  const say = (more: string): string => `{"inputs":[{"name":"x","datatype":"INT32",${more}}]}`;
  const deep = Math.floor(3.5 * MB);
  const bombs: readonly [name: string, body: string | Buffer, headers?: Record<string, string>][] = [
    ['open lists', '['.repeat(deep)],
    ['nested lists', say(`"shape":[1,1],"data":${'['.repeat(deep / 2)}${']'.repeat(deep / 2)}`)],
    ['nested objects', `{"parameters":${'{"a":'.repeat(deep / 8)}1${'}'.repeat(deep / 8)},"inputs":[]}`],
    ['a number of a million digits', say(`"shape":[1,1],"data":[${'9'.repeat(MB)}]`)],
    ['many long numbers', say(`"shape":[1,1],"data":[${'99999999999999999999,'.repeat(100_000)}1]`)],
    ['many tensors', `{"inputs":[${'{},'.repeat(deep / 4)}{}]}`],
    ['a huge shape', say('"shape":[2147483647,2147483647],"parameters":{"binary_data_size":0}')],
    ['a long shape', say(`"shape":[${'1,'.repeat(deep / 4)}1],"data":[1]`)],
    [
      'texts without bytes',
      say('"shape":[1,1000000000],"parameters":{"binary_data_size":0}').replace('INT32', 'BYTES'),
      { 'inference-header-content-length': '103' },
    ],
    ['a packed bomb', gzipSync(Buffer.alloc(256 * MB)), { 'content-encoding': 'gzip' }],
    ['a deflated bomb', deflateSync(Buffer.alloc(256 * MB)), { 'content-encoding': 'deflate' }],
    ['too large', Buffer.alloc(5 * MB)],
  ];
  const before = process.memoryUsage().rss;
  for (const [name, body, headers] of bombs) {
    const reply = await sendInfer(plane, 'identity-int32', body, undefined, headers).catch(() => undefined);
    // A body that is too large may meet a connection that is closed already.
    if (reply) assert.ok(reply.status >= 400 && reply.status < 500, `${name}: ${reply.status} ${reply.text.slice(0, 200)}`);
    else assert.equal(name, 'too large');
    assert.ok(process.memoryUsage().rss - before < 700 * MB, `${name}: ${process.memoryUsage().rss - before} bytes`);
    const next = await sendInfer(plane, 'identity-int32', say('"shape":[1,1],"data":[7]'));
    assert.match(next.text, /"data":\[7\]/, name);
  }
});
