import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { deflateRawSync, deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { runIdentities, sendInfer } from './fixtures/identities.ts';

test('gzip and deflate are read and written, and a bomb is not unpacked', async (t) => {
  const plane = await runIdentities(t, { bodyLimitBytes: 1_000_000 });
  const raw = Buffer.alloc(4000, 1);
  const json =
    '{"inputs":[{"name":"x","datatype":"UINT8","shape":[1,4000],"parameters":{"binary_data_size":4000}}],"parameters":{"binary_data_output":true}}';
  const body = Buffer.concat([Buffer.from(json), raw]);
  const length = { 'inference-header-content-length': String(json.length) };
  for (const [encoding, pack] of [
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
  ] as const) {
    const reply = await sendInfer(plane, 'identity-uint8', pack(body), undefined, { ...length, 'content-encoding': encoding });
    assert.deepEqual([reply.status, reply.raw.equals(raw)], [200, true], encoding);
    const bomb = await sendInfer(plane, 'identity-uint8', pack(Buffer.alloc(50_000_000)), undefined, { 'content-encoding': encoding });
    assert.deepEqual([bomb.status, bomb.bytes.length < 500], [413, true]);
    const broken = await sendInfer(plane, 'identity-uint8', 'xyz', undefined, { 'content-encoding': encoding });
    assert.equal(broken.status, 400);
  }
  assert.equal((await sendInfer(plane, 'identity-uint8', body, undefined, { ...length, 'content-encoding': 'br' })).status, 415);
  // fetch unpacks by itself, so the bytes are looked at on the wire.
  for (const [accept, encoding, unpack] of [
    ['gzip', 'gzip', gunzipSync],
    ['deflate', 'deflate', inflateSync],
    ['gzip;q=0, deflate;q=0.5', 'deflate', inflateSync],
    ['identity', undefined, (b: Buffer) => b],
  ] as const) {
    const [headers, packed] = await new Promise<[Record<string, unknown>, Buffer]>((resolve, reject) => {
      const call = request(
        `${plane.url}/v2/models/identity-uint8/infer`,
        { method: 'POST', headers: { ...length, 'accept-encoding': accept } },
        (reply) => {
          const chunks: Buffer[] = [];
          reply.on('data', (chunk: Buffer) => chunks.push(chunk));
          reply.on('end', () => resolve([reply.headers, Buffer.concat(chunks)]));
        },
      );
      call.on('error', reject);
      call.end(body);
    });
    assert.equal(headers['content-encoding'], encoding);
    const unpacked = unpack(packed);
    assert.ok(unpacked.subarray(Number(headers['inference-header-content-length'])).equals(raw));
  }
});
