// Which segments of the inference log are shipped, and which blobs hold their records.
import type { Db } from '../../kernel/db/database.ts';

type SegmentRow = {
  workspace_id: string;
  replica: string;
  segment: string;
  digest: string;
  records: number;
  from_us: number;
  to_us: number;
  shipped_ms: number;
};

const tablesIn = (db: Db) => db.withTables<{ inference_segments: SegmentRow }>();

/** The row of no workspace says that all of a segment is shipped; it is written last. */
export const WHOLE = '';

export interface ShippedSegment {
  readonly workspace: string;
  readonly replica: string;
  readonly segment: string;
  /** The Parquet file with the workspace's records; '' without any. */
  readonly digest: string;
  readonly records: number;
  readonly fromUs: number;
  readonly toUs: number;
  readonly shippedMs: number;
}

/** The segments of a replica that are shipped as a whole. */
export async function listShipped(db: Db, replica: string): Promise<Set<string>> {
  const rows = await tablesIn(db)
    .selectFrom('inference_segments')
    .select('segment')
    .where('workspace_id', '=', WHOLE)
    .where('replica', '=', replica)
    .execute();
  return new Set(rows.map((r) => r.segment));
}

/** False if it was there already. */
export async function insertShipped(db: Db, s: ShippedSegment): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tablesIn(db)
    .insertInto('inference_segments')
    .values({
      workspace_id: s.workspace,
      replica: s.replica,
      segment: s.segment,
      digest: s.digest,
      records: s.records,
      from_us: s.fromUs,
      to_us: s.toUs,
      shipped_ms: s.shippedMs,
    })
    .onConflict((c) => c.doNothing())
    .executeTakeFirstOrThrow();
  return numInsertedOrUpdatedRows === 1n;
}

/** Digests of the files with records between two event times, both included. */
export async function listFiles(db: Db, workspace: string, fromUs: number, toUs: number): Promise<string[]> {
  const rows = await tablesIn(db)
    .selectFrom('inference_segments')
    .select('digest')
    .where('workspace_id', '=', workspace)
    .where('records', '>', 0)
    .where('from_us', '<=', toUs)
    .where('to_us', '>=', fromUs)
    .orderBy('replica')
    .orderBy('segment')
    .execute();
  return rows.map((r) => r.digest);
}
