// The clients that others wrote for the Open Inference Protocol, unmodified. The checks are in client.py.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { runIdentities } from '../../src/dialects/oip/fixtures/identities.ts';
import { oipGrpc } from '../../src/dialects/oip/grpc/server.ts';
import { planOf } from '../../src/domains/serving/fixtures/plane.ts';

const python = join(import.meta.dirname, '../../.cache/oip-client/bin/python');

async function runClient(kind: 'http' | 'grpc', address: string): Promise<number> {
  assert.ok(existsSync(python), `There is no ${python}: run "sh scripts/set-up.sh --oip-client".`);
  const { stdout } = await promisify(execFile)(python, [join(import.meta.dirname, 'client.py'), kind, address], {
    timeout: 120_000,
    maxBuffer: 10_000_000,
  });
  return Number(/^passed (\d+)$/m.exec(stdout)?.[1]);
}

test('tritonclient over HTTP, JSON and binary', { timeout: 180_000 }, async (t) => {
  const plane = await runIdentities(t, { plan: planOf(1) });
  const passed = await runClient('http', new URL(plane.url).host);
  assert.ok(passed > 120, `only ${passed} checks ran`);
});

test('tritonclient over gRPC', { timeout: 180_000 }, async (t) => {
  const listeners = [oipGrpc({ port: 0, contents: 'mirror', limitBytes: 64 * 1024 * 1024 })];
  const plane = await runIdentities(t, { plan: planOf(1), listeners });
  const passed = await runClient('grpc', plane.urls.grpc!);
  assert.ok(passed > 60, `only ${passed} checks ran`);
});
