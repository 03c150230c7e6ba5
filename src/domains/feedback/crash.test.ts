import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-feedback-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** What the child told, or undefined if it was killed. */
async function run(dir: string, failpoint?: string): Promise<unknown> {
  const child = fork(join(import.meta.dirname, 'fixtures', 'join-child.ts'), [dir], {
    execArgv: ['--no-warnings'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...(failpoint ? { GYRE_FAILPOINTS: failpoint } : {}) },
  });
  let told: unknown;
  child.on('message', (message) => (told = message));
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  assert.deepEqual([code, signal], failpoint ? [null, 'SIGKILL'] : [0, null], failpoint ?? 'undisturbed');
  return told;
}

test('Whoever is killed between two steps leaves records, batches and labels that the next start completes, each once', async (t) => {
  const undisturbed = await run(folder(t));
  assert.deepEqual(undisturbed, {
    labels: [
      ['p0', 0],
      ['p1', 0],
      ['p2', 0],
      ['p3', 1],
      ['p9', 1],
    ],
    batches: [
      [2, 'joined', 1, 0, 1, 0],
      [1, 'joined', 4, 0, 0, 0],
    ],
    accepted: 2,
  });
  // One after the other in one folder: each start gets a step further.
  const places = ['serving.before-shipped', 'serving.after-shipped', 'feedback.before-accepted', 'feedback.after-accepted'];
  places.push('feedback.before-joined', 'feedback.after-joined', 'feedback.before-joined');
  const dir = folder(t);
  for (const place of places) assert.equal(await run(dir, `${place}=kill`), undefined);
  assert.deepEqual(await run(dir), undisturbed);
});
