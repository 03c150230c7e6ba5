// Freeze windows that a project declares: a schedule of beginnings and how long each lasts, on event time. Pure.
import { Cron } from 'croner';
import type { FreezeWindow } from '../../projects/public.ts';

export interface OpenWindow {
  readonly window: FreezeWindow;
  readonly untilUs: number;
}

/** The window that holds at a moment, of several the one that ends last; undefined if there is none. */
export function windowAt(windows: readonly FreezeWindow[], nowUs: number): OpenWindow | undefined {
  const open = windows.flatMap((window): OpenWindow[] => {
    const schedule = new Cron(window.cron, { paused: true, timezone: window.zone });
    // The last beginning that is not later than now lies within the length of the window, or the window is over.
    let beganUs: number | undefined;
    for (let from = new Date(Math.floor((nowUs - window.lastsUs) / 1000)); ;) {
      const next = schedule.nextRun(from);
      if (!next || next.getTime() * 1000 > nowUs) break;
      beganUs = next.getTime() * 1000;
      from = next;
    }
    return beganUs === undefined ? [] : [{ window, untilUs: beganUs + window.lastsUs }];
  });
  return open.sort((a, b) => b.untilUs - a.untilUs)[0];
}
