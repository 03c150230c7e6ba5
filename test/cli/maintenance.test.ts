// The commands that look after a server, as processes, beside one that runs.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { folder, gyre, main, start, written } from './gyre.ts';

const run = (cwd: string, args: string[], env: Record<string, string> = {}) => start(args, { cwd, env }).ended;

test('a server that runs is backed up, examined and measured, and what is restored starts with what was acknowledged', async (t) => {
  const cwd = folder((remove) => t.after(remove));
  const up = start(['up', '--dir', 'live', '--port', '0', '--no-data-plane'], { cwd });
  t.after(() => up.child.kill('SIGKILL'));
  const url = (await written(up, /ready at (\S+)/))[1]!;
  const post = async (base: string, path: string, body: object) => {
    const reply = await fetch(`${base}/api/2.0/mlflow${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });
    return (await reply.json()) as { experiment_id: string };
  };
  const { experiment_id } = await post(url, '/experiments/create', { name: 'kept' });
  writeFileSync(join(cwd, 'secret'), 'a passphrase\n');
  const backup = await run(cwd, ['backup', 'kept.gyre', '--dir', 'live', '--passphrase-file', 'secret']);
  assert.equal(backup.code, 0, backup.err);
  assert.match(backup.out, /encrypted\n[\s\S]*it shows the moment/);
  const doctor = await run(cwd, ['doctor', '--dir', 'live', '--deep', '--json']);
  const findings = JSON.parse(doctor.out) as { check: string; state: string; what: string }[];
  assert.deepEqual([doctor.code, findings.filter((f) => f.state === 'fault')], [0, []]);
  assert.match(findings.find((f) => f.check === 'server')!.what, /answers at/);
  assert.match((await run(cwd, ['du', '--dir', 'live'])).out, /^database /m);
  // What the copy would miss is not copied.
  const copy = await run(cwd, ['db', 'copy', '--from', 'live', '--to', 'copied']);
  assert.deepEqual([copy.code, existsSync(join(cwd, 'copied'))], [5, false]);
  assert.match(copy.err, /server-running/);
  up.child.kill('SIGTERM');
  await up.ended;

  const restored = await run(cwd, ['restore', 'kept.gyre', '--dir', 'new', '--passphrase-file', 'secret']);
  assert.equal(restored.code, 0, restored.err);
  assert.match(restored.out, /every count and digest is right[\s\S]*gyre up --dir/);
  assert.equal((await run(cwd, ['restore', 'kept.gyre', '--dir', 'new', '--passphrase-file', 'secret'])).code, 5);
  const again = start(['up', '--dir', 'new', '--port', '0', '--no-data-plane'], { cwd, env: { GYRE_AUTO_MIGRATE: '0' } });
  t.after(() => again.child.kill('SIGKILL'));
  const base = (await written(again, /ready at (\S+)/))[1]!;
  const reply = await fetch(`${base}/api/2.0/mlflow/experiments/get?experiment_id=${experiment_id}`);
  assert.equal(((await reply.json()) as { experiment: { name: string } }).experiment.name, 'kept');
  again.child.kill('SIGTERM');
  await again.ended;
});

test('with GYRE_AUTO_MIGRATE=0 a start tells to migrate, and starts after it', async (t) => {
  const cwd = folder((remove) => t.after(remove));
  const env = { GYRE_AUTO_MIGRATE: '0', GYRE_DIR: 'x' };
  const refused = await run(cwd, ['up', '--port', '0', '--no-data-plane'], env);
  assert.notEqual(refused.code, 0);
  assert.match(refused.err, /Run "gyre migrate"[\s\S]*schema-older/);
  assert.match((await run(cwd, ['migrate', '--dry-run'], env)).out, /0001-initial waits/);
  assert.match((await run(cwd, ['migrate'], env)).out, /0001-initial was applied now/);
  assert.match((await run(cwd, ['migrate'], env)).out, /is there since[\s\S]*nothing waits/);
  const up = start(['up', '--port', '0', '--no-data-plane'], { cwd, env });
  t.after(() => up.child.kill('SIGKILL'));
  await written(up, /ready at/);
  up.child.kill('SIGTERM');
  await up.ended;
});

test('a backup or a restore that is killed, or has no room, leaves nothing that looks whole', async (t) => {
  const cwd = folder((remove) => t.after(remove));
  assert.equal((await run(cwd, ['migrate', '--dir', 'x'])).code, 0);
  const script = join(cwd, 'fill.mjs');
  // Bytes that no compression makes smaller.
  writeFileSync(
    script,
    `import { randomBytes } from 'node:crypto'; import { mkdirSync, writeFileSync } from 'node:fs';
     mkdirSync('x/paths/default/0', { recursive: true });
     for (let i = 0; i < 12; i++) writeFileSync('x/paths/default/0/' + i, randomBytes(4_000_000));`,
  );
  await promisify(execFile)(process.execPath, [script], { cwd });
  const limited = `ulimit -f 16000; exec "${process.execPath}" --no-warnings "${main}" `;
  const shell = (args: string) =>
    promisify(execFile)('sh', ['-c', limited + args], { cwd, env: { PATH: process.env.PATH } }).then(
      () => ({ code: 0, stderr: '' }),
      (error: { code: number; stderr: string }) => error,
    );
  const full = await shell('backup full.tar.zst --dir x');
  assert.notEqual(full.code, 0);
  assert.match(full.stderr, /storage-full/);
  assert.deepEqual(readdirSync(cwd).sort(), ['fill.mjs', 'x']);

  const killed = start(['backup', 'killed.tar.zst', '--dir', 'x'], { cwd });
  while (!existsSync(join(cwd, 'killed.tar.zst.incoming')) && killed.child.exitCode === null) await new Promise(setImmediate);
  killed.child.kill('SIGKILL');
  await killed.ended;
  assert.equal(existsSync(join(cwd, 'killed.tar.zst')), false);
  // The hold that it left does not keep the next one from its work, nor do its leftovers.
  assert.equal((await run(cwd, ['backup', 'killed.tar.zst', '--dir', 'x'])).code, 0);

  const restore = start(['restore', 'killed.tar.zst', '--dir', 'new'], { cwd });
  while (!existsSync(join(cwd, 'new.restoring')) && restore.child.exitCode === null) await new Promise(setImmediate);
  restore.child.kill('SIGKILL');
  await restore.ended;
  assert.equal(existsSync(join(cwd, 'new')), false);
  const done = await run(cwd, ['restore', 'killed.tar.zst', '--dir', 'new']);
  assert.equal(done.code, 0, done.err);
  assert.equal(readdirSync(join(cwd, 'new', 'paths', 'default', '0')).length, 12);
});

test('commands that work offline load quickly and say what they cannot use', async () => {
  const nothing = await gyre('doctor', '--dir', '/nowhere/at/all', '--json');
  assert.equal(nothing.code, 1);
  assert.match(nothing.out, /"state": "fault"/);
  assert.equal((await gyre('backup', '/tmp', '--dir', '/nowhere/at/all')).code, 4);
  assert.equal((await gyre('restore', '/dev/null', '--check')).code, 3);
  assert.equal((await gyre('db', 'copy', '--from', 'mysql://x', '--to', 'y')).code, 3);
});
