import assert from 'node:assert/strict';
import { readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { eachDatabase, openTestDatabase } from '../../../test/support/databases.ts';
import { kernelSchema, openSmallPlatform } from '../../../test/support/small-platform.ts';
import { isProblem } from '../errors.ts';
import { defineJob, jobsIn } from '../jobs/jobs.ts';
import { findBlobs, getBlob, insertBlobs, storeBlobs } from './blob-index.ts';
import { sweepBlobs } from './jobs.ts';

const DAY_MS = 24 * 3_600_000;

eachDatabase('whether another workspace has the same bytes is not observable', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { ctx } = await openSmallPlatform(t, database);
  const [mine] = await storeBlobs(ctx('red'), [Buffer.from('the same bytes')]);
  assert.equal((await findBlobs(database.reader, 'blue', [mine!.digest])).size, 0);
  await assert.rejects(getBlob(database.reader, 'blue', mine!.digest), (error) => isProblem(error, 'blob-not-found'));
  const [theirs] = await storeBlobs(ctx('blue'), [Buffer.from('the same bytes')]);
  assert.deepEqual(theirs, mine);
  const [red, blue] = [await getBlob(database.reader, 'red', mine!.digest), await getBlob(database.reader, 'blue', mine!.digest)];
  // Each has bytes of its own: neither the time an upload takes nor a removal tells of the other.
  assert.notEqual(red.pack, blue.pack);
});

eachDatabase('bytes stored again keep their first place, and many are found at once', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { ctx, platform } = await openSmallPlatform(t, database);
  const sources = Array.from({ length: 1500 }, (_, i) => Buffer.from(`file ${i}`));
  const stored = await storeBlobs(ctx(), sources);
  const digests = stored.map((s) => s.digest);
  const before = await findBlobs(database.reader, 'default', digests);
  assert.equal(before.size, 1500);
  await storeBlobs(ctx(), sources);
  assert.deepEqual(await findBlobs(database.reader, 'default', digests), before);
  assert.equal((await platform.blobs.read(before.get(digests[77]!)!)).toString(), 'file 77');
});

eachDatabase('a record that is rolled back refers to nothing; a record that stands has its bytes', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { ctx, platform } = await openSmallPlatform(t, database);
  const batch = await platform.blobs.begin();
  const { digest } = await batch.add(Buffer.from('never recorded'));
  const entries = await batch.commit();
  await assert.rejects(
    ctx().tx(async (tx) => {
      await insertBlobs(tx, entries);
      throw new Error('no');
    }),
  );
  assert.equal((await findBlobs(database.reader, 'default', [digest])).size, 0);
});

eachDatabase('the sweeper’s job removes garbage of a day ago, twice without harm, and waits for work under way', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const slow = defineJob<object>({ name: 'slow', timeoutMs: 1000, retry: { limit: 0, backoffMs: 0 }, run: async () => undefined });
  const { ctx, platform, worker, clock } = await openSmallPlatform(t, database, { jobs: [sweepBlobs, slow] });
  const { digest } = (await storeBlobs(ctx(), [Buffer.from('kept')]))[0]!;
  const garbage = await platform.blobs.begin();
  await garbage.add(Buffer.from('garbage'));
  const [lost] = await garbage.commit();
  const cas = join(platform.settings.dir, 'cas');
  for (const file of readdirSync(cas, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()))
    utimesSync(join(file.parentPath, file.name), 1, 1);

  const id = await ctx().tx((tx) => tx.enqueue({ job: slow, payload: {}, runAtMs: clock.now() + DAY_MS + 1 }));
  clock.advance(DAY_MS);
  const sweep = async (): Promise<void> => {
    await ctx().tx((tx) => tx.enqueue({ job: sweepBlobs, payload: {} }));
    await worker.drain();
  };
  await sweep();
  assert.equal(await platform.blobs.verify(lost!), true);
  await ctx().tx(({ db }) => jobsIn(db).updateTable('jobs').set({ state: 'cancelled' }).where('id', '=', id).execute());
  await sweep();
  await sweep();
  await assert.rejects(platform.blobs.verify(lost!), /ENOENT/);
  assert.equal((await platform.blobs.read(await getBlob(database.reader, 'default', digest))).toString(), 'kept');
});
