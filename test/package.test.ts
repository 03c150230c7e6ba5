// The package as a user gets it: packed, installed into an empty folder, started with the machine's own Node.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';

const repository = join(import.meta.dirname, '..');
const exec = promisify(execFile);

// npm scripts put the checkout's Node 26 first; a user has no such thing. Nor does a user know of the switch
// that keeps onnxruntime-node from fetching CUDA.
const { ONNXRUNTIME_NODE_INSTALL: _, ...inherited } = process.env;
const environment = {
  ...Object.fromEntries(Object.entries(inherited).filter(([name]) => !/^(GYRE_|NODE_OPTIONS$|npm_(?!config_cache$))/.test(name))),
  PATH: (process.env.PATH ?? '')
    .split(':')
    .filter((entry) => !entry.endsWith('node_modules/.bin'))
    .join(':'),
  npm_config_prefer_offline: 'true',
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
};

function emptyFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-package-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('the package installs into an empty folder, and npx gyre up answers', async (t) => {
  const folder = emptyFolder(t);
  const shelf = emptyFolder(t);
  const packed = await exec('npm', ['pack', '--json', '--pack-destination', shelf], { cwd: repository, env: environment });
  const [{ filename, files }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('[\n'))) as [
    { filename: string; files: { path: string }[] },
  ];
  const paths = files.map((file) => file.path);
  for (const needed of ['bin/gyre.js', 'dist/app/main.js', 'openapi.json', 'gyre.schema.json', 'LICENSE', 'README.md'])
    assert.ok(paths.includes(needed), `${needed} is in the package`);
  assert.deepEqual(
    paths.filter((path) => /\.test\.|^src\/|fixtures|\.cache|examples/.test(path)),
    [],
    'nothing but the built program',
  );

  await exec('npm', ['install', '--prefix', folder, join(shelf, filename)], { cwd: folder, env: environment });
  const before = readdirSync(folder).sort();

  const up = spawn('npx', ['gyre', 'up', '--dir', 'state', '--port', '0'], {
    cwd: folder,
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  t.after(() => {
    try {
      process.kill(-up.pid!, 'SIGKILL');
    } catch {
      // It has ended, as it should.
    }
  });
  const lines: string[] = [];
  const output = createInterface(up.stdout).on('line', (line) => lines.push(line));
  await Promise.race([once(output, 'line'), once(up, 'exit')]);
  assert.match(lines[0] ?? '', /^Gyre is ready at http:\/\/127\.0\.0\.1:\d+$/);
  const url = lines[0]!.split(' ').at(-1)!;
  const health = await fetch(`${url}/health`);
  assert.deepEqual([health.status, await health.text()], [200, 'OK']);

  const status = await exec('npx', ['gyre', 'status', '--json', '--url', url], { cwd: folder, env: environment });
  const { dataPlane } = JSON.parse(status.stdout) as { dataPlane: { url: string } };
  assert.equal((await fetch(`${dataPlane.url}/v2/health/live`)).status, 200);

  const exited = once(up, 'exit');
  process.kill(-up.pid!, 'SIGTERM');
  await exited;
  await assert.rejects(fetch(`${url}/health`), 'nothing answers any more');
  assert.equal(lines.length, 1, 'one line when it is ready, and nothing else on stdout');
  assert.deepEqual(readdirSync(folder).sort(), [...before, 'state'].sort(), 'it wrote into its folder only');
});
