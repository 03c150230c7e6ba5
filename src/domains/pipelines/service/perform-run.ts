// A step with a command: attempts of it on an engine, each with a token of its own.
import { join } from 'node:path';
import { insertBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { createToken, deleteStepTokens } from '../../access/public.ts';
import type { RunStep } from '../../projects/public.ts';
import { createRunForStep, experimentNamed, updateRun } from '../../tracking/public.ts';
import type { AttemptOutcome, StepEngine } from '../engine.ts';
import { fail } from '../errors.ts';
import { mayTryAgain } from '../model.ts';
import * as store from '../store/attempts.ts';
import type { Attempt } from '../store/attempts.ts';
import { getStep, updateStep, type Step, type StepSummary } from '../store/steps.ts';
import { scriptOf } from './key-parts.ts';
import { collectOutputs } from './outputs.ts';
import type { Performed } from './perform.ts';
import { filesOfSnapshot, type RunContext } from './run-context.ts';
import { workspaceOf } from './workspace.ts';

export interface RunParts {
  readonly engine: StepEngine;
  /** Address of this server, for the tracking client of a step. */
  readonly serverUrl: () => string;
}

/** How long after the step's time-out its token still works, for what it sends at its end. */
const TOKEN_GRACE_MS = 60_000;

const cancelled: AttemptOutcome = { ok: false, reason: 'cancelled', detail: 'the run was cancelled', exitCode: null };

export async function performRun(
  ctx: Ctx,
  context: RunContext,
  definition: RunStep,
  step: Step,
  fence: number,
  parts: RunParts,
): Promise<Performed> {
  const { run } = context;
  for (;;) {
    const attempts = (await store.listAttempts(ctx.db, ctx.workspace, run.id, step.name)).filter((a) => a.number > step.earlierAttempts);
    const ended = attempts.filter((a) => a.state !== 'running');
    const last = ended.at(-1)?.outcome;
    if (last && !last.ok && !mayTryAgain(ended, definition.retry))
      return fail('step-failed', { step: step.name, why: last.detail + (await hintOf(ctx, context, definition)) });
    // After a crash the attempt that was running is gone on with, not begun again.
    const open = attempts.find((a) => a.state === 'running');
    const { attempt, trackingRunId, secret } = open
      ? { attempt: open, trackingRunId: step.trackingRunId!, secret: undefined }
      : await beginAttempt(ctx, context, definition, step, step.earlierAttempts + attempts.length + 1, fence);
    const outcome = await follow(ctx, context, definition, step, { attempt, trackingRunId, secret, fence }, parts);
    if (outcome.ok) {
      const record = (tx: Ctx): Promise<void> => settle(tx, attempt, outcome, trackingRunId, 'FINISHED');
      try {
        return { outputs: await collectOutputs(ctx, definition, trackingRunId, outcome), record };
      } catch (error) {
        if (isProblem(error)) await ctx.tx((tx) => settle(tx, attempt, outcome, trackingRunId, 'FAILED'));
        throw error;
      }
    }
    const state = stateOf(outcome);
    const again = mayTryAgain([...ended, { state }], definition.retry);
    await ctx.tx((tx) => settle(tx, attempt, outcome, trackingRunId, again ? null : 'FAILED'));
  }
}

// What is not declared is not there; where nothing was, that is the likeliest reason.
async function hintOf(ctx: Ctx, context: RunContext, definition: RunStep): Promise<string> {
  if (definition.code || scriptOf(definition.command, await filesOfSnapshot(ctx, context)) !== undefined) return '';
  return '\nNo file of the project is named in its command, so it had none; if it needs some, add "code:" with their globs';
}

const stateOf = (outcome: AttemptOutcome): 'succeeded' | 'failed' | 'lost' =>
  outcome.ok ? 'succeeded' : outcome.reason === 'lost' || outcome.reason === 'cancelled' ? 'lost' : 'failed';

/** Writes down, in one transaction, the attempt, the tracking run that its script logs to, and its token. */
const beginAttempt = (
  ctx: Ctx,
  context: RunContext,
  definition: RunStep,
  step: Step,
  number: number,
  fence: number,
): Promise<{ attempt: Attempt; trackingRunId: string; secret: string }> =>
  ctx.tx(async (tx) => {
    const { run } = context;
    const now = await getStep(tx.db, tx.workspace, run.id, step.name);
    // Cancelled in the meantime: the end of the attempt before was no accident.
    if (now?.state !== 'running' || now.earlierAttempts !== step.earlierAttempts)
      return fail('run-ended', { id: run.id, state: 'cancelled' });
    const attempt: Attempt = {
      id: `${run.id}-${step.name}-${number}`,
      runId: run.id,
      step: step.name,
      number,
      fence,
      state: 'running',
      dir: join('attempts', run.id, `${step.name}-${number}`),
      outcome: null,
      startedMs: tx.clock.now(),
      finishedMs: null,
    };
    await store.insertAttempt(tx.db, tx.workspace, attempt);
    const trackingRunId = now.trackingRunId ?? (await makeTrackingRun(tx, context, step));
    if (now.trackingRunId === null) await updateStep(tx.db, tx.workspace, run.id, step.name, ['running'], { trackingRunId });
    const { secret } = await tokenFor(tx, context, definition, attempt, trackingRunId);
    return { attempt, trackingRunId, secret };
  });

const tokenFor = (ctx: Ctx, { run }: RunContext, definition: RunStep, attempt: Attempt, trackingRunId: string) =>
  createToken(ctx, {
    name: `step ${run.id} ${attempt.step}`,
    role: 'step',
    ownerId: attempt.id,
    scope: { runId: run.id, trackingRunIds: [trackingRunId] },
    expiresMs: ctx.clock.now() + definition.timeoutMs + TOKEN_GRACE_MS,
  });

interface Following {
  readonly attempt: Attempt;
  readonly trackingRunId: string;
  /** The token's, if it was made just now. */
  readonly secret: string | undefined;
  readonly fence: number;
}

async function follow(
  ctx: Ctx,
  context: RunContext,
  definition: RunStep,
  step: Step,
  { attempt, trackingRunId, secret, fence }: Following,
  { engine, serverUrl }: RunParts,
): Promise<AttemptOutcome> {
  const { run } = context;
  const dir = join(ctx.settings.dir, attempt.dir);
  const outputs = Object.entries(definition.outputs).flatMap(([name, kind]) => (kind === 'logged-model' ? [] : [name]));
  try {
    return await engine.run(
      { attemptId: attempt.id, fence, dir, outputs, timeoutMs: definition.timeoutMs },
      async () => {
        const variables = {
          MLFLOW_TRACKING_URI: serverUrl(),
          MLFLOW_RUN_ID: trackingRunId,
          MLFLOW_EXPERIMENT_NAME: run.project,
          GYRE_RUN_ID: run.id,
        };
        const token = secret ?? (await tokenFor(ctx, context, definition, attempt, trackingRunId)).secret;
        return workspaceOf(ctx, context, definition, variables, { MLFLOW_TRACKING_TOKEN: token });
      },
      ctx.signal,
    );
  } catch (error) {
    // Aborted for another reason (the server stops, the lease went elsewhere), the attempt goes on.
    if (ctx.signal.aborted) {
      const now = await getStep(ctx.db, ctx.workspace, run.id, step.name);
      if (now?.state !== 'running' || now.earlierAttempts !== step.earlierAttempts) await endAttempt(ctx, engine, attempt, trackingRunId);
    } else if (isProblem(error)) {
      const outcome: AttemptOutcome = { ok: false, reason: 'failed', detail: error.message, exitCode: null };
      await engine.end(dir);
      await ctx.tx((tx) => settle(tx, attempt, outcome, trackingRunId, 'FAILED'));
    }
    throw error;
  }
}

async function endAttempt(ctx: Ctx, engine: StepEngine, attempt: Attempt, trackingRunId: string | null): Promise<void> {
  await engine.end(join(ctx.settings.dir, attempt.dir));
  await ctx.tx((tx) => settle(tx, attempt, cancelled, trackingRunId, 'KILLED'));
}

/** Ends what a step that is no longer wanted may have left running since a crash. */
export async function endLeftovers(ctx: Ctx, engine: StepEngine, step: StepSummary): Promise<void> {
  const goesOn = step.state === 'running' || step.state === 'waiting';
  for (const attempt of await store.listAttempts(ctx.db, ctx.workspace, step.runId, step.name)) {
    const isEarlier = attempt.number <= step.earlierAttempts;
    if (attempt.state === 'running' && (isEarlier || !goesOn))
      await endAttempt(ctx, engine, attempt, isEarlier ? null : step.trackingRunId);
  }
}

async function settle(
  tx: Ctx,
  attempt: Attempt,
  outcome: AttemptOutcome,
  trackingRunId: string | null,
  status: 'FINISHED' | 'FAILED' | 'KILLED' | null,
): Promise<void> {
  if (outcome.ok) await insertBlobs(tx, outcome.entries);
  await store.finishAttempt(tx.db, tx.workspace, attempt.id, stateOf(outcome), outcome, tx.clock.now());
  await deleteStepTokens(tx, attempt.id);
  if (status === null || trackingRunId === null) return;
  await updateRun(tx, trackingRunId, { status, endMs: tx.clock.now() }).catch((error: unknown) => {
    // Somebody has deleted it; what the step made counts all the same.
    if (!isProblem(error)) throw error;
  });
}

async function makeTrackingRun(tx: Ctx, { run }: RunContext, step: Step): Promise<string> {
  return createRunForStep(tx, {
    experimentId: await experimentNamed(tx, run.project),
    name: `${run.pipeline}-${run.number}-${step.name}`,
    tags: [
      { key: 'gyre.pipeline_run', value: run.id },
      { key: 'gyre.step', value: step.name },
      { key: 'mlflow.source.type', value: 'PROJECT' },
      { key: 'mlflow.source.name', value: `${run.project}/${run.pipeline}` },
    ],
    edges: [{ from: { kind: 'tracking-run', id: '' }, to: { kind: 'pipeline-run', id: run.id }, relation: 'step-of' }],
  });
}
