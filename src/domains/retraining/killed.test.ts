import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { silentLog } from '../../kernel/log.ts';
import { openOnlineReader } from '../features/online-store.ts';
import { startDataPlane } from '../serving/plane/data-plane.ts';
import { applyLoop, callsTo, loopRows, loopYaml, pushRows } from './fixtures/loop.ts';

const PLACES = ['after-trigger', 'before-run', 'after-run', 'before-decide', 'before-release'] as const;

interface Server {
  /** Empty if it died before it listened. */
  readonly url: string;
  readonly process: ChildProcess;
  readonly died: Promise<string | null>;
}

async function start(dir: string, failpoints: string): Promise<Server> {
  const child = spawn(process.execPath, ['--no-warnings', join(import.meta.dirname, 'fixtures/loop-child.ts')], {
    env: { ...process.env, LOOP_DIR: dir, GYRE_FAILPOINTS: `file:${failpoints}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const died = once(child, 'exit').then(([, signal]) => signal as string | null);
  const line = once(createInterface({ input: child.stdout! }), 'line') as Promise<[string]>;
  const url = await Promise.race([line.then(([first]) => first), died.then(() => '')]);
  return { url, process: child, died };
}

async function openKillable(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'gyre-killed-'));
  const [dir, failpoints] = [join(root, 'state'), join(root, 'failpoints')];
  const arm = (place: string | undefined): void => writeFileSync(failpoints, place === undefined ? '' : `retraining.${place}=kill`);
  arm(undefined);
  let server = await start(dir, failpoints);
  t.after(async () => {
    server.process.kill('SIGKILL');
    rmSync(root, { recursive: true, force: true });
  });
  return {
    dir,
    call: callsTo(() => server.url),
    /**
     * Lets the server die at each place in turn. A new one goes on by itself as soon as it runs, so its place is armed
     * before it starts.
     */
    dieAt: async (places: readonly string[], act: () => Promise<unknown>): Promise<void> => {
      arm(places[0]);
      for (const [i, place] of places.entries()) {
        await act().catch(() => undefined);
        assert.deepEqual([await server.died, readFileSync(failpoints, 'utf8')], ['SIGKILL', ''], place);
        arm(places[i + 1]);
        server = await start(dir, failpoints);
      }
    },
  };
}

test('a server that is killed at every arrow goes on: one run, one decision, one release, and nothing is lost', async (t) => {
  const { dir, call, dieAt } = await openKillable(t);
  await applyLoop(call, loopYaml({ policy: "on: ['cron: 0 0 5 * *']" }));
  await pushRows(call, await loopRows());
  const plane = await startDataPlane({
    dir,
    host: '127.0.0.1',
    port: 0,
    log: silentLog,
    programVersion: '0',
    dialects: [],
    openFacts: openOnlineReader,
    pollMs: 20,
  });
  t.after(() => plane.close());
  const advance = (): Promise<unknown> => call('POST', '/projects/demo/timeline/advance', { to: '2013-03-05T06:00:00Z' });
  await dieAt(PLACES, advance);
  await advance();

  const list = async (path: string): Promise<Record<string, unknown>[]> => (await call('GET', path)).body.items as never;
  const triggers = await list('/projects/demo/triggers');
  assert.deepEqual(
    triggers.map((x) => [x.cause, x.state]),
    [['cron', 'promoted']],
    JSON.stringify(triggers),
  );
  assert.equal((await list('/projects/demo/runs')).length, 1);
  assert.equal((await list('/models/m/versions')).length, 1);
  assert.equal((await list('/models/m/decisions')).length, 1);
  assert.deepEqual(
    (await list('/projects/demo/endpoints/e/releases')).map((r) => [r.id, r.state]),
    [[triggers[0]!.release, 'promoted']],
  );
  const told = (await list('/events?limit=1000')).filter((e) => (e.subject as { id: string }).id === triggers[0]!.id).map((e) => e.type);
  assert.deepEqual(told, ['trigger.recorded', 'trigger.started', 'trigger.decided', 'trigger.released', 'trigger.ended']);
});
