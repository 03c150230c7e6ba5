// The files that failed attempts worked with, and folders that were staged for a look. Code and inputs are in the store, and
// `gyre shell` brings them back. They go after a while; what an attempt wrote down (its log, how it ended) stays.
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

export interface RunEnd {
  readonly id: string;
  readonly state: string;
  readonly finished_ms: number | null;
}

export interface SweepAttempts {
  /** The data folder. */
  readonly dir: string;
  /** What is known of runs; of some there may be no record any more. */
  readonly endsOf: (runIds: readonly string[]) => Promise<readonly RunEnd[]>;
  /** Only of runs that ended before this. */
  readonly beforeMs: number;
  /** Tells what would go. */
  readonly dryRun: boolean;
  readonly signal?: AbortSignal;
}

const AT_ONCE = 200;

/** May be killed at any point and begun again. A run that is resumed makes new attempts, in folders of their own. */
export async function sweepAttempts(sweep: SweepAttempts): Promise<{ folders: number; bytes: number }> {
  const root = join(sweep.dir, 'attempts');
  const runs = await namesIn(root);
  let [folders, bytes] = [0, 0];
  for (let at = 0; at < runs.length && !sweep.signal?.aborted; at += AT_ONCE) {
    const some = runs.slice(at, at + AT_ONCE);
    const ends = new Map((await sweep.endsOf(some)).map((end) => [end.id, end]));
    for (const run of some) {
      const end = ends.get(run);
      if (end && (end.state === 'running' || end.finished_ms === null || end.finished_ms >= sweep.beforeMs)) continue;
      for (const attempt of await namesIn(join(root, run))) {
        const work = join(root, run, attempt, 'work');
        const found = await lstat(work).catch(() => undefined);
        // Someone may have staged it for a look lately; and of a run without a record nothing else tells the age.
        if (!found?.isDirectory() || found.mtimeMs >= sweep.beforeMs) continue;
        bytes += await sizeOf(work);
        folders += 1;
        if (!sweep.dryRun) await rm(work, { recursive: true, force: true });
      }
    }
  }
  return { folders, bytes };
}

const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    bytes += entry.isDirectory() ? await sizeOf(path) : ((await lstat(path).catch(() => undefined))?.size ?? 0);
  }
  return bytes;
}
