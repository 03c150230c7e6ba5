// What a tick of event time brings: approvals expire, schedules come due, alerts go on firing, and all that is on
// record is judged, in the order in which it came.
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { runOutcome } from '../../pipelines/public.ts';
import { currentRevision, type ProjectDefinition, type RetrainingDefinition } from '../../projects/public.ts';
import { judge, lastTick } from '../model.ts';
import * as policies from '../store/policies.ts';
import * as store from '../store/triggers.ts';
import { alertFingerprint, wantsAlert } from './causes.ts';
import { gatherFacts, gatherHolds } from './facts.ts';
import { expire, judgeTrigger, policyOf, recordCause } from './judge.ts';
import { firingAlerts, type FiringAlert } from './neighbours.ts';
import { nowUsOf, queue, type Work } from './work.ts';

/** Idempotent: what is judged stays as it is. */
export async function tickProject(ctx: Ctx, project: string, work: Work): Promise<void> {
  const { definition } = await currentRevision(ctx, project);
  await expireApprovals(ctx, definition);
  await recordTicks(ctx, definition);
  failpoint('retraining.after-trigger');
  for (const trigger of await store.listInStates(ctx.db, ctx.workspace, project, ['recorded']))
    await judgeTrigger(ctx, definition, trigger, work);
  await reconsiderAlerts(ctx, definition, work);
  if (await hasStalled(ctx, definition)) await ctx.tx((tx) => queue(tx, work.advance, project));
}

/**
 * Says whether a trigger could go on and does not: its job failed more often than jobs are tried again, for example
 * because the disk was full.
 */
async function hasStalled(ctx: Ctx, definition: ProjectDefinition): Promise<boolean> {
  for (const t of await store.listInStates(ctx.db, ctx.workspace, definition.project, ['accepted', 'running', 'deciding'])) {
    if (t.state === 'running' && (await runOutcome(ctx, t.runId!)).state === 'running') continue;
    const policy = t.state === 'deciding' && t.decisionId !== null ? policyOf(definition, t.policy) : undefined;
    const holds = policy && (await gatherHolds(ctx, definition.project, policy));
    if (!holds?.freeze && holds?.releaseUnderWay === undefined) return true;
  }
  return false;
}

async function expireApprovals(ctx: Ctx, definition: ProjectDefinition): Promise<void> {
  const nowUs = await nowUsOf(ctx, definition.project);
  for (const trigger of await store.listInStates(ctx.db, ctx.workspace, definition.project, ['waiting-approval']))
    if (trigger.expiresUs !== null && trigger.expiresUs <= nowUs) await expire(ctx, definition, trigger);
}

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

/**
 * An alert is told once, when it begins to fire. If a guard rail said no then, or the try that it led to did not end it,
 * it is a cause again as soon as nothing speaks against it; what would be suppressed again is not put on record again.
 */
async function reconsiderAlerts(ctx: Ctx, definition: ProjectDefinition, work: Work): Promise<void> {
  const policiesOfAlerts = Object.values(definition.retraining).filter((p) => p.on.some((o) => o.cause === 'alert'));
  if (policiesOfAlerts.length === 0) return;
  const alerts = await firingAlerts(ctx, definition.project);
  for (const policy of policiesOfAlerts)
    for (const alert of alerts) if (wantsAlert(definition, policy, alert)) await reconsider(ctx, definition, policy, alert, work);
}

async function reconsider(
  ctx: Ctx,
  definition: ProjectDefinition,
  policy: RetrainingDefinition,
  alert: FiringAlert,
  work: Work,
): Promise<void> {
  const { project } = definition;
  const fingerprint = alertFingerprint(alert.id);
  const nowUs = await nowUsOf(ctx, project);
  const last = await store.findLastSame(ctx.db, ctx.workspace, { project, policy: policy.name, fingerprint });
  // Who said no to this alert is not asked again at each tick while it goes on firing.
  if (last?.state === 'rejected') return;
  if (last && !judge(policy, await gatherFacts(ctx, definition, policy, { fingerprint, nowUs })).accepted) return;
  const trigger = await ctx.tx((tx) =>
    recordCause(tx, project, policy.name, {
      cause: 'alert',
      causeKey: `still ${alert.id} ${nowUs}`,
      subject: { kind: 'alert', id: alert.id },
      fingerprint,
      reason: `alert ${alert.rule} of monitor ${alert.monitor} still fires`,
      figures: { rule: alert.rule, monitor: alert.monitor, severity: alert.severity },
    }),
  );
  if (trigger.state === 'recorded') await judgeTrigger(ctx, definition, trigger, work);
}
