// Removes what crashes left behind: packs that no record came to refer to, and temporary files.
import { defineJob, jobsIn, type Job } from '../jobs/jobs.ts';
import { findStorageHold } from './hold.ts';
import { referencedPacks } from './blob-index.ts';

const GRACE_MS = 24 * 3_600_000;

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
    const removed = await ctx.blobs.sweep((packs) => referencedPacks(ctx.db, packs), GRACE_MS);
    if (removed > 0) ctx.log.info({ event: 'blobs.swept', removed });
  },
});

export const blobJobs: readonly Job<never>[] = [sweepBlobs];
