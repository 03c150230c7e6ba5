// The SQL by which workers share the queue. A claim raises the fencing token; whoever holds an older one
// can neither keep the lease nor settle the job.
import { sql } from 'kysely';
import type { Database, Db } from '../db/database.ts';
import { jobsIn, type JobRow, type Progress } from './jobs.ts';

/** So long after its last word the jobs of a process that died go to another one. */
export const LEASE_MS = 10_000;

// A project without a timeline of its own lives on the wall clock.
const timelineNowUs = (nowMs: number) =>
  sql<number>`coalesce((select case t.mode when 'replay' then t.now_us else ${nowMs * 1000} end from timelines t where t.workspace_id = jobs.workspace_id and t.project = jobs.project), ${nowMs * 1000})`;

// As literals, for with parameters SQLite cannot see that the index of these states will do, and reads all jobs there ever were.
const unsettled = sql<JobRow['state']>`('queued', 'running')`;

/**
 * The job to claim next: due, and queued or left behind by a worker that died; not one of `held`, none of these names,
 * and none that belongs to another project than `of`.
 */
export const findClaimable = (
  db: Db,
  nowMs: number,
  held: readonly string[],
  exceptNames: readonly string[] = [],
  of?: { readonly workspace: string; readonly project: string },
): Promise<JobRow | undefined> =>
  jobsIn(db)
    .selectFrom('jobs')
    .selectAll()
    .where('state', 'in', unsettled)
    .where('run_at_ms', '<=', nowMs)
    .where((eb) => eb.or([eb('state', '=', 'queued'), eb('lease_until_ms', '<', nowMs)]))
    .where((eb) => eb.or([eb('due_us', 'is', null), eb('due_us', '<=', timelineNowUs(nowMs))]))
    .where('id', 'not in', [...held, ''])
    .where('name', 'not in', [...exceptNames, ''])
    .where((eb) =>
      of
        ? eb.or([eb('project', 'is', null), eb.and([eb('workspace_id', '=', of.workspace), eb('project', '=', of.project)])])
        : eb.lit(true),
    )
    .orderBy('run_at_ms')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();

/** Takes a job over, as `findClaimable` saw it; undefined if another worker was quicker or it is to be cancelled. */
export async function claim(database: Database, seen: JobRow, nowMs: number): Promise<JobRow | undefined> {
  if (seen.cancel_requested) {
    await settle(database, seen, { state: 'cancelled' }, nowMs);
    return undefined;
  }
  const claimed = {
    state: 'running' as const,
    lease_until_ms: nowMs + LEASE_MS,
    // A worker's death is no failure of the job's own, so a take-over is the same attempt.
    attempt: seen.state === 'queued' ? seen.attempt + 1 : seen.attempt,
    fence: seen.fence + 1,
  };
  const { numUpdatedRows } = await database.tx((db) =>
    jobsIn(db)
      .updateTable('jobs')
      .set(claimed)
      .where('id', '=', seen.id)
      .where('fence', '=', seen.fence)
      .where('state', '=', seen.state)
      .executeTakeFirst(),
  );
  return numUpdatedRows === 0n ? undefined : { ...seen, ...claimed };
}

/** Extends the lease and stores progress; false if the job is no longer ours or is to be cancelled. */
export async function keepLease(database: Database, held: JobRow, nowMs: number, progress?: Progress): Promise<boolean> {
  const { numUpdatedRows } = await database.tx((db) =>
    jobsIn(db)
      .updateTable('jobs')
      .set({ lease_until_ms: nowMs + LEASE_MS, ...(progress ? { progress: JSON.stringify(progress) } : {}) })
      .where('id', '=', held.id)
      .where('fence', '=', held.fence)
      .where('state', '=', 'running')
      .where('cancel_requested', '=', 0)
      .executeTakeFirst(),
  );
  return numUpdatedRows > 0n;
}

export interface Outcome {
  readonly state: 'succeeded' | 'failed' | 'cancelled' | 'queued';
  readonly error?: unknown;
  /** With `queued`: when to try again. */
  readonly runAtMs?: number;
  readonly progress?: Progress | undefined;
}

/** Ends a claim. A job that was asked for again while it ran (also after its cancellation) is queued anew instead. */
export const settle = (database: Database, held: JobRow, to: Outcome, nowMs: number): Promise<void> =>
  database.tx(async (db) => {
    const mine = await jobsIn(db)
      .selectFrom('jobs')
      .select('rerun')
      .where('id', '=', held.id)
      .where('fence', '=', held.fence)
      .where('state', '=', held.state)
      .executeTakeFirst();
    if (!mine) return;
    const anew = mine.rerun === 1 && to.state !== 'queued';
    await jobsIn(db)
      .updateTable('jobs')
      .set({
        state: anew ? 'queued' : to.state,
        lease_until_ms: null,
        error: to.error === undefined ? null : JSON.stringify(to.error),
        ...(to.progress ? { progress: JSON.stringify(to.progress) } : {}),
        ...(anew ? { run_at_ms: nowMs, attempt: 0, rerun: 0, cancel_requested: 0 } : {}),
        ...(to.state === 'queued' ? { run_at_ms: to.runAtMs ?? nowMs } : {}),
        ...(anew || to.state === 'queued' ? {} : { finished_ms: nowMs, unique_key: null }),
      })
      .where('id', '=', held.id)
      .execute();
  });

/** Forgets the runs of a job that ended well before a moment. */
export const dropSucceeded = async (db: Db, workspace: string, name: string, beforeMs: number): Promise<void> =>
  void (await jobsIn(db)
    .deleteFrom('jobs')
    .where('workspace_id', '=', workspace)
    .where('name', '=', name)
    .where('state', '=', 'succeeded')
    .where('finished_ms', '<', beforeMs)
    .execute());

/** Says whether a claim still holds. Asked in the transaction that relies on it. */
export const holds = async (db: Db, { id, fence }: JobRow): Promise<boolean> =>
  (await jobsIn(db)
    .selectFrom('jobs')
    .select('id')
    .where('id', '=', id)
    .where('fence', '=', fence)
    .where('state', '=', 'running')
    .executeTakeFirst()) !== undefined;

/** Ends the lease at once, so that another process goes on with the job: this one stops. */
export const giveBack = (database: Database, held: JobRow): Promise<void> =>
  database.tx(
    async (db) =>
      void (await jobsIn(db)
        .updateTable('jobs')
        .set({ lease_until_ms: 0 })
        .where('id', '=', held.id)
        .where('fence', '=', held.fence)
        .where('state', '=', 'running')
        .execute()),
  );

/** Of these jobs, those that somebody asked to stop. */
export const findCancelled = async (db: Db, ids: readonly string[]): Promise<string[]> =>
  ids.length === 0
    ? []
    : (
        await jobsIn(db)
          .selectFrom('jobs')
          .select('id')
          .where('id', 'in', [...ids])
          .where('cancel_requested', '=', 1)
          .execute()
      ).map((row) => row.id);

/**
 * When a queued job becomes due by the wall clock alone, or the lease of one that runs ends unless it is kept; null if
 * none will.
 */
export async function nextDueMs(db: Db, nowMs: number): Promise<number | null> {
  const { rows } = await sql<{ at: number | null }>`
    select min(case when state = 'running' then lease_until_ms + 1 when run_at_ms > ${nowMs} then run_at_ms else due_us / 1000 + 1 end) as at
    from jobs where state in ('queued', 'running') and (state = 'queued' or lease_until_ms > ${nowMs})
    and (state = 'running' or run_at_ms > ${nowMs} or (due_us > ${nowMs * 1000} and not exists
      (select 1 from timelines t where t.workspace_id = jobs.workspace_id and t.project = jobs.project and t.mode = 'replay')))`.execute(
    db,
  );
  return rows[0]?.at ?? null;
}

/** Says whether work that event time has reached is not done yet: queued, running, or waiting for its next attempt. */
export const hasDueWork = async (db: Db, workspace: string, project: string, nowMs: number): Promise<boolean> =>
  (await jobsIn(db)
    .selectFrom('jobs')
    .select('id')
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('state', 'in', unsettled)
    // Always so; it leads SQLite to the same index.
    .where('run_at_ms', '>=', 0)
    .where('due_us', '<=', timelineNowUs(nowMs))
    .limit(1)
    .executeTakeFirst()) !== undefined;

/** Jobs that run now, in any workspace. */
export const runningJobs = (db: Db): Promise<{ id: string; name: string }[]> =>
  jobsIn(db).selectFrom('jobs').select(['id', 'name']).where('state', 'in', unsettled).where('state', '=', 'running').execute();

/** What the job with this key says it is doing; null if it has not begun or has ended. */
export async function findProgress(db: Db, workspace: string, name: string, uniqueKey: string): Promise<string | null> {
  const row = await jobsIn(db)
    .selectFrom('jobs')
    .select('progress')
    .where('workspace_id', '=', workspace)
    .where('name', '=', name)
    .where('unique_key', '=', uniqueKey)
    .executeTakeFirst();
  return row?.progress ? (JSON.parse(row.progress) as Progress).what : null;
}
