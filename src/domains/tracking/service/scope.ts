// What a step's token may write: its own run, the runs nested in it, and the models they log.
import type { Ctx } from '../../../kernel/ctx.ts';
import { fail } from '../errors.ts';
import { PARENT_RUN_TAG } from '../model.ts';
import { findTag } from '../store/runs.ts';

const MAX_DEPTH = 10;

/** Raises `run-out-of-scope`. */
export async function checkScope(ctx: Ctx, runId: string): Promise<void> {
  const allowed = ctx.actor.scope?.trackingRunIds;
  if (allowed === undefined) return;
  let id: string | undefined = runId;
  for (let depth = 0; id !== undefined && depth < MAX_DEPTH; depth++) {
    if (allowed.includes(id)) return;
    id = await findTag(ctx.db, ctx.workspace, id, PARENT_RUN_TAG);
  }
  fail('run-out-of-scope', { id: `run ${runId}` });
}

/** For what no step may do at all. Raises `run-out-of-scope`. */
export function checkUnscoped(ctx: Ctx, what: string): void {
  if (ctx.actor.scope?.trackingRunIds !== undefined) fail('run-out-of-scope', { id: what });
}
