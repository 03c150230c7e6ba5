import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { planOf, runPlane } from '../../domains/serving/fixtures/plane.ts';
import { runIdentities, sendInfer } from './fixtures/identities.ts';
import { oipDialect } from './oip.ts';

const MB = 1024 * 1024;

test('A body of 64 MiB is answered, one of more is refused, and memory stays bounded', { timeout: 60_000 }, async (t) => {
  const plane = await runIdentities(t, { bodyLimitBytes: 64 * MB });
  const values = Buffer.alloc(63 * MB, 7);
  const head = (bytes: number): string =>
    `{"inputs":[{"name":"x","datatype":"UINT8","shape":[1,${bytes}],"parameters":{"binary_data_size":${bytes}}}],"parameters":{"binary_data_output":true}}`;
  const before = process.memoryUsage().rss;
  const reply = await sendInfer(plane, 'identity-uint8', head(values.length), values);
  assert.deepEqual([reply.status, reply.raw.equals(values)], [200, true]);
  const large = await sendInfer(plane, 'identity-uint8', head(65 * MB), Buffer.alloc(65 * MB)).catch(() => undefined);
  if (large) assert.deepEqual([large.status, /exceeds the maximum allowed value/.test(large.text)], [413, true]);
  // The lists and texts that JSON of this size could hold would take gigabytes.
  for (const [what, body] of [
    ['lists', `{"inputs":[${'[],'.repeat(20 * MB)}[]]}`],
    ['objects', `{"inputs":[${'{},'.repeat(20 * MB)}{}]}`],
    ['texts', `{"inputs":[${'"ab",'.repeat(12 * MB)}""]}`],
  ] as const) {
    const bomb = await sendInfer(plane, 'identity-uint8', body);
    assert.deepEqual([bomb.status, /use the binary data format/.test(bomb.text)], [400, true], what);
  }
  const numbers = await sendInfer(
    plane,
    'identity-uint8',
    `{"inputs":[{"name":"x","datatype":"UINT8","shape":[1,3],"data":[${'1,'.repeat(16 * MB)}1]}]}`,
  );
  assert.equal(numbers.status, 400);
  assert.ok(process.memoryUsage().rss - before < 1500 * MB, `${process.memoryUsage().rss - before} bytes more`);
});

test('A body in two hundred thousand chunks of a byte is read as any other', { timeout: 60_000 }, async (t) => {
  const plane = await runIdentities(t, { bodyLimitBytes: 64 * MB });
  const length = 200_000;
  const reply = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const call = request(`${plane.url}/v2/repository/index`, { method: 'POST', headers: { 'transfer-encoding': 'chunked' } }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode!, text: Buffer.concat(chunks).toString() }));
    });
    call.on('error', reject);
    // Chunks of a byte, many of them in one packet.
    call.once('socket', (socket) => {
      call.flushHeaders();
      socket.once('connect', () => {
        socket.write('1\r\nA\r\n'.repeat(length));
        socket.write('0\r\n\r\n');
      });
    });
  });
  assert.deepEqual([reply.status, /failed to parse the request JSON buffer: Invalid value. at 0/.test(reply.text)], [400, true]);
});

test('BF16 travels as bytes to a column of an endpoint', async (t) => {
  const plane = await runPlane(t, { plan: planOf(1), dialects: [oipDialect] });
  const ask = async (datatype: string, raw: Buffer, inJson = '') => {
    const texts = ['origin', 'carrier'].map(
      (name) => `{"name":"${name}","datatype":"BYTES","shape":[1],"data":["${name === 'origin' ? 'EWR' : 'UA'}"]}`,
    );
    const hour = `{"name":"hour","datatype":"${datatype}","shape":[1],${inJson || `"parameters":{"binary_data_size":${raw.length}}`}}`;
    return sendInfer(plane, 'late-arrival', `{"inputs":[${texts.join(',')},${hour}],"outputs":[{"name":"probabilities"}]}`, raw);
  };
  const plain = await ask('INT64', Buffer.from('1400000000000000', 'hex'));
  // 20 as BF16 is 0x41a0, as FP16 0x4d00.
  for (const [datatype, hex] of [
    ['BF16', 'a041'],
    ['FP16', '004d'],
  ] as const) {
    const reply = await ask(datatype, Buffer.from(hex, 'hex'));
    assert.equal(reply.status, 200, reply.text);
    assert.equal(/"data":\[[^\]]*\]/.exec(reply.text)![0], /"data":\[[^\]]*\]/.exec(plain.text)![0], datatype);
    assert.match((await ask(datatype, Buffer.alloc(0), '"data":[20]')).text, /no form in JSON/);
  }
});
