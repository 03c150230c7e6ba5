// The second half of a change: the plan goes out, and the data planes say whether they have taken it.
import { setTimeout as delay } from 'node:timers/promises';
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { defineJob } from '../../../kernel/jobs/jobs.ts';
import { findCurrentEndpointRevision, giveUpSplit, publishAndWait, publishPlan } from '../../releases/public.ts';
import type { Trial } from '../model.ts';
import * as store from '../store.ts';
import { tell } from './tell.ts';

/** A change whose server died in the middle is taken up again so long after it began. */
const RECOVER_MS = 3000;
const ELSEWHERE_MS = 20_000;
export const ON_THEIR_WAY = 'its arms are on their way to the data planes';

export const settleTrialJob = defineJob<{ trialId: string }>({
  name: 'trials.settle',
  besideDataPlane: true,
  timeoutMs: 60_000,
  retry: { limit: 5, backoffMs: 1000 },
  run: async (ctx, { trialId }) => void (await settleTrial(ctx, trialId)),
});

export const settleLater = (tx: Ctx, trialId: string): Promise<string> =>
  tx.enqueue({ job: settleTrialJob, payload: { trialId }, uniqueKey: trialId, runAtMs: tx.clock.now() + RECOVER_MS });

/** May be run again after a crash, also beside another run of itself; a trial at rest stays as it is. */
export async function settleTrial(ctx: Ctx, id: string): Promise<Trial> {
  const trial = await get(ctx, id);
  if (trial.settled) return trial;
  if (ctx.servesHere?.() === false) return settledElsewhere(ctx, id);
  const current = await findCurrentEndpointRevision(ctx.db, ctx.workspace, trial.project, trial.endpoint);
  failpoint('trials.before-plan');
  const taken = await publishAndWait(ctx, current!);
  failpoint('trials.before-settle');
  const isRefused = 'why' in taken && trial.state === 'running';
  await ctx.tx(async (tx) => {
    const next = isRefused ? afterRefusal(trial, taken.why) : afterTaking(trial);
    if (!(await store.updateTrial(tx.db, tx.workspace, next)) || !isRefused) return;
    const { started, steering } = trial;
    await giveUpSplit(tx, trial, started!.revision, steering?.before?.revision ?? started!.previous);
    await tell(tx, trial, 'refused', { why: taken.why });
  });
  if (isRefused) await publishPlan(ctx);
  return get(ctx, id);
}

function afterTaking(trial: Trial): Trial {
  const steering = trial.steering && { ...trial.steering, before: null };
  const isNew = trial.state === 'running' && trial.standing === ON_THEIR_WAY;
  return { ...trial, steering, settled: true, standing: isNew ? 'its arms answer' : trial.standing };
}

/** New weights that no data plane takes leave the old ones in place; arms that none takes leave a plan. */
function afterRefusal(trial: Trial, why: string): Trial {
  const { started, steering } = trial;
  if (!steering?.before)
    return started!.again
      ? { ...trial, state: 'paused', settled: true, standing: `paused: ${why}` }
      : { ...trial, state: 'planned', started: null, steering: null, settled: true, standing: why };
  const { revision, weights } = steering.before;
  return {
    ...trial,
    started: { ...started!, revision },
    steering: { ...steering, weights, before: null },
    ...{ settled: true, standing: `its weights stay: ${why}` },
  };
}

/** The data planes are with another control plane: its job ends the change, and here it is waited for. */
async function settledElsewhere(ctx: Ctx, id: string): Promise<Trial> {
  const deadline = performance.now() + RECOVER_MS + ELSEWHERE_MS;
  for (;;) {
    const trial = await get(ctx, id);
    if (trial.settled || performance.now() > deadline) return trial;
    await delay(100, undefined, { signal: ctx.signal });
  }
}

async function get(ctx: Ctx, id: string): Promise<Trial> {
  const trial = await store.findTrial(ctx.database.reader, ctx.workspace, id);
  if (!trial) throw new Error(`there is no trial ${id}`);
  return trial;
}
