// Batches of labels and what became of their rows.
import type { Db } from '../../../kernel/db/database.ts';
import type { BatchState, Counts, FeedbackBatch, Hints } from '../model.ts';
import type { OfMonitor } from './monitors.ts';

type BatchRow = {
  workspace_id: string;
  project: string;
  monitor: string;
  id: string;
  seq: number;
  state: BatchState;
  source: 'api' | 'dataset';
  dataset_version: string | null;
  digest: string;
  rows: number;
  hints: string;
  joined: number;
  duplicate: number;
  corrected: number;
  unknown: number;
  late: number;
  waiting: number;
  actor_id: string;
  accepted_us: number;
  recorded_ms: number;
  version: number;
};

const tablesIn = (db: Db) => db.withTables<{ feedback_batches: BatchRow }>();

const toBatch = (r: BatchRow): FeedbackBatch => ({
  project: r.project,
  monitor: r.monitor,
  id: r.id,
  seq: r.seq,
  state: r.state,
  source: r.source,
  datasetVersion: r.dataset_version,
  digest: r.digest,
  rows: r.rows,
  hints: JSON.parse(r.hints) as Hints,
  joined: r.joined,
  duplicate: r.duplicate,
  corrected: r.corrected,
  unknown: r.unknown,
  late: r.late,
  waiting: r.waiting,
  actor: r.actor_id,
  acceptedUs: r.accepted_us,
  recordedMs: r.recorded_ms,
  version: r.version,
});

const batchesOf = (db: Db, workspace: string, of: OfMonitor) =>
  tablesIn(db)
    .selectFrom('feedback_batches')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', of.project)
    .where('monitor', '=', of.monitor);

export async function findBatch(db: Db, workspace: string, of: OfMonitor, id: string): Promise<FeedbackBatch | undefined> {
  const row = await batchesOf(db, workspace, of).where('id', '=', id).executeTakeFirst();
  return row && toBatch(row);
}

/** Newest first. */
export async function listBatches(db: Db, workspace: string, of: OfMonitor, before: number, limit: number): Promise<FeedbackBatch[]> {
  const rows = await batchesOf(db, workspace, of).where('seq', '<', before).orderBy('seq', 'desc').limit(limit).execute();
  return rows.map(toBatch);
}

/** Batches that are not joined yet, in the order in which they came. */
export async function listAccepted(db: Db, workspace: string, of: OfMonitor, limit: number): Promise<FeedbackBatch[]> {
  const rows = await batchesOf(db, workspace, of).where('state', '=', 'accepted').orderBy('seq').limit(limit).execute();
  return rows.map(toBatch);
}

export const insertBatch = async (db: Db, workspace: string, b: FeedbackBatch): Promise<void> =>
  void (await tablesIn(db)
    .insertInto('feedback_batches')
    .values({
      workspace_id: workspace,
      project: b.project,
      monitor: b.monitor,
      id: b.id,
      seq: b.seq,
      state: b.state,
      source: b.source,
      dataset_version: b.datasetVersion,
      digest: b.digest,
      rows: b.rows,
      hints: JSON.stringify(b.hints),
      joined: b.joined,
      duplicate: b.duplicate,
      corrected: b.corrected,
      unknown: b.unknown,
      late: b.late,
      waiting: b.waiting,
      actor_id: b.actor,
      accepted_us: b.acceptedUs,
      recorded_ms: b.recordedMs,
      version: b.version,
    })
    .execute());

/** Adds what a join found of a batch; `waiting` is what waits now. */
export const countBatch = async (db: Db, workspace: string, of: OfMonitor, seq: number, counts: Counts): Promise<void> =>
  void (await tablesIn(db)
    .updateTable('feedback_batches')
    .set((eb) => ({
      state: 'joined' as const,
      joined: eb('joined', '+', counts.joined),
      duplicate: eb('duplicate', '+', counts.duplicate),
      corrected: eb('corrected', '+', counts.corrected),
      unknown: eb('unknown', '+', counts.unknown),
      late: eb('late', '+', counts.late),
      waiting: counts.waiting,
      version: eb('version', '+', 1),
    }))
    .where('workspace_id', '=', workspace)
    .where('project', '=', of.project)
    .where('monitor', '=', of.monitor)
    .where('seq', '=', seq)
    .execute());

/** First labels of predictions in batches that were accepted after a moment. */
export async function sumJoined(db: Db, workspace: string, of: OfMonitor, sinceUs: number): Promise<number> {
  const row = await tablesIn(db)
    .selectFrom('feedback_batches')
    .select((eb) => eb.fn.sum<number | null>('joined').as('n'))
    .where('workspace_id', '=', workspace)
    .where('project', '=', of.project)
    .where('monitor', '=', of.monitor)
    .where('accepted_us', '>', sinceUs)
    .executeTakeFirstOrThrow();
  return Number(row.n ?? 0);
}
