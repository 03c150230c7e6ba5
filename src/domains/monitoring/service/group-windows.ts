// Which windows are read by one run of DuckDB.
import type { JoinedFile } from '../../feedback/public.ts';
import type { Window } from '../model.ts';
import type { JoinedRows } from './joined-rows.ts';
import { BATCH_RECORDS, type Span } from './read-windows.ts';

/** Windows that are read in one run at most. */
export const BATCH_WINDOWS = 62;
const NEAR_WINDOWS = 8;

/** Of one length and grid, and so few apart that what lies between costs less than a run of its own. */
export function areNear(a: Span, b: Span): boolean {
  const windowUs = a.toUs - a.fromUs;
  const apart = Math.abs(b.fromUs - a.fromUs);
  return b.toUs - b.fromUs === windowUs && apart % windowUs === 0 && apart <= NEAR_WINDOWS * windowUs;
}

/** Windows in their order, in groups that one run reads. */
export function together(windows: readonly Window[]): Window[][] {
  const groups: Window[][] = [];
  for (const window of windows) {
    const group = groups.at(-1);
    const records = window.n + (group ?? []).reduce((sum, w) => sum + w.n, 0);
    if (group?.every((w) => areNear(w, window)) && records <= BATCH_RECORDS) group.push(window);
    else groups.push([window]);
  }
  return groups;
}

/** The model version with most labels. */
export const mostOf = (byVersion: Map<string, JoinedRows>): string | undefined =>
  [...byVersion].sort(([a, x], [b, y]) => y.labels.length - x.labels.length || (a < b ? 1 : -1))[0]?.[0];

/** Number of the newest join among files of labels; 0 without any. */
export const newestOf = (files: readonly JoinedFile[]): number => files.reduce((most, f) => Math.max(most, f.number), 0);
