// Removes what crashes left behind: packs that no record came to refer to, and temporary files.
import { defineJob, jobsIn, type Job } from '../jobs/jobs.ts';
import { findStorageHold } from './hold.ts';
import { forgetRemovedPacks } from './removed-packs.ts';
import { disownPacks } from './erase-blobs.ts';

const GRACE_MS = 24 * 3_600_000;
/** Nobody records what was stored so long ago. */
const REMEMBERED_MS = 30 * GRACE_MS;

export const sweepBlobs: Job<object> = defineJob({
  name: 'blobs.sweep',
  timeoutMs: 3_600_000,
  retry: { limit: 1, backoffMs: 60_000 },
  cron: '20 3 * * *',
  run: async (ctx, _payload, self) => {
    // Work that outlived the grace period, for instance while the server was down, may yet record what it stored.
    const old = await jobsIn(ctx.db)
      .selectFrom('jobs')
      .select('id')
      .where('state', 'in', ['queued', 'running'])
      .where('created_ms', '<=', ctx.clock.now() - GRACE_MS)
      .where('id', '<>', self.id)
      .limit(1)
      .executeTakeFirst();
    if (old) return ctx.log.info({ event: 'blobs.sweep-postponed', waitsFor: old.id });
    const held = await findStorageHold(ctx.db, ctx.clock.now());
    if (held !== undefined) return ctx.log.info({ event: 'blobs.sweep-postponed', waitsFor: held });
    const named = async (packs: readonly string[]): Promise<Set<string>> => {
      const gone = await disownPacks(ctx, packs);
      return new Set(packs.filter((pack) => !gone.has(pack)));
    };
    const removed = await ctx.blobs.sweep(named, GRACE_MS);
    await forgetRemovedPacks(ctx, ctx.clock.now() - REMEMBERED_MS);
    if (removed > 0) ctx.log.info({ event: 'blobs.swept', removed });
  },
});

export const blobJobs: readonly Job<never>[] = [sweepBlobs];
