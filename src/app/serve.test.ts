import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { readSettings } from '../kernel/config/settings.ts';
import { startServe } from './serve.ts';

const live = (address: string): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const client = new grpc.Client(address, grpc.credentials.createInsecure());
    const bytes = (b: Buffer): Buffer => b;
    client.makeUnaryRequest('/inference.GRPCInferenceService/ServerLive', bytes, bytes, Buffer.alloc(0), (error, value) => {
      client.close();
      if (error) reject(error);
      else resolve(value!);
    });
  });

test('gRPC is answered on the port that is set, and on none without it', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-serve-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const settings = { GYRE_DIR: dir, GYRE_LOG_LEVEL: 'error', GYRE_SERVE_PORT: '0' };
  const without = await startServe(readSettings(settings));
  assert.deepEqual(without.urls, {});
  await without.close();
  const plane = await startServe(readSettings({ ...settings, GYRE_GRPC_PORT: '0' }));
  t.after(() => plane.close());
  assert.deepEqual(await live(plane.urls.grpc!), Buffer.from('0801', 'hex'));
  // A port that is taken ends the start, and leaves nothing behind that would hold the next one up.
  const taken = { ...settings, GYRE_GRPC_PORT: plane.urls.grpc!.split(':').at(-1)! };
  await assert.rejects(startServe(readSettings(taken), { replica: 'r2' }), { code: 'address-unusable' });
  const again = await startServe(readSettings(settings), { replica: 'r2' });
  await again.close();
});
