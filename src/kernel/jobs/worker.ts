// The worker claims due jobs, keeps their leases, and settles them. A lease that ran out (the process
// died) makes the job claimable again under a higher fencing token.
import { setTimeout as delay } from 'node:timers/promises';
import { Cron } from 'croner';
import { makeCtx, systemActor, type Platform } from '../ctx.ts';
import type { Database } from '../db/database.ts';
import { isProblem, toProblemDocument } from '../errors.ts';
import type { Job, JobRow, Progress } from './jobs.ts';
import { claim, dropSucceeded, findCancelled, findClaimable, giveBack, hasDueWork, holds, keepLease, nextDueMs, settle } from './queue.ts';

const BEAT_MS = 1000;
// How long a worker sleeps at most: leases of dead processes run out, and other replicas queue jobs.
const LONGEST_SLEEP_MS = 5000;
// Of a job that runs every minute nobody reads more.
const KEPT_MS = 3_600_000;

export interface Worker {
  wake(): void;
  /**
   * Runs until nothing more is due. With a project (for the timeline's barrier): until everything due by its
   * event time has ended, later attempts included; work of other projects is not waited for.
   */
  drain(barrier?: { workspace: string; project: string }, signal?: AbortSignal): Promise<void>;
  stop(deadlineMs: number): Promise<void>;
}

export interface WorkerOptions {
  readonly platform: () => Platform;
  readonly catalogue: readonly Job<never>[];
  readonly concurrency: number;
  /** Whether jobs that belong beside the data plane may run here; asked before each look. Absent: they may. */
  readonly mayServe?: () => boolean;
}

class LeaseLost extends Error {}

/**
 * The database as a job is given it: each of its transactions first looks whether the job is still ours. So a process
 * that was stopped, or cut off, for longer than its lease writes nothing beside the one that took over.
 */
const fenced = (database: Database, row: JobRow): Database => ({
  ...database,
  tx: (body, kind) =>
    database.tx(async (db, onCommit) => {
      if (!(await holds(db, row))) throw new LeaseLost(`job ${row.id} went to another process`);
      return body(db, onCommit);
    }, kind),
});

interface Running {
  readonly row: JobRow;
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

export function startWorker({ platform, catalogue, concurrency, mayServe = () => true }: WorkerOptions): Worker {
  const byName = new Map(catalogue.map((job) => [job.name, job as Job<unknown>]));
  const running = new Map<string, Running>();
  const enqueueCron = cronOf(catalogue);
  let stopped = false;
  let claiming: Promise<void> | undefined;
  let again = false;
  let sleeping: NodeJS.Timeout | undefined;

  const perform = async (row: JobRow, abort: AbortController): Promise<void> => {
    const { log, clock, database } = platform();
    const job = byName.get(row.name);
    let progress: Progress | undefined;
    let written: Progress | undefined;
    const keepAlive = async (): Promise<void> => {
      const news = progress === written ? undefined : progress;
      written = progress;
      if (!(await keepLease(database, row, clock.now(), news)))
        abort.abort(new Error('the job was cancelled, or its lease went to another process'));
    };
    const beat = setInterval(() => void keepAlive().catch(() => undefined), BEAT_MS);
    const timeout = setTimeout(() => abort.abort(new Error(`job ${row.name} took longer than ${job?.timeoutMs} ms`)), job?.timeoutMs ?? 0);
    try {
      if (!job) throw new Error(`no job named ${row.name} in the catalogue`);
      // One process writes a SQLite file; nobody takes its jobs over while it lives.
      const own = database.dialect.name === 'sqlite' ? platform() : { ...platform(), database: fenced(database, row) };
      const ctx = makeCtx(own, { actor: systemActor, workspace: row.workspace_id, requestId: row.id, signal: abort.signal });
      await job.run(ctx, JSON.parse(row.payload), { id: row.id, attempt: row.attempt, fence: row.fence, report: (p) => (progress = p) });
      await settle(database, row, { state: 'succeeded', progress }, clock.now());
    } catch (error) {
      if (error instanceof LeaseLost) return log.warn({ event: 'job.taken-over', job: row.name, id: row.id });
      if (stopped && abort.signal.aborted) return await giveBack(database, row);
      const cancelled = (await findCancelled(database.reader, [row.id])).length > 0;
      // What a user caused is the same the second time; what we or the machine caused may not be.
      const caused = isProblem(error) && error.status < 500;
      const left = job ? job.retry.limit - (row.attempt - 1) : 0;
      const final = cancelled || caused || left <= 0;
      log[final && !caused && !cancelled ? 'error' : 'warn']({
        event: 'job.failed',
        job: row.name,
        id: row.id,
        attempt: row.attempt,
        final,
        error,
      });
      const document = isProblem(error) ? toProblemDocument(error, row.id) : { title: 'Internal error', detail: String(error) };
      const now = clock.now();
      const state = cancelled ? 'cancelled' : final ? 'failed' : 'queued';
      const runAtMs = final ? now : now + job!.retry.backoffMs * 2 ** (row.attempt - 1);
      await settle(database, row, { state, error: document, runAtMs, progress }, now);
    } finally {
      clearInterval(beat);
      clearTimeout(timeout);
    }
  };

  const begin = (row: JobRow): void => {
    const abort = new AbortController();
    const done = perform(row, abort)
      // It stays claimed, and is taken over when the lease runs out.
      .catch((error: unknown) => platform().log.warn({ event: 'job.not-settled', id: row.id, error }))
      .finally(() => {
        running.delete(row.id);
        wake();
      });
    running.set(row.id, { row, abort, done });
  };

  const claimAll = async (): Promise<void> => {
    const { database, clock } = platform();
    for (const id of await findCancelled(database.reader, [...running.keys()]))
      running.get(id)?.abort.abort(new Error('the job was cancelled'));
    await enqueueCron(platform());
    while (!stopped) {
      const seen = await findClaimable(database.reader, clock.now(), [...running.keys()], fullNames());
      if (!seen) return;
      const row = await claim(database, seen, clock.now());
      if (row) begin(row);
    }
  };

  /** Names of jobs for which there is no slot now, or not here. */
  const fullNames = (): string[] => {
    const count = new Map<string, number>();
    let common = 0;
    for (const { row } of running.values()) {
      if (byName.get(row.name)?.ownSlots === undefined) common += 1;
      else count.set(row.name, (count.get(row.name) ?? 0) + 1);
    }
    return catalogue
      .filter(
        ({ name, ownSlots, besideDataPlane }) =>
          (besideDataPlane && !mayServe()) || (ownSlots === undefined ? common >= concurrency : (count.get(name) ?? 0) >= ownSlots),
      )
      .map(({ name }) => name);
  };

  const planWake = async (): Promise<void> => {
    const { database, clock } = platform();
    clearTimeout(sleeping);
    if (stopped) return;
    const at = await nextDueMs(database.reader, clock.now()).catch(() => null);
    sleeping = setTimeout(wake, Math.min(LONGEST_SLEEP_MS, Math.max(20, (at ?? Infinity) - clock.now())));
    sleeping.unref();
  };

  const look = async (): Promise<void> => {
    do {
      again = false;
      await claimAll().catch((error: unknown) => platform().log.warn({ event: 'jobs.claim-failed', error }));
      if (!again) await planWake();
    } while (again && !stopped);
    // In the same step as the last look at `again`, so that no call in between is lost.
    claiming = undefined;
  };

  const wake = (): void => {
    if (stopped) return;
    again = true;
    claiming ??= Promise.resolve().then(look);
  };

  return {
    wake,
    drain: async (barrier, signal) => {
      const isMine = ({ row }: Running): boolean =>
        !barrier || row.project === null || (row.project === barrier.project && row.workspace_id === barrier.workspace);
      for (;;) {
        signal?.throwIfAborted();
        wake();
        while (claiming) await claiming;
        const mine = [...running.values()].filter(isMine);
        const { database, clock } = platform();
        if (mine.length > 0) await Promise.race(mine.map((r) => r.done));
        else if (await findClaimable(database.reader, clock.now(), [...running.keys()], [], barrier)) await delay(5);
        else if (barrier && (await hasDueWork(database.reader, barrier.workspace, barrier.project, clock.now()))) await delay(20);
        else return;
      }
    },
    stop: async (deadlineMs) => {
      stopped = true;
      clearTimeout(sleeping);
      while (claiming) await claiming;
      const all = Promise.allSettled([...running.values()].map((r) => r.done));
      await Promise.race([all, delay(deadlineMs, undefined, { ref: false })]);
      for (const { abort } of running.values()) abort.abort(new Error('the server is stopping'));
      await Promise.race([all, delay(500, undefined, { ref: false })]);
    },
  };
}

/** Queues the next run of each scheduled job once the one before has come due; the key keeps replicas from queueing it twice. */
function cronOf(catalogue: readonly Job<never>[]): (platform: Platform) => Promise<void> {
  const scheduled = catalogue
    .filter((job) => job.cron !== undefined)
    .map((job) => ({ job: job as Job<unknown>, schedule: new Cron(job.cron!, { timezone: 'UTC', paused: true }), nextMs: -Infinity }));
  return async (platform) => {
    const now = platform.clock.now();
    for (const entry of scheduled.filter((e) => e.nextMs <= now)) {
      const next = entry.schedule.nextRun(new Date(now))?.getTime();
      if (next === undefined) continue;
      const ctx = makeCtx(platform, { actor: systemActor, workspace: 'default' });
      await ctx.tx(async (tx) => {
        await tx.enqueue({ job: entry.job, payload: {}, uniqueKey: `cron ${next}`, runAtMs: next });
        await dropSucceeded(tx.db, tx.workspace, entry.job.name, now - KEPT_MS);
      });
      entry.nextMs = next;
    }
  };
}
