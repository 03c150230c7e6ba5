// What a line that breaks may never do: leave half an object readable, lose what was acknowledged, or hang.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { startBrokenLine, type BrokenLine } from '../../../../test/support/broken-line.ts';
import { openTestBucket, s3Server } from '../../../../test/support/s3.ts';
import { isProblem } from '../../errors.ts';
import type { BlobStore } from '../blob-store.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import type { S3Options } from '../objects/s3.ts';
import { openLocalCache } from './local-cache.ts';
import { openRemoteStore } from './remote-store.ts';

const MB = 1024 * 1024;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const isUnavailable = (error: unknown): boolean => isProblem(error, 'blob-store-unavailable');

async function openLine(
  t: TestContext,
  options: Partial<S3Options> = {},
): Promise<{ store: BlobStore; line: BrokenLine; objects: ObjectStore; prefix: string }> {
  const line = await startBrokenLine(t, (await s3Server()).port);
  const { objects, prefix } = await openTestBucket(t, { attempts: 4, ...options, endpoint: line.url });
  const dir = mkdtempSync(join(tmpdir(), 'gyre-line-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const store = openRemoteStore({ objects, prefix, cache: openLocalCache({ dir, limitBytes: 100 * MB }) });
  return { store, line, objects, prefix };
}

const bytesOf = async (store: BlobStore, path: string): Promise<Buffer> =>
  Buffer.concat(await (await store.paths.open(path)).stream.toArray());

async function filesOf(store: BlobStore): Promise<string[]> {
  const found: string[] = [];
  for await (const { path } of store.paths.walk('')) found.push(path);
  for await (const { pack } of store.packs()) found.push(pack);
  return found;
}

test('an upload whose connections are cut is repeated part by part and arrives whole', async (t) => {
  const { store, line } = await openLine(t);
  const large = randomBytes(17 * MB);
  await line.fault({ cutUpAfter: 2 * MB, times: 3 });
  await store.paths.write('model', Readable.from([large]));
  assert.equal(line.struck(), 3);
  assert.equal(sha256(await bytesOf(store, 'model')), sha256(large));
  await line.fault({ cutUpAfter: MB, times: 3 });
  const batch = await store.begin();
  await batch.add(large);
  const [entry] = await batch.commit();
  assert.equal(await store.verify(entry!), true);
});

test('a line that stays cut fails the write within its bound; nothing half is there, and the old file is', async (t) => {
  const { store, line } = await openLine(t, { attempts: 2 });
  await store.paths.write('old', Readable.from([Buffer.from('old')]));
  for (const cutUpAfter of [0, 1000, 3 * MB]) {
    await line.fault({ cutUpAfter });
    for (const path of ['old', 'new'])
      for (const size of [4 * MB, 12 * MB])
        await assert.rejects(store.paths.write(path, Readable.from([randomBytes(size)])), isUnavailable, `${path} ${size} ${cutUpAfter}`);
    const batch = await store.begin();
    await assert.rejects(async () => {
      await batch.add(randomBytes(12 * MB));
      await batch.add(randomBytes(4 * MB));
      await batch.commit();
    }, isUnavailable);
    await batch.abandon();
  }
  await line.fault(undefined);
  assert.equal((await bytesOf(store, 'old')).toString(), 'old');
  // Uploads that could not even be aborted over that line are swept.
  await store.sweep(async (packs) => new Set(packs), -60_000);
  assert.deepEqual(await filesOf(store), ['old']);
});

test('a store that answers 503 is asked again, and given up within a bound', async (t) => {
  const { store, line } = await openLine(t, { attempts: 3 });
  await store.paths.write('f', Readable.from([Buffer.from('bytes')]));
  await line.fault({ answer503: true, times: 1 });
  assert.equal((await bytesOf(store, 'f')).toString(), 'bytes');
  await line.fault({ answer503: true, times: 1 });
  await store.paths.write('g', Readable.from([Buffer.from('bytes')]));
  await line.fault({ answer503: true });
  await assert.rejects(store.paths.open('f'), isUnavailable);
  assert.ok(line.struck() <= 3);
  await assert.rejects(store.paths.write('f', Readable.from([Buffer.from('x')])), isUnavailable);
  assert.equal(await store.findTrouble(), 'The object store does not answer');
});

test('a store that is slow is waited for, and one that says nothing is not', async (t) => {
  const { store, line } = await openLine(t, { silentMs: 2000, attempts: 2 });
  const large = randomBytes(6 * MB);
  await store.paths.write('f', Readable.from([large]));
  await line.fault({ delayMs: 5 });
  assert.equal(sha256(await bytesOf(store, 'f')), sha256(large));
  await line.fault({ delayMs: 60_000 });
  const began = performance.now();
  await assert.rejects(store.paths.open('f'), isUnavailable);
  assert.ok(performance.now() - began < 15_000, 'the bound is of time too');
});

test('a download that is cut goes on where it was; of a file that was replaced it ends with an error', async (t) => {
  const { store, line, prefix } = await openLine(t);
  const large = randomBytes(12 * MB);
  await store.paths.write('f', Readable.from([large]));
  await line.fault({ cutDownAfter: 3 * MB, times: 3 });
  assert.equal(sha256(await bytesOf(store, 'f')), sha256(large));
  assert.equal(line.struck(), 3);
  await line.fault({ cutDownAfter: MB, times: 2 });
  const part = await store.paths.openPart('f', () => ({ start: MB, end: 5 * MB }));
  assert.equal(sha256(Buffer.concat(await part.stream.toArray())), sha256(large.subarray(MB, 5 * MB)));
  await line.fault({ cutDownAfter: MB, times: 1 });
  const { stream } = await store.paths.open('f');
  const pieces = stream[Symbol.asyncIterator]();
  await pieces.next();
  const { objects: direct } = await openTestBucket(t);
  await direct.put(`${prefix}paths/f`, randomBytes(12 * MB));
  await assert.rejects(async () => {
    while (!(await pieces.next()).done);
  });
});

test('bytes that change on the way are refused by the store, or noticed by the reader', async (t) => {
  const { store, line } = await openLine(t, { attempts: 1 });
  await store.paths.write('f', Readable.from([Buffer.from('old')]));
  for (const size of [100_000, 12 * MB]) {
    await line.fault({ flipUpAt: 50_000, times: 1 });
    await assert.rejects(store.paths.write('f', Readable.from([Buffer.alloc(size, 'x')])), isUnavailable);
    assert.equal(line.struck(), 1);
  }
  assert.equal((await bytesOf(store, 'f')).toString(), 'old');
  const batch = await store.begin();
  await batch.add(randomBytes(200_000));
  const [entry] = await batch.commit();
  const isDamaged = (error: unknown): boolean => isProblem(error, 'blob-damaged');
  for (const read of [() => store.read(entry!), () => store.open(entry!).toArray(), () => store.localCopy(entry!)]) {
    await line.fault({ flipDownAt: 100_000, times: 1 });
    await assert.rejects(read(), isDamaged);
    assert.equal(line.struck(), 1);
  }
  await line.fault(undefined);
  assert.equal((await store.read(entry!)).length, 200_000);
});

test('a write whose answer was lost is known to have happened', async (t) => {
  const { store, line } = await openLine(t);
  const large = randomBytes(12 * MB);
  for (const swallowAnswer of [/^PUT/, /^POST .*uploadId=/]) {
    await line.fault({ swallowAnswer, times: 1 });
    const batch = await store.begin();
    await batch.add(Buffer.from(`small ${String(swallowAnswer)}`));
    await batch.add(Buffer.concat([large, Buffer.from(String(swallowAnswer))]));
    for (const entry of await batch.commit()) assert.equal(await store.verify(entry), true);
    assert.ok(line.struck() >= 1, String(swallowAnswer));
    await line.fault({ swallowAnswer, times: 1 });
    await store.paths.write('f', Readable.from([large]));
    assert.equal(sha256(await bytesOf(store, 'f')), sha256(large));
  }
});

test('who lets go of a download lets go of the line, also while nothing comes', async (t) => {
  const { store, line } = await openLine(t);
  await store.paths.write('f', Readable.from([randomBytes(12 * MB)]));
  const { stream } = await store.paths.open('f');
  await line.fault({ delayMs: 100_000 });
  const ended = new Promise((resolve) => stream.once('close', resolve));
  stream.on('error', () => undefined);
  stream.destroy();
  await ended;
});
