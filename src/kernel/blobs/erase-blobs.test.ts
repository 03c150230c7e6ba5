import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eachDatabase, openTestDatabase } from '../../../test/support/databases.ts';
import { kernelSchema, openSmallPlatform } from '../../../test/support/small-platform.ts';
import { isProblem } from '../errors.ts';
import { sweepTexts } from '../db/all-text.ts';
import { jobsIn } from '../jobs/jobs.ts';
import { findBlobs, getBlob, storeBlobs } from './blob-index.ts';
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
