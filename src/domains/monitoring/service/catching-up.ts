// A team that begins with a model served elsewhere sends its history first, file by file. A tick between two files must not
// close the days that are still to come as empty, nor fix a baseline that lacks half of them.
import type { Ctx } from '../../../kernel/ctx.ts';
import { newestBatchMs } from '../../feedback/public.ts';
import type { MonitorDefinition } from '../../projects/public.ts';
import { inferenceArrivals } from '../../serving/public.ts';

/** History is taken to be complete when nothing has come for so long. */
const QUIET_US = 5 * 60_000_000;
/** Whoever sends old records for longer than this does so by habit, and wants to see windows. */
const MOST_US = 86_400_000_000;

/** On a live timeline, where event time is wall time: whether history of a new monitor is still coming in. */
export async function isCatchingUp(ctx: Ctx, project: string, m: MonitorDefinition, nowUs: number): Promise<boolean> {
  if (m.endpoint !== null) return false;
  // A record of next year, from a clock that is wrong, says nothing of what is missing.
  const came = await inferenceArrivals(ctx, { project, endpoint: m.name }, nowUs + m.windowUs);
  if (!came || !isWithin(nowUs - came.firstMs * 1000, MOST_US)) return false;
  // The newest record is of now, or of the window before: nothing is missing.
  if (nowUs - came.newestUs <= m.windowUs + m.latenessUs) return false;
  const lastMs = Math.max(came.lastMs, (await newestBatchMs(ctx, { project, monitor: m.name })) ?? 0);
  return isWithin(nowUs - lastMs * 1000, QUIET_US);
}

// The wall clock may have been set back since: nobody waits until it has made up for that.
const isWithin = (sinceUs: number, mostUs: number): boolean => sinceUs >= 0 && sinceUs < mostUs;
