import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { takeLock } from './lock-file.ts';
import { processStart } from './process-start.ts';

function fileOf(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-lock-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'run', 'up.pid');
}
const refuse = (pid: number): never => {
  throw new Error(`held by ${pid}`);
};

test('A lock is held until it is released, and leaves nothing behind', (t) => {
  const file = fileOf(t);
  const release = takeLock(file, refuse);
  assert.throws(() => takeLock(file, refuse), { message: `held by ${process.pid}` });
  assert.deepEqual(readdirSync(join(file, '..')), ['up.pid']);
  release();
  assert.equal(existsSync(file), false);
  takeLock(file, refuse)();
});

test('A lock whose process has ended, whose number is another’s, or that says nothing, is taken over', async (t) => {
  const file = fileOf(t);
  takeLock(file, refuse)();
  const child = spawn('sleep', ['30']);
  const [pid, began] = [child.pid!, processStart(child.pid!)];
  writeFileSync(file, `${pid} ${began}`);
  assert.throws(() => takeLock(file, refuse), { message: `held by ${pid}` });
  child.kill('SIGKILL');
  await once(child, 'exit');
  for (const left of [`${pid} ${began}`, `${process.pid} 1`, '', '0 ', 'x']) {
    writeFileSync(file, left);
    const release = takeLock(file, refuse);
    assert.match(readFileSync(file, 'utf8'), new RegExp(`^${process.pid} `), left);
    release();
  }
});
