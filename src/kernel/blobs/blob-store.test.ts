import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import type { BlobEntry, BlobSource, BlobStore } from './blob-store.ts';
import { openFolderStore } from './folder-store.ts';

const MB = 1024 * 1024;
const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

async function openStore(t: TestContext): Promise<{ store: BlobStore; dir: string; files: () => string[] }> {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-blobs-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const files = (): string[] =>
    readdirSync(join(dir, 'cas'), { recursive: true, withFileTypes: true })
      .filter((e) => e.isFile())
      .map((e) => join(e.parentPath, e.name));
  return { store: await openFolderStore({ dir, durability: 'power' }), dir, files };
}

async function put(store: BlobStore, ...sources: BlobSource[]): Promise<BlobEntry[]> {
  const batch = await store.begin();
  await Promise.all(sources.map((source) => batch.add(source)));
  return batch.commit();
}

const text = async (stream: Readable): Promise<string> => Buffer.concat(await stream.toArray()).toString();

test('small files share a pack, a large one has its own, and each comes back as it was', async (t) => {
  const { store, files, dir } = await openStore(t);
  const large = randomBytes(3 * MB + 17);
  const path = join(dir, 'source');
  writeFileSync(path, large);
  const small = Array.from({ length: 50 }, (_, i) => Buffer.from(`file ${i}`.repeat(i)));
  const entries = await put(store, ...small, { path }, Readable.from([Buffer.from('in '), Buffer.from('pieces')]));
  assert.equal(entries.length, 52);
  assert.equal(files().length, 2);
  const byDigest = new Map(entries.map((e) => [e.digest, e]));
  for (const bytes of [...small, large, Buffer.from('in pieces')]) {
    const entry = byDigest.get(sha256(bytes))!;
    assert.equal(entry.sizeBytes, bytes.length);
    assert.deepEqual(await store.read(entry), bytes);
    assert.equal(await store.verify(entry), true);
  }
  for (const bytes of [large, Buffer.from('in pieces')]) {
    const entry = byDigest.get(sha256(bytes))!;
    assert.deepEqual(readFileSync(await store.localCopy(entry)), bytes);
    assert.equal(await store.dropCopies([entry.digest]), bytes === large ? 0 : 1);
    assert.deepEqual(readFileSync(await store.localCopy(entry)), bytes);
  }
});

test('the same bytes are one entry of a batch, small or large', async (t) => {
  const { store, files } = await openStore(t);
  const large = randomBytes(MB);
  const entries = await put(store, Buffer.from('twin'), Buffer.from('twin'), Buffer.from('other'), large, Buffer.from(large));
  assert.deepEqual(entries.map((e) => e.digest).toSorted(), [sha256('twin'), sha256('other'), sha256(large)].toSorted());
  assert.equal(files().length, 2);
});

test('files of exactly the limit, one byte less, and none are kept apart correctly', async (t) => {
  const { store, dir } = await openStore(t);
  const sources = [Buffer.alloc(0), randomBytes(MB - 1), randomBytes(MB), randomBytes(MB + 1)];
  const entries = await put(store, Buffer.from('first'), ...sources, Buffer.from('last'));
  for (const bytes of sources) {
    const entry = entries.find((e) => e.digest === sha256(bytes))!;
    assert.deepEqual(await store.read(entry), bytes);
    assert.equal(await store.verify(entry), true);
    // An empty file between others must not take a byte of its neighbour.
    const copy = join(dir, 'copies', entry.digest);
    await store.materialise(entry, copy);
    assert.deepEqual(readFileSync(copy), bytes);
    assert.equal(entry.pack.endsWith('.one'), bytes.length >= MB);
  }
});

test('a part of a blob is read without the rest', async (t) => {
  const { store } = await openStore(t);
  const entries = await put(store, Buffer.from('before'), Buffer.from('0123456789'), Buffer.from('after'));
  const entry = entries.find((e) => e.sizeBytes === 10)!;
  const part = (start: number, end: number) => text(store.open(entry, { start, end }));
  assert.deepEqual(
    [await text(store.open(entry)), await part(2, 5), await part(8, 99), await part(5, 5), await part(10, 12)],
    ['0123456789', '234', '89', '', ''],
  );
});

test('nothing is there before the commit, and nothing is left after an abandoned batch', async (t) => {
  const { store, files } = await openStore(t);
  const batch = await store.begin();
  await batch.add(Buffer.from('small'));
  await batch.add(randomBytes(2 * MB));
  assert.equal(
    files().every((file) => file.includes('/incoming/')),
    true,
  );
  await batch.abandon();
  assert.deepEqual(files(), []);
  await assert.rejects(batch.commit(), /the batch has ended/);
  await assert.rejects(batch.add(Buffer.from('late')), /the batch has ended/);
  assert.deepEqual(files(), []);
});

test('a source that breaks off leaves nothing, and the batch goes on', async (t) => {
  const { store, files } = await openStore(t);
  const broken = (bytes: number) =>
    Readable.from(
      (async function* () {
        yield randomBytes(bytes);
        throw new Error('the client went away');
      })(),
    );
  const batch = await store.begin();
  await assert.rejects(batch.add(broken(10)), /went away/);
  await assert.rejects(batch.add(broken(2 * MB)), /went away/);
  await assert.rejects(batch.add({ path: '/no/such/file' }), /ENOENT/);
  await batch.add(Buffer.from('fine'));
  assert.deepEqual(
    (await batch.commit()).map((e) => e.digest),
    [sha256('fine')],
  );
  assert.equal(files().length, 1);
});

test('changed bytes are noticed, and what a reader does to its copy changes nothing here', async (t) => {
  const { store, dir, files } = await openStore(t);
  const [entry] = await put(store, randomBytes(MB));
  const copy = join(dir, 'copy');
  await store.materialise(entry!, copy);
  writeFileSync(copy, 'mine now');
  assert.equal(await store.verify(entry!), true);
  const bytes = readFileSync(files()[0]!);
  bytes[5]! ^= 1;
  writeFileSync(files()[0]!, bytes);
  assert.equal(await store.verify(entry!), false);
});

test('the sweeper removes what is old and unreferenced, and only that', async (t) => {
  const { store, files, dir } = await openStore(t);
  const [kept] = await put(store, Buffer.from('kept'));
  const [lost] = await put(store, Buffer.from('lost'));
  const crashed = await store.begin();
  await crashed.add(Buffer.from('never committed'));
  const age = (hours: number): void => {
    const then = new Date(Date.now() - hours * 3_600_000);
    for (const file of files()) utimesSync(file, then, then);
  };
  const sweep = () => store.sweep(async (packs) => new Set(packs.filter((p) => p === kept!.pack)), 24 * 3_600_000);
  assert.equal(await sweep(), 0);
  age(25);
  const [young] = await put(store, Buffer.from('young'));
  assert.equal(await sweep(), 2);
  assert.equal(await text(store.open(kept!)), 'kept');
  assert.equal(await text(store.open(young!)), 'young');
  await assert.rejects(text(store.open(lost!)), /ENOENT/);
  assert.equal(readdirSync(join(dir, 'cas/incoming')).length, 0);
  await crashed.abandon();
});

test('a copy that nobody asked for in 30 days goes, with what a killed process left of one; one in use stays', async (t) => {
  const { store, dir } = await openStore(t);
  const batch = await store.begin();
  await batch.add(Buffer.from('used'));
  await batch.add(Buffer.from('unused'));
  const [used, unused] = (await batch.commit()).map((entry) => ({ entry, path: '' }));
  for (const one of [used!, unused!]) one.path = await store.localCopy(one.entry);
  const half = `${unused!.path}.123.abcdef`;
  writeFileSync(half, 'half');
  const old = new Date(Date.now() - 31 * 24 * 3_600_000);
  for (const path of [used!.path, unused!.path, half]) utimesSync(path, old, old);
  assert.equal(await store.localCopy(used!.entry), used!.path);
  const all = async (packs: string[]): Promise<Set<string>> => new Set(packs);
  assert.equal(await store.sweep(all, 0), 2);
  assert.deepEqual(readdirSync(join(dir, 'staged')), [used!.entry.digest]);
  assert.equal(readFileSync(await store.localCopy(unused!.entry), 'utf8'), 'unused');
});

test('a batch filled long ago is new to the sweeper when it is committed', async (t) => {
  const { store, files } = await openStore(t);
  const batch = await store.begin();
  await batch.add(randomBytes(MB));
  utimesSync(files()[0]!, new Date(0), new Date(0));
  await batch.commit();
  assert.ok(Date.now() - statSync(files()[0]!).mtimeMs < 60_000);
});
