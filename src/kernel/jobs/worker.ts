// The worker claims due jobs, keeps their leases, and settles them. A lease that ran out (the process
// died) makes the job claimable again under a higher fencing token.
import { Cron } from 'croner';
import { sql } from 'kysely';
import { makeCtx, systemActor, type Platform } from '../ctx.ts';
import { isProblem, toProblemDocument } from '../errors.ts';
import { jobsIn, type Job, type JobRow, type Progress } from './jobs.ts';

const LEASE_MS = 30_000;
const BEAT_MS = 1000;

export interface Worker {
  wake(): void;
  /** Runs until nothing more is due (for the timeline's barrier, and for tests). */
  drain(options?: { project?: string }): Promise<void>;
  stop(deadlineMs: number): Promise<void>;
}

export interface WorkerOptions {
  readonly platform: () => Platform;
  readonly catalogue: readonly Job<never>[];
  readonly concurrency: number;
  /** Seen once at start: queued jobs wait until true (a server that only reads starts none). */
  readonly log?: boolean;
}

export function startWorker({ platform, catalogue, concurrency }: WorkerOptions): Worker {
  const byName = new Map(catalogue.map((job) => [job.name, job as Job<unknown>]));
  const running = new Map<string, { done: Promise<void>; abort: AbortController; project: string | null }>();
  let stopped = false;
  let claiming: Promise<void> | undefined;
  let again = false;
  let sleeping: NodeJS.Timeout | undefined;

  const claim = async (): Promise<JobRow | undefined> => {
    const { database, clock } = platform();
    const now = clock.now();
    const claimable = await nextClaimable(now);
    if (!claimable) return undefined;
    return database.tx(async (db) => {
      const updated = await jobsIn(db)
        .updateTable('jobs')
        .set((eb) => ({ state: 'running', lease_until_ms: now + LEASE_MS, attempt: eb('attempt', '+', 1), fence: eb('fence', '+', 1) }))
        .where('id', '=', claimable.id)
        .where('fence', '=', claimable.fence)
        .where('state', '=', claimable.state)
        .executeTakeFirst();
      if (updated.numUpdatedRows === 0n) return undefined;
      return { ...claimable, state: 'running', attempt: claimable.attempt + 1, fence: claimable.fence + 1 };
    });
  };

  const nextClaimable = async (now: number): Promise<JobRow | undefined> =>
    jobsIn(platform().database.reader)
      .selectFrom('jobs')
      .selectAll()
      .where('state', 'in', ['queued', 'running'])
      .where('run_at_ms', '<=', now)
      .where((eb) => eb.or([eb('state', '=', 'queued'), eb('lease_until_ms', '<', now)]))
      .where((eb) =>
        eb.or([
          eb('due_us', 'is', null),
          sql<boolean>`due_us <= (select case t.mode when 'live' then ${now * 1000} else t.now_us end from timelines t where t.workspace_id = jobs.workspace_id and t.project = jobs.project)`,
        ]),
      )
      .where('id', 'not in', [...running.keys(), ''])
      .orderBy('run_at_ms')
      .orderBy('id')
      .limit(1)
      .executeTakeFirst();

  const perform = async (row: JobRow, abort: AbortController): Promise<void> => {
    const { log, clock } = platform();
    const job = byName.get(row.name);
    let progress: Progress | undefined;
    let written: Progress | undefined;
    const beat = setInterval(() => void keepAlive().catch(() => undefined), BEAT_MS);
    const keepAlive = async (): Promise<void> => {
      const changed = progress !== written;
      written = progress;
      const held = await platform().database.tx((db) =>
        jobsIn(db)
          .updateTable('jobs')
          .set({ lease_until_ms: clock.now() + LEASE_MS, ...(changed ? { progress: JSON.stringify(progress) } : {}) })
          .where('id', '=', row.id)
          .where('fence', '=', row.fence)
          .where('state', '=', 'running')
          .where('cancel_requested', '=', 0)
          .executeTakeFirst(),
      );
      if (held.numUpdatedRows === 0n) abort.abort(new Error('the job was cancelled, or its lease went to another process'));
    };
    const timeout = setTimeout(() => abort.abort(new Error(`job ${row.name} took longer than ${job?.timeoutMs} ms`)), job?.timeoutMs ?? 0);
    try {
      if (!job) throw new Error(`no job named ${row.name} in the catalogue`);
      const ctx = makeCtx(platform(), { actor: systemActor, workspace: row.workspace_id, requestId: row.id, signal: abort.signal });
      await job.run(ctx, JSON.parse(row.payload), { id: row.id, attempt: row.attempt, fence: row.fence, report: (p) => (progress = p) });
      await settle(row, { state: 'succeeded' });
    } catch (error) {
      const cancelled = abort.signal.aborted && (await cancelRequested(row.id));
      const left = job ? job.retry.limit - (row.attempt - 1) : 0;
      const final = isProblem(error) || left <= 0 || cancelled;
      if (stopped && abort.signal.aborted) return; // the lease runs out and another process goes on
      log[final && !isProblem(error) && !cancelled ? 'error' : 'warn']({
        event: 'job.failed',
        job: row.name,
        id: row.id,
        attempt: row.attempt,
        final,
        error,
      });
      const document = isProblem(error) ? toProblemDocument(error, row.id) : { title: 'Internal error', detail: String(error) };
      await settle(
        row,
        final
          ? { state: cancelled ? 'cancelled' : 'failed', error: document }
          : { state: 'queued', error: document, runAtMs: clock.now() + job!.retry.backoffMs * 2 ** (row.attempt - 1) },
      );
    } finally {
      clearInterval(beat);
      clearTimeout(timeout);
    }
  };

  const cancelRequested = async (id: string): Promise<boolean> =>
    ((await jobsIn(platform().database.reader).selectFrom('jobs').select('cancel_requested').where('id', '=', id).executeTakeFirst())
      ?.cancel_requested ?? 0) === 1;

  const settle = (row: JobRow, to: { state: JobRow['state']; error?: unknown; runAtMs?: number }) =>
    platform().database.tx((db) =>
      jobsIn(db)
        .updateTable('jobs')
        .set({
          state: to.state,
          lease_until_ms: null,
          error: to.error === undefined ? null : JSON.stringify(to.error),
          ...(to.state === 'queued' ? { run_at_ms: to.runAtMs! } : { finished_ms: platform().clock.now(), unique_key: null }),
        })
        .where('id', '=', row.id)
        .where('fence', '=', row.fence)
        .execute(),
    );

  const claimAll = async (): Promise<void> => {
    do {
      again = false;
      while (!stopped && running.size < concurrency) {
        const row = await claim();
        if (!row) break;
        const abort = new AbortController();
        const done = perform(row, abort)
          .catch((error: unknown) => platform().log.error({ event: 'job.not-settled', id: row.id, error }))
          .finally(() => {
            running.delete(row.id);
            wake();
          });
        running.set(row.id, { done, abort, project: row.project });
      }
    } while (again && !stopped && running.size < concurrency);
    await planWake();
  };

  // Sleeps until the next delayed job is due; leases of dead processes are looked at every few seconds.
  const planWake = async (): Promise<void> => {
    clearTimeout(sleeping);
    if (stopped) return;
    const { rows } = await sql<{ at: number | null }>`select min(run_at_ms) as at from jobs where state = 'queued'`.execute(
      platform().database.reader,
    );
    const at = rows[0]?.at;
    const wait = at === null || at === undefined ? 5000 : Math.min(5000, Math.max(20, at - platform().clock.now()));
    sleeping = setTimeout(wake, wait);
    sleeping.unref();
  };

  const wake = (): void => {
    if (stopped) return;
    again = true;
    claiming ??= claimAll()
      .catch((error: unknown) => platform().log.error({ event: 'jobs.claim-failed', error }))
      .finally(() => {
        claiming = undefined;
        if (again && !stopped && running.size < concurrency) setImmediate(wake);
      });
  };

  for (const job of catalogue) if (job.cron) void scheduleCron(platform, job as Job<unknown>, () => stopped);

  return {
    wake,
    drain: async ({ project } = {}) => {
      for (;;) {
        wake();
        while (claiming) await claiming;
        const mine = [...running.values()].filter((r) => project === undefined || r.project === null || r.project === project);
        if (mine.length > 0) await Promise.race(mine.map((r) => r.done));
        else if (!(await nextClaimable(platform().clock.now()))) return;
        else await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    stop: async (deadlineMs) => {
      stopped = true;
      clearTimeout(sleeping);
      while (claiming) await claiming;
      const all = Promise.allSettled([...running.values()].map((r) => r.done));
      await Promise.race([all, new Promise((resolve) => setTimeout(resolve, deadlineMs).unref())]);
      for (const { abort } of running.values()) abort.abort(new Error('the server is stopping'));
      await Promise.race([all, new Promise((resolve) => setTimeout(resolve, 500).unref())]);
    },
  };
}

async function scheduleCron(platform: () => Platform, job: Job<unknown>, stopped: () => boolean): Promise<void> {
  const schedule = new Cron(job.cron!, { timezone: 'UTC', paused: true });
  const enqueueNext = async (): Promise<void> => {
    const at = schedule.nextRun();
    if (!at || stopped()) return;
    const ctx = makeCtx(platform(), { actor: systemActor, workspace: 'default' });
    await ctx.tx((tx) => tx.enqueue({ job, payload: {}, uniqueKey: 'cron', runAtMs: at.getTime() }));
    setTimeout(() => void enqueueNext().catch(() => undefined), Math.min(at.getTime() - Date.now() + 1000, 3_600_000)).unref();
  };
  await enqueueNext().catch((error: unknown) => platform().log.warn({ event: 'cron.not-scheduled', job: job.name, error }));
}
