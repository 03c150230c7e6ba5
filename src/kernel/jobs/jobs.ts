// Jobs: work that goes on after the request. Payloads are ids; handlers are idempotent; a job is queued
// in the transaction of the change that needs it and claimed with a lease and a fencing token.
import type { Ctx } from '../ctx.ts';
import type { Db } from '../db/database.ts';
import type { Table } from '../db/tables.ts';
import { defineErrors } from '../errors.ts';
import { newId } from '../ids.ts';

/**
 * queued -> running -> succeeded | failed | cancelled; running -> queued (retry, or the lease ran out);
 * queued -> cancelled. `due_us` is set for work due at a moment of event time: it is not claimed before
 * the project's timeline has reached it.
 */
export const jobStates = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type JobState = (typeof jobStates)[number];

export interface JobRow {
  id: string;
  workspace_id: string;
  name: string;
  payload: string;
  state: JobState;
  run_at_ms: number;
  project: string | null;
  due_us: number | null;
  attempt: number;
  fence: number;
  lease_until_ms: number | null;
  unique_key: string | null;
  progress: string | null;
  error: string | null;
  cancel_requested: number;
  /** Asked for again while it ran: it runs once more instead of ending. */
  rerun: number;
  created_ms: number;
  finished_ms: number | null;
}

export const jobTables: readonly Table[] = [
  {
    name: 'jobs',
    columns: {
      id: 'id',
      workspace_id: 'id',
      name: 'text',
      payload: 'json',
      state: 'text',
      run_at_ms: 'int',
      project: 'text?',
      due_us: 'int?',
      attempt: 'int',
      fence: 'int',
      lease_until_ms: 'int?',
      unique_key: 'text?',
      progress: 'json?',
      error: 'json?',
      cancel_requested: 'bool',
      rerun: 'bool',
      created_ms: 'int',
      finished_ms: 'int?',
    },
    primary: ['id'],
    unique: [['workspace_id', 'name', 'unique_key']],
    oneOf: { state: jobStates },
    indexes: [['workspace_id', 'created_ms', 'id'], { on: ['state', 'run_at_ms', 'id'], where: "state in ('queued', 'running')" }],
  },
];

export const jobsIn = (db: Db) => db.withTables<{ jobs: JobRow }>();

export const { fail } = defineErrors({
  'job-not-found': {
    status: 404,
    title: 'No such job',
    detail: (p: { id: string }) => `There is no job "${p.id}" in this workspace.`,
  },
});

export interface Progress {
  /** What is being done, in words. */
  readonly what: string;
  readonly done?: number;
  readonly total?: number;
  readonly unit?: string;
}

export interface JobRun {
  readonly id: string;
  readonly attempt: number;
  /** Grows with every claim: what an outdated holder writes can be told apart. */
  readonly fence: number;
  readonly report: (progress: Progress) => void;
}

/** An entry of the catalogue of jobs. */
export interface Job<P> {
  readonly name: string;
  readonly timeoutMs: number;
  /** Further attempts after a failure that no user caused, and the first delay; it doubles. */
  readonly retry: { readonly limit: number; readonly backoffMs: number };
  /** Wall-clock schedule (five fields, UTC) for jobs that keep the house. */
  readonly cron?: string;
  /** Runs beside the others, at most so many at a time: for work that may take hours and would hold up all else. */
  readonly ownSlots?: number;
  /** Reads or writes what data planes read in the server's folder: of several replicas the one with a data plane runs it. */
  readonly besideDataPlane?: true;
  readonly run: (ctx: Ctx, payload: P, job: JobRun) => Promise<void>;
}

export const defineJob = <P>(job: Job<P>): Job<P> => Object.freeze(job);

export interface Enqueue<P> {
  readonly job: Job<P>;
  readonly payload: P;
  /**
   * There is one job with this key at a time. While it is queued, asking again changes nothing; while it
   * runs, it runs once more afterwards, because it may have read its input already.
   */
  readonly uniqueKey?: string;
  readonly runAtMs?: number;
  /** Event time (microseconds) of `project` before which the job is not due. */
  readonly dueUs?: number;
  readonly project?: string;
}

export async function insertJob<P>(ctx: Ctx, item: Enqueue<P>): Promise<string> {
  const id = newId('job', ctx.ids);
  if (item.uniqueKey !== undefined) {
    const active = await jobsIn(ctx.db)
      .selectFrom('jobs')
      .select(['id', 'state'])
      .where('workspace_id', '=', ctx.workspace)
      .where('name', '=', item.job.name)
      .where('unique_key', '=', item.uniqueKey)
      .executeTakeFirst();
    if (active?.state === 'running')
      await jobsIn(ctx.db)
        .updateTable('jobs')
        .set({ rerun: 1, payload: JSON.stringify(item.payload) })
        .where('id', '=', active.id)
        .execute();
    // Written as it is: a worker that claims it meanwhile waits for this commit, or lets this transaction begin anew. Else the
    // run that was asked for could have begun before what it is to read was there.
    if (active?.state === 'queued')
      await jobsIn(ctx.db)
        .updateTable('jobs')
        .set((eb) => ({ payload: eb.ref('payload') }))
        .where('id', '=', active.id)
        .execute();
    if (active) return active.id;
  }
  await jobsIn(ctx.db)
    .insertInto('jobs')
    .values({
      id,
      workspace_id: ctx.workspace,
      name: item.job.name,
      payload: JSON.stringify(item.payload),
      state: 'queued',
      run_at_ms: item.runAtMs ?? ctx.clock.now(),
      project: item.project ?? null,
      due_us: item.dueUs ?? null,
      attempt: 0,
      fence: 0,
      lease_until_ms: null,
      unique_key: item.uniqueKey ?? null,
      progress: null,
      error: null,
      cancel_requested: 0,
      rerun: 0,
      created_ms: ctx.clock.now(),
      finished_ms: null,
    })
    .execute();
  return id;
}

/** Asks a job to stop: a queued one is cancelled at once, a running one at its next safe point. */
export const cancelJob = (ctx: Ctx, id: string): Promise<void> =>
  ctx.tx(async ({ db, clock, workspace, wakeJobs }) => {
    const row = await jobsIn(db)
      .selectFrom('jobs')
      .select('state')
      .where('id', '=', id)
      .where('workspace_id', '=', workspace)
      .executeTakeFirst();
    if (!row) fail('job-not-found', { id });
    await jobsIn(db)
      .updateTable('jobs')
      .set({ cancel_requested: 1, rerun: 0 })
      .where('id', '=', id)
      .where('state', '=', 'running')
      .execute();
    await jobsIn(db)
      .updateTable('jobs')
      .set({ state: 'cancelled', finished_ms: clock.now(), unique_key: null })
      .where('id', '=', id)
      .where('state', '=', 'queued')
      .execute();
    wakeJobs();
  });
