// Judges causes that have been recorded, in the order in which they came, by the guard rails of their policies.
import type { Ctx } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { isPerson } from '../../../kernel/permissions.ts';
import { type ProjectDefinition, type RetrainingDefinition, type TriggerCause } from '../../projects/public.ts';
import { judge, resolveParams, type Figures, type Trigger } from '../model.ts';
import * as store from '../store/triggers.ts';
import { endTrigger, refOf } from './end-trigger.ts';
import { gatherFacts, gatherHolds } from './facts.ts';
import { nowUsOf, queue, type Work } from './work.ts';

export interface Cause {
  readonly cause: TriggerCause;
  readonly causeKey: string;
  readonly subject: Trigger['subject'];
  readonly fingerprint: string;
  readonly reason: string;
  readonly figures: Figures;
  readonly forced?: boolean;
}

/** Puts a cause on record for a policy; the one that is there already if it is. Inside a transaction. */
export async function recordCause(tx: Ctx, project: string, policy: string, cause: Cause): Promise<Trigger> {
  const trigger: Trigger = {
    id: newId('trg', tx.ids),
    project,
    policy,
    cause: cause.cause,
    causeKey: cause.causeKey,
    subject: cause.subject,
    fingerprint: cause.fingerprint,
    reason: cause.reason,
    state: 'recorded',
    guard: null,
    outcome: null,
    figures: cause.figures,
    params: null,
    forced: cause.forced ?? false,
    // A token of a person speaks for the person, also after the server has died in between.
    actor: { kind: isPerson(tx.actor) && tx.actor.kind === 'service' ? 'user' : tx.actor.kind, id: tx.actor.id },
    occurredUs: await nowUsOf(tx, project),
    acceptedUs: null,
    expiresUs: null,
    endedUs: null,
    runId: null,
    versionId: null,
    decisionId: null,
    releaseId: null,
    version: 1,
  };
  if (await store.insertTrigger(tx.db, tx.workspace, trigger)) return trigger;
  return (await store.findByCause(tx.db, tx.workspace, { project, policy, causeKey: cause.causeKey }))!;
}

/** The policy of the current revision; undefined if it is gone. */
export const policyOf = (definition: ProjectDefinition, name: string): RetrainingDefinition | undefined =>
  Object.hasOwn(definition.retraining, name) ? definition.retraining[name] : undefined;

/** Ends a trigger that nobody approved. */
export const expire = (ctx: Ctx, definition: ProjectDefinition, trigger: Trigger): Promise<boolean> =>
  endTrigger(ctx, trigger, policyOf(definition, trigger.policy), { state: 'expired', outcome: 'nobody approved it in time' });

/** Accepts or suppresses one trigger; one that is judged already stays as it is. Answers it as it is now. */
export async function judgeTrigger(ctx: Ctx, definition: ProjectDefinition, trigger: Trigger, work: Work): Promise<Trigger> {
  const { project } = definition;
  const policy = policyOf(definition, trigger.policy);
  if (!policy) {
    await endTrigger(ctx, trigger, undefined, { state: 'cancelled', outcome: 'the policy is no longer in the project' });
    return (await store.getTrigger(ctx.db, ctx.workspace, trigger.id))!;
  }
  const nowUs = await nowUsOf(ctx, project);
  const facts = await gatherFacts(ctx, definition, policy, { fingerprint: trigger.fingerprint, nowUs });
  await ctx.tx(async (tx) => {
    // What a person or another trigger may have changed since the facts were gathered.
    const verdict = judge(policy, { ...facts, ...(await gatherHolds(tx, project, policy)) }, trigger.forced);
    const asked = trigger.cause === 'api' && isPerson(trigger.actor);
    const waits = verdict.accepted && policy.approval === 'person' && !asked;
    const params = resolveParams(policy.params, trigger.occurredUs);
    const moved = !verdict.accepted
      ? await store.moveTrigger(tx.db, tx.workspace, trigger, 'suppressed', {
          guard: verdict.guard,
          outcome: verdict.reason,
          figures: { ...trigger.figures, ...verdict.figures },
          endedUs: nowUs,
        })
      : waits
        ? await store.moveTrigger(tx.db, tx.workspace, trigger, 'waiting-approval', { params, expiresUs: nowUs + policy.approveWithinUs })
        : await store.moveTrigger(tx.db, tx.workspace, trigger, 'accepted', { params, acceptedUs: nowUs });
    if (!moved) return;
    if (verdict.accepted && !waits) await queue(tx, work.advance, project);
    await tx.emit({
      type: 'trigger.recorded',
      subject: refOf(trigger),
      label: `${policy.name}: ${trigger.cause}`,
      project,
      payload: {
        policy: policy.name,
        cause: trigger.cause,
        accepted: verdict.accepted,
        // A person's words (why retraining was stopped, or is asked for) stay with the record.
        guard: verdict.accepted ? null : verdict.guard,
        reason: verdict.accepted ? (waits ? 'waits for approval' : 'accepted') : chained(verdict),
        figures: verdict.accepted ? trigger.figures : verdict.figures,
      },
      edges: trigger.subject ? [{ from: refOf(trigger), to: trigger.subject, relation: 'caused-by' }] : [],
      occurredUs: trigger.occurredUs,
    });
  });
  return (await store.getTrigger(ctx.db, ctx.workspace, trigger.id))!;
}

const chained = (v: { readonly guard: string; readonly reason: string }): string =>
  v.guard === 'stopped' || v.guard === 'frozen' ? v.guard : v.reason;
