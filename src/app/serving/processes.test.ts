// Several processes on one port, as processes: what one of them dies of is nothing to the others.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { folder } from '../../domains/serving/fixtures/plane.ts';
import { readSettings } from '../../kernel/config/settings.ts';
import { mergeMetrics } from './merged-metrics.ts';
import { replicaOf, startProcesses } from './processes.ts';

const flat = join(import.meta.dirname, '../../domains/serving/fixtures/flat.onnx');

async function run(t: TestContext, count: number) {
  const settings = readSettings({ GYRE_DIR: folder(t), GYRE_LOG_LEVEL: 'error', GYRE_SERVE_PORT: '0', GYRE_GRPC_PORT: '0' });
  const models = [{ name: 'flat', version: '1', path: flat, isFolder: false }];
  const processes = await startProcesses(settings, { models, withoutFolder: true }, count);
  t.after(() => processes.close());
  return processes;
}

/** One prediction over a connection of its own; "failed" where the connection broke. */
async function predict(url: string): Promise<string> {
  const agent = new Agent();
  try {
    const asked = request(`${url}/models/flat/invocations`, { agent, method: 'POST', headers: { 'content-type': 'application/json' } });
    asked.end('{"inputs": [1]}');
    const [reply] = (await once(asked, 'response')) as [AsyncIterable<Buffer>];
    const chunks: Buffer[] = [];
    for await (const chunk of reply) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  } catch {
    return 'failed';
  } finally {
    agent.destroy();
  }
}
const RIGHT = '{"predictions":{"score":[3]}}';

test('Each process has its own name and its part of one text of metrics, whichever is asked', { timeout: 60_000 }, async (t) => {
  const { url, urls, pids } = await run(t, 3);
  assert.equal(new Set(pids()).size, 3);
  assert.deepEqual([replicaOf('r1', 0), replicaOf('r1', 2)], ['r1', 'r1-3']);
  for (let i = 0; i < 60; i++) assert.equal(await predict(url), RIGHT);
  const counted = new Map<string, number>();
  const text = await (await fetch(`${url}/metrics`)).text();
  for (const [, name, rows] of text.matchAll(/^gyre_predictions_total\{process="([^"]+)".*\} (\d+)$/gm)) counted.set(name!, Number(rows));
  assert.equal(
    [...counted.values()].reduce((a, b) => a + b, 0),
    60,
  );
  assert.ok(counted.size > 1, 'the system spreads connections over the processes');
  assert.equal(text.match(/^# TYPE gyre_predictions_total counter$/gm)!.length, 1);
  // gRPC shares its port as well.
  const answers = await Promise.all(
    Array.from({ length: 6 }, (_, i) => {
      const client = new grpc.Client(urls.grpc!, grpc.credentials.createInsecure(), {
        'grpc.use_local_subchannel_pool': 1,
        'gyre.test': i,
      });
      const bytes = (b: Buffer): Buffer => b;
      return new Promise<string>((resolve, reject) =>
        client.makeUnaryRequest('/inference.GRPCInferenceService/ServerLive', bytes, bytes, Buffer.alloc(0), (error, value) => {
          client.close();
          if (error) reject(error);
          else resolve(value!.toString('hex'));
        }),
      );
    }),
  );
  assert.deepEqual([...new Set(answers)], ['0801']);
});

test(
  'Of a killed process only what it had fails, the other answers meanwhile, and it is back within two seconds',
  { timeout: 60_000 },
  async (t) => {
    const { url, pids } = await run(t, 2);
    const before = pids();
    let stop = false;
    const answers: string[] = [];
    const clients = Array.from({ length: 4 }, async () => {
      while (!stop) answers.push(await predict(url));
    });
    const enough = async (count: number): Promise<void> => {
      const wanted = answers.length + count;
      while (answers.length < wanted) await new Promise(setImmediate);
    };
    await enough(40);
    process.kill(before[0]!, 'SIGKILL');
    const killed = performance.now();
    const isBack = () => pids().length === 2 && !pids().includes(before[0]!);
    while (!isBack()) await new Promise(setImmediate);
    // Started is not ready: it is when it counts.
    for (;;) {
      await enough(10);
      const text = await (await fetch(`${url}/metrics`, { headers: { connection: 'close' } })).text().catch(() => '');
      if (/^gyre_predictions_total\{process="r1"/m.test(text) && /^gyre_predictions_total\{process="r1-2"/m.test(text)) break;
    }
    t.diagnostic(`back after ${Math.round(performance.now() - killed)} ms`);
    stop = true;
    await Promise.all(clients);
    assert.deepEqual(
      [...new Set(answers)].filter((a) => a !== RIGHT && a !== 'failed'),
      [],
    );
    const failed = answers.filter((a) => a === 'failed').length;
    // Each of the four clients has one request under way, and connections that waited in the dead process's queue are lost.
    assert.ok(failed <= 8, `${failed} of ${answers.length} failed`);
  },
);

test('A start that fails in one process leaves none behind', { timeout: 60_000 }, async (t) => {
  const settings = readSettings({ GYRE_DIR: folder(t), GYRE_LOG_LEVEL: 'silent', GYRE_SERVE_PORT: '0' });
  const models = [{ name: 'flat', version: '1', path: import.meta.filename, isFolder: false }];
  await assert.rejects(startProcesses(settings, { models, withoutFolder: true }, 2), { code: 'onnx-unreadable' });
  await assert.rejects(startProcesses(settings, {}, 2, 'darwin'), { code: 'processes-unsupported' });
});

test('Metrics of several processes become one text: each family once, each series by its process', () => {
  const text = (n: number) => `# HELP a what\n# TYPE a counter\na ${n}\n# HELP b {what}\n# TYPE b histogram\nb_bucket{le="1",x="}"} ${n}\n`;
  const merged = mergeMetrics(
    new Map([
      ['r1', text(1)],
      ['r2', text(2)],
    ]),
  );
  assert.deepEqual(merged.trim().split('\n'), [
    '# HELP a what',
    '# TYPE a counter',
    'a{process="r1"} 1',
    'a{process="r2"} 2',
    '',
    '# HELP b {what}',
    '# TYPE b histogram',
    'b_bucket{process="r1",le="1",x="}"} 1',
    'b_bucket{process="r2",le="1",x="}"} 2',
  ]);
});
