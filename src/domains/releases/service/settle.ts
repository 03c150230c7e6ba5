// The second half of a release: the plan goes out, the data planes acknowledge it, and the release ends.
import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { isProcessRunning } from '../../../kernel/process/process-start.ts';
import { championAlias, setAlias } from '../../registry/public.ts';
import { readAck, servingPaths, type PlanAck } from '../../serving/public.ts';
import type { EndpointRevision, Release } from '../model.ts';
import * as store from '../store.ts';
import { publishPlan } from './publish.ts';

const ACK_MS = 15_000;

/**
 * Brings a started release to its end; a release that has ended stays as it is. May be run again after a
 * crash, also beside another run of itself: whoever ends the release first decides.
 */
export async function settle(ctx: Ctx, id: string, ackMs = ACK_MS): Promise<Release> {
  const release = await store.getRelease(ctx.db, ctx.workspace, id);
  if (release.state !== 'started') return release;
  const revision = await store.getRevision(ctx.db, ctx.workspace, release.revision);
  failpoint('releases.before-plan');
  const taken = await publishAndWait(ctx, revision, ackMs);
  failpoint('releases.before-settle');
  await ctx.tx((tx) => (taken.ok ? promote(tx, release, revision, taken.plan) : takeBack(tx, release, taken.why)));
  failpoint('releases.after-settle');
  if (!taken.ok) await publishPlan(ctx);
  return store.getRelease(ctx.db, ctx.workspace, id);
}

type Taken = { readonly ok: true; readonly plan: number } | { readonly ok: false; readonly why: string };

async function publishAndWait(ctx: Ctx, revision: EndpointRevision, ackMs: number): Promise<Taken> {
  let plan: number;
  try {
    plan = await publishPlan(ctx);
  } catch (error) {
    if (!isProblem(error)) throw error;
    return { ok: false, why: error.message };
  }
  failpoint('releases.after-plan');
  const refusal = await acknowledged(ctx, plan, revision, ackMs);
  return refusal === undefined ? { ok: true, plan } : { ok: false, why: refusal };
}

async function promote(tx: Ctx, { id, project, reason }: Release, revision: EndpointRevision, plan: number): Promise<void> {
  const end = { state: 'promoted', reason, planNumber: plan, finishedMs: tx.clock.now() } as const;
  if (!(await store.finishRelease(tx.db, tx.workspace, id, end))) return;
  const { model, number } = revision.variants[0]!;
  await setAlias(tx, model, championAlias, number);
  await tx.emit({ type: 'release.promoted', subject: { kind: 'release', id }, project, payload: { reason } });
}

async function takeBack(tx: Ctx, release: Release, why: string): Promise<void> {
  const { id, project, endpoint, revision, previous, planNumber } = release;
  const end = { state: 'failed', reason: why, planNumber, finishedMs: tx.clock.now() } as const;
  if (!(await store.finishRelease(tx.db, tx.workspace, id, end))) return;
  // Another release may have moved the endpoint on in the meantime.
  await store.replaceCurrent(tx.db, tx.workspace, endpoint, revision, previous);
  await tx.emit({ type: 'release.failed', subject: { kind: 'release', id }, project, payload: { reason: why } });
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
