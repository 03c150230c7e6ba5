// The end of a trial: what its rule says, who asked for it, and the release that brings a winner to all traffic.
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { beginRelease } from '../../releases/public.ts';
import { fail } from '../errors.ts';
import type { Decision, Readout, Trial } from '../model.ts';
import * as store from '../store.ts';
import { readTrial } from './readout.ts';
import { settleTrial } from './settle.ts';
import { actorOf, endOf, findTrial, record, requireState, write, type OfTrial } from './steer.ts';
import { tell } from './tell.ts';

/**
 * Ends a trial with what its rule says of it now, and says so; with `promote`, a winner then goes to all traffic by a release
 * with its gate and its steps. Deciding once more only makes up for a release that could not begin. Raises
 * `trial-undecided`, `trial-action-not-possible` and what `beginRelease` raises.
 */
export async function decideTrial(ctx: Ctx, of: OfTrial, { reason, promote }: { reason: string; promote: boolean }): Promise<Trial> {
  const trial = await findTrial(ctx, of, 'EDIT');
  const decided =
    trial.state === 'decided' ? await settleTrial(ctx, trial.id) : await settleTrial(ctx, await decideNow(ctx, trial, reason));
  if (!promote || decided.release !== null) return decided;
  failpoint('trials.before-promote');
  return promoteWinner(ctx, decided);
}

async function decideNow(ctx: Ctx, trial: Trial, reason: string): Promise<string> {
  requireState(trial, 'be decided', 'running');
  const readout = await readTrial(ctx, trial);
  const { verdict } = readout;
  if (!isDecisive(readout)) fail('trial-undecided', { trial: trial.name, why: verdict.why });
  await ctx.tx((tx) => recordDecision(tx, trial, readout, reason));
  failpoint('trials.after-decided');
  return trial.id;
}

export const isDecisive = ({ verdict: { kind } }: Readout): boolean => kind !== 'continue' && kind !== 'invalid';

/** Inside a transaction. */
export async function recordDecision(tx: Ctx, trial: Trial, readout: Readout, reason: string, more: Partial<Trial> = {}): Promise<void> {
  const { verdict } = readout;
  await endOf(tx, trial);
  const decision: Decision = { verdict, readout, by: actorOf(tx), reason, atUs: readout.atUs };
  const standing = `${verdict.kind}: ${verdict.why}`;
  await write(tx, { ...trial, ...more, state: 'decided', settled: false, decision, standing, endedUs: readout.atUs });
  await record(tx, trial, { kind: 'decided', why: standing, atUs: readout.atUs });
  const winner = trial.plan.arms.findIndex((a) => a.name === verdict.arm);
  await tell(
    tx,
    trial,
    'decided',
    { verdict: { ...verdict }, comparisons: readout.comparisons, units: readout.units },
    winner < 0 ? [] : [{ kind: 'model-version', id: trial.started!.versions[winner]!.id, relation: 'found-better' }],
  );
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
