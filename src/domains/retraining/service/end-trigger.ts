// The end of a trigger: its state, the streak of its policy, and what is told of both, in one transaction.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { RetrainingDefinition } from '../../projects/public.ts';
import { isUseful, isUseless, type Trigger, type TriggerState } from '../model.ts';
import * as policies from '../store/policies.ts';
import { moveTrigger, type TriggerChange } from '../store/triggers.ts';
import { nowUsOf } from './work.ts';

export const refOf = (t: Pick<Trigger, 'id'>) => ({ kind: 'trigger', id: t.id });
export const policyRef = (project: string, policy: string) => ({ kind: 'retraining', id: `${project}/${policy}` });

export interface Ending {
  readonly state: TriggerState;
  /** In words. */
  readonly outcome: string;
  readonly change?: TriggerChange;
  /** A person's words stay with the record and are not chained. */
  readonly private?: boolean;
}

/** Ends a trigger; false if somebody else moved it in the meantime. */
export const endTrigger = (ctx: Ctx, seen: Trigger, policy: RetrainingDefinition | undefined, ending: Ending): Promise<boolean> =>
  ctx.tx(async (tx) => {
    const endedUs = await nowUsOf(tx, seen.project);
    const moved = await moveTrigger(tx.db, tx.workspace, seen, ending.state, { ...ending.change, outcome: ending.outcome, endedUs });
    if (!moved) return false;
    const { useless, halted } = await countTry(tx, seen, policy, ending.state);
    await tx.emit({
      type: 'trigger.ended',
      subject: refOf(seen),
      project: seen.project,
      payload: {
        policy: seen.policy,
        outcome: ending.state,
        reason: ending.private ? '' : ending.outcome,
        run: seen.runId,
        version: ending.change?.versionId ?? seen.versionId,
        decision: seen.decisionId,
        release: seen.releaseId,
        useless,
      },
      occurredUs: endedUs,
    });
    if (halted)
      await tx.emit({
        type: 'retraining.halted',
        subject: policyRef(seen.project, seen.policy),
        label: `retraining ${seen.policy} halted`,
        project: seen.project,
        payload: { policy: seen.policy, useless, trigger: seen.id, reason: `${useless} tries in a row did not help` },
        edges: [{ from: policyRef(seen.project, seen.policy), to: refOf(seen), relation: 'halted-by' }],
        occurredUs: endedUs,
      });
    return true;
  });

/** Counts a try that did not help, or forgets the earlier ones; says whether the policy halts now. */
async function countTry(
  tx: Ctx,
  { project, policy: name }: Trigger,
  policy: RetrainingDefinition | undefined,
  end: TriggerState,
): Promise<{ useless: number; halted: boolean }> {
  await policies.insertState(tx.db, tx.workspace, { project, policy: name }, await nowUsOf(tx, project));
  const state = (await policies.findState(tx.db, tx.workspace, { project, policy: name }))!;
  if (!isUseless(end) && !isUseful(end)) return { useless: state.useless, halted: false };
  const useless = isUseful(end) ? 0 : state.useless + 1;
  const halted = policy !== undefined && useless >= policy.stopAfter;
  await policies.updateState(tx.db, tx.workspace, state, { useless, halted: isUseful(end) ? false : state.halted || halted });
  return { useless, halted: halted && !state.halted };
}
