// How policies and triggers are shown.
import type { Ctx } from '../../kernel/ctx.ts';
import { usToIso } from '../../kernel/timeline/timeline.ts';
import { currentRevision, type ProjectDefinition, type RetrainingDefinition } from '../projects/public.ts';
import { getDecision, type Decision } from '../registry/public.ts';
import { findFreeze, openWindow } from '../releases/public.ts';
import { openStates, span, type Trigger } from './model.ts';
import { gatherFacts } from './service/facts.ts';
import { releaseUnderWayOf } from './service/neighbours.ts';
import { nowUsOf } from './service/work.ts';
import { countAccepted, findOpen, listTriggers } from './store/triggers.ts';

const isoOrNull = (us: number | null): string | null => (us === null ? null : usToIso(us));

export const triggerView = (t: Trigger, waitsFor: string | null = null, decided: ReturnType<typeof decisionView> | null = null) => ({
  id: t.id,
  project: t.project,
  policy: t.policy,
  cause: t.cause,
  subject: t.subject,
  reason: t.reason,
  state: t.state,
  guard: t.guard,
  outcome: t.outcome,
  waitsFor,
  figures: t.figures,
  params: t.params,
  forced: t.forced,
  by: t.actor.id,
  at: usToIso(t.occurredUs),
  acceptedAt: isoOrNull(t.acceptedUs),
  expiresAt: isoOrNull(t.expiresUs),
  endedAt: isoOrNull(t.endedUs),
  run: t.runId,
  version: t.versionId,
  decision: t.decisionId,
  decided,
  release: t.releaseId,
});

const decisionView = (d: Decision) => ({
  id: d.id,
  outcome: d.outcome,
  reason: d.reason,
  champion: d.championId,
  results: d.results.map((r) => ({ metric: r.gate.metric, passed: r.passed, found: r.found, why: r.why })),
});

/** A trigger with all that is known of it. */
export async function wholeTriggerView(ctx: Ctx, t: Trigger) {
  const decision = t.decisionId === null ? undefined : await getDecision(ctx, t.decisionId);
  return triggerView(t, await waitsFor(ctx, t), decision ? decisionView(decision) : null);
}

/** What an open trigger waits for, in words; null once it has ended. */
export async function waitsFor(ctx: Ctx, t: Trigger): Promise<string | null> {
  if (t.state === 'recorded') return 'the next tick of event time';
  if (t.state === 'waiting-approval') return `somebody to approve it, until ${usToIso(t.expiresUs!)}`;
  if (t.state === 'running') return `run ${t.runId}`;
  if (t.state === 'releasing') return `release ${t.releaseId}`;
  if (t.state !== 'deciding' || t.decisionId === null) return null;
  const { definition } = await currentRevision(ctx, t.project);
  const endpoint = definition.retraining[t.policy]?.endpoint;
  if (endpoint === undefined) return null;
  if (await findFreeze(ctx, t.project, endpoint)) return `endpoint ${endpoint} to be unfrozen`;
  const release = await releaseUnderWayOf(ctx, endpoint);
  if (release !== undefined) return `release ${release} of endpoint ${endpoint}, which is under way`;
  const window = await openWindow(ctx, { project: t.project, endpoint });
  return window ? `the calendar of endpoint ${endpoint}, which freezes it until ${usToIso(window.untilUs)}` : null;
}

const onText = (o: RetrainingDefinition['on'][number]): string => (o.only === null ? o.cause : `${o.cause}: ${o.only}`);

export async function policyView(ctx: Ctx, definition: ProjectDefinition, policy: RetrainingDefinition) {
  const of = { project: definition.project, policy: policy.name };
  const nowUs = await nowUsOf(ctx, definition.project);
  const facts = await gatherFacts(ctx, definition, policy, { fingerprint: '', nowUs });
  const open = await findOpen(ctx.db, ctx.workspace, of);
  const [last] = await listTriggers(ctx.db, ctx.workspace, definition.project, { policy: policy.name, before: '~', limit: 1 });
  const endsUs = facts.lastAccepted && facts.lastAccepted.acceptedUs + policy.cooldownUs;
  const { budget } = policy;
  const [state, because] = facts.stop
    ? (['stopped', `${facts.stop.scope}, by ${facts.stop.by}: ${facts.stop.reason}`] as const)
    : facts.freeze
      ? (['stopped', `endpoint ${policy.endpoint} is frozen by ${facts.freeze.by}: ${facts.freeze.reason}`] as const)
      : facts.halted
        ? (['halted', `${facts.useless} tries in a row did not help`] as const)
        : open
          ? (['busy', `trigger ${open.id} is ${open.state}`] as const)
          : (['ready', null] as const);
  return {
    name: policy.name,
    pipeline: policy.pipeline,
    endpoint: policy.endpoint,
    on: policy.on.map(onText),
    state,
    because,
    useless: facts.useless,
    stopAfter: policy.stopAfter,
    cooldownEndsAt: endsUs !== undefined && endsUs > nowUs ? usToIso(endsUs) : null,
    budget: budget && {
      used: await countAccepted(ctx.db, ctx.workspace, of, nowUs - budget.perUs),
      runs: budget.runs,
      per: span(budget.perUs),
    },
    minNewLabels: policy.minNewLabels,
    approval: policy.approval,
    release: policy.release,
    open: open ? triggerView(open, await waitsFor(ctx, open)) : null,
    last: last ? triggerView(last, openStates.some((s) => s === last.state) ? await waitsFor(ctx, last) : null) : null,
  };
}
