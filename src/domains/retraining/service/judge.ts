// Judges causes that have been recorded, in the order in which they came, by the guard rails of their policies.
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { newId } from '../../../kernel/ids.ts';
import { currentRevision, type ProjectDefinition, type RetrainingDefinition, type TriggerCause } from '../../projects/public.ts';
import { judge, lastTick, resolveParams, type Figures, type Trigger } from '../model.ts';
import * as policies from '../store/policies.ts';
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
    actor: { kind: tx.actor.kind, id: tx.actor.id },
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

/** Lets approvals expire and schedules come due, then judges all that waits to be judged. Idempotent. */
export async function judgeProject(ctx: Ctx, project: string, work: Work): Promise<void> {
  const { definition } = await currentRevision(ctx, project);
  await expireApprovals(ctx, definition);
  await recordTicks(ctx, definition);
  failpoint('retraining.after-trigger');
  for (const trigger of await store.listInStates(ctx.db, ctx.workspace, project, ['recorded']))
    await judgeTrigger(ctx, definition, trigger);
  // What was accepted before a crash waits here, too.
  await ctx.tx((tx) => queue(tx, work.advance, project));
}

async function expireApprovals(ctx: Ctx, definition: ProjectDefinition): Promise<void> {
  const nowUs = await nowUsOf(ctx, definition.project);
  for (const trigger of await store.listInStates(ctx.db, ctx.workspace, definition.project, ['waiting-approval']))
    if (trigger.expiresUs !== null && trigger.expiresUs <= nowUs) await expire(ctx, definition, trigger);
}

export const expire = (ctx: Ctx, definition: ProjectDefinition, trigger: Trigger): Promise<boolean> =>
  endTrigger(ctx, trigger, policyOf(definition, trigger.policy), { state: 'expired', outcome: 'nobody approved it in time' });

/** Schedules name moments of event time; those that were passed over at once are one cause, the last of them. */
async function recordTicks(ctx: Ctx, definition: ProjectDefinition): Promise<void> {
  const { project } = definition;
  for (const policy of Object.values(definition.retraining)) {
    const patterns = policy.on.flatMap((o) => (o.cause === 'cron' && o.only !== null ? [o.only] : []));
    if (patterns.length === 0) continue;
    await ctx.tx(async (tx) => {
      const nowUs = await nowUsOf(tx, project);
      await policies.insertState(tx.db, tx.workspace, { project, policy: policy.name }, nowUs);
      const state = (await policies.findState(tx.db, tx.workspace, { project, policy: policy.name }))!;
      if (state.cronSeenUs >= nowUs) return;
      const ticks = patterns.flatMap((pattern) => {
        const atUs = lastTick(pattern, state.cronSeenUs, nowUs);
        return atUs === undefined ? [] : [{ pattern, atUs }];
      });
      await policies.updateState(tx.db, tx.workspace, state, { cronSeenUs: nowUs });
      const last = ticks.sort((a, b) => b.atUs - a.atUs)[0];
      if (!last) return;
      const at = new Date(last.atUs / 1000).toISOString();
      await recordCause(tx, project, policy.name, {
        cause: 'cron',
        causeKey: `cron ${last.atUs}`,
        subject: null,
        fingerprint: `cron ${last.atUs}`,
        reason: `the schedule "${last.pattern}" came due at ${at}`,
        figures: { schedule: last.pattern, due: at },
      });
    });
  }
}

/** Accepts or suppresses one trigger; one that is judged already stays as it is. Answers it as it is now. */
export async function judgeTrigger(ctx: Ctx, definition: ProjectDefinition, trigger: Trigger): Promise<Trigger> {
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
    const asked = trigger.cause === 'api' && ['user', 'local'].includes(trigger.actor.kind);
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
