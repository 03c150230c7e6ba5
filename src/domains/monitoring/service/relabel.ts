// Labels that come after a performance window was closed: the window is remembered, and a tick makes a new generation of
// it if its labels really differ.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { StoredEvent } from '../../../kernel/events/subscribers.ts';
import { newId } from '../../../kernel/ids.ts';
import type { Changed } from '../../feedback/public.ts';
import * as monitors from '../store/monitors.ts';

/**
 * In the transaction of the join. So a tick makes the new generations before the windows that close in it, whose pools
 * have them, however soon its own event is heard. True if closed windows are concerned.
 */
export async function recordRelabel(tx: Ctx, project: string, changed: Changed, id: string = newId('rlb', tx.ids)): Promise<boolean> {
  const state = await monitors.findState(tx.db, tx.workspace, project, changed.monitor);
  // What is not closed yet reads its labels when it closes.
  if (!state || changed.windowsFromUs >= state.performanceNextUs) return false;
  const span = { fromUs: changed.windowsFromUs, toUs: changed.windowsToUs };
  await monitors.insertRelabel(tx.db, tx.workspace, { id, project, monitor: changed.monitor, ...span });
  return true;
}

/** Labels that were joined outside of a tick. In the subscriber's transaction, so that each join is remembered exactly once. */
export async function recordJoin(tx: Ctx, event: StoredEvent): Promise<boolean> {
  const { monitor, windowsFromUs, windowsToUs } = event.payload as { [K in keyof Changed]?: Changed[K] };
  if (event.project === null || monitor === undefined || windowsFromUs === undefined || windowsToUs === undefined) return false;
  return recordRelabel(tx, event.project, { monitor, windowsFromUs, windowsToUs }, event.id);
}
