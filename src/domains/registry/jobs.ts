import { isProblem } from '../../kernel/errors.ts';
import type { Subscriber } from '../../kernel/events/subscribers.ts';
import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import { convert } from './service/convert.ts';
import { seal } from './service/seal.ts';
import { usesOf } from './service/uses.ts';
import { listUnsealedOf } from './store/lifecycle.ts';

/** Versions that were registered before their logged model was ready. */
const sealWaiting = defineJob<{ loggedModel: string }>({
  name: 'registry.seal-waiting',
  timeoutMs: 600_000,
  retry: { limit: 3, backoffMs: 1000 },
  run: async (ctx, { loggedModel }) => {
    for (const version of await listUnsealedOf(ctx.db, ctx.workspace, loggedModel))
      try {
        await seal(ctx, version, { score: (await usesOf(ctx, version.model)).score });
      } catch (error) {
        // It stays unsealed; whoever seals it by hand is told the same.
        if (!isProblem(error)) throw error;
        ctx.log.warn({ event: 'registry.not-sealed', model: version.model, version: version.number, why: error.message });
      }
  },
});

/** A model loaded and asked for all its rows takes as long as it takes; one at a time, for its memory. */
export const convertModel = defineJob<{ conversion: string }>({
  name: 'registry.convert',
  timeoutMs: 3_600_000,
  retry: { limit: 2, backoffMs: 1000 },
  ownSlots: 1,
  run: (ctx, { conversion }) => convert(ctx, conversion),
});

export const registryJobs: readonly Job<never>[] = [sealWaiting, convertModel];

export const registrySubscribers: readonly Subscriber[] = [
  {
    name: 'registry.seal-waiting',
    types: ['logged-model.ready'],
    handle: async (ctx, { subject }) => {
      if ((await listUnsealedOf(ctx.db, ctx.workspace, subject.id)).length === 0) return;
      await ctx.enqueue({ job: sealWaiting, payload: { loggedModel: subject.id }, uniqueKey: subject.id });
    },
  },
];
