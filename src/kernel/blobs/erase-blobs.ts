// Bytes that go for good. The records point at what took their place first (`replaceBlobs`, one transaction
// with them); only then the old bytes leave the disk (`purgePacks`), so a crash leaves garbage and never a
// record that points nowhere.
import { setTimeout as delay } from 'node:timers/promises';
import type { Ctx } from '../ctx.ts';
import { failpoint } from '../failpoints.ts';
import { deleteBlobs, listPackEntries, movePackEntries, referencedPacks } from './blob-index.ts';
import type { BlobEntry } from './blob-store.ts';
import { untilUnheld } from './hold.ts';
import { insertRemovedPacks } from './removed-packs.ts';
import { insertTombstones, type Tombstone } from './tombstones.ts';

/** Takes blobs out of the index and leaves tombstones, in the transaction that makes records point elsewhere. */
export async function replaceBlobs(tx: Ctx, gone: readonly Tombstone[]): Promise<void> {
  await insertTombstones(tx, gone);
  await deleteBlobs(
    tx,
    gone.filter((t) => t.newDigest !== t.digest).map((t) => t.digest),
  );
}

/**
 * Removes from disk every byte of the immutable zone that no record refers to: packs that nobody refers to, and
 * holes in packs, which are written anew without them. With `only`, of these packs. Returns how many packs went.
 */
export async function purgePacks(ctx: Ctx, only?: ReadonlySet<string>): Promise<number> {
  let gone = 0;
  const arriving: string[] = [];
  for await (const { pack, sizeBytes, modifiedMs, incoming } of ctx.blobs.packs()) {
    ctx.signal.throwIfAborted();
    // What arrives while a large upload is under way belongs to that.
    if (incoming || (only && !only.has(pack))) continue;
    const entries = await listPackEntries(ctx.db, pack);
    // A pack that was named had an entry before: nothing is on its way into it.
    if (entries.length === 0 && !only && Date.now() - modifiedMs < ctx.blobs.arrivalMs) {
      arriving.push(pack);
      continue;
    }
    if (entries.reduce((sum, e) => sum + e.length, 0) >= sizeBytes && entries.length > 0) continue;
    if (entries.length > 0) await moveOut(ctx, pack, entries);
    if (await removeForGood(ctx, pack)) gone += 1;
  }
  // Bytes on their way in are not in the index yet; after so long they are nobody's.
  if (arriving.length > 0) await delay(ctx.blobs.arrivalMs, undefined, { signal: ctx.signal });
  for (const pack of arriving) {
    if (await removeForGood(ctx, pack)) gone += 1;
  }
  return gone;
}

/** Of these packs, those that no record names; none can name one of them from now on. */
export async function disownPacks(ctx: Ctx, packs: readonly string[]): Promise<Set<string>> {
  const unnamed = async (db: Ctx['db']): Promise<string[]> => {
    const named = await referencedPacks(db, packs);
    return packs.filter((pack) => !named.has(pack));
  };
  if ((await unnamed(ctx.db)).length === 0) return new Set();
  return ctx.tx(async (tx) => {
    const gone = await unnamed(tx.db);
    await insertRemovedPacks(tx, gone);
    return new Set(gone);
  });
}

async function removeForGood(ctx: Ctx, pack: string): Promise<boolean> {
  if ((await disownPacks(ctx, [pack])).size === 0) return false;
  await untilUnheld(ctx);
  failpoint('blobs.before-pack-removed');
  await ctx.blobs.removePack(pack);
  failpoint('blobs.after-pack-removed');
  return true;
}

async function moveOut(ctx: Ctx, pack: string, entries: readonly (BlobEntry & { workspace: string })[]): Promise<void> {
  // A pack is one workspace's; should two share one, each gets bytes of its own.
  const workspaces = [...new Set(entries.map((e) => e.workspace))];
  for (const workspace of workspaces) {
    const own = entries.filter((e) => e.workspace === workspace);
    const batch = await ctx.blobs.begin();
    try {
      for (const entry of own) await batch.add(ctx.blobs.open(entry));
      const moved = await batch.commit();
      failpoint('blobs.before-pack-moved');
      await ctx.tx((tx) => movePackEntries(tx, workspace, pack, moved));
    } catch (error) {
      await batch.abandon();
      throw error;
    }
  }
}
