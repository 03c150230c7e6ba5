// What people ask for: a retraining now, and their word where a policy wants it.
import type { Ctx } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { requirePerson } from '../../../kernel/permissions.ts';
import { currentRevision, type ProjectDefinition, type RetrainingDefinition } from '../../projects/public.ts';
import { fail } from '../errors.ts';
import { judge, type Trigger } from '../model.ts';
import * as store from '../store/triggers.ts';
import { endTrigger, refOf } from './end-trigger.ts';
import { gatherFacts, gatherHolds } from './facts.ts';
import { expire, judgeTrigger, policyOf, recordCause } from './judge.ts';
import { nowUsOf, queue, type Work } from './work.ts';

/** The policy with its project. Raises `project-not-found`, `retraining-policy-not-found`. */
export async function requirePolicy(
  ctx: Ctx,
  project: string,
  name: string,
): Promise<{ definition: ProjectDefinition; policy: RetrainingDefinition }> {
  const { definition } = await currentRevision(ctx, project);
  const policy = policyOf(definition, name);
  return policy
    ? { definition, policy }
    : fail('retraining-policy-not-found', { project, policy: name, known: Object.keys(definition.retraining) });
}

export interface Request {
  readonly project: string;
  readonly policy: string;
  readonly reason: string;
  /** Waives cooldown, budget, new labels and the halt; never a stop, a freeze, an open trigger or broken data. */
  readonly force: boolean;
}

/** Records the wish and judges it at once; the answer says what became of it. Raises `retraining-policy-not-found`. */
export async function requestTrigger(ctx: Ctx, { project, policy: name, reason, force }: Request, work: Work): Promise<Trigger> {
  const { definition } = await requirePolicy(ctx, project, name);
  const recorded = await ctx.tx((tx) => {
    const causeKey = `api ${newId('req', tx.ids)}`;
    return recordCause(tx, project, name, {
      cause: 'api',
      causeKey,
      subject: null,
      fingerprint: causeKey,
      reason,
      figures: {},
      forced: force,
    });
  });
  return judgeTrigger(ctx, definition, recorded, work);
}

/** Raises `trigger-not-found`. */
export const requireTrigger = async (ctx: Ctx, id: string): Promise<Trigger> =>
  (await store.getTrigger(ctx.db, ctx.workspace, id)) ?? fail('trigger-not-found', { id });

/** One that waits; an approval that comes too late lets it expire first. Raises `trigger-not-waiting`. */
async function requireWaiting(ctx: Ctx, id: string): Promise<{ trigger: Trigger; definition: ProjectDefinition }> {
  const trigger = await requireTrigger(ctx, id);
  const { definition } = await currentRevision(ctx, trigger.project);
  const nowUs = await nowUsOf(ctx, trigger.project);
  if (trigger.state === 'waiting-approval' && trigger.expiresUs !== null && trigger.expiresUs <= nowUs) {
    await expire(ctx, definition, trigger);
    return fail('trigger-not-waiting', { id, state: 'expired' });
  }
  if (trigger.state !== 'waiting-approval') return fail('trigger-not-waiting', { id, state: trigger.state });
  return { trigger, definition };
}

/**
 * Lets a trigger that waits for a person go on, unless what prevents harm speaks against it by now. Raises
 * `person-needed`, `trigger-not-found`, `trigger-not-waiting`, `retraining-held`.
 */
export async function approveTrigger(ctx: Ctx, id: string, work: Work): Promise<Trigger> {
  requirePerson(ctx, 'approve a retraining');
  const { trigger, definition } = await requireWaiting(ctx, id);
  const policy = policyOf(definition, trigger.policy);
  const askedUs = await nowUsOf(ctx, trigger.project);
  const facts = policy && (await gatherFacts(ctx, definition, policy, { fingerprint: trigger.fingerprint, nowUs: askedUs }));
  await ctx.tx(async (tx) => {
    if (policy) {
      const { stop, freeze } = await gatherHolds(tx, trigger.project, policy);
      const verdict = judge(policy, { ...facts!, stop, freeze, open: undefined, releaseUnderWay: undefined }, true);
      if (!verdict.accepted) fail('retraining-held', { id, why: verdict.reason });
    }
    const nowUs = await nowUsOf(tx, trigger.project);
    if (!(await store.moveTrigger(tx.db, tx.workspace, trigger, 'accepted', { acceptedUs: nowUs, expiresUs: null })))
      fail('trigger-not-waiting', { id, state: 'no longer waiting' });
    await tx.emit({
      type: 'trigger.approved',
      subject: refOf(trigger),
      project: trigger.project,
      payload: { policy: trigger.policy },
      occurredUs: nowUs,
    });
    await queue(tx, work.advance, trigger.project);
  });
  return requireTrigger(ctx, id);
}

/** Ends a trigger that waits for a person; a program may say no, too. Raises `trigger-not-found`, `trigger-not-waiting`. */
export async function rejectTrigger(ctx: Ctx, id: string, reason: string): Promise<Trigger> {
  const { trigger, definition } = await requireWaiting(ctx, id);
  const outcome = `${ctx.actor.id} rejected it${reason === '' ? '' : `: ${reason}`}`;
  await endTrigger(ctx, trigger, policyOf(definition, trigger.policy), { state: 'rejected', outcome, private: true });
  return requireTrigger(ctx, id);
}
