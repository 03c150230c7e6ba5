// Which blobs a workspace has, and where they lie. Whether another workspace has the same bytes is never
// observable: each has its own rows, and an upload is always taken in full.
import type { Ctx } from '../ctx.ts';
import type { Db } from '../db/database.ts';
import type { Table } from '../db/tables.ts';
import { defineErrors } from '../errors.ts';
import { failpoint } from '../failpoints.ts';
import type { BlobEntry, BlobSource } from './blob-store.ts';
import { holdTable } from './hold.ts';
import { refuseRemovedPacks, removedPackTable } from './removed-packs.ts';
import { findTombstones, tombstoneTable } from './tombstones.ts';

type BlobRow = {
  workspace_id: string;
  digest: string;
  size_bytes: number;
  pack: string;
  pack_offset: number;
  length: number;
  created_ms: number;
};

export const blobTables: readonly Table[] = [
  {
    name: 'blobs',
    columns: { workspace_id: 'id', digest: 'text', size_bytes: 'int', pack: 'text', pack_offset: 'int', length: 'int', created_ms: 'int' },
    primary: ['workspace_id', 'digest'],
    indexes: [['pack']],
  },
  tombstoneTable,
  holdTable,
  removedPackTable,
];

const blobsIn = (db: Db) => db.withTables<{ blobs: BlobRow }>();

const { fail } = defineErrors({
  'blob-not-found': {
    status: 404,
    title: 'No such blob',
    detail: (p: { digest: string }) => `This workspace has no blob ${p.digest}; upload it first.`,
  },
  'blob-erased': {
    status: 410,
    title: 'The bytes were erased',
    detail: (p: { digest: string; newDigest: string | null }) =>
      `The bytes ${p.digest} were erased${p.newDigest === null ? '' : `; what is left of them is ${p.newDigest}`}. See the certificate of the erasure.`,
  },
});

const toEntry = (row: BlobRow): BlobEntry => ({
  digest: row.digest,
  sizeBytes: row.size_bytes,
  pack: row.pack,
  offset: row.pack_offset,
  length: row.length,
});

/** Entries of the digests that the workspace has. */
export async function findBlobs(db: Db, workspace: string, digests: readonly string[]): Promise<Map<string, BlobEntry>> {
  const found = new Map<string, BlobEntry>();
  for (let i = 0; i < digests.length; i += 1000) {
    const rows = await blobsIn(db)
      .selectFrom('blobs')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .where('digest', 'in', digests.slice(i, i + 1000))
      .execute();
    for (const row of rows) found.set(row.digest, toEntry(row));
  }
  return found;
}

/** Raises `blob-not-found`, `blob-erased`. */
export async function getBlob(db: Db, workspace: string, digest: string): Promise<BlobEntry> {
  const found = (await findBlobs(db, workspace, [digest])).get(digest);
  if (found) return found;
  const tombstone = (await findTombstones(db, workspace, [digest])).get(digest);
  return tombstone ? fail('blob-erased', { digest, newDigest: tombstone.newDigest }) : fail('blob-not-found', { digest });
}

/** Digests of a workspace in their order, beginning after one. */
export async function listBlobs(db: Db, workspace: string, after: string, limit: number): Promise<BlobEntry[]> {
  const rows = await blobsIn(db)
    .selectFrom('blobs')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('digest', '>', after)
    .orderBy('digest')
    .limit(limit)
    .execute();
  return rows.map(toEntry);
}

/** Takes digests out of the index; their bytes go with the next purge. */
export async function deleteBlobs(ctx: Ctx, digests: readonly string[]): Promise<void> {
  for (let i = 0; i < digests.length; i += 1000)
    await blobsIn(ctx.db)
      .deleteFrom('blobs')
      .where('workspace_id', '=', ctx.workspace)
      .where('digest', 'in', digests.slice(i, i + 1000))
      .execute();
}

/** Everything that any workspace keeps in a pack. */
export async function listPackEntries(db: Db, pack: string): Promise<(BlobEntry & { workspace: string })[]> {
  const rows = await blobsIn(db).selectFrom('blobs').selectAll().where('pack', '=', pack).execute();
  return rows.map((row) => ({ ...toEntry(row), workspace: row.workspace_id }));
}

/** Says where the bytes of a pack are now. Raises `blob-stored-too-early`. */
export async function movePackEntries(ctx: Ctx, workspace: string, from: string, entries: readonly BlobEntry[]): Promise<void> {
  await refuseRemovedPacks(ctx, new Set(entries.map((e) => e.pack)));
  for (const e of entries)
    await blobsIn(ctx.db)
      .updateTable('blobs')
      .set({ pack: e.pack, pack_offset: e.offset, length: e.length })
      .where('workspace_id', '=', workspace)
      .where('digest', '=', e.digest)
      .where('pack', '=', from)
      .execute();
}

/** Records entries of a committed batch, inside a transaction. Raises `blob-stored-too-early`. */
export async function insertBlobs(ctx: Ctx, entries: readonly BlobEntry[]): Promise<void> {
  await refuseRemovedPacks(ctx, new Set(entries.map((e) => e.pack)));
  for (let i = 0; i < entries.length; i += 1000)
    await blobsIn(ctx.db)
      .insertInto('blobs')
      .values(
        entries.slice(i, i + 1000).map((e) => ({
          workspace_id: ctx.workspace,
          digest: e.digest,
          size_bytes: e.sizeBytes,
          pack: e.pack,
          pack_offset: e.offset,
          length: e.length,
          created_ms: ctx.clock.now(),
        })),
      )
      .onConflict((c) => c.columns(['workspace_id', 'digest']).doNothing())
      .execute();
}

/** Stores sources and records them: bytes first, then the record. Digests in the order of the sources. */
export async function storeBlobs(ctx: Ctx, sources: readonly BlobSource[]): Promise<{ digest: string; sizeBytes: number }[]> {
  const batch = await ctx.blobs.begin();
  try {
    const stored = [];
    for (const source of sources) stored.push(await batch.add(source));
    const entries = await batch.commit();
    failpoint('blobs.before-index');
    await ctx.tx((tx) => insertBlobs(tx, entries));
    failpoint('blobs.after-index');
    return stored;
  } catch (error) {
    await batch.abandon();
    throw error;
  }
}

/** Of these packs, those that some workspace refers to (for the sweeper). */
export async function referencedPacks(db: Db, packs: readonly string[]): Promise<Set<string>> {
  if (packs.length === 0) return new Set();
  const rows = await blobsIn(db)
    .selectFrom('blobs')
    .select('pack')
    .distinct()
    .where('pack', 'in', [...packs])
    .execute();
  return new Set(rows.map((row) => row.pack));
}
