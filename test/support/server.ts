// The whole control plane on a socket of its own, in this process: what clients of any protocol talk to.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { startControl, type Control } from '../../src/app/control.ts';
import { fixedClock } from '../../src/kernel/clock.ts';
import { readSettings } from '../../src/kernel/config/settings.ts';
import { makeCtx, type Actor, type Ctx } from '../../src/kernel/ctx.ts';
import { seededIds } from '../../src/kernel/ids.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { openTestDatabase, type DatabaseKind } from './databases.ts';
import { admin } from './platform.ts';

export interface TestServer extends Control {
  readonly folder: string;
  readonly clock: ReturnType<typeof fixedClock>;
  /** Until no event and no job that is due is left. */
  readonly drain: () => Promise<void>;
  /** A context of the given actor (an administrator by default) in a workspace. */
  readonly ctx: (options?: { actor?: Actor; workspace?: string }) => Ctx;
}

export async function startServer(
  t: TestContext,
  kind: DatabaseKind = 'sqlite',
  environment: Readonly<Record<string, string>> = {},
): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-test-'));
  // These run in the order they are set, and a server that ends still writes what it has counted.
  const ending: (() => Promise<unknown>)[] = [];
  t.after(() => Promise.all(ending.map((end) => end())));
  const database = await openTestDatabase(t, kind);
  const clock = fixedClock();
  const control = await startControl(
    readSettings({ GYRE_DIR: folder, GYRE_DURABILITY: 'process', GYRE_LOG_LEVEL: 'silent', GYRE_PORT: '0', ...environment }),
    {},
    { database, clock, ids: seededIds(t.name), log: silentLog },
  );
  ending.push(async () => {
    await control.close({ keepDatabase: true });
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    ...control,
    folder,
    clock,
    drain: async () => {
      // A subscriber queues jobs, and a job may emit events.
      for (let round = 0; round < 2; round++) {
        await control.subscribers.drain();
        await control.worker.drain();
      }
    },
    ctx: ({ actor = admin, workspace = 'default' } = {}) => makeCtx(control.platform, { actor, workspace }),
  };
}
