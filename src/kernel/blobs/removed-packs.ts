// Packs that were taken away because no record named them. Whoever stored one and then stood still until it was gone
// must not name it any more: whether a pack is named or taken away is decided in the database, for one of the two.
import type { Ctx } from '../ctx.ts';
import type { Db } from '../db/database.ts';
import type { Table } from '../db/tables.ts';
import { defineErrors } from '../errors.ts';

type RemovedPackRow = { pack: string; removed_ms: number };

export const removedPackTable: Table = { name: 'removed_packs', columns: { pack: 'text', removed_ms: 'int' }, primary: ['pack'] };

const removedIn = (db: Db) => db.withTables<{ removed_packs: RemovedPackRow }>();

const { fail } = defineErrors({
  'blob-stored-too-early': {
    status: 503,
    title: 'Stored bytes were not recorded in time',
    detail: (_: { retryAfterS: number }) =>
      'This process stood still between storing the files and recording them, and they were taken for left over meanwhile. Nothing was changed; repeat the request.',
  },
});

const AT_ONCE = 500;

/** Notes that these packs go, in the transaction that found them unnamed. */
export async function insertRemovedPacks(ctx: Ctx, packs: readonly string[]): Promise<void> {
  const removed_ms = ctx.clock.now();
  for (let i = 0; i < packs.length; i += AT_ONCE)
    await removedIn(ctx.db)
      .insertInto('removed_packs')
      .values(packs.slice(i, i + AT_ONCE).map((pack) => ({ pack, removed_ms })))
      .onConflict((c) => c.column('pack').doUpdateSet({ removed_ms }))
      .execute();
}

/** To be asked in the transaction that names these packs. Raises `blob-stored-too-early`. */
export async function refuseRemovedPacks(ctx: Ctx, packs: ReadonlySet<string>): Promise<void> {
  const all = [...packs];
  for (let i = 0; i < all.length; i += AT_ONCE) {
    const found = await removedIn(ctx.db)
      .selectFrom('removed_packs')
      .select('pack')
      .where('pack', 'in', all.slice(i, i + AT_ONCE))
      .limit(1)
      .executeTakeFirst();
    if (found) fail('blob-stored-too-early', { retryAfterS: 1 });
  }
}

/** Forgets packs whose names nobody can still be about to record. */
export async function forgetRemovedPacks(ctx: Ctx, beforeMs: number): Promise<void> {
  await ctx.tx(async ({ db }) => void (await removedIn(db).deleteFrom('removed_packs').where('removed_ms', '<', beforeMs).execute()));
}
