// The clients that others wrote for the Open Inference Protocol, unmodified. The checks are in the programs beside this file.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { runIdentities } from '../../src/dialects/oip/fixtures/identities.ts';
import { oipGrpc } from '../../src/dialects/oip/grpc/server.ts';
import { planOf } from '../../src/domains/serving/fixtures/plane.ts';

const python = join(import.meta.dirname, '../../.cache/oip-client/bin/python');
assert.ok(existsSync(python), `There is no ${python}: run "sh scripts/set-up.sh --oip-client".`);
const minor = Number(execFileSync(python, ['-c', 'import sys; print(sys.version_info[1])'], { encoding: 'utf8' }));

async function runClient(program: string, ...args: string[]): Promise<number> {
  const { stdout } = await promisify(execFile)(python, [join(import.meta.dirname, program), ...args], {
    timeout: 120_000,
    maxBuffer: 10_000_000,
  });
  return Number(/^passed (\d+)$/m.exec(stdout)?.[1]);
}

async function run(t: TestContext, stream: 'triton' | 'mlserver' = 'triton') {
  const listeners = [oipGrpc({ port: 0, contents: 'mirror', stream, limitBytes: 64 * 1024 * 1024 })];
  const plane = await runIdentities(t, { plan: planOf(1), listeners, modelControl: 'explicit' });
  return { http: new URL(plane.url).host, grpc: plane.urls.grpc! };
}

const clients: readonly [what: string, least: number, ask: (at: { http: string; grpc: string }) => Promise<number>][] = [
  ['tritonclient over HTTP, JSON and binary', 120, ({ http }) => runClient('client.py', 'http', http)],
  ['tritonclient over gRPC', 60, ({ grpc }) => runClient('client.py', 'grpc', grpc)],
  ['tritonclient over HTTP: every other method, and the asynchronous client', 20, ({ http }) => runClient('triton_rest.py', 'http', http)],
  [
    'tritonclient over gRPC: every other method, streams, and the asynchronous client',
    250,
    ({ grpc }) => runClient('triton_rest.py', 'grpc', grpc),
  ],
];
for (const [what, least, ask] of clients)
  test(what, { timeout: 180_000 }, async (t) => {
    const passed = await ask(await run(t));
    assert.ok(passed >= least, `only ${passed} checks ran`);
  });

// KServe and MLServer are made for some versions of Python alone.
if (minor < 14)
  test('KServe’s clients over HTTP and gRPC', { timeout: 180_000 }, async (t) => {
    const { http, grpc } = await run(t);
    const passed = await runClient('kserve_client.py', http, grpc);
    assert.ok(passed >= 45, `only ${passed} checks ran`);
  });

if (minor < 13)
  test('MLServer’s types over HTTP and its stubs over gRPC, with plain streams', { timeout: 180_000 }, async (t) => {
    const { http, grpc } = await run(t, 'mlserver');
    const passed = await runClient('mlserver_client.py', http, grpc);
    assert.ok(passed >= 60, `only ${passed} checks ran`);
  });
