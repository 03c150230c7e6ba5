import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import fc from 'fast-check';
import { identityTypes } from '../../../domains/serving/fixtures/identity.ts';
import { MB, runGrpc } from '../fixtures/grpc-call.ts';
import { nameOf } from '../fixtures/identities.ts';

const { INVALID_ARGUMENT, NOT_FOUND, OK } = grpc.status;
const fuzzed = [
  ...['ModelInfer', 'ModelMetadata', 'ModelReady', 'Check', 'ModelConfig', 'ModelStatistics', 'RepositoryIndex'],
  ...['RepositoryModelLoad', 'RepositoryModelUnload', 'TraceSetting', 'LogSettings', 'SystemSharedMemoryStatus'],
];

test('Messages of any kind are refused or answered, within bounded memory', async (t) => {
  const { call } = await runGrpc(t, {}, { modelControl: 'explicit' });
  const fine = (code: number): boolean => code === OK || code === INVALID_ARGUMENT || code === NOT_FOUND;
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(...fuzzed), async (bytes, method) => {
      const { code, details } = await call(method, Buffer.from(bytes));
      assert.ok(fine(code), `${method} ${code} ${details} for ${Buffer.from(bytes).toString('hex')}`);
    }),
    { numRuns: 800 },
  );
  const dim = fc.constantFrom('0', '1', '2', '3', '-1', '2147483648', '1152921504606846976', '9223372036854775807');
  const pieces = fc.record(
    {
      int_contents: fc.array(fc.constantFrom(0, 1, -1, 2 ** 31 - 1)),
      fp32_contents: fc.array(fc.float()),
      bytes_contents: fc.array(fc.constant(Buffer.from('a'))),
    },
    { requiredKeys: [] },
  );
  const input = fc.record({
    name: fc.constantFrom('x', 'x', 'y'),
    datatype: fc.constantFrom(...identityTypes),
    shape: fc.array(dim, { maxLength: 4 }),
    contents: fc.option(pieces),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...identityTypes),
      fc.array(input, { maxLength: 2 }),
      fc.array(fc.uint8Array({ maxLength: 16 }), { maxLength: 2 }),
      async (type, inputs, raw) => {
        const request = { model_name: nameOf(type), inputs, raw_input_contents: raw.map((r) => Buffer.from(r)) };
        const { code, details } = await call('ModelInfer', request);
        assert.ok(fine(code), `${code} ${details} for ${JSON.stringify(request)}`);
      },
    ),
    { numRuns: 400 },
  );
  // Two bytes of a message each: what a decoder would make objects of.
  const model = Buffer.from('\x0a\x0eidentity-int64');
  const before = process.memoryUsage().rss;
  for (const [what, bomb] of [
    ['inputs', Buffer.alloc(30 * MB, Buffer.from('2a00', 'hex'))],
    ['raw contents', Buffer.alloc(30 * MB, Buffer.from('3a00', 'hex'))],
    ['nested groups', Buffer.alloc(30 * MB, 0x2b)],
    ['typed elements', Buffer.concat([model, lengthOf(5, lengthOf(5, lengthOf(3, Buffer.alloc(30 * MB))))])],
    ['single elements', Buffer.concat([model, lengthOf(5, lengthOf(5, Buffer.alloc(30 * MB, Buffer.from('1801', 'hex'))))])],
    ['dimensions', Buffer.concat([model, lengthOf(5, lengthOf(3, Buffer.alloc(30 * MB, 1)))])],
  ] as const) {
    const { code, details } = await call('ModelInfer', bomb);
    assert.equal(code, INVALID_ARGUMENT, `${what}: ${details}`);
    assert.ok(process.memoryUsage().rss - before < 700 * MB, `${what}: ${process.memoryUsage().rss - before}`);
  }
});

function lengthOf(field: number, content: Buffer): Buffer {
  const head = [field * 8 + 2];
  let { length } = content;
  for (; length >= 128; length = Math.floor(length / 128)) head.push((length % 128) + 128);
  return Buffer.concat([Buffer.from([...head, length]), content]);
}
