import assert from 'node:assert/strict';
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { testPython } from '../../../test/journey/flights-project.ts';
import { SUBJECT } from './fixtures/bench.ts';

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-erasure-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** What the child told, or undefined if it was killed. */
async function run(dir: string, act: 'fill' | 'erase', failpoint?: string): Promise<unknown> {
  const child = fork(join(import.meta.dirname, 'fixtures', 'erase-child.ts'), [dir, act], {
    execArgv: ['--no-warnings'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...(failpoint ? { GYRE_FAILPOINTS: failpoint } : {}) },
  });
  let told: unknown;
  child.on('message', (message) => (told = message));
  const [exit, signal] = (await once(child, 'exit')) as [number | null, string | null];
  assert.deepEqual([exit, signal], failpoint ? [null, 'SIGKILL'] : [0, null], failpoint ?? 'undisturbed');
  return told;
}

const found = (dir: string): Record<string, number> =>
  (
    JSON.parse(
      execFileSync(testPython(), [join(import.meta.dirname, 'fixtures/reader.py'), dir, SUBJECT, 'tailnum', 'flight'], {
        encoding: 'utf8',
      }),
    ) as { found: Record<string, number> }
  ).found;

test('An erasure that is killed between any two steps goes on where it stood, and ends with the same certificate', async (t) => {
  const filled = folder(t);
  await run(filled, 'fill');
  const before = found(filled);
  assert.ok((before['database: rows'] ?? 0) > 0, JSON.stringify(before));
  const calm = folder(t);
  cpSync(filled, calm, { recursive: true });
  const undisturbed = (await run(calm, 'erase')) as { state: string };
  assert.equal(undisturbed.state, 'completed', JSON.stringify(undisturbed));
  assert.deepEqual(found(calm), {});

  // One after the other in one folder: each start gets a step further.
  const places = ['governance.before-rewriting', 'governance.before-file@2', 'governance.before-repointed', 'governance.after-repointed'];
  places.push('serving.before-segment-erased', 'features.before-facts-erased', 'governance.before-file-replaced');
  places.push('blobs.before-pack-removed', 'governance.before-verifying', 'governance.before-completed');
  const dir = folder(t);
  cpSync(filled, dir, { recursive: true });
  for (const place of places)
    assert.equal(await run(dir, 'erase', place.includes('@') ? place.replace('@', '=kill@') : `${place}=kill`), undefined, place);
  assert.deepEqual(await run(dir, 'erase'), undisturbed);
  assert.deepEqual(found(dir), {});
});
