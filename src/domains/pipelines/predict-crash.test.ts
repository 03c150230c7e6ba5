import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-scoring-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** What the child told, or undefined if it was killed. */
async function run(dir: string, act: 'fill' | 'score', failpoint?: string): Promise<unknown> {
  const child = fork(join(import.meta.dirname, 'fixtures', 'score-child.ts'), [dir, act], {
    execArgv: ['--no-warnings'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...(failpoint ? { GYRE_FAILPOINTS: `${failpoint}=kill` } : {}) },
  });
  let told: unknown;
  child.on('message', (message) => (told = message));
  const [exit, signal] = (await once(child, 'exit')) as [number | null, string | null];
  assert.deepEqual([exit, signal], failpoint ? [null, 'SIGKILL'] : [0, null], `${failpoint ?? 'undisturbed'} ${JSON.stringify(told)}`);
  return told;
}

test('scoring that is killed at any step goes on and makes one version, whose rows a monitor hears of once', async (t) => {
  const filled = folder(t);
  await run(filled, 'fill');
  const whole = { state: 'succeeded', error: null, versions: [[1, 20_000]], records: 20_000 };
  const dir = folder(t);
  cpSync(filled, dir, { recursive: true });
  const places = ['while-scoring', 'before-scores', 'after-scores', 'after-records', 'before-step-recorded', 'after-step-recorded'];
  for (const place of places) assert.equal(await run(dir, 'score', `pipelines.${place}`), undefined, place);
  assert.deepEqual(await run(dir, 'score'), whole);
  // Nothing is left of the files in between.
  const attempts = join(dir, 'attempts');
  for (const of of readdirSync(attempts))
    for (const attempt of readdirSync(join(attempts, of))) assert.equal(existsSync(join(attempts, of, attempt, 'work')), false);
});
