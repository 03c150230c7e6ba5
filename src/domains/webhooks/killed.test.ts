// A process that dies in the middle of a delivery.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startReceiver } from '../../../test/support/alert-bench.ts';

const script = join(import.meta.dirname, '../../../test/support/webhook-child.ts');

for (const [place, before, after] of [
  ['webhooks.before-sent', 0, 1],
  // The receiver has it, and nobody knows: it is sent again, as the same delivery.
  ['webhooks.before-delivered', 1, 2],
] as const)
  test(`a process that dies at ${place} loses no delivery and tells it under one id`, async (t) => {
    const receiver = await startReceiver(t);
    const folder = mkdtempSync(join(tmpdir(), 'gyre-test-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const run = async (failpoints: string, ...task: string[]) => {
      const env = { PATH: process.env.PATH, ...(failpoints ? { GYRE_FAILPOINTS: failpoints } : {}) };
      const child = spawn(process.execPath, ['--no-warnings', script, folder, String(receiver.port), ...task], {
        env,
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      return (await once(child, 'exit')) as [number | null, string | null];
    };
    assert.deepEqual(await run(`${place}=kill`, 'fire'), [null, 'SIGKILL']);
    assert.equal(receiver.received.length, before);
    assert.deepEqual(await run(''), [0, null]);
    assert.equal(receiver.received.length, after);
    assert.equal(new Set(receiver.received.map((r) => r.headers['x-mlflow-delivery-id'])).size, 1);
    assert.equal(new Set(receiver.received.map((r) => r.text)).size, 1);
    assert.deepEqual(await run(''), [0, null]);
    assert.equal(receiver.received.length, after, 'what is delivered stays so');
  });
