// What every object store has to do, asked of a real server through its adapter.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { openTestBucket, s3Server } from '../../../../test/support/s3.ts';
import { isProblem } from '../../errors.ts';
import type { ObjectStore } from './object-store.ts';
import { openS3 } from './s3.ts';

const MB = 1024 * 1024;

const textOf = async (objects: ObjectStore, key: string): Promise<string | undefined> => {
  const body = await objects.get(key);
  return body && Buffer.concat(await body.stream.toArray()).toString();
};
async function keysOf(objects: ObjectStore, prefix: string, options = {}): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of objects.list(prefix, options)) keys.push(...page.objects.map((o) => o.key.slice(prefix.length)));
  return keys;
}
async function uploadsOf(objects: ObjectStore, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const upload of objects.listUploads(prefix)) found.push(upload.id);
  return found;
}

test('of many writers of one key that must be absent one is told yes, and its bytes stay', async (t) => {
  const { objects, prefix } = await openTestBucket(t);
  for (let round = 0; round < 2; round++) {
    const key = `${prefix}race-${round}`;
    const told = await Promise.all(Array.from({ length: 8 }, (_, i) => objects.putIfAbsent(key, Buffer.from(`writer ${i}`))));
    assert.equal(told.filter(Boolean).length, 1);
    assert.equal(await textOf(objects, key), `writer ${told.indexOf(true)}`);
    assert.equal(await objects.putIfAbsent(key, Buffer.from('late')), false);
  }
});

test('an object is read whole, in part, past its end, or not at all; and only as the version that was meant', async (t) => {
  const { objects, prefix } = await openTestBucket(t);
  const key = `${prefix}ä b+c/%25?x=1&y#z`;
  await objects.put(key, Buffer.from('0123456789'));
  const part = async (start: number, end: number): Promise<[string, number]> => {
    const { stream, sizeBytes } = (await objects.get(key, { start, end }))!;
    return [Buffer.concat(await stream.toArray()).toString(), sizeBytes];
  };
  assert.deepEqual(await part(2, 5), ['234', 3]);
  assert.deepEqual(await part(8, 99), ['89', 2]);
  assert.deepEqual(await part(10, 12), ['', 0]);
  assert.deepEqual(await part(5, 5), ['', 0]);
  assert.equal(await objects.get(`${key}x`), undefined);
  assert.equal(await objects.head(`${key}x`), undefined);
  const before = (await objects.head(key))!;
  assert.equal(before.sizeBytes, 10);
  assert.ok(Math.abs(before.modifiedMs - Date.now()) < 60_000);
  await objects.put(key, Buffer.from('another'));
  assert.equal(await objects.get(key, undefined, before.version), undefined);
  await objects.copy(key, `${prefix}copy of ä+b`);
  assert.equal(await textOf(objects, `${prefix}copy of ä+b`), 'another');
});

test('parts become an object when they are completed, and not before; an aborted upload leaves nothing', async (t) => {
  const { objects, prefix } = await openTestBucket(t);
  const [first, last] = [randomBytes(5 * MB), randomBytes(10)];
  const upload = await objects.createUpload(`${prefix}f`, 'mark');
  const parts = [await objects.uploadPart(upload, 1, first), await objects.uploadPart(upload, 2, last)];
  assert.deepEqual(await keysOf(objects, prefix), []);
  assert.deepEqual(await uploadsOf(objects, prefix), [upload.id]);
  await assert.rejects(objects.completeUpload(upload, [{ ...parts[0]!, etag: '"0123456789abcdef0123456789abcdef"' }, parts[1]!]), (error) =>
    isProblem(error, 'upload-incomplete'),
  );
  await objects.completeUpload(upload, parts);
  assert.equal((await objects.head(`${prefix}f`))?.mark, 'mark');
  assert.equal((await objects.head(`${prefix}f`))?.sizeBytes, first.length + last.length);
  const other = await objects.createUpload(`${prefix}g`);
  await objects.uploadPart(other, 1, first);
  await objects.abortUpload(other);
  await objects.abortUpload(other);
  await assert.rejects(objects.completeUpload(other, parts), (error) => isProblem(error, 'upload-not-found'));
  assert.deepEqual(await keysOf(objects, prefix), ['f']);
  assert.deepEqual(await uploadsOf(objects, prefix), []);
});

test('keys are listed by pages and from where one left off, by folders, and deleted by thousands', async (t) => {
  const { objects, prefix } = await openTestBucket(t);
  const keys = Array.from({ length: 1100 }, (_, i) => `l/${String(i).padStart(4, '0')}`);
  for (let i = 0; i < keys.length; i += 50)
    await Promise.all(keys.slice(i, i + 50).map((key) => objects.put(`${prefix}${key}`, Buffer.alloc(0))));
  await objects.put(`${prefix}other/x`, Buffer.from('x'));
  assert.deepEqual(
    await keysOf(objects, `${prefix}l/`, { pageSize: 300 }),
    keys.map((k) => k.slice(2)),
  );
  assert.deepEqual(await keysOf(objects, `${prefix}l/`, { after: `${prefix}l/1097` }), ['1098', '1099']);
  const folders: string[] = [];
  for await (const page of objects.list(prefix, { folders: true })) folders.push(...page.folders);
  assert.deepEqual(folders, [`${prefix}l/`, `${prefix}other/`]);
  await objects.delete([...keys.map((key) => `${prefix}${key}`), `${prefix}never`]);
  assert.deepEqual(await keysOf(objects, prefix), ['other/x']);
});

test('others read and write by signed addresses, and no longer than these last', async (t) => {
  const { objects, prefix, server } = await openTestBucket(t);
  const put = await objects.presignPut(`${prefix}f ü`, 60);
  assert.equal((await fetch(put.url, { method: 'PUT', body: 'by another', headers: put.headers })).status, 200);
  const url = await objects.presignGet(`${prefix}f ü`, 60);
  assert.equal(await (await fetch(url)).text(), 'by another');
  assert.equal((await fetch(url.replace(/X-Amz-Signature=./, 'X-Amz-Signature=z'))).status, 403);
  assert.doesNotMatch(url + put.url, new RegExp(server.secretAccessKey));
  const upload = await objects.createUpload(`${prefix}g`);
  const sent = await fetch(await objects.presignPart(upload, 1, 60), { method: 'PUT', body: 'a part' });
  await objects.completeUpload(upload, [{ partNumber: 1, etag: sent.headers.get('etag')! }]);
  assert.equal(await textOf(objects, `${prefix}g`), 'a part');
});

test('an object is erased with its older versions, or only those', async (t) => {
  const { objects, prefix, bucket, server } = await openTestBucket(t, { bucket: 'gyre-versions' });
  const { S3Client, PutBucketVersioningCommand, ListObjectVersionsCommand } = await import('@aws-sdk/client-s3');
  const client = new S3Client({ endpoint: server.url, region: 'us-east-1', forcePathStyle: true });
  t.after(() => client.destroy());
  await client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  const versions = async (): Promise<number> => {
    const { Versions = [], DeleteMarkers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix }));
    return Versions.length + DeleteMarkers.length;
  };
  for (const text of ['one', 'two', 'three']) await objects.put(`${prefix}f`, Buffer.from(text));
  await objects.put(`${prefix}f2`, Buffer.from('a neighbour'));
  assert.equal(await versions(), 4);
  await objects.erase(`${prefix}f`, true);
  assert.deepEqual([await versions(), await textOf(objects, `${prefix}f`)], [2, 'three']);
  await objects.delete([`${prefix}f`]);
  assert.equal(await versions(), 3);
  await objects.erase(`${prefix}f`);
  assert.deepEqual([await versions(), await textOf(objects, `${prefix}f2`)], [1, 'a neighbour']);
});

test('no bucket, wrong credentials and no server are told apart, in words that hold no secret', async (t) => {
  const { objects, server } = await openTestBucket(t);
  await objects.check();
  const options = { endpoint: server.url, pathStyle: true, attempts: 1 };
  const missing = await openS3({ ...options, bucket: 'there-is-none' });
  await assert.rejects(missing.check(), (error) => isProblem(error, 'blob-store-missing'));
  const away = await openS3({ ...options, endpoint: 'http://127.0.0.1:9', bucket: 'any' });
  await assert.rejects(away.check(), (error) => isProblem(error, 'blob-store-unavailable') && /ECONNREFUSED/.test(error.message));
  process.env.AWS_SECRET_ACCESS_KEY = 'a-wrong-secret-for-this-test';
  try {
    const refused = await openS3({ ...options, bucket: 'gyre-tests' });
    await assert.rejects(
      refused.check(),
      (error) => isProblem(error, 'blob-store-refused') && !/wrong-secret|test-key/.test(JSON.stringify(error) + error.message),
    );
  } finally {
    process.env.AWS_SECRET_ACCESS_KEY = server.secretAccessKey;
  }
});

test('a listing of very many keys is never held in memory, nor more than a page of it', async (t) => {
  await s3Server();
  const PAGES = 60;
  let asked = 0;
  const server = createServer((request, response) => {
    const at = Number(new URL(request.url!, 'http://x').searchParams.get('continuation-token') ?? 0);
    asked += 1;
    const keys = Array.from(
      { length: 1000 },
      (_, i) => `<Contents><Key>k/${at}-${i}${'x'.repeat(400)}</Key><Size>1</Size><ETag>"e"</ETag></Contents>`,
    );
    const more = at + 1 < PAGES;
    response.setHeader('content-type', 'application/xml');
    response.end(
      `<?xml version="1.0"?><ListBucketResult><IsTruncated>${more}</IsTruncated>${more ? `<NextContinuationToken>${at + 1}</NextContinuationToken>` : ''}${keys.join('')}</ListBucketResult>`,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const objects = await openS3({ bucket: 'many', endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, pathStyle: true });
  t.after(() => {
    objects.close();
    server.close();
  });
  let keys = 0;
  for await (const page of objects.list('k/')) {
    keys += page.objects.length;
    // Asked for as they are read: whoever is slow is not run over.
    assert.ok(asked <= keys / 1000);
  }
  assert.equal(keys, PAGES * 1000);
});
