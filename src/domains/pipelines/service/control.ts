// Cancelling a run, following its log, staging a step for a look.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Ctx } from '../../../kernel/ctx.ts';
import { cancelJob, jobsIn } from '../../../kernel/jobs/jobs.ts';
import type { StepEngine } from '../engine.ts';
import { fail } from '../errors.ts';
import * as store from '../store.ts';
import { loadRun } from './advance.ts';
import { requestFor } from './perform.ts';

/** Raises `run-not-found`, `run-ended`. */
export async function cancelRun(ctx: Ctx, runId: string): Promise<void> {
  const { run, steps } = await loadRun(ctx, runId);
  if (run.state !== 'running') fail('run-ended', { id: runId, state: run.state });
  await ctx.tx(async (tx) => {
    const now = tx.clock.now();
    for (const step of steps.filter((s) => s.state === 'waiting'))
      await store.updateStep(tx.db, tx.workspace, runId, step.name, ['waiting'], { state: 'cancelled', finishedMs: now });
    await store.finishRun(tx.db, tx.workspace, runId, 'cancelled', null, now);
    await tx.emit({
      type: 'pipeline-run.finished',
      subject: { kind: 'pipeline-run', id: runId },
      project: run.project,
      payload: { state: 'cancelled' },
    });
  });
  for (const step of steps.filter((s) => s.state === 'running')) {
    const row = await jobsIn(ctx.db)
      .selectFrom('jobs')
      .select('id')
      .where('workspace_id', '=', ctx.workspace)
      .where('unique_key', '=', `${runId} ${step.name}`)
      .executeTakeFirst();
    if (row) await cancelJob(ctx, row.id);
  }
}

/** The log of a step's newest attempt from a byte on, and whether more may come. Raises `step-not-found`. */
export async function stepLog(
  ctx: Ctx,
  runId: string,
  name: string,
  from: number,
): Promise<{ text: string; next: number; ended: boolean }> {
  const step = (await store.getStep(ctx.db, ctx.workspace, runId, name)) ?? fail('step-not-found', { run: runId, step: name });
  const ended = step.state !== 'running' && step.state !== 'waiting';
  const owner = step.cachedFrom ?? runId;
  const attempt = (await store.listAttempts(ctx.db, ctx.workspace, owner, name)).at(-1);
  const path = attempt ? join(ctx.settings.dir, attempt.dir, 'log.txt') : '';
  if (!attempt || !existsSync(path)) return { text: '', next: from, ended };
  const size = statSync(path).size;
  if (size <= from) return { text: '', next: from, ended };
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(path, { start: from, end: Math.min(size, from + 1024 * 1024) - 1 }))
    chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  return { text: bytes.toString('utf8'), next: from + bytes.length, ended: ended && from + bytes.length >= size };
}

/** The exact folder and environment of a step, staged and not run. Raises `step-not-found`. */
export async function stageStep(
  ctx: Ctx,
  runId: string,
  name: string,
  engine: StepEngine,
): Promise<{ dir: string; bin: string | null; command: string; variables: Readonly<Record<string, string>> }> {
  const context = await loadRun(ctx, runId);
  const definition = context.definition.pipelines[context.run.pipeline]!.steps.find((s) => s.name === name);
  if (definition?.kind !== 'run') return fail('step-not-found', { run: runId, step: name });
  const request = await requestFor(ctx, context, definition, `shell-${ctx.clock.now()}`, 0, { GYRE_RUN_ID: runId }, {});
  const dir = await engine.stage(request);
  return { dir, bin: request.bin, command: request.command, variables: request.variables };
}
