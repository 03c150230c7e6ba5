// Tells who follows a run in this process that something was written; other processes are asked the database.
import type { Ctx } from '../../../../kernel/ctx.ts';

const followers = new WeakMap<object, Map<string, Set<() => void>>>();
const keyOf = (workspace: string, runId: string): string => `${workspace} ${runId}`;

/** After the commit. */
export function wakeFollowers(ctx: Pick<Ctx, 'database' | 'workspace'>, runId: string): void {
  for (const wake of followers.get(ctx.database)?.get(keyOf(ctx.workspace, runId)) ?? []) wake();
}

export interface Watch {
  /** Resolves when something was written since the last time, when the time is over or the signal ends. */
  next(ms: number, signal: AbortSignal): Promise<void>;
  close(): void;
}

export function watchRun(ctx: Pick<Ctx, 'database' | 'workspace'>, runId: string): Watch {
  const runs = followers.get(ctx.database) ?? new Map<string, Set<() => void>>();
  followers.set(ctx.database, runs);
  const key = keyOf(ctx.workspace, runId);
  let isNews = false;
  let awake: (() => void) | undefined;
  const wake = (): void => {
    isNews = true;
    awake?.();
  };
  const set = runs.get(key) ?? new Set();
  runs.set(key, set.add(wake));
  return {
    next: (ms, signal) =>
      new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          awake = undefined;
          isNews = false;
          resolve();
        };
        const timer = setTimeout(done, ms);
        timer.unref();
        awake = done;
        signal.addEventListener('abort', done, { once: true });
        if (isNews || signal.aborted) done();
      }),
    close: () => {
      set.delete(wake);
      if (set.size === 0) runs.delete(key);
    },
  };
}
