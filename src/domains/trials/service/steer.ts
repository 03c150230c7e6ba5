// What people do with a trial: start, pause, resume, stop, fix its weights. Each change is one transaction with the revision it
// needs; the plan goes out after it, at once or, if this process dies, by `trials.settle`.
import type { Ctx } from '../../../kernel/ctx.ts';
import {
  beginSplit,
  endSplit,
  findCurrentEndpointRevision,
  moveSplit,
  readySplit,
  requireEndpoint,
  type ReadySplit,
} from '../../releases/public.ts';
import { fail } from '../errors.ts';
import type { Actor, Arm, Steering, Step, Trial, TrialState } from '../model.ts';
import * as store from '../store.ts';
import { weightsInWords } from './bandit.ts';
import { ON_THEIR_WAY, settleLater, settleTrial } from './settle.ts';
import { tell } from './tell.ts';

export interface OfTrial {
  readonly project: string;
  readonly endpoint: string;
  readonly trial: string;
}

/** Raises `project-not-found`, `endpoint-not-found`, `trial-not-found`. */
export async function findTrial(ctx: Ctx, { project, endpoint, trial }: OfTrial, needed: 'READ' | 'EDIT' = 'READ'): Promise<Trial> {
  await requireEndpoint(ctx, { project, endpoint }, needed);
  return (await store.findByName(ctx.db, ctx.workspace, { project, endpoint }, trial)) ?? fail('trial-not-found', { endpoint, trial });
}

export function requireState(trial: Trial, action: string, ...states: readonly TrialState[]): void {
  if (!states.includes(trial.state))
    fail('trial-action-not-possible', { trial: trial.name, action, why: `it is ${trial.state}, not ${states.join(' or ')}` });
  if (!trial.settled) fail('trial-action-not-possible', { trial: trial.name, action, why: 'its traffic is being moved at this moment' });
}

export const actorOf = ({ actor }: Ctx): Actor => ({ kind: actor.kind, id: actor.id });

export async function write(tx: Ctx, next: Trial): Promise<void> {
  if (!(await store.updateTrial(tx.db, tx.workspace, next)))
    fail('trial-action-not-possible', { trial: next.name, action: 'go on', why: 'another process has moved it meanwhile' });
  await settleLater(tx, next.id);
}

/** What happened, beside the trial that it happened to. */
export const record = (tx: Ctx, trial: Trial, step: Pick<Step, 'kind' | 'why' | 'atUs'> & Partial<Step>): Promise<void> =>
  store.insertStep(tx.db, tx.workspace, trial.id, {
    ...{ revision: null, weights: null, update: null, actor: actorOf(tx), atMs: tx.clock.now() },
    ...step,
  });

const nowOf = async (tx: Ctx, { project }: Trial): Promise<number> => (await tx.timeline.read(tx.db, tx.workspace, project)).nowUs;

/**
 * Splits the traffic. Answers when the live data planes serve the arms; if they cannot, what was served stays in place and
 * the trial is planned as before. Raises what `beginSplit` raises, `trial-action-not-possible` and `trial-not-taken`.
 */
export async function startTrial(ctx: Ctx, of: OfTrial): Promise<Trial> {
  requireState(await findTrial(ctx, of, 'EDIT'), 'start', 'planned');
  const ready = await readySplit(ctx, of);
  const id = await ctx.tx(async (tx) => {
    const trial = await findTrial(tx, of, 'EDIT');
    requireState(trial, 'start', 'planned');
    return split(tx, trial, trial.plan.arms, 'started', '', ready);
  });
  const taken = await settleTrial(ctx, id);
  if (taken.state === 'planned') return fail('trial-not-taken', { endpoint: of.endpoint, why: taken.standing });
  return taken;
}

/**
 * Splits the traffic again. What was counted before the pause still counts, unless the trial was paused because the
 * measurement was at fault. Raises what `startTrial` raises.
 */
export async function resumeTrial(ctx: Ctx, of: OfTrial, reason: string): Promise<Trial> {
  requireState(await findTrial(ctx, of, 'EDIT'), 'resume', 'paused');
  const ready = await readySplit(ctx, of);
  const id = await ctx.tx(async (tx) => {
    const trial = await findTrial(tx, of, 'EDIT');
    requireState(trial, 'resume', 'paused');
    const { started, plan } = trial;
    const current = await findCurrentEndpointRevision(tx.db, tx.workspace, trial.project, trial.endpoint);
    if (current?.variants[0]?.versionId !== started!.versions[0]!.id)
      fail('trial-action-not-possible', {
        ...{ trial: trial.name, action: 'resume' },
        why: 'what is served is not its control any more; stop it, and plan another one',
      });
    // The versions that it began with, whatever their aliases name by now.
    const weights = started!.invalid ? plan.arms.map((a) => a.weight) : (trial.steering?.weights ?? plan.arms.map((a) => a.weight));
    const arms = plan.arms.map((arm, i) => ({
      ...{ name: arm.name, weight: weights[i]! },
      version: arm.version === null ? null : String(started!.versions[i]!.number),
    }));
    return split(tx, trial, arms, 'resumed', reason, ready);
  });
  const taken = await settleTrial(ctx, id);
  if (taken.state === 'paused') return fail('trial-not-taken', { endpoint: of.endpoint, why: taken.standing });
  return taken;
}

async function split(
  tx: Ctx,
  trial: Trial,
  arms: readonly Arm[],
  kind: 'started' | 'resumed',
  reason: string,
  ready: ReadySplit,
): Promise<string> {
  const { project, endpoint, plan } = trial;
  const perRequest = plan.bandit?.drawnBy === 'request';
  const { revision, before, decisions } = await beginSplit(tx, { project, endpoint, trial: trial.id, arms, perRequest, ready });
  const nowUs = await nowOf(tx, trial);
  const versions = revision.variants.map((v) => ({ id: v.versionId, model: v.model, number: v.number }));
  const weights = arms.map((a) => a.weight);
  const earlier = trial.started && !trial.started.invalid ? trial.started : null;
  const started = {
    ...{ revision: revision.id, previous: before.id, versions, again: kind === 'resumed', invalid: false },
    spans: [...(earlier?.spans ?? []), [revision.number, revision.number] as const],
    atUs: earlier?.atUs ?? nowUs,
  };
  const steering: Steering | null = plan.bandit && {
    ...{ weights, updates: trial.steering?.updates ?? 0, nextUs: nowUs + plan.bandit.everyUs, before: null },
    fixed: trial.steering?.fixed ?? null,
  };
  // Nothing is looked at before traffic has met the split.
  const next = {
    ...trial,
    state: 'running',
    started,
    steering,
    settled: false,
    standing: ON_THEIR_WAY,
    judgedUs: nowUs,
    guards: [],
  } as const;
  await write(tx, next);
  await record(tx, trial, { kind, why: reason, atUs: nowUs, revision: revision.number, weights });
  await tell(tx, trial, kind, { arms: arms.map((a, i) => ({ ...a, version: versions[i]!.id })) }, [
    { kind: 'endpoint-revision', id: revision.id, relation: 'splits-with' },
    ...versions.map((v) => ({ kind: 'model-version', id: v.id, relation: 'compares' })),
    ...decisions.map((d) => ({ kind: 'decision', id: d, relation: 'allowed-by' })),
  ]);
  return trial.id;
}

/** All traffic to the control again, and no result. Raises `trial-not-found`, `trial-action-not-possible`. */
export async function stopTrial(ctx: Ctx, of: OfTrial, reason: string): Promise<Trial> {
  const id = await ctx.tx(async (tx) => {
    const trial = await findTrial(tx, of, 'EDIT');
    requireState(trial, 'stop', 'declared', 'planned', 'running', 'paused');
    await leave(tx, trial, 'stopped', reason);
    return trial.id;
  });
  return settleTrial(ctx, id);
}

/** All traffic to the control until `resumeTrial`. Raises `trial-not-found`, `trial-action-not-possible`. */
export async function pauseTrial(ctx: Ctx, of: OfTrial, reason: string): Promise<Trial> {
  const id = await ctx.tx(async (tx) => {
    const trial = await findTrial(tx, of, 'EDIT');
    requireState(trial, 'pause', 'running');
    await leave(tx, trial, 'paused', reason);
    return trial.id;
  });
  return settleTrial(ctx, id);
}

/** Takes the split away. Inside a transaction. */
export async function leave(tx: Ctx, trial: Trial, state: 'paused' | 'stopped', why: string, more: Partial<Trial> = {}): Promise<void> {
  const nowUs = await endOf(tx, trial);
  const endedUs = state === 'stopped' && trial.started ? nowUs : null;
  await write(tx, { ...trial, ...more, state, settled: false, standing: `${state}: ${why}`, endedUs });
  await record(tx, trial, { kind: state, why, atUs: nowUs });
  await tell(tx, trial, state, { by: tx.actor.kind });
}

/** Ends the split, if there is one; answers the moment of event time. Inside a transaction. */
export async function endOf(tx: Ctx, trial: Trial): Promise<number> {
  const { id, project, endpoint, started } = trial;
  if (started) await endSplit(tx, { project, endpoint, trial: id }, started.previous);
  return nowOf(tx, trial);
}

/**
 * The kill switch of a bandit: nothing moves its weights from here on. With weights, these are the ones that stay. Raises
 * `trial-not-found`, `trial-action-not-possible`, `trial-weights-invalid`.
 */
export async function freezeWeights(
  ctx: Ctx,
  of: OfTrial,
  { reason, weights }: { readonly reason: string; readonly weights: Readonly<Record<string, number>> },
): Promise<Trial> {
  const id = await ctx.tx(async (tx) => {
    const trial = await findTrial(tx, of, 'EDIT');
    const { steering } = trial;
    // Also while its traffic is being moved, or there would be no stopping it; only new weights have to wait.
    if (!steering || (trial.state !== 'running' && trial.state !== 'paused'))
      return fail('trial-action-not-possible', {
        ...{ trial: trial.name, action: 'have its weights fixed' },
        why: trial.plan.bandit ? `it is ${trial.state}` : 'they are fixed, for it is no bandit',
      });
    const nowUs = await nowOf(tx, trial);
    const fixed = { by: actorOf(tx), reason, atUs: nowUs };
    const wanted = Object.keys(weights).length === 0 ? null : wantedWeights(trial, weights);
    if (wanted) {
      requireState(trial, 'have its weights fixed', 'running');
      await moveWeights(tx, { ...trial, steering: { ...steering, fixed } }, wanted, { kind: 'frozen', why: reason, atUs: nowUs });
    } else {
      await write(tx, { ...trial, steering: { ...steering, fixed }, standing: `weights fixed: ${reason}` });
      await record(tx, trial, { kind: 'frozen', why: reason, atUs: nowUs });
    }
    await tell(tx, trial, 'weights-frozen', { by: tx.actor.kind, weights: wanted ?? steering.weights });
    return trial.id;
  });
  return settleTrial(ctx, id);
}

/** Lets the weights of a bandit move again. Raises `trial-not-found`, `trial-action-not-possible`. */
export async function thawWeights(ctx: Ctx, of: OfTrial, reason: string): Promise<Trial> {
  return ctx.tx(async (tx) => {
    const trial = await findTrial(tx, of, 'EDIT');
    const { steering } = trial;
    if (!steering?.fixed || trial.endedUs !== null)
      return fail('trial-action-not-possible', { trial: trial.name, action: 'have its weights let go', why: 'nobody has fixed them' });
    const nowUs = await nowOf(tx, trial);
    await write(tx, { ...trial, steering: { ...steering, fixed: null }, standing: 'its arms answer' });
    await record(tx, trial, { kind: 'thawed', why: reason, atUs: nowUs });
    await tell(tx, trial, 'weights-thawed', { by: tx.actor.kind });
    return (await store.findTrial(tx.db, tx.workspace, trial.id))!;
  });
}

function wantedWeights({ plan, name }: Trial, given: Readonly<Record<string, number>>): number[] {
  const names = plan.arms.map((a) => a.name);
  const unknown = Object.keys(given).filter((arm) => !names.includes(arm));
  if (unknown.length > 0) fail('trial-weights-invalid', { trial: name, why: `it has no arm "${unknown.join('", "')}"` });
  const sum = names.reduce((total, arm) => total + (given[arm] ?? 0), 0);
  const lacking = names.filter((arm) => given[arm] === undefined);
  // One arm may be left out: it gets the rest.
  const rest = Number((1 - sum).toFixed(9));
  if (lacking.length > 1) fail('trial-weights-invalid', { trial: name, why: `the weights of ${lacking.join(', ')} are not given` });
  if (lacking.length === 1 ? rest < 0 : Math.abs(rest) > 1e-6)
    fail('trial-weights-invalid', { trial: name, why: `the weights sum to ${Number(sum.toFixed(6))}, not to 1` });
  return names.map((arm) => given[arm] ?? rest);
}

/** A revision with other weights. Inside a transaction. */
export async function moveWeights(
  tx: Ctx,
  trial: Trial,
  weights: readonly number[],
  step: Pick<Step, 'kind' | 'why' | 'atUs'> & Partial<Step>,
  more: Partial<Trial> = {},
): Promise<void> {
  const { project, endpoint, id, started, steering, plan } = trial;
  const moved = await moveSplit(tx, { project, endpoint, trial: id }, weights);
  if (!moved)
    return fail('trial-action-not-possible', { trial: trial.name, action: 'move its weights', why: 'it does not split the traffic' });
  const { revision, before } = moved;
  const spans = started!.spans.map((span, i, all) => (i === all.length - 1 ? ([span[0], revision.number] as const) : span));
  await write(tx, {
    ...trial,
    started: { ...started!, revision: revision.id, spans },
    steering: { ...steering!, weights, before: { revision: before.id, weights: steering!.weights } },
    standing: `weights: ${weightsInWords(plan, weights)}`,
    ...more,
    settled: false,
  });
  await record(tx, trial, { ...step, revision: revision.number, weights });
}
