// Backup and restore of a server whose bytes are in a bucket.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { emptyPostgres, openPlace, testFolder } from '../../../../test/support/database-places.ts';
import { openTestBucket } from '../../../../test/support/s3.ts';
import { listBlobs, storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { BlobStore } from '../../../kernel/blobs/blob-store.ts';
import type { ObjectStore } from '../../../kernel/blobs/objects/object-store.ts';
import { openLocalCache } from '../../../kernel/blobs/remote/local-cache.ts';
import { openRemoteStore } from '../../../kernel/blobs/remote/remote-store.ts';
import { wallClock } from '../../../kernel/clock.ts';
import { makeCtx, systemActor, type Platform } from '../../../kernel/ctx.ts';
import { migrate } from '../../../kernel/db/migrate.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { migrations } from '../../migrations/migrations.ts';
import { locate } from '../database/snapshot.ts';
import { makeBackup } from './backup.ts';
import { restoreBackup } from './restore.ts';

const storeIn = (t: TestContext, objects: ObjectStore, prefix: string): BlobStore =>
  openRemoteStore({
    objects: { ...objects, close: () => undefined },
    prefix,
    cache: openLocalCache({ dir: join(testFolder(t), 'cache'), limitBytes: 1e9, holdMs: 60_000 }),
  });

async function keysOf(objects: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of objects.list(prefix)) keys.push(...page.objects.map((o) => o.key.slice(prefix.length)));
  for await (const upload of objects.listUploads(prefix)) keys.push(`upload of ${upload.key}`);
  return keys;
}

/** A backup of a server on PostgreSQL with small and large files in the bucket. */
async function backedUp(t: TestContext, objects: ObjectStore, prefix: string): Promise<string> {
  const dir = testFolder(t);
  const address = await emptyPostgres(t);
  const database = await openPlace(t, address);
  await migrate(database, migrations);
  const blobs = storeIn(t, objects, prefix);
  const ctx = makeCtx({ database, blobs, clock: wallClock } as unknown as Platform, { actor: systemActor, workspace: 'default' });
  await storeBlobs(ctx, [Buffer.from('small'), Buffer.from(''), randomBytes(2_000_000), randomBytes(12_000_000)]);
  await blobs.paths.write('default/0/run/artifacts/ä b.bin', Readable.from([randomBytes(7_000_000)]));
  await blobs.paths.write('default/0/run/artifacts/empty', Readable.from([]));
  const file = join(testFolder(t), 'all.tar.zst');
  await makeBackup({ dir, at: locate(address), database, clock: wallClock, blobs }, { file });
  return file;
}

test('a backup from a bucket is restored into another place of it, and what failed half way is gone from there', async (t) => {
  const { objects, prefix } = await openTestBucket(t);
  const file = await backedUp(t, objects, `${prefix}from/`);
  const to = `${prefix}to/`;
  const openBlobs = async (): Promise<BlobStore> => storeIn(t, objects, to);

  // The last entry is damaged, when nearly all has been stored.
  const bytes = readFileSync(file);
  const damaged = join(testFolder(t), 'damaged.tar.zst');
  bytes[bytes.length - 2000]! ^= 1;
  writeFileSync(damaged, bytes);
  await assert.rejects(restoreBackup({ file: damaged, dir: join(testFolder(t), 'new'), openBlobs }), (e) => isProblem(e));
  assert.deepEqual(await keysOf(objects, to), []);

  const databaseUrl = await emptyPostgres(t);
  await restoreBackup({ file, dir: join(testFolder(t), 'new'), databaseUrl, openBlobs });
  const database = await openPlace(t, databaseUrl);
  const store = await openBlobs();
  const entries = await listBlobs(database.reader, 'default', '', 100);
  assert.equal(entries.length, 4);
  for (const entry of entries) assert.ok(await store.verify(entry), entry.digest);
  const keys = await keysOf(objects, to);
  assert.deepEqual(
    keys.filter((key) => key.startsWith('paths/')),
    ['paths/default/0/run/artifacts/empty', 'paths/default/0/run/artifacts/ä b.bin'],
  );
  // Nothing of the attempt before is among the packs.
  assert.equal(keys.filter((key) => key.startsWith('cas/')).length, new Set(entries.map((e) => e.pack)).size);
  await assert.rejects(restoreBackup({ file, dir: join(testFolder(t), 'again'), openBlobs }), (e) => isProblem(e, 'target-not-empty'));
  assert.deepEqual(await keysOf(objects, to), keys);
});

test('a restore that could not clear up says so, and the next one does it', async (t) => {
  const { objects, prefix } = await openTestBucket(t);
  const file = await backedUp(t, objects, `${prefix}from/`);
  const to = `${prefix}to/`;
  // The bucket goes away in the middle of the artifacts.
  const away = (): never => {
    throw new Error('the bucket is away');
  };
  const lost: ObjectStore = {
    ...objects,
    put: (key, bytes) => (key.endsWith('/empty') ? away() : objects.put(key, bytes)),
    delete: away,
    erase: away,
  };
  await assert.rejects(
    restoreBackup({ file, dir: join(testFolder(t), 'new'), openBlobs: async () => storeIn(t, lost, to) }),
    (e) => isProblem(e, 'restore-unfinished') && /the bucket is away/.test(e.message),
  );
  assert.notDeepEqual(await keysOf(objects, to), []);
  const dir = join(testFolder(t), 'new');
  await restoreBackup({ file, dir, openBlobs: async () => storeIn(t, objects, to) });
  const paths = (await keysOf(objects, to)).filter((key) => key.startsWith('paths/'));
  assert.deepEqual(paths, ['paths/default/0/run/artifacts/empty', 'paths/default/0/run/artifacts/ä b.bin']);
});
