// One command stops retraining: nothing new is accepted, what is open ends, runs under way are cancelled.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { cancelRun } from '../../pipelines/public.ts';
import { currentRevision } from '../../projects/public.ts';
import type { Trigger } from '../model.ts';
import * as policies from '../store/policies.ts';
import type { Stop } from '../store/policies.ts';
import * as store from '../store/triggers.ts';
import { endTrigger, policyRef } from './end-trigger.ts';
import { requirePolicy } from './request.ts';
import { queue, type Work } from './work.ts';

/** An empty policy is the whole project, an empty project the whole workspace. */
export interface Scope {
  readonly project: string;
  readonly policy: string;
}

const refOf = ({ project, policy }: Scope) => policyRef(project === '' ? '*' : project, policy === '' ? '*' : policy);

async function requireScope(ctx: Ctx, { project, policy }: Scope): Promise<void> {
  if (project !== '' && policy === '') await currentRevision(ctx, project);
  if (policy !== '') await requirePolicy(ctx, project, policy);
}

/** Answers the triggers that it ended. A release under way is the endpoint's: freeze it. Raises `retraining-policy-not-found`. */
export async function stopRetraining(ctx: Ctx, scope: Scope, reason: string, work: Work): Promise<Trigger[]> {
  await requireScope(ctx, scope);
  await ctx.tx(async (tx) => {
    await policies.putStop(tx.db, tx.workspace, { ...scope, reason, actor: tx.actor.id });
    await tx.emit({
      type: 'retraining.stopped',
      subject: refOf(scope),
      ...(scope.project === '' ? {} : { project: scope.project }),
      payload: { scope: scope.project === '' ? 'workspace' : scope.policy === '' ? 'project' : 'policy', policy: scope.policy },
    });
  });
  const outcome = `${ctx.actor.id} stopped retraining: ${reason}`;
  const ended: Trigger[] = [];
  // One that moved on while it was to be ended is looked at again.
  for (let open = await listOpen(ctx, scope); open.length > 0; open = await listOpen(ctx, scope))
    for (const trigger of open) {
      if (!(await endTrigger(ctx, trigger, undefined, { state: 'cancelled', outcome, private: true }))) continue;
      ended.push(trigger);
      if (trigger.state === 'running') await cancel(ctx, trigger.runId!, work);
    }
  return ended;
}

const listOpen = (ctx: Ctx, scope: Scope): Promise<Trigger[]> => store.listOpen(ctx.db, ctx.workspace, scope);

async function cancel(ctx: Ctx, runId: string, work: Work): Promise<void> {
  try {
    await cancelRun(ctx, runId, work.pipelines);
  } catch (error) {
    if (!isProblem(error, 'run-ended')) throw error;
  }
}

/** Lifts a stop and lets policies that halted go on. Answers the wider stop that still holds, if one does. Raises `retraining-policy-not-found`. */
export async function resumeRetraining(ctx: Ctx, scope: Scope, work: Work): Promise<Stop | undefined> {
  await requireScope(ctx, scope);
  return ctx.tx(async (tx) => {
    const lifted = await policies.deleteStop(tx.db, tx.workspace, scope);
    const reset: string[] = [];
    for (const state of await policies.listStates(tx.db, tx.workspace, scope)) {
      if (state.useless === 0 && !state.halted) continue;
      await policies.updateState(tx.db, tx.workspace, state, { useless: 0, halted: false });
      reset.push(`${state.project}/${state.policy}`);
    }
    if (lifted || reset.length > 0)
      await tx.emit({
        type: 'retraining.resumed',
        subject: refOf(scope),
        ...(scope.project === '' ? {} : { project: scope.project }),
        payload: { lifted, policies: reset },
      });
    if (scope.project !== '') await queue(tx, work.judge, scope.project);
    return scope.project === '' ? undefined : policies.findStop(tx.db, tx.workspace, scope);
  });
}
