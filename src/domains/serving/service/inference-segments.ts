// Which blobs hold the inference records of a time.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Db } from '../../../kernel/db/database.ts';

export type SegmentRow = {
  workspace_id: string;
  replica: string;
  segment: string;
  digest: string;
  records: number;
  from_us: number;
  to_us: number;
  shipped_ms: number;
};

export const segmentsIn = (db: Db) => db.withTables<{ inference_segments: SegmentRow }>();

/** Digests of the Parquet files with records between two event times, both included; files also hold other endpoints' records. */
export async function inferenceFiles(ctx: Ctx, fromUs: number, toUs: number): Promise<string[]> {
  const rows = await segmentsIn(ctx.db)
    .selectFrom('inference_segments')
    .select('digest')
    .where('workspace_id', '=', ctx.workspace)
    .where('records', '>', 0)
    .where('from_us', '<=', toUs)
    .where('to_us', '>=', fromUs)
    .orderBy('replica')
    .orderBy('segment')
    .execute();
  return rows.map((r) => r.digest);
}
