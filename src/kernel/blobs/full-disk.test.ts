// A full disk for real: a small file system where this process may mount one, else a limit on file sizes.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const script = join(import.meta.dirname, '../../../test/support/full-disk.ts');
const run = promisify(execFile);

function mayMount(): boolean {
  try {
    execFileSync('unshare', ['-m', 'sh', '-c', 'mount -t tmpfs -o size=1m none /mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function story(prelude: string, mode: string, dir: string): Promise<Record<string, unknown>> {
  const shell = `${prelude} && exec "$NODE" --no-warnings "$SCRIPT" "$DIR" ${mode}`;
  const [command, args] = mode === 'file-system' ? ['unshare', ['-m', 'sh', '-c', shell]] : ['sh', ['-c', shell]];
  const { stdout } = await run(command, args, { env: { PATH: process.env.PATH, NODE: process.execPath, SCRIPT: script, DIR: dir } });
  const lines = stdout.trim().split('\n');
  return Object.fromEntries(
    lines.map((line) => JSON.parse(line) as { step: string; outcome: unknown }).map(({ step, outcome }) => [step, outcome]),
  );
}

const blobs = {
  large: 'storage-full',
  small: 'storage-full',
  short: 'storage-full',
  path: 'storage-full',
  'files left': 0,
  'in room': 'stored',
  'path in room': 'stored',
};

test('where files may not grow, a write is refused clearly, leaves no half, and works again in the same process', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-full-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  // In units of 512 bytes: 3 MB.
  assert.deepEqual(await story('ulimit -f 6144', 'limit', dir), blobs);
});

if (mayMount())
  test('on a full disk bytes and records are refused clearly, nothing is half there, and it goes on when there is room', async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'gyre-full-'));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    assert.deepEqual(await story('mount -t tmpfs -o size=6m none "$DIR"', 'file-system', dir), {
      ...blobs,
      database: ['disk-full'],
      'database in room': 'stored',
      rows: 1,
    });
  });
