import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-monitoring-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

interface Told {
  readonly windows: readonly unknown[];
  readonly findings: readonly unknown[];
  readonly events: readonly string[];
}

/** What the child told, or undefined if it was killed. */
async function run(dir: string, failpoint?: string): Promise<Told | undefined> {
  const child = fork(join(import.meta.dirname, 'fixtures', 'tick-child.ts'), [dir], {
    execArgv: ['--no-warnings'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...(failpoint ? { GYRE_FAILPOINTS: failpoint } : {}) },
  });
  let told: Told | undefined;
  child.on('message', (message) => (told = message as Told));
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  assert.deepEqual([code, signal], failpoint ? [null, 'SIGKILL'] : [0, null], failpoint ?? 'undisturbed');
  return told;
}

test('whoever is killed between figures and commit, or after it, leaves windows that the next start closes, each once and to the byte', async (t) => {
  const undisturbed = await run(folder(t));
  assert.ok(undisturbed!.windows.length >= 6 && undisturbed!.findings.length === 3, JSON.stringify(undisturbed!.findings));
  assert.equal(undisturbed!.events.filter((e) => e === 'window.closed').length, undisturbed!.windows.length);
  const dir = folder(t);
  for (const place of ['before-closed', 'after-closed', 'before-closed@2', 'after-closed@2']) {
    const [name, pass] = place.split('@');
    assert.equal(await run(dir, `monitoring.${name}=kill${pass ? `@${pass}` : ''}`), undefined);
  }
  assert.deepEqual(await run(dir), undisturbed);
});
