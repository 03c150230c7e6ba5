// Labels that come after a performance window was closed: the window is remembered, and the next tick makes a new
// generation of it if its labels really differ.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { StoredEvent } from '../../../kernel/events/subscribers.ts';
import * as monitors from '../store/monitors.ts';

/** In the subscriber's transaction, so that each join is remembered exactly once. True if closed windows are concerned. */
export async function recordRelabel(ctx: Ctx, event: StoredEvent): Promise<boolean> {
  const { monitor, windowsFromUs, windowsToUs } = event.payload as { monitor?: string; windowsFromUs?: number; windowsToUs?: number };
  if (event.project === null || monitor === undefined || windowsFromUs === undefined || windowsToUs === undefined) return false;
  const state = await monitors.findState(ctx.db, ctx.workspace, event.project, monitor);
  // What is not closed yet reads its labels when it closes.
  if (!state || windowsFromUs >= state.performanceNextUs) return false;
  await monitors.insertRelabel(ctx.db, ctx.workspace, {
    id: event.id,
    project: event.project,
    monitor,
    fromUs: windowsFromUs,
    toUs: windowsToUs,
  });
  return true;
}
