// Event time, per project. `live` is the wall clock; `replay` stands still until it is advanced. Windows,
// watermarks, TTL, cooldown and feature as-of read only this; leases and timeouts read the clock.
import type { Clock } from '../clock.ts';
import type { Ctx } from '../ctx.ts';
import type { Db } from '../db/database.ts';
import type { Table } from '../db/tables.ts';
import { defineErrors } from '../errors.ts';

export const timelineModes = ['live', 'replay'] as const;
export type TimelineMode = (typeof timelineModes)[number];

export interface TimelineState {
  readonly mode: TimelineMode;
  /** Event time now, in microseconds since 1970 (UTC). */
  readonly nowUs: number;
}

export interface Timeline {
  read(db: Db, workspace: string, project: string): Promise<TimelineState>;
}

interface TimelineRow {
  workspace_id: string;
  project: string;
  mode: TimelineMode;
  now_us: number;
  version: number;
}

export const timelineTables: readonly Table[] = [
  {
    name: 'timelines',
    columns: { workspace_id: 'id', project: 'text', mode: 'text', now_us: 'int', version: 'int' },
    primary: ['workspace_id', 'project'],
    oneOf: { mode: timelineModes },
  },
];

const timelinesIn = (db: Db) => db.withTables<{ timelines: TimelineRow }>();

export const { fail } = defineErrors({
  'timeline-not-replay': {
    status: 409,
    title: 'The timeline is live',
    detail: (p: { project: string }) =>
      `Project "${p.project}" runs on the live timeline, which is the wall clock and cannot be advanced. Set "timeline: { mode: replay, start: ... }" in a new project.`,
  },
  'timeline-backwards': {
    status: 409,
    title: 'Event time does not run backwards',
    detail: (p: { now: string; to: string }) => `The timeline stands at ${p.now}; it cannot go back to ${p.to}.`,
  },
});

export const usToIso = (us: number): string => new Date(Math.floor(us / 1000)).toISOString();

export const openTimeline = (clock: Clock): Timeline => ({
  read: async (db, workspace, project) => {
    const row = await timelinesIn(db)
      .selectFrom('timelines')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .where('project', '=', project)
      .executeTakeFirst();
    return row?.mode === 'replay' ? { mode: 'replay', nowUs: row.now_us } : { mode: 'live', nowUs: clock.now() * 1000 };
  },
});

/** Sets up a project's timeline once; a second call with the same mode changes nothing. Inside a transaction. */
export async function establishTimeline(ctx: Ctx, project: string, mode: TimelineMode, startUs: number): Promise<void> {
  await timelinesIn(ctx.db)
    .insertInto('timelines')
    .values({ workspace_id: ctx.workspace, project, mode, now_us: mode === 'replay' ? startUs : 0, version: 1 })
    .onConflict((c) => c.columns(['workspace_id', 'project']).doNothing())
    .execute();
}

/**
 * Moves a replay timeline forward, in a transaction of its own. Raises `timeline-not-replay` and
 * `timeline-backwards`. The barrier around it (ship, drain) is in app/server-routes.ts.
 */
export const moveTimeline = (ctx: Ctx, project: string, toUs: number): Promise<TimelineState> =>
  ctx.tx(async (tx) => {
    const row = await timelinesIn(tx.db)
      .selectFrom('timelines')
      .selectAll()
      .where('workspace_id', '=', tx.workspace)
      .where('project', '=', project)
      .executeTakeFirst();
    if (row?.mode !== 'replay') return fail('timeline-not-replay', { project });
    if (toUs < row.now_us) return fail('timeline-backwards', { now: usToIso(row.now_us), to: usToIso(toUs) });
    await timelinesIn(tx.db)
      .updateTable('timelines')
      .set({ now_us: toUs, version: row.version + 1 })
      .where('workspace_id', '=', tx.workspace)
      .where('project', '=', project)
      .where('version', '=', row.version)
      .execute();
    await tx.emit({
      type: 'timeline.advanced',
      subject: { kind: 'project', id: project },
      project,
      payload: { fromUs: row.now_us, toUs },
      occurredUs: toUs,
    });
    return { mode: 'replay', nowUs: toUs };
  });

/**
 * Tells that all that event time has brought about has been done, in a transaction of its own: what decides on
 * the whole of a tick listens to this, so that two replays decide the same.
 */
export const settleTimeline = (ctx: Ctx, project: string, nowUs: number): Promise<void> =>
  ctx.tx((tx) =>
    tx.emit({ type: 'timeline.settled', subject: { kind: 'project', id: project }, project, payload: { nowUs }, occurredUs: nowUs }),
  );
