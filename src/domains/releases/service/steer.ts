// What a person does with a staged release: pause, resume, approve, promote, abort.
import type { Ctx } from '../../../kernel/ctx.ts';
import { requirePerson } from '../../../kernel/permissions.ts';
import { revisionById } from '../../projects/public.ts';
import { getVersion, requirePassed } from '../../registry/public.ts';
import { fail } from '../errors.ts';
import { percent, stateOfStep, type Release, type ReleaseState } from '../model.ts';
import * as endpoints from '../store/endpoints.ts';
import * as store from '../store/releases.ts';
import { stopAt } from './follow.ts';
import { requireNotFrozen } from './freeze.ts';
import { beginMove, stay } from './move.ts';
import { recoverLater, settle } from './settle.ts';

export interface Steering {
  readonly project: string;
  readonly endpoint: string;
  readonly reason: string;
}

/** The staged release of an endpoint that runs now. Raises `release-none`. */
async function running(tx: Ctx, { project, endpoint }: Steering): Promise<Release> {
  const release = await store.findActive(tx.db, tx.workspace, endpoint);
  if (!release?.policy || release.project !== project) return fail('release-none', { endpoint });
  return release;
}

const refuse = (release: Release, action: string, why: string): never =>
  fail('release-action-not-possible', { release: release.id, action, why });

/** Raises `release-action-not-possible` unless the release rests in one of these states. */
function requireRest(release: Release, action: string, states: readonly ReleaseState[]): void {
  if (release.move) refuse(release, action, 'its traffic is being moved at this moment; try again in a few seconds');
  if (!states.includes(release.state)) refuse(release, action, `it is ${release.state}, not ${states.join(' or ')}`);
}

/** Keeps the split of the traffic and takes no further step; the guardrails go on watching. Raises `release-none`, `release-action-not-possible`. */
export const pauseRelease = (ctx: Ctx, of: Steering): Promise<Release> =>
  ctx.tx(async (tx) => {
    const release = await running(tx, of);
    requireRest(release, 'pause', ['shadow', 'canary', 'baking']);
    await stay(tx, release, { state: 'paused', waiting: null, standing: `paused: ${of.reason}` }, of);
    return store.getRelease(tx.db, tx.workspace, release.id);
  });

/** Goes on with the step, whose hold and sample begin anew. Raises `release-none`, `endpoint-frozen`, `release-action-not-possible`. */
export const resumeRelease = (ctx: Ctx, of: Steering): Promise<Release> =>
  ctx.tx(async (tx) => {
    const release = await running(tx, of);
    requireRest(release, 'resume', ['paused']);
    await requireNotFrozen(tx, of);
    const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, of.project);
    const fresh = { sinceUs: nowUs, judgedUs: nowUs, looks: 0 };
    const state = stateOfStep(release.policy!, release.step);
    await stay(tx, release, { state, standing: `resumed: ${of.reason}`, ...fresh }, of);
    return store.getRelease(tx.db, tx.workspace, release.id);
  });

/**
 * Lets a release into the step that waits for a person. Who may approve has the permission `releases:approve`; the transition
 * says who did, and carries the figures as they stood. Raises `person-needed`, `release-none`, `endpoint-frozen`, `gate-not-passed`,
 * `release-action-not-possible`, `release-not-taken`.
 */
export async function approveRelease(ctx: Ctx, of: Steering): Promise<Release> {
  requirePerson(ctx, 'approve a step');
  const id = await ctx.tx(async (tx) => {
    const release = await running(tx, of);
    requireRest(release, 'be approved', ['warming', 'shadow', 'canary', 'baking']);
    const waiting = release.waiting ?? refuse(release, 'be approved', 'it waits for nobody; its steps go on by themselves');
    await requireNotFrozen(tx, of);
    await requireGate(tx, release);
    const step = release.policy!.steps[waiting.step];
    const reason = `approved${step === undefined ? '' : ` for ${percent(step)}`}: ${of.reason}`;
    if (await beginMove(tx, release, { ...stopAt(release, waiting.step), reason, figures: release.figures }))
      await recoverLater(tx, release.id);
    return release.id;
  });
  return taken(ctx, of, id);
}

async function requireGate(tx: Ctx, { revision: id, candidate: { versionId, model } }: Release): Promise<void> {
  const revision = await endpoints.getRevision(tx.db, tx.workspace, id);
  const { definition } = await revisionById(tx, revision.projectRevision);
  await requirePassed(tx, await getVersion(tx, versionId), definition.models[model]?.gates ?? []);
}

async function taken(ctx: Ctx, { endpoint }: Steering, id: string): Promise<Release> {
  const ended = await settle(ctx, id);
  if (ended.state === 'failed') return fail('release-not-taken', { endpoint, why: ended.reason });
  return ended;
}

/**
 * Skips the steps that are left. The gate's decision must still hold. Raises `release-none`, `endpoint-frozen`,
 * `gate-not-passed`, `release-action-not-possible`, `release-not-taken`.
 */
export async function promoteRelease(ctx: Ctx, of: Steering): Promise<Release> {
  const id = await ctx.tx(async (tx) => {
    const release = await running(tx, of);
    requireRest(release, 'promote', ['warming', 'shadow', 'canary', 'baking', 'paused']);
    await requireNotFrozen(tx, of);
    await requireGate(tx, release);
    const wanted = { ...stopAt(release, release.policy!.steps.length), reason: of.reason, figures: release.figures };
    if (await beginMove(tx, release, wanted)) await recoverLater(tx, release.id);
    return release.id;
  });
  return taken(ctx, of, id);
}

/** Goes back to the stable variant alone, also while a step is being taken. Inside a transaction; returns the release's id. */
export async function beginAbort(tx: Ctx, release: Release, reason: string): Promise<string> {
  if (release.move?.to === 'aborted' || release.move?.to === 'rolled-back') return release.id;
  const wanted = { to: 'aborted', step: release.step, reason, figures: release.figures } as const;
  if (await beginMove(tx, release, wanted)) await recoverLater(tx, release.id);
  return release.id;
}

/** Raises `release-none`. */
export async function abortRelease(ctx: Ctx, of: Steering): Promise<Release> {
  const id = await ctx.tx(async (tx) => beginAbort(tx, await running(tx, of), of.reason));
  return settle(ctx, id);
}
