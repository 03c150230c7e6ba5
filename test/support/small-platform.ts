// The kernel alone for its own tests: jobs and subscribers that the test brings, the kernel's tables, a
// clock that stands still. Several may share one database, as replicas do.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openPlatform, type RunningPlatform } from '../../src/app/platform.ts';
import { blobTables } from '../../src/kernel/blobs/blob-index.ts';
import { fixedClock } from '../../src/kernel/clock.ts';
import { readSettings } from '../../src/kernel/config/settings.ts';
import { makeCtx, systemActor, type Ctx } from '../../src/kernel/ctx.ts';
import type { Database } from '../../src/kernel/db/database.ts';
import type { Migration } from '../../src/kernel/db/migrate.ts';
import { eventTables } from '../../src/kernel/events/events.ts';
import type { Subscriber } from '../../src/kernel/events/subscribers.ts';
import { idempotencyTables } from '../../src/kernel/http/idempotency.ts';
import { seededIds } from '../../src/kernel/ids.ts';
import { jobTables, type Job } from '../../src/kernel/jobs/jobs.ts';
import { silentLog, type Log } from '../../src/kernel/log.ts';
import { timelineTables } from '../../src/kernel/timeline/timeline.ts';

export const kernelSchema: readonly Migration[] = [
  { number: 1, name: 'kernel', tables: [...eventTables, ...jobTables, ...timelineTables, ...idempotencyTables, ...blobTables] },
];

export interface SmallPlatform extends RunningPlatform {
  readonly clock: ReturnType<typeof fixedClock>;
  readonly ctx: (workspace?: string) => Ctx;
  /** Closes everything but the database; happens at the end of the test anyway. */
  readonly end: () => Promise<void>;
}

export async function openSmallPlatform(
  t: TestContext,
  database: Database,
  parts: {
    jobs?: readonly Job<never>[];
    subscribers?: readonly Subscriber[];
    replica?: string;
    log?: Log;
    environment?: Readonly<Record<string, string>>;
  } = {},
): Promise<SmallPlatform> {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-kernel-'));
  const clock = fixedClock();
  const running = await openPlatform({
    settings: readSettings({ GYRE_DIR: folder, GYRE_DURABILITY: 'process', GYRE_LOG_LEVEL: 'silent', ...parts.environment }),
    database,
    clock,
    ids: seededIds(`${t.name} ${parts.replica ?? ''}`),
    log: parts.log ?? silentLog,
    compose: () => ({ jobs: parts.jobs ?? [], subscribers: parts.subscribers ?? [] }),
  });
  let ended: Promise<void> | undefined;
  const end = (): Promise<void> => (ended ??= running.close({ keepDatabase: true }));
  t.after(async () => {
    await end();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    ...running,
    clock,
    end,
    ctx: (workspace = 'default') => makeCtx(running.platform, { actor: systemActor, workspace }),
  };
}
