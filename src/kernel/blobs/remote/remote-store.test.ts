// What only a store far away has: transfers past the server, limits of its own, older versions of what is gone.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { eachDatabase, openTestDatabase } from '../../../../test/support/databases.ts';
import { openTestBucket } from '../../../../test/support/s3.ts';
import { kernelSchema, openSmallPlatform } from '../../../../test/support/small-platform.ts';
import { isProblem } from '../../errors.ts';
import { findBlobs, storeBlobs } from '../blob-index.ts';
import type { BlobEntry, BlobStore } from '../blob-store.ts';
import { purgePacks, replaceBlobs } from '../erase-blobs.ts';
import { openFolderStore } from '../folder-store.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { openLocalCache } from './local-cache.ts';
import { beginRemoteBatch } from './remote-batch.ts';
import { openRemoteStore } from './remote-store.ts';

const MB = 1024 * 1024;
const is = (code: string) => (error: unknown) => isProblem(error, code);

async function openStore(
  t: TestContext,
  change: (objects: ObjectStore) => ObjectStore = (objects) => objects,
): Promise<{ store: BlobStore; objects: ObjectStore; prefix: string; dir: string }> {
  const { objects, prefix } = await openTestBucket(t);
  const dir = mkdtempSync(join(tmpdir(), 'gyre-remote-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const cache = openLocalCache({ dir: join(dir, 'cache'), limitBytes: 100 * MB });
  return { store: openRemoteStore({ objects: change(objects), prefix, cache }), objects, prefix, dir };
}

const textOf = async (store: BlobStore, path: string): Promise<string> =>
  Buffer.concat(await (await store.paths.open(path)).stream.toArray()).toString();

test('a client sends parts to the store itself; the file is there once they are put together, and not before', async (t) => {
  const { store, dir } = await openStore(t);
  const { paths } = store;
  const uploads = paths.uploads!;
  assert.equal((await openFolderStore({ dir, durability: 'process' })).paths.uploads, undefined);
  const { uploadId, urls } = await uploads.createUpload('run/model ü', 2, 60);
  const parts = [];
  for (const [i, body] of [randomBytes(5 * MB), Buffer.from('the end')].entries()) {
    const reply = await fetch(urls[i]!, { method: 'PUT', body });
    parts.push({ partNumber: i + 1, etag: reply.headers.get('etag')! });
  }
  await assert.rejects(paths.open('run/model ü'), is('path-not-found'));
  await assert.rejects(uploads.completeUpload('run/model ü', uploadId, []), is('upload-incomplete'));
  await assert.rejects(uploads.completeUpload('run/model ü', uploadId, [parts[0]!, { ...parts[1]!, etag: 'no' }]), is('upload-incomplete'));
  await assert.rejects(uploads.completeUpload('run/another', uploadId, parts), is('upload-not-found'));
  await uploads.completeUpload('run/model ü', uploadId, parts.toReversed());
  const { url, sizeBytes } = await uploads.presignGet('run/model ü', 60);
  assert.deepEqual([sizeBytes, (await (await fetch(url)).arrayBuffer()).byteLength], [5 * MB + 7, 5 * MB + 7]);
  await assert.rejects(uploads.presignGet('run/none', 60), is('path-not-found'));
  const put = await uploads.presignPut('run/other', 60);
  assert.equal((await fetch(put.url, { method: 'PUT', body: 'whole', headers: put.headers })).ok, true);
  assert.equal(await textOf(store, 'run/other'), 'whole');
  await assert.rejects(uploads.presignPut('run', 60), is('path-invalid'));
  await assert.rejects(uploads.createUpload('run/other/below', 1, 60), is('path-invalid'));
  await assert.rejects(uploads.createUpload('../x', 1, 60), is('path-invalid'));
  for (const count of [0, 1.5, 10_001]) await assert.rejects(uploads.createUpload('f', count, 60), is('upload-parts-invalid'));
  const given = await uploads.createUpload('run/given-up', 1, 60);
  await uploads.abortUpload('run/given-up', given.uploadId);
  assert.equal((await fetch(given.urls[0]!, { method: 'PUT', body: 'late' })).status, 404);
});

test('uploads that nobody ended are aborted by the sweeper in both zones, and young ones are left alone', async (t) => {
  const { store, objects, prefix } = await openStore(t);
  await objects.createUpload(`${prefix}cas/00/left`);
  const left = await store.paths.uploads!.createUpload('run/left', 1, 60);
  assert.equal(await store.sweep(async () => new Set(), 60_000), 0);
  assert.equal(await store.sweep(async () => new Set(), -60_000), 2);
  for await (const upload of objects.listUploads(prefix)) assert.fail(`${upload.key} is left`);
  assert.equal((await fetch(left.urls[0]!, { method: 'PUT', body: 'late' })).status, 404);
});

test('a file of more parts than the store takes is refused, and nothing of it stays', async (t) => {
  const few = (objects: ObjectStore): ObjectStore => ({ ...objects, capabilities: { ...objects.capabilities, maxParts: 2 } });
  const { store } = await openStore(t, few);
  await store.paths.write('f', Readable.from([randomBytes(10 * MB)]));
  await assert.rejects(store.paths.write('g', Readable.from([randomBytes(10 * MB + 1)])), is('blob-too-large'));
  const found: string[] = [];
  for await (const { path } of store.paths.walk('')) found.push(path);
  assert.deepEqual(found, ['f']);
  await assert.rejects(store.paths.write('x/'.repeat(600) + 'x', Readable.from([])), is('path-invalid'));
});

test('a batch that took so long that the sweeper may have had parts of it is not committed', async (t) => {
  const { objects, prefix } = await openStore(t);
  let nowMs = 0;
  const batch = beginRemoteBatch(
    objects,
    (pack) => `${prefix}cas/${pack}`,
    () => nowMs,
  );
  await batch.add(Buffer.from('x'));
  nowMs = 21 * 3_600_000;
  await assert.rejects(batch.commit(), is('blob-batch-expired'));
  for await (const page of objects.list(prefix)) assert.deepEqual(page.objects, []);
});

test('a process that is killed leaves uploads or packs that no record names, which the sweeper takes', async (t) => {
  const { store, prefix, dir } = await openStore(t);
  const { server } = await openTestBucket(t);
  const child = join(import.meta.dirname, '../../../../test/support/s3-batch-child.ts');
  const stored = async (failpoint: string): Promise<BlobEntry[]> => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', child], {
      env: {
        PATH: process.env.PATH,
        AWS_ACCESS_KEY_ID: server.accessKeyId,
        AWS_SECRET_ACCESS_KEY: server.secretAccessKey,
        GYRE_DIR: dir,
        GYRE_BLOBS_URL: `s3://gyre-tests/${prefix}`,
        GYRE_S3_ENDPOINT: server.url,
        GYRE_S3_PATH_STYLE: '1',
        GYRE_FAILPOINTS: failpoint,
      },
    });
    return JSON.parse(stdout) as BlobEntry[];
  };
  const packs = async (): Promise<{ whole: number; incoming: number }> => {
    const found = { whole: 0, incoming: 0 };
    for await (const pack of store.packs()) found[pack.incoming ? 'incoming' : 'whole'] += 1;
    return found;
  };
  await assert.rejects(stored('blobs.before-complete=kill@1'), { signal: 'SIGKILL' });
  assert.deepEqual(await packs(), { whole: 0, incoming: 1 });
  await assert.rejects(stored('blobs.after-complete=kill@1'), { signal: 'SIGKILL' });
  assert.deepEqual(await packs(), { whole: 2, incoming: 1 });
  const entries = await stored('');
  assert.equal(await store.sweep(async () => new Set(entries.map((e) => e.pack)), -60_000), 3);
  assert.deepEqual(await packs(), { whole: 2, incoming: 0 });
  for (const entry of entries) assert.equal(await store.verify(entry), true);
  // An artifact is what it was before, or after.
  await assert.rejects(stored('paths.before-rename=kill@1'), { signal: 'SIGKILL' });
  assert.equal(await textOf(store, 'run/before'), 'whole');
});

eachDatabase('bytes that are erased leave a bucket that keeps versions, and their neighbours stay', async (t, kind) => {
  const { bucket, prefix, server } = await openTestBucket(t, { bucket: 'gyre-erasure' });
  const { S3Client, GetObjectCommand, ListObjectVersionsCommand, PutBucketVersioningCommand } = await import('@aws-sdk/client-s3');
  const client = new S3Client({ endpoint: server.url, region: 'us-east-1', forcePathStyle: true });
  t.after(() => client.destroy());
  await client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  const environment = { GYRE_BLOBS_URL: `s3://${bucket}/${prefix}`, GYRE_S3_ENDPOINT: server.url, GYRE_S3_PATH_STYLE: '1' };
  const database = await openTestDatabase(t, kind, kernelSchema);
  const { ctx, platform } = await openSmallPlatform(t, database, { environment });
  const [gone, kept] = await storeBlobs(ctx(), [Buffer.from('about N14228'), Buffer.from('about others')]);
  const entry = (await findBlobs(database.reader, 'default', [gone!.digest])).get(gone!.digest)!;
  const copy = await platform.blobs.localCopy(entry);
  await platform.blobs.paths.write('default/f', Readable.from([Buffer.from('N14228 too')]));
  await ctx().tx((tx) => replaceBlobs(tx, [{ digest: gone!.digest, newDigest: null, rowsRemoved: 1, reason: 'ers_1' }]));
  assert.equal(await purgePacks(ctx(), new Set([entry.pack])), 1);
  assert.equal(await platform.blobs.dropCopies([gone!.digest]), 1);
  await platform.blobs.paths.replace('default/f', Buffer.from('cleared'));
  const texts: string[] = [];
  const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix }));
  for (const { Key, VersionId } of Versions) {
    const reply = await client.send(new GetObjectCommand({ Bucket: bucket, Key: Key!, VersionId: VersionId! }));
    texts.push(await reply.Body!.transformToString());
  }
  assert.deepEqual(texts.sort(), ['about others', 'cleared']);
  const [there] = (await findBlobs(database.reader, 'default', [kept!.digest])).values();
  assert.equal((await platform.blobs.read(there!)).toString(), 'about others');
  assert.ok(copy.endsWith(createHash('sha256').update('about N14228').digest('hex')));
});
