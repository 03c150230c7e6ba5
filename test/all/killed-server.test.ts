// The server is killed at each durable step of a run, by its own failpoints and from outside. Every step
// leaves a trace outside of Gyre each time its command runs.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

const failpoints = ['engine.before-go', 'engine.before-manifest', 'engine.after-manifest', 'pipelines.before-step-recorded'];

const SERVER = `
  import { startControl } from ${JSON.stringify(join(import.meta.dirname, '../../src/app/control.ts'))};
  import { readSettings } from ${JSON.stringify(join(import.meta.dirname, '../../src/kernel/config/settings.ts'))};
  const { url } = await startControl(readSettings({ GYRE_DIR: process.env.DIR, GYRE_PORT: '0', GYRE_DURABILITY: 'process', GYRE_LOG_LEVEL: 'silent' }));
  process.stdout.write(url + '\\n');`;

interface Server {
  readonly url: string;
  readonly child: ChildProcess;
  readonly ended: Promise<NodeJS.Signals | null>;
}

async function start(t: TestContext, dir: string, failpoint = ''): Promise<Server> {
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', SERVER], {
    env: { ...process.env, DIR: dir, ...(failpoint ? { GYRE_FAILPOINTS: `${failpoint}=kill` } : {}) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
  const url = await new Promise<string>((resolve) => {
    child.stdout!.once('data', (text: Buffer) => resolve(text.toString().trim()));
    void ended.then(() => resolve(''));
  });
  return { url, child, ended };
}

async function send<T>({ url }: Server, method: string, path: string, body?: object): Promise<T> {
  const reply = await fetch(`${url}/api/gyre/v1${path}`, {
    method,
    ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
  });
  return (await reply.json()) as T;
}

test('a server killed anywhere in a run goes on with it, and no command that ended is run again', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-killed-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const names = [...failpoints.map((_, i) => `s${i}`), 'long'];
  const lines = (name: string): number =>
    existsSync(join(dir, `trace-${name}`)) ? readFileSync(join(dir, `trace-${name}`), 'utf8').split('\n').length - 1 : 0;
  const command = (name: string): string =>
    `echo x >> ${dir}/trace-${name}; ${name === 'long' ? `while [ ! -e ${dir}/go ]; do sleep 0.02; done; ` : ''}echo ${name} > out/d`;
  const steps = names.map(
    (name, i) => `      ${name}: { run: "${command(name)}", code: [], out: { d: folder }, in: [${i === 0 ? '' : names[i - 1]}] }`,
  );
  const text = `project: demo\npipelines:\n  p:\n    steps:\n${steps.join('\n')}\n`;

  let server = await start(t, dir);
  const { id: snapshot } = await send<{ id: string }>(server, 'POST', '/snapshots', { files: {} });
  await send(server, 'POST', '/projects/apply', { text, snapshot });
  server.child.kill('SIGKILL');
  await server.ended;

  let run = '';
  for (const failpoint of failpoints) {
    server = await start(t, dir, failpoint);
    // It may be dead before it has told its address: the run goes on by itself.
    if (run === '') run = (await send<{ id: string }>(server, 'POST', '/projects/demo/pipelines/p/runs', {})).id;
    assert.equal(await server.ended, 'SIGKILL', failpoint);
  }
  server = await start(t, dir);
  while (lines('long') === 0) await delay(10);
  server.child.kill('SIGKILL');
  await server.ended;
  server = await start(t, dir);
  writeFileSync(join(dir, 'go'), '');
  for (;;) {
    const { state, steps: ended } = await send<{ state: string; steps: { state: string }[] }>(server, 'GET', `/runs/${run}`);
    if (state === 'running') await delay(20);
    else {
      assert.equal(state, 'succeeded', JSON.stringify(ended));
      break;
    }
  }
  assert.deepEqual(
    names.map((name) => [name, lines(name)]),
    names.map((name) => [name, 1]),
  );
  server.child.kill('SIGKILL');
  await server.ended;
});
