// Servers side by side, and a first project from nothing.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseProject } from '../../src/domains/projects/public.ts';
import { folder, gyre, start, written, type Started } from './gyre.ts';

const stop = async ({ child, ended }: Started): Promise<void> => {
  child.kill('SIGTERM');
  assert.equal((await ended).code, 0);
};

test('Two servers run side by side, and each writes into its own folder only', async () => {
  const root = folder((remove) => after(remove));
  const home = join(root, 'home');
  mkdirSync(home);
  const servers = ['a', 'b'].map((name) => start(['up', '--dir', join(root, name), '--port', '0'], { cwd: home }));
  const urls = await Promise.all(servers.map(async (s) => (await written(s, /ready at (http:\S+)/))[1]!));
  assert.notEqual(urls[0], urls[1]);
  const [folderOfProject] = [join(root, 'mine')];
  assert.equal((await gyre('init', folderOfProject)).code, 0);
  const file = join(folderOfProject, 'gyre.yaml');
  for (const url of urls) assert.equal((await gyre('run', 'train', '--url', url, '--file', file)).code, 0);
  assert.deepEqual(readdirSync(home), [], 'nothing is written to the working folder, the home or the folder for temporary files');
  await Promise.all(servers.map(stop));
  assert.deepEqual(readdirSync(home), []);
});

test('Whatever a folder is called, the project that begins in it has a name that can be applied', async () => {
  const root = folder((remove) => after(remove));
  for (const name of ['2024-flights', 'Späte Flüge', '_', '-', 'x'.repeat(80)]) {
    assert.equal((await gyre('init', '--', join(root, name))).code, 0, name);
    assert.match(parseProject(readFileSync(join(root, name, 'gyre.yaml'), 'utf8')).project, /^[a-z]/, name);
  }
});

test('In an empty folder: gyre up, gyre init, gyre run train; then again from the cache; a taken folder is left alone', async () => {
  const root = folder((remove) => after(remove));
  const up = start(['up', '--port', '0'], { cwd: root });
  await written(up, /ready at/);
  // Commands find the server that runs in ./.gyre by themselves.
  const init = await start(['init'], { cwd: root }).ended;
  assert.equal(init.code, 0);
  assert.match(init.err, /wrote gyre\.yaml/);
  const first = await start(['run', 'train'], { cwd: root }).ended;
  assert.deepEqual([first.code, first.out.replace(/ in .*/s, '')], [0, 'train run 1 succeeded']);
  const second = await start(['run', 'train'], { cwd: root }).ended;
  assert.match(second.err, /fit: from the cache/);
  const again = await start(['init'], { cwd: root }).ended;
  assert.equal(again.code, 5);
  assert.match(
    again.err,
    /there is gyre\.yaml, .* already; nothing was written\. Go on with it, or name another folder\.\n\(project-begun\)/,
  );
  await stop(up);
});
