// The second half of a move: the plan goes out, the data planes acknowledge it, and the release is where it was to go.
import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { defineJob } from '../../../kernel/jobs/jobs.ts';
import { isProcessRunning } from '../../../kernel/process/process-start.ts';
import { readAck, servingPaths, type PlanAck } from '../../serving/public.ts';
import type { EndpointRevision, Move, Release } from '../model.ts';
import * as endpoints from '../store/endpoints.ts';
import * as store from '../store/releases.ts';
import { follow } from './follow.ts';
import { frozenBy } from './freeze.ts';
import { endMove } from './move.ts';
import { publishPlan } from './publish.ts';
import { judgeStep } from './judging/verdict.ts';

const ACK_MS = 15_000;
/** A move whose server died in the middle is taken up again so long after it began. */
const RECOVER_MS = 3000;

/** Ends a move whose server died before it could; a release at rest stays as it is. */
export const settleRelease = defineJob<{ releaseId: string }>({
  name: 'releases.settle',
  besideDataPlane: true,
  timeoutMs: 60_000,
  retry: { limit: 5, backoffMs: 1000 },
  run: async (ctx, { releaseId }) => void (await settle(ctx, releaseId)),
});

/** Has the move that this transaction begins brought to its end, also if who began it dies. */
export const recoverLater = (tx: Ctx, releaseId: string): Promise<string> =>
  tx.enqueue({ job: settleRelease, payload: { releaseId }, uniqueKey: releaseId, runAtMs: tx.clock.now() + RECOVER_MS });

/** The same for a move that nobody else brings to its end; a barrier of the project waits for it. */
export async function settleSoon(tx: Ctx, project: string, releaseId: string): Promise<void> {
  const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, project);
  await tx.enqueue({ job: settleRelease, payload: { releaseId }, uniqueKey: releaseId, project, dueUs: nowUs });
}

/**
 * Brings the move of a release to its end; a release at rest stays as it is. May be run again after a
 * crash, also beside another run of itself: whoever ends the move first decides.
 */
export async function settle(ctx: Ctx, id: string, ackMs = ACK_MS): Promise<Release> {
  for (;;) {
    const release = await store.getRelease(ctx.db, ctx.workspace, id);
    if (!release.move) return release;
    if (ctx.servesHere?.() === false) return settledElsewhere(ctx, id, ackMs);
    const revision = await endpoints.getRevision(ctx.db, ctx.workspace, release.move.revision);
    failpoint('releases.before-plan');
    const taken = await publishAndWait(ctx, revision, ackMs);
    failpoint('releases.before-settle');
    await ctx.tx(async (tx) => {
      await endMove(tx, release, taken);
      if (release.move!.to === 'warming') await leaveWarming(tx, id, release.move!);
    });
    failpoint('releases.after-settle');
    if ('why' in taken) await publishPlan(ctx);
  }
}

/** Once every data plane has the candidate loaded, the first step begins: by whom the release was begun, for the reason given. */
async function leaveWarming(tx: Ctx, id: string, by: Move): Promise<void> {
  const release = await store.getRelease(tx.db, tx.workspace, id);
  if (release.state !== 'warming' || release.move) return;
  const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, release.project);
  const verdict = judgeStep(release, null, nowUs, await frozenBy(tx, release.project, release.endpoint));
  if (await follow(tx, release, verdict, null, by)) await recoverLater(tx, id);
}

/** The data planes are with another control plane: its job ends the move (`recoverLater`), and here it is waited for. */
async function settledElsewhere(ctx: Ctx, id: string, ackMs: number): Promise<Release> {
  const deadline = performance.now() + RECOVER_MS + ackMs;
  for (;;) {
    const release = await store.getRelease(ctx.database.reader, ctx.workspace, id);
    if (!release.move || performance.now() > deadline) return release;
    await delay(100, undefined, { signal: ctx.signal });
  }
}

/** Publishes the plan and waits until the live data planes serve the revision in it; answers why they do not. */
export async function publishAndWait(ctx: Ctx, revision: EndpointRevision, ackMs = ACK_MS): Promise<{ plan: number } | { why: string }> {
  let plan: number;
  try {
    plan = await publishPlan(ctx);
  } catch (error) {
    if (!isProblem(error)) throw error;
    return { why: error.message };
  }
  failpoint('releases.after-plan');
  const refusal = await acknowledged(ctx, plan, revision, ackMs);
  return refusal === undefined ? { plan } : { why: refusal };
}

/** Acknowledgements of data planes that are alive. */
export function liveAcks(ctx: Ctx): PlanAck[] {
  const { acks } = servingPaths(ctx.settings.dir);
  let names: string[];
  try {
    names = readdirSync(acks);
  } catch {
    return [];
  }
  return names
    .filter((n) => n.endsWith('.json'))
    .map((n) => readAck(ctx.settings.dir, n.replace(/\.json$/, '')))
    .filter((ack): ack is PlanAck => ack !== undefined && isProcessRunning(ack.pid));
}

/** Waits until every live data plane serves the revision; answers why it is not, if it is not. */
async function acknowledged(ctx: Ctx, number: number, revision: EndpointRevision, ackMs: number): Promise<string | undefined> {
  const deadline = performance.now() + ackMs;
  const serves = (ack: PlanAck): boolean =>
    ack.number >= number &&
    ack.endpoints.some((e) => e.workspace === ctx.workspace && e.name === revision.endpoint && e.revision === revision.number);
  for (;;) {
    const acks = liveAcks(ctx);
    const failure = acks
      .flatMap((a) => (a.number >= number ? a.failures : []))
      .find((f) => f.workspace === ctx.workspace && f.endpoint === revision.endpoint && f.revision === revision.number);
    if (failure) return failure.why;
    if (acks.length > 0 && acks.every(serves)) return undefined;
    if (performance.now() > deadline)
      return acks.length === 0 ? 'no data plane is running' : 'a data plane did not acknowledge the plan in time';
    await delay(25);
  }
}
