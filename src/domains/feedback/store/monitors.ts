// What is known of the labels of a monitor as a whole.
import type { Db } from '../../../kernel/db/database.ts';
import { noHints, type Hints, type MonitorFeedback } from '../model.ts';

type MonitorRow = {
  workspace_id: string;
  project: string;
  monitor: string;
  last_seq: number;
  last_join: number;
  waiting: number;
  waiting_digest: string;
  waiting_hints: string;
  next_expiry_us: number | null;
  seen_files: number;
  queried_us: number | null;
  version: number;
};

const tablesIn = (db: Db) => db.withTables<{ feedback_monitors: MonitorRow }>();

export interface OfMonitor {
  readonly project: string;
  readonly monitor: string;
}

/** Takes the next number of a monitor's batches. */
export async function takeSeq(db: Db, workspace: string, of: OfMonitor): Promise<number> {
  const row = await tablesIn(db)
    .insertInto('feedback_monitors')
    .values({
      workspace_id: workspace,
      project: of.project,
      monitor: of.monitor,
      last_seq: 1,
      last_join: 0,
      waiting: 0,
      waiting_digest: '',
      waiting_hints: JSON.stringify(noHints),
      next_expiry_us: null,
      seen_files: 0,
      queried_us: null,
      version: 1,
    })
    .onConflict((c) =>
      c.columns(['workspace_id', 'project', 'monitor']).doUpdateSet((eb) => ({ last_seq: eb('feedback_monitors.last_seq', '+', 1) })),
    )
    .returning('last_seq')
    .executeTakeFirstOrThrow();
  return row.last_seq;
}

export async function findMonitor(db: Db, workspace: string, of: OfMonitor): Promise<MonitorFeedback | undefined> {
  const r = await tablesIn(db)
    .selectFrom('feedback_monitors')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', of.project)
    .where('monitor', '=', of.monitor)
    .executeTakeFirst();
  return (
    r && {
      lastJoin: r.last_join,
      waiting: r.waiting,
      waitingDigest: r.waiting_digest,
      waitingHints: JSON.parse(r.waiting_hints) as Hints,
      nextExpiryUs: r.next_expiry_us,
      seenFiles: r.seen_files,
      queriedUs: r.queried_us,
      version: r.version,
    }
  );
}

/** False if another process was quicker. */
export async function updateMonitor(db: Db, workspace: string, of: OfMonitor, m: MonitorFeedback): Promise<boolean> {
  const { numUpdatedRows } = await tablesIn(db)
    .updateTable('feedback_monitors')
    .set({
      last_join: m.lastJoin,
      waiting: m.waiting,
      waiting_digest: m.waitingDigest,
      waiting_hints: JSON.stringify(m.waitingHints),
      next_expiry_us: m.nextExpiryUs,
      seen_files: m.seenFiles,
      version: m.version + 1,
    })
    .where('workspace_id', '=', workspace)
    .where('project', '=', of.project)
    .where('monitor', '=', of.monitor)
    .where('version', '=', m.version)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Notes the moment of event time at which labels were last asked for. */
export const setQueried = async (db: Db, workspace: string, of: OfMonitor, queriedUs: number): Promise<void> =>
  void (await tablesIn(db)
    .insertInto('feedback_monitors')
    .values({
      workspace_id: workspace,
      project: of.project,
      monitor: of.monitor,
      last_seq: 0,
      last_join: 0,
      waiting: 0,
      waiting_digest: '',
      waiting_hints: JSON.stringify(noHints),
      next_expiry_us: null,
      seen_files: 0,
      queried_us: queriedUs,
      version: 1,
    })
    .onConflict((c) => c.columns(['workspace_id', 'project', 'monitor']).doUpdateSet({ queried_us: queriedUs }))
    .execute());
