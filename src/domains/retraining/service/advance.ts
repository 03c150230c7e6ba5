// Moves accepted triggers on: the run, what it registered, the gate's decision, the release. Each step is
// written in one transaction with what it begins, so that after a crash nothing runs twice and nothing is lost.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { runOutcome, startRun } from '../../pipelines/public.ts';
import { currentRevision, type ProjectDefinition, type RetrainingDefinition } from '../../projects/public.ts';
import { currentDecision, decide, getVersion, type Decision, type ModelVersion } from '../../registry/public.ts';
import type { Trigger } from '../model.ts';
import * as store from '../store/triggers.ts';
import { endTrigger, refOf, type Ending } from './end-trigger.ts';
import { policyOf } from './judge.ts';
import { beginReleaseOf, championOf, releaseEnd } from './neighbours.ts';
import { modelOf } from './watched.ts';
import { nowUsOf, type Work } from './work.ts';

interface Moving {
  readonly definition: ProjectDefinition;
  readonly policy: RetrainingDefinition;
  readonly work: Work;
}

/** Brings every open trigger of a project as far as it can go now. Idempotent. */
export async function advanceProject(ctx: Ctx, project: string, work: Work): Promise<void> {
  const { definition } = await currentRevision(ctx, project);
  const open = await store.listInStates(ctx.db, ctx.workspace, project, ['accepted', 'running', 'deciding', 'releasing']);
  for (const { id } of open) {
    for (let seen = -1; ;) {
      const trigger = (await store.getTrigger(ctx.db, ctx.workspace, id))!;
      if (trigger.version === seen) break;
      seen = trigger.version;
      await step(ctx, trigger, definition, work);
    }
  }
}

async function step(ctx: Ctx, trigger: Trigger, definition: ProjectDefinition, work: Work): Promise<void> {
  const policy = policyOf(definition, trigger.policy);
  if (!policy && trigger.state !== 'releasing') {
    await endTrigger(ctx, trigger, undefined, { state: 'cancelled', outcome: 'the policy is no longer in the project' });
    return;
  }
  if (trigger.state === 'releasing') return await followRelease(ctx, trigger, policy);
  const moving = { definition, policy: policy!, work };
  if (trigger.state === 'accepted') await begin(ctx, trigger, moving);
  else if (trigger.state === 'running') await followRun(ctx, trigger, moving);
  else if (trigger.state === 'deciding') await conclude(ctx, trigger, moving);
}

const end = async (ctx: Ctx, trigger: Trigger, policy: RetrainingDefinition | undefined, ending: Ending): Promise<void> =>
  void (await endTrigger(ctx, trigger, policy, ending));

/** Raised to undo a transaction whose trigger somebody else has moved. */
class Overtaken extends Error {}

async function begin(ctx: Ctx, trigger: Trigger, { policy, work }: Moving): Promise<void> {
  failpoint('retraining.before-run');
  try {
    await ctx.tx(async (tx) => {
      const run = await startRun(
        tx,
        {
          project: trigger.project,
          pipeline: policy.pipeline,
          params: trigger.params ?? {},
          noCache: false,
          trigger: { kind: trigger.cause, reason: `retraining ${policy.name}: ${trigger.reason}`, by: refOf(trigger) },
        },
        work.pipelines.advance,
      );
      if (!(await store.moveTrigger(tx.db, tx.workspace, trigger, 'running', { runId: run.id }))) throw new Overtaken();
      await tx.emit({
        type: 'trigger.started',
        subject: refOf(trigger),
        project: trigger.project,
        payload: { policy: policy.name, run: run.id, pipeline: policy.pipeline, number: run.number },
        occurredUs: await nowUsOf(tx, trigger.project),
      });
    });
  } catch (error) {
    if (error instanceof Overtaken) return;
    if (!isProblem(error)) throw error;
    await end(ctx, trigger, policy, { state: 'failed', outcome: `the run could not be started: ${error.message}` });
  }
  failpoint('retraining.after-run');
}

async function followRun(ctx: Ctx, trigger: Trigger, { definition, policy }: Moving): Promise<void> {
  const { state, why, versions } = await runOutcome(ctx, trigger.runId!);
  if (state === 'running') return;
  if (state === 'cancelled') return await end(ctx, trigger, policy, { state: 'cancelled', outcome: 'its run was cancelled' });
  if (state === 'failed') return await end(ctx, trigger, policy, { state: 'failed', outcome: `its run failed: ${why}` });
  // A pipeline that scores on a schedule has done what it was started for.
  const kinds = new Set(definition.pipelines[policy.pipeline]?.steps.map((s) => s.kind));
  if (kinds.has('predict') && !kinds.has('register'))
    return await end(ctx, trigger, policy, { state: 'passed', outcome: 'its run ended well; the pipeline registers no model' });
  const version = await madeFor(ctx, versions, modelOf(definition, policy));
  if (!version) return await end(ctx, trigger, policy, { state: 'failed', outcome: 'its run registered no model version' });
  failpoint('retraining.before-deciding');
  await ctx.tx((tx) => store.moveTrigger(tx.db, tx.workspace, trigger, 'deciding', { versionId: version.id }));
}

/** Of the versions that a run registered, that of the policy's model. */
async function madeFor(ctx: Ctx, versions: readonly string[], model: string | null): Promise<ModelVersion | undefined> {
  const made = await Promise.all(versions.map((id) => getVersion(ctx, id)));
  return model === null ? made.at(-1) : made.findLast((v) => v.model === model);
}

async function conclude(ctx: Ctx, trigger: Trigger, { definition, policy }: Moving): Promise<void> {
  const version = await getVersion(ctx, trigger.versionId!);
  const name = `version ${version.number} of ${version.model}`;
  if ((await championOf(ctx, version.model))?.id === version.id)
    return await end(ctx, trigger, policy, {
      state: 'refused',
      outcome: `nothing that the model is made from changed: the run came to ${name} again, which is the champion`,
    });
  failpoint('retraining.before-decide');
  const gates = definition.models[version.model]?.gates ?? [];
  let decision: Decision;
  try {
    decision = (await currentDecision(ctx, version, gates)) ?? (await decide(ctx, version, gates));
  } catch (error) {
    if (!isProblem(error)) throw error;
    return await end(ctx, trigger, policy, { state: 'failed', outcome: `no gate could judge ${name}: ${error.message}` });
  }
  if (trigger.decisionId !== decision.id) return noteDecision(ctx, trigger, version, decision);
  if (decision.outcome === 'failed')
    return await end(ctx, trigger, policy, { state: 'refused', outcome: `the gate refused ${name}: ${decision.reason}` });
  if (!policy.release)
    return await end(ctx, trigger, policy, { state: 'passed', outcome: `the gate passed ${name}; the policy does not release` });
  failpoint('retraining.before-release');
  try {
    await beginReleaseOf(
      ctx,
      {
        project: trigger.project,
        endpoint: policy.endpoint,
        version: String(version.number),
        reason: `retraining ${policy.name} (${trigger.id}): ${trigger.reason}`,
      },
      async (tx, releaseId) => {
        if (!(await store.moveTrigger(tx.db, tx.workspace, trigger, 'releasing', { releaseId }))) throw new Overtaken();
        await tx.emit({
          type: 'trigger.released',
          subject: refOf(trigger),
          project: trigger.project,
          payload: { policy: policy.name, release: releaseId, version: version.id },
          edges: [{ from: { kind: 'release', id: releaseId }, to: refOf(trigger), relation: 'started-by' }],
          occurredUs: await nowUsOf(tx, trigger.project),
        });
      },
    );
    failpoint('retraining.after-release');
  } catch (error) {
    if (error instanceof Overtaken) return;
    // It waits until the endpoint may move; what has become of the champion by then is judged anew.
    if (isProblem(error, 'release-under-way') || isProblem(error, 'endpoint-frozen')) return;
    if (!isProblem(error)) throw error;
    await end(ctx, trigger, policy, { state: 'failed', outcome: `${name} could not be released: ${error.message}` });
  }
}

/** One event for the decision, with the figures that it hangs on. */
const noteDecision = (ctx: Ctx, trigger: Trigger, version: ModelVersion, decision: Decision): Promise<void> =>
  ctx.tx(async (tx) => {
    if (!(await store.noteDecision(tx.db, tx.workspace, trigger, { versionId: version.id, decisionId: decision.id }))) return;
    await tx.emit({
      type: 'trigger.decided',
      subject: refOf(trigger),
      project: trigger.project,
      payload: {
        policy: trigger.policy,
        decision: decision.id,
        outcome: decision.outcome,
        version: version.id,
        champion: decision.championId,
        gates: decision.results.map((r) => ({ metric: r.gate.metric, passed: r.passed, found: r.found })),
      },
      edges: [{ from: refOf(trigger), to: { kind: 'decision', id: decision.id }, relation: 'decided-by' }],
      occurredUs: await nowUsOf(tx, trigger.project),
    });
  });

async function followRelease(ctx: Ctx, trigger: Trigger, policy: RetrainingDefinition | undefined): Promise<void> {
  const ended = await releaseEnd(ctx, trigger.releaseId!);
  if (!ended) return;
  failpoint('retraining.before-ended');
  await end(
    ctx,
    trigger,
    policy,
    ended.promoted
      ? { state: 'promoted', outcome: `release ${trigger.releaseId} was promoted` }
      : { state: 'rolled-back', outcome: `release ${trigger.releaseId} was ${ended.how}: ${ended.reason}`, private: ended.byPerson },
  );
  failpoint('retraining.after-ended');
}
