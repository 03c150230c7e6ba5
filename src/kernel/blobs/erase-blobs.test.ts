import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eachDatabase, openTestDatabase } from '../../../test/support/databases.ts';
import { kernelSchema, openSmallPlatform } from '../../../test/support/small-platform.ts';
import { isProblem } from '../errors.ts';
import { sweepTexts } from '../db/all-text.ts';
import { jobsIn } from '../jobs/jobs.ts';
import { findBlobs, getBlob, insertBlobs, storeBlobs } from './blob-index.ts';
import type { BlobEntry, BlobStore } from './blob-store.ts';
import { purgePacks, replaceBlobs } from './erase-blobs.ts';
import { findTombstones } from './tombstones.ts';

eachDatabase('erased bytes leave their pack, their neighbours stay, and who asks for them is told what is left', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { ctx, platform } = await openSmallPlatform(t, database);
  const [gone, kept] = await storeBlobs(ctx(), [Buffer.from('about N14228'), Buffer.from('about others')]);
  const [left] = await storeBlobs(ctx(), [Buffer.from('about')]);
  await ctx().tx((tx) => replaceBlobs(tx, [{ digest: gone!.digest, newDigest: left!.digest, rowsRemoved: 1, reason: 'ers_1' }]));
  await purgePacks(ctx());
  await purgePacks(ctx());
  await assert.rejects(
    getBlob(database.reader, 'default', gone!.digest),
    (error) => isProblem(error, 'blob-erased') && error.message.includes(left!.digest),
  );
  const [entry] = (await findBlobs(database.reader, 'default', [kept!.digest])).values();
  assert.equal((await platform.blobs.read(entry!)).toString(), 'about others');
  const cas = join(platform.settings.dir, 'cas');
  const bytes = readdirSync(cas, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => readFileSync(join(e.parentPath, e.name)).toString());
  assert.deepEqual(bytes.sort(), ['about', 'about others']);
  // Erased again, the first digest leads to what is left now.
  const [less] = await storeBlobs(ctx(), [Buffer.from('')]);
  await ctx().tx((tx) => replaceBlobs(tx, [{ digest: left!.digest, newDigest: less!.digest, rowsRemoved: 2, reason: 'ers_2' }]));
  const tombstone = (await findTombstones(database.reader, 'default', [gone!.digest])).get(gone!.digest)!;
  assert.deepEqual([tombstone.newDigest, tombstone.rowsRemoved], [less!.digest, 3]);
});

/** A store whose writer stands still after each commit for as long as `meanwhile` takes. */
const standingStill = (blobs: BlobStore, meanwhile: (entries: readonly BlobEntry[]) => Promise<unknown>): BlobStore => ({
  ...blobs,
  begin: async () => {
    const batch = await blobs.begin();
    return {
      ...batch,
      commit: async () => {
        const entries = await batch.commit();
        await meanwhile(entries);
        return entries;
      },
    };
  },
});

eachDatabase('who stands still between storing and recording, until an erasure took the bytes for left over, is told', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { ctx, platform } = await openSmallPlatform(t, database);
  const slow = { ...ctx(), blobs: standingStill(platform.blobs, () => purgePacks(ctx())) };
  await assert.rejects(storeBlobs(slow, [Buffer.from('late')]), (error) => isProblem(error, 'blob-stored-too-early'));
  const [again] = await storeBlobs(ctx(), [Buffer.from('late'), Buffer.from('soon gone')]);
  const entry = (await findBlobs(database.reader, 'default', [again!.digest])).get(again!.digest)!;
  assert.equal((await platform.blobs.read(entry)).toString(), 'late');

  // So is an erasure that moves what stays into a fresh pack.
  const [neighbour] = await storeBlobs(ctx(), [Buffer.from('soon gone')]);
  await ctx().tx((tx) => replaceBlobs(tx, [{ digest: neighbour!.digest, newDigest: null, rowsRemoved: 1, reason: 'ers_1' }]));
  const packs = (entries: readonly BlobEntry[]): Set<string> => new Set(entries.map((e) => e.pack));
  const moving = { ...ctx(), blobs: standingStill(platform.blobs, (entries) => purgePacks(ctx(), packs(entries))) };
  await assert.rejects(purgePacks(moving), (error) => isProblem(error, 'blob-stored-too-early'));
  assert.equal((await platform.blobs.read(entry)).toString(), 'late');
  await purgePacks(ctx());
  const moved = (await findBlobs(database.reader, 'default', [again!.digest])).get(again!.digest)!;
  assert.notEqual(moved.pack, entry.pack);
  assert.equal((await platform.blobs.read(moved)).toString(), 'late');
});

eachDatabase('of a record and an erasure that race for a pack one wins, and no record names what is gone', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { ctx, platform } = await openSmallPlatform(t, database);
  for (let i = 0; i < 12; i++) {
    const batch = await platform.blobs.begin();
    const { digest } = await batch.add(Buffer.from(`bytes ${i}`));
    const entries = await batch.commit();
    const [recorded] = await Promise.allSettled([
      ctx().tx((tx) => insertBlobs(tx, entries)),
      purgePacks(ctx(), new Set(entries.map((e) => e.pack))),
    ]);
    if (recorded.status === 'rejected') assert.ok(isProblem(recorded.reason, 'blob-stored-too-early'), String(recorded.reason));
    const found = (await findBlobs(database.reader, 'default', [digest])).get(digest);
    assert.equal(found !== undefined, recorded.status === 'fulfilled');
    if (found) assert.equal((await platform.blobs.read(found)).toString(), `bytes ${i}`);
  }
});

eachDatabase('texts are found in whatever table they are, and only those of the workspace are changed', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { ctx } = await openSmallPlatform(t, database);
  for (const workspace of ['default', 'other'])
    await ctx(workspace).tx(({ db }) =>
      jobsIn(db)
        .insertInto('jobs')
        .values({
          id: `job_${workspace}`,
          workspace_id: workspace,
          name: 'x',
          payload: '{"why":"50%_N14228"}',
          state: 'failed',
          run_at_ms: 0,
          project: null,
          due_us: null,
          attempt: 1,
          fence: 1,
          lease_until_ms: null,
          unique_key: null,
          progress: null,
          error: null,
          cancel_requested: 0,
          rerun: 0,
          created_ms: 0,
          finished_ms: 0,
        })
        .execute(),
    );
  const swept = await sweepTexts(ctx(), ['%_N14228'], (text) => text.replace('N14228', 'gone'));
  assert.deepEqual(swept, [{ table: 'jobs', rows: 1 }]);
  const rows = await jobsIn(database.reader).selectFrom('jobs').select(['id', 'payload']).orderBy('id').execute();
  assert.deepEqual(
    rows.map((r) => r.payload),
    ['{"why":"50%_gone"}', '{"why":"50%_N14228"}'],
  );
});
