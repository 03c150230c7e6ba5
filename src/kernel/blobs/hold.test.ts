import assert from 'node:assert/strict';
import { eachDatabase, openTestDatabase } from '../../../test/support/databases.ts';
import { kernelSchema, openSmallPlatform } from '../../../test/support/small-platform.ts';
import { findBlobs, storeBlobs } from './blob-index.ts';
import { purgePacks, replaceBlobs } from './erase-blobs.ts';
import { findStorageHold, holdStorage } from './hold.ts';
import { sweepBlobs } from './jobs.ts';

const DAY_MS = 24 * 3_600_000;

eachDatabase('while bytes are held neither the sweeper nor an erasure removes them; afterwards both do', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { ctx, platform, worker, clock } = await openSmallPlatform(t, database, { jobs: [sweepBlobs] });
  const [gone] = await storeBlobs(ctx(), [Buffer.from('gone')]);
  const entry = (await findBlobs(database.reader, 'default', [gone!.digest])).get(gone!.digest)!;
  const hold = await holdStorage(database, clock, 'one', 'a backup');
  assert.equal(await findStorageHold(database.reader, clock.now()), 'a backup');
  await ctx().tx((tx) => replaceBlobs(tx, [{ digest: gone!.digest, newDigest: null, rowsRemoved: 1, reason: 'ers_1' }]));
  const purged = purgePacks(ctx(), new Set([entry.pack]));
  clock.advance(10_000);
  await ctx().tx((tx) => tx.enqueue({ job: sweepBlobs, payload: {} }));
  await worker.drain();
  assert.equal((await platform.blobs.read(entry)).toString(), 'gone');
  await hold.end();
  assert.equal(await purged, 1);
  for await (const { pack } of platform.blobs.packs()) assert.fail(`${pack} is left`);
});

eachDatabase('the hold of a reader that died ends by itself', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { clock } = await openSmallPlatform(t, database);
  const hold = await holdStorage(database, clock, 'one', 'a backup');
  clock.advance(DAY_MS);
  assert.equal(await findStorageHold(database.reader, clock.now()), undefined);
  await hold.end();
});
