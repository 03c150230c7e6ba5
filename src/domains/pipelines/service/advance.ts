// Moves a run on: decides cache hits, starts what misses, skips what can no longer run, ends the run.
// Idempotent: it looks at what is recorded and may be run at any time, twice or after a crash.
import { setImmediate as turn } from 'node:timers/promises';
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem, toProblemDocument } from '../../../kernel/errors.ts';
import type { Edge } from '../../../kernel/events/events.ts';
import type { Job } from '../../../kernel/jobs/jobs.ts';
import { isCurrent } from '../../datasets/public.ts';
import { getLoggedModel } from '../../tracking/public.ts';
import { cacheKey, dependantsOf, doomedSteps, explainMiss, isReady, outcomeOf, reason, type KeyParts } from '../model.ts';
import * as cache from '../store/cache.ts';
import { finishRun, type Run } from '../store/runs.ts';
import * as store from '../store/steps.ts';
import type { StepSummary } from '../store/steps.ts';
import { keyPartsOf } from './key-parts.ts';
import { loadRun, type RunContext } from './run-context.ts';

export interface StepPayload {
  readonly runId: string;
  readonly step: string;
  /** The step's `earlierAttempts`: a job of the time before the run was resumed does nothing more. */
  readonly round: number;
}

export interface PipelineJobs {
  readonly advance: Job<{ runId: string }>;
  readonly step: Job<StepPayload>;
  /** Ends what a cancelled run has left running. */
  readonly end: Job<{ runId: string }>;
}

/** While a job with this key is there, the step has somebody who performs it. */
export const stepJobKey = (step: Pick<StepSummary, 'runId' | 'name' | 'earlierAttempts'>): string =>
  `${step.runId} ${step.name} ${step.earlierAttempts}`;

/** What is to become of a waiting step. */
interface Verdict {
  readonly step: StepSummary;
  /** The step as it will be; for one that is to start, as it will be if nobody else does the same work. */
  readonly to: store.StepChange;
  readonly start: KeyParts | null;
}

/** A step that has ended: how it stands then, and what is written in the transaction that decides what follows. */
export interface EndedStep {
  readonly name: string;
  readonly to: store.StepChange;
  /** False if the step was no longer running: then nothing follows from it. */
  readonly write: (tx: Ctx) => Promise<boolean>;
}

const VERDICTS_AT_ONCE = 100;
const DECIDED_BEFORE_A_TURN = 25;

export async function advanceRun(ctx: Ctx, runId: string, jobs: PipelineJobs, ended?: EndedStep): Promise<void> {
  for (let pending = ended; ;) {
    const context = await loadRun(ctx, runId);
    const { run, steps } = context;
    if (run.state !== 'running') return void (pending && (await ctx.tx(pending.write)));
    if (pending) steps.set(pending.name, { ...steps.get(pending.name)!, ...pending.to });
    // Another step may end at the same time and not see this one's end, as this one does not see its.
    let settled = pending === undefined || ![...steps.values()].some((s) => s.state === 'running');
    const verdicts = await decideAll(ctx, context);
    const outcome = outcomeOf([...steps.values()]);
    for (let i = 0; i < Math.max(verdicts.length, 1); i += VERDICTS_AT_ONCE) {
      const first = i === 0 ? pending : undefined;
      const last = i + VERDICTS_AT_ONCE >= verdicts.length;
      const part = verdicts.slice(i, i + VERDICTS_AT_ONCE);
      if (part.length === 0 && !first && !outcome) return;
      const asDecided = await ctx.tx(async (tx) => {
        if (first && !(await first.write(tx))) return false;
        if (!(await record(tx, context, part, jobs))) return false;
        if (last && outcome) await finish(tx, context, outcome);
        return true;
      });
      // Somebody else moved the run in the meantime; what is recorded now decides.
      if (!asDecided) {
        settled = false;
        break;
      }
    }
    if (settled) return;
    pending = undefined;
  }
}

/** Decides all steps that can be, in the order of their needs, and notes the verdicts in `context.steps`. */
async function decideAll(ctx: Ctx, context: RunContext): Promise<Verdict[]> {
  const { steps } = context;
  const verdicts: Verdict[] = [];
  const dependants = dependantsOf(steps.values());
  const ready = [...steps.values()].filter((s) => isReady(s, steps)).map((s) => s.name);
  for (let i = 0; i < ready.length; i++) {
    // With SQLite nothing here leaves the turn of the event loop by itself, and requests wait.
    if (i % DECIDED_BEFORE_A_TURN === DECIDED_BEFORE_A_TURN - 1) await turn();
    const step = steps.get(ready[i]!)!;
    const verdict = await decide(ctx, context, step);
    verdicts.push(verdict);
    const after = { ...step, ...verdict.to };
    steps.set(step.name, after);
    if (after.state === 'succeeded')
      for (const name of dependants.get(step.name) ?? []) if (isReady(steps.get(name)!, steps)) ready.push(name);
  }
  for (const step of doomedSteps([...steps.values()])) {
    const to = { state: 'skipped', finishedMs: ctx.clock.now() } as const;
    verdicts.push({ step, to, start: null });
    steps.set(step.name, { ...step, ...to });
  }
  return verdicts;
}

async function decide(ctx: Ctx, context: RunContext, step: StepSummary): Promise<Verdict> {
  const { run } = context;
  const now = ctx.clock.now();
  let parts: KeyParts;
  try {
    parts = await keyPartsOf(ctx, context, context.stepDefinitions.get(step.name)!);
  } catch (error) {
    if (!isProblem(error)) throw error;
    return { step, to: { state: 'failed', error: toProblemDocument(error, run.id), finishedMs: now }, start: null };
  }
  const key = cacheKey(parts);
  const hit = run.noCache ? undefined : await findHit(ctx, key);
  if (hit)
    return {
      step,
      to: {
        state: 'succeeded',
        cachedFrom: hit.runId,
        cacheKey: key,
        keyParts: parts,
        explanation: [],
        outputs: hit.outputs,
        trackingRunId: hit.trackingRunId,
        startedMs: now,
        finishedMs: now,
      },
      start: null,
    };
  const explanation = run.noCache
    ? [reason('cache', 'the run was started without the cache')]
    : explainMiss(await cache.findHistory(ctx.db, ctx.workspace, run, step.name), parts);
  return { step, to: { state: 'running', cacheKey: key, keyParts: parts, explanation, startedMs: now }, start: parts };
}

/** What was made under this key, unless somebody has deleted it since. */
async function findHit(ctx: Ctx, key: string): Promise<cache.CacheEntry | undefined> {
  const hit = await cache.findCached(ctx.db, ctx.workspace, key);
  for (const output of Object.values(hit?.outputs ?? {}))
    // Scores that are no longer what readers of their dataset get are put in place again.
    if (output.kind === 'dataset-version' && !(await isCurrent(ctx, output.id))) return undefined;
    else if (output.kind === 'logged-model' && !(await getLoggedModel(ctx, output.id).catch(() => undefined))) return undefined;
  return hit;
}

/** Writes verdicts; false if a step was not as they expected. */
async function record(tx: Ctx, { run }: RunContext, verdicts: readonly Verdict[], jobs: PipelineJobs): Promise<boolean> {
  let asDecided = true;
  const keys: { step: string; parts: KeyParts }[] = [];
  for (const { step, to, start } of verdicts) {
    if (start && !run.noCache) {
      // The same work in another run: wait for it instead of doing it twice.
      if (await store.findRunning(tx.db, tx.workspace, to.cacheKey!, run.id)) {
        await store.updateStep(tx.db, tx.workspace, run.id, step.name, ['waiting'], { cacheKey: to.cacheKey! });
        continue;
      }
      // It ended just now: decide again, as a hit.
      if (await findHit(tx, to.cacheKey!)) {
        asDecided = false;
        continue;
      }
    }
    if (!(await store.updateStep(tx.db, tx.workspace, run.id, step.name, ['waiting'], to))) {
      asDecided = false;
      continue;
    }
    if (to.keyParts) keys.push({ step: step.name, parts: to.keyParts });
    if (start)
      await tx.enqueue({
        job: jobs.step,
        payload: { runId: run.id, step: step.name, round: step.earlierAttempts },
        uniqueKey: stepJobKey(step),
        project: run.project,
      });
    if (to.state === 'failed')
      await tx.emit({
        type: 'step.finished',
        subject: { kind: 'step', id: `${run.id}/${step.name}` },
        label: `step ${step.name}`,
        project: run.project,
        payload: { state: 'failed' },
      });
  }
  await cache.putHistory(tx.db, tx.workspace, run, keys);
  return asDecided;
}

async function finish(tx: Ctx, { run, steps }: RunContext, outcome: Run['state']): Promise<void> {
  const failed = [...steps.values()].find((s) => s.state === 'failed');
  const error = failed ? { step: failed.name, problem: failed.error } : null;
  if (!(await finishRun(tx.db, tx.workspace, run.id, outcome, error, tx.clock.now()))) return;
  const self = { kind: 'pipeline-run', id: run.id };
  const cached = [...steps.values()].filter((s) => s.cachedFrom !== null);
  await tx.emit({
    type: 'pipeline-run.finished',
    subject: self,
    project: run.project,
    payload: { state: outcome, cached: cached.length, steps: steps.size },
    occurredUs: run.occurredUs,
    edges: cached.flatMap((s): Edge[] => [
      { from: self, to: { kind: 'step', id: `${s.cachedFrom}/${s.name}` }, relation: 'reuses' },
      ...(s.trackingRunId ? [{ from: self, to: { kind: 'tracking-run', id: s.trackingRunId }, relation: 'reuses' }] : []),
    ]),
  });
}
