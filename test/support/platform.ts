// A whole platform for tests: real database, real blobs and compute in a temporary folder, a clock that
// stands still, seeded ids. Jobs and subscribers are drained, never slept for.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openPlatform as openAppPlatform, type RunningPlatform } from '../../src/app/platform.ts';
import { compose } from '../../src/app/compose.ts';
import { fixedClock, type Clock } from '../../src/kernel/clock.ts';
import { readSettings } from '../../src/kernel/config/settings.ts';
import { makeCtx, type Actor, type Ctx } from '../../src/kernel/ctx.ts';
import { seededIds } from '../../src/kernel/ids.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { openTestDatabase, type DatabaseKind } from './databases.ts';

export { eachDatabase } from './databases.ts';

export interface TestPlatform extends RunningPlatform {
  readonly clock: Clock & { advance(ms: number): void };
  readonly folder: string;
  /** A context of the given actor (an administrator by default) in a workspace. */
  readonly ctx: (options?: { actor?: Actor; workspace?: string }) => Ctx;
  /** Runs jobs and subscribers until nothing is left to do. */
  readonly drain: () => Promise<void>;
}

export const admin: Actor = { kind: 'local', id: 'local', roles: ['admin'] };

export async function openPlatform(
  t: TestContext,
  options: { database?: DatabaseKind; seed?: string; environment?: Readonly<Record<string, string>> } = {},
): Promise<TestPlatform> {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-test-'));
  const database = await openTestDatabase(t, options.database ?? 'sqlite');
  const clock = fixedClock();
  const running = await openAppPlatform({
    settings: readSettings({
      ...{ GYRE_DIR: folder, GYRE_DURABILITY: 'process', GYRE_LOG_LEVEL: 'silent', GYRE_PORT: '0' },
      ...options.environment,
    }),
    database,
    clock,
    ids: seededIds(options.seed ?? t.name),
    log: silentLog,
    compose: (blobs) => compose(blobs, () => 'http://127.0.0.1:1'),
  });
  t.after(async () => {
    await running.close({ keepDatabase: true });
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    ...running,
    clock,
    folder,
    ctx: ({ actor = admin, workspace = 'default' } = {}) => makeCtx(running.platform, { actor, workspace }),
    drain: async () => {
      // A job may emit events and a subscriber may queue jobs, so both are drained until both are quiet.
      for (let round = 0; round < 20; round++) {
        await running.subscribers.drain();
        await running.worker.drain();
        const before = await running.headSeq();
        await running.subscribers.drain();
        await running.worker.drain();
        if (before === (await running.headSeq())) return;
      }
      throw new Error('jobs and subscribers do not come to rest');
    },
  };
}
