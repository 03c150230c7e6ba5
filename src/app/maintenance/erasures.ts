// Who was erased, as a file that outlives the server: what a restore needs to erase them again.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { eraseAgain as eraseOne } from '../../domains/governance/public.ts';
import { subjectKey } from '../../domains/subjects/public.ts';
import { openBlobStore } from '../../kernel/blobs/open-store.ts';
import { wallClock } from '../../kernel/clock.ts';
import { openCompute } from '../../kernel/compute/compute.ts';
import type { Settings } from '../../kernel/config/settings.ts';
import { makeCtx, systemActor, type Platform } from '../../kernel/ctx.ts';
import { isProblem } from '../../kernel/errors.ts';
import { startSequencer } from '../../kernel/events/sequencer.ts';
import { systemIds } from '../../kernel/ids.ts';
import { silentLog } from '../../kernel/log.ts';
import { openTimeline } from '../../kernel/timeline/timeline.ts';
import { locationOf, openDatabase } from './database/open-database.ts';
import { collect, openSnapshot, type Location } from './database/snapshot.ts';
import { fail } from './errors.ts';

interface ErasedSubject {
  readonly workspace: string;
  readonly project: string;
  readonly kind: string;
  readonly hmac: string;
  readonly columns: readonly string[];
  readonly erasedAt: string;
}

export interface ErasureList {
  readonly format: 1;
  readonly exportedAt: string;
  /** Names the key of the HMACs without telling it. */
  readonly key: string;
  readonly subjects: readonly ErasedSubject[];
}

const keyName = (dir: string): string => createHash('sha256').update('subject key').update(subjectKey(dir)).digest('hex').slice(0, 32);

/** Everybody who is suppressed, in all workspaces. No identifier is in it, only HMACs. */
export async function exportErasures(settings: Settings, at: Location = locationOf(settings)): Promise<ErasureList> {
  const snapshot = await openSnapshot(at);
  try {
    const rows = await collect(
      snapshot.query<{ workspace_id: string; project: string; hmac: string; columns: string; created_ms: number; kind: string | null }>(
        `select s.workspace_id, s.project, s.hmac, s.columns, s.created_ms, e.subject_kind as kind from suppressions s
          left join erasures e on e.workspace_id = s.workspace_id and e.id = s.erasure_id order by s.workspace_id, s.project, s.number`,
      ),
    );
    const subjects = rows.map((r): ErasedSubject => {
      const columns = JSON.parse(r.columns) as string[];
      const erasedAt = new Date(Number(r.created_ms)).toISOString();
      return { workspace: r.workspace_id, project: r.project, kind: r.kind ?? columns[0]!, hmac: r.hmac, columns, erasedAt };
    });
    return { format: 1, exportedAt: new Date().toISOString(), key: keyName(settings.dir), subjects };
  } finally {
    await snapshot.close();
  }
}

/** Raises `archive-unusable` for what is no such file. */
export function readErasures(text: string, file: string): ErasureList {
  try {
    const list = JSON.parse(text) as ErasureList;
    if (
      list.format === 1 &&
      Array.isArray(list.subjects) &&
      list.subjects.every((s) => /^[0-9a-f]{64}$/.test(s.hmac) && Array.isArray(s.columns))
    )
      return list;
  } catch {
    // Told below.
  }
  return fail('archive-unusable', { file, why: 'it is not what "gyre erasures export" wrote.' });
}

export interface ErasedAgain {
  readonly project: string;
  readonly what: string;
  readonly failed: boolean;
}

/** Begins the erasure of everybody in the list whom the restored database does not know as erased. */
export async function eraseAgain(settings: Settings, list: ErasureList): Promise<ErasedAgain[]> {
  if (list.subjects.length === 0) return [];
  if (!existsSync(join(settings.dir, 'governance', 'subject.key')) || keyName(settings.dir) !== list.key)
    return [{ project: 'all', what: 'NOT erased again: the list was made under another key than that of the backup', failed: true }];
  const database = await openDatabase(settings);
  const sequencer = startSequencer(database);
  const compute = openCompute({
    dir: join(settings.dir, 'compute'),
    memoryMb: settings.computeMemoryMb,
    threads: settings.computeThreads,
    timeoutMs: settings.computeTimeoutMs,
  });
  const blobs = await openBlobStore(settings, silentLog);
  const nobody = (): void => undefined;
  // No worker and no subscriber: what else waits in the queue is the server's to do.
  const platform: Platform = Object.freeze({
    ...{ database, blobs, compute, settings, clock: wallClock, timeline: openTimeline(wallClock), ids: systemIds },
    ...{ log: silentLog, wakeJobs: nobody, wakeSubscribers: nobody },
  });
  const done: ErasedAgain[] = [];
  try {
    for (const { workspace, project, ...subject } of list.subjects) {
      const ctx = makeCtx(platform, { actor: systemActor, workspace });
      try {
        const { state, id } = await eraseOne(ctx, { project, ...subject });
        const what = {
          'erased-already': 'one subject was erased before the backup',
          queued: `one ${subject.kind} is erased again as soon as the server runs, which holds the project until then (erasure ${id})`,
          suppressed: `one ${subject.kind} is in no table of the backup, and is left out of what comes in`,
        }[state];
        done.push({ project, what, failed: false });
      } catch (error) {
        if (!isProblem(error)) throw error;
        done.push({
          project,
          what: `one ${subject.kind} was NOT erased again: ${error.message}`,
          failed: !isProblem(error, 'project-not-found'),
        });
      }
    }
  } finally {
    await sequencer.settle();
    await sequencer.stop();
    await compute.close();
    await blobs.close();
    await database.close();
  }
  return done;
}
