// What came of a run, for those who started it.
import type { Ctx } from '../../../kernel/ctx.ts';
import { fail } from '../errors.ts';
import type { RunState } from '../model.ts';
import { getRun } from '../store/runs.ts';
import { listSummaries } from '../store/steps.ts';

export interface RunOutcome {
  readonly state: RunState;
  /** Why it failed, in words; null if it did not. */
  readonly why: string | null;
  /** Model versions that its register steps made, in the order of the pipeline. */
  readonly versions: readonly string[];
}

/** Raises `run-not-found`. */
export async function runOutcome(ctx: Ctx, runId: string): Promise<RunOutcome> {
  const run = (await getRun(ctx.db, ctx.workspace, runId)) ?? fail('run-not-found', { id: runId });
  const steps = await listSummaries(ctx.db, ctx.workspace, runId);
  const error = run.error as { step: string; problem: { detail?: string; title?: string } | null } | null;
  return {
    state: run.state,
    why: error && `step ${error.step} failed: ${error.problem?.detail ?? error.problem?.title ?? 'without a reason'}`,
    versions: steps.flatMap((s) => Object.values(s.outputs ?? {})).flatMap((o) => (o.kind === 'model-version' ? [o.id] : [])),
  };
}
