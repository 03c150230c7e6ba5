// What people do with a trial: start, stop, decide. Each change is one transaction with the revision it needs; the plan goes
// out after it, at once or, if this process dies, by `trials.settle`.
import type { Ctx } from '../../../kernel/ctx.ts';
import { beginRelease, beginSplit, endSplit, requireEndpoint } from '../../releases/public.ts';
import { fail } from '../errors.ts';
import type { Actor, Decision, Trial, TrialState } from '../model.ts';
import * as store from '../store.ts';
import { readTrial } from './readout.ts';
import { settleLater, settleTrial } from './settle.ts';
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

function requireState(trial: Trial, action: string, state: TrialState): void {
  if (trial.state !== state) fail('trial-action-not-possible', { trial: trial.name, action, why: `it is ${trial.state}, not ${state}` });
  if (!trial.settled) fail('trial-action-not-possible', { trial: trial.name, action, why: 'its traffic is being moved at this moment' });
}

const actorOf = ({ actor }: Ctx): Actor => ({ kind: actor.kind, id: actor.id });

async function write(tx: Ctx, next: Trial): Promise<void> {
  if (!(await store.updateTrial(tx.db, tx.workspace, next)))
    fail('trial-action-not-possible', { trial: next.name, action: 'go on', why: 'another process has moved it meanwhile' });
  await settleLater(tx, next.id);
}

/**
 * Splits the traffic. Answers when the live data planes serve the arms; if they cannot, what was served stays in place and
 * the trial is planned as before. Raises what `beginSplit` raises, `trial-action-not-possible` and `trial-not-taken`.
 */
export async function startTrial(ctx: Ctx, of: OfTrial): Promise<Trial> {
  const id = await ctx.tx(async (tx) => {
    const trial = await findTrial(tx, of, 'EDIT');
    requireState(trial, 'start', 'planned');
    const { project, endpoint, plan } = trial;
    const { revision, before, decisions } = await beginSplit(tx, { project, endpoint, trial: trial.id, arms: plan.arms });
    const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, project);
    const versions = revision.variants.map((v) => ({ id: v.versionId, model: v.model, number: v.number }));
    const started = { revision: revision.id, revisionNumber: revision.number, previous: before.id, versions, atUs: nowUs };
    await write(tx, { ...trial, state: 'running', started, settled: false, standing: 'its arms are on their way to the data planes' });
    await tell(tx, trial, 'started', { arms: plan.arms.map((a, i) => ({ ...a, version: versions[i]!.id })) }, [
      { kind: 'endpoint-revision', id: revision.id, relation: 'splits-with' },
      ...versions.map((v) => ({ kind: 'model-version', id: v.id, relation: 'compares' })),
      ...decisions.map((d) => ({ kind: 'decision', id: d, relation: 'allowed-by' })),
    ]);
    return trial.id;
  });
  const taken = await settleTrial(ctx, id);
  if (taken.state === 'planned') return fail('trial-not-taken', { endpoint: of.endpoint, why: taken.standing });
  return taken;
}

/** All traffic to the control again, and no result. Raises `trial-not-found`, `trial-action-not-possible`. */
export async function stopTrial(ctx: Ctx, of: OfTrial, reason: string): Promise<Trial> {
  const id = await ctx.tx(async (tx) => {
    const trial = await findTrial(tx, of, 'EDIT');
    requireState(trial, 'stop', 'running');
    const nowUs = await end(tx, trial);
    await write(tx, { ...trial, state: 'stopped', settled: false, standing: `stopped: ${reason}`, endedUs: nowUs });
    await tell(tx, trial, 'stopped', { by: tx.actor.kind });
    return trial.id;
  });
  return settleTrial(ctx, id);
}

async function end(tx: Ctx, { id, project, endpoint, started }: Trial): Promise<number> {
  await endSplit(tx, { project, endpoint, trial: id }, started!.previous);
  return (await tx.timeline.read(tx.db, tx.workspace, project)).nowUs;
}

/**
 * Ends a trial with what its rule says of it now, and says so; with `promote`, a winner then goes to all traffic by a release
 * with its gate and its steps. Deciding once more only makes up for a release that could not begin. Raises
 * `trial-undecided`, `trial-action-not-possible` and what `beginRelease` raises.
 */
export async function decideTrial(ctx: Ctx, of: OfTrial, { reason, promote }: { reason: string; promote: boolean }): Promise<Trial> {
  const trial = await findTrial(ctx, of, 'EDIT');
  const decided = trial.state === 'decided' ? trial : await settleTrial(ctx, await recordDecision(ctx, trial, reason));
  if (!promote || decided.release !== null) return decided;
  return promoteWinner(ctx, decided);
}

async function recordDecision(ctx: Ctx, trial: Trial, reason: string): Promise<string> {
  requireState(trial, 'be decided', 'running');
  const readout = await readTrial(ctx, trial);
  const { verdict } = readout;
  if (verdict.kind === 'continue' || verdict.kind === 'invalid') fail('trial-undecided', { trial: trial.name, why: verdict.why });
  await ctx.tx(async (tx) => {
    await end(tx, trial);
    const decision: Decision = { verdict, readout, by: actorOf(tx), reason, atUs: readout.atUs };
    const standing = `${verdict.kind}: ${verdict.why}`;
    await write(tx, { ...trial, state: 'decided', settled: false, decision, standing, endedUs: readout.atUs });
    const winner = trial.plan.arms.findIndex((a) => a.name === verdict.arm);
    await tell(
      tx,
      trial,
      'decided',
      { verdict: { ...verdict }, comparisons: readout.comparisons, units: readout.units },
      winner < 0 ? [] : [{ kind: 'model-version', id: trial.started!.versions[winner]!.id, relation: 'found-better' }],
    );
  });
  return trial.id;
}

async function promoteWinner(ctx: Ctx, trial: Trial): Promise<Trial> {
  const { verdict } = trial.decision!;
  const winner = trial.plan.arms.findIndex((a) => a.name === verdict.arm);
  if (winner < 0)
    return fail('trial-action-not-possible', {
      trial: trial.name,
      action: 'promote',
      why: `its decision is "${verdict.kind}", not a winner`,
    });
  const { number } = trial.started!.versions[winner]!;
  await beginRelease(
    ctx,
    {
      ...{ project: trial.project, endpoint: trial.endpoint, version: String(number) },
      reason: `trial ${trial.name}: ${verdict.why}, by ${verdict.rule}`,
    },
    async (tx, release) => {
      const now = (await store.findTrial(tx.db, tx.workspace, trial.id))!;
      await write(tx, { ...now, release });
      await tell(tx, trial, 'promoted', { release }, [{ kind: 'release', id: release, relation: 'promoted-by' }]);
    },
  );
  return (await store.findTrial(ctx.db, ctx.workspace, trial.id))!;
}
