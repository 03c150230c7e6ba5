// How many records the windows before had.
import type { Db } from '../../../kernel/db/database.ts';
import { listWindows } from './windows.ts';

/** Windows that tell what volume is usual. */
export const USUAL_WINDOWS = 28;

/** The oldest first. Those of another length, from before the monitor was changed, say nothing of what is usual. */
export async function volumesBefore(
  db: Db,
  workspace: string,
  of: { readonly project: string; readonly monitor: string; readonly windowUs: number },
  beforeUs: number,
): Promise<number[]> {
  const { windowUs, ...monitor } = of;
  const windows = await listWindows(db, workspace, { ...monitor, kind: 'data', toUs: beforeUs }, { limit: USUAL_WINDOWS, order: 'desc' });
  return windows
    .filter((w) => w.toUs - w.fromUs === windowUs)
    .map((w) => w.figures.volume.records)
    .reverse();
}
