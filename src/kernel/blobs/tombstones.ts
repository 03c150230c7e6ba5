// What is left of bytes that were erased: their digest, the digest of what took their place, and how many
// rows are gone. Whoever looks an old digest up is told so, and what was recorded under it stays accounted for.
import type { Ctx } from '../ctx.ts';
import type { Db } from '../db/database.ts';
import type { Table } from '../db/tables.ts';

type TombstoneRow = {
  workspace_id: string;
  digest: string;
  new_digest: string | null;
  rows_removed: number;
  reason: string;
  recorded_ms: number;
};

export const tombstoneTable: Table = {
  name: 'blob_tombstones',
  columns: { workspace_id: 'id', digest: 'text', new_digest: 'text?', rows_removed: 'int', reason: 'text', recorded_ms: 'int' },
  primary: ['workspace_id', 'digest'],
};

const tombstonesIn = (db: Db) => db.withTables<{ blob_tombstones: TombstoneRow }>();

export interface Tombstone {
  readonly digest: string;
  /** What took its place; null = nothing did. */
  readonly newDigest: string | null;
  readonly rowsRemoved: number;
  /** Id of the erasure, or "suppressed" for bytes that brought an erased subject again. */
  readonly reason: string;
}

/** Of these digests, those whose bytes were erased. A chain of erasures is followed to its end. */
export async function findTombstones(db: Db, workspace: string, digests: readonly string[]): Promise<Map<string, Tombstone>> {
  const found = new Map<string, Tombstone>();
  for (let i = 0; i < digests.length; i += 1000) {
    const rows = await tombstonesIn(db)
      .selectFrom('blob_tombstones')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .where('digest', 'in', digests.slice(i, i + 1000))
      .execute();
    for (const row of rows)
      found.set(row.digest, { digest: row.digest, newDigest: row.new_digest, rowsRemoved: row.rows_removed, reason: row.reason });
  }
  const next = [...found.values()].flatMap((t) => (t.newDigest === null || t.newDigest === t.digest ? [] : [t.newDigest]));
  if (next.length === 0) return found;
  const further = await findTombstones(db, workspace, [...new Set(next)]);
  for (const [digest, t] of found) {
    const after = t.newDigest === null ? undefined : further.get(t.newDigest);
    if (after) found.set(digest, { ...t, newDigest: after.newDigest, rowsRemoved: t.rowsRemoved + after.rowsRemoved });
  }
  return found;
}

export async function insertTombstones(ctx: Ctx, tombstones: readonly Tombstone[]): Promise<void> {
  for (const t of tombstones) {
    const values = { new_digest: t.newDigest, rows_removed: t.rowsRemoved, reason: t.reason, recorded_ms: ctx.clock.now() };
    await tombstonesIn(ctx.db)
      .insertInto('blob_tombstones')
      .values({ workspace_id: ctx.workspace, digest: t.digest, ...values })
      .onConflict((c) => c.columns(['workspace_id', 'digest']).doUpdateSet(values))
      .execute();
  }
}
