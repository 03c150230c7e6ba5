// What both stores promise, asked of each: a folder, and a bucket of a real server.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { openTestBucket } from '../../../../test/support/s3.ts';
import { isProblem } from '../../errors.ts';
import type { BlobEntry, BlobSource, BlobStore } from '../blob-store.ts';
import { openFolderStore } from '../folder-store.ts';
import type { PathZone } from '../path-zone.ts';
import { openLocalCache } from './local-cache.ts';
import { openRemoteStore } from './remote-store.ts';

const MB = 1024 * 1024;
const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');
const bytes = (text: string): Readable => Readable.from([Buffer.from(text)]);

interface Bench {
  readonly store: BlobStore;
  readonly dir: string;
}

const kinds: Readonly<Record<string, (t: TestContext, dir: string) => Promise<BlobStore>>> = {
  folder: (_t, dir) => openFolderStore({ dir, durability: 'power' }),
  s3: async (t, dir) => {
    const { objects, prefix } = await openTestBucket(t);
    return openRemoteStore({ objects, prefix, cache: openLocalCache({ dir: join(dir, 'cache'), limitBytes: 100 * MB }) });
  },
};

function eachStore(name: string, body: (t: TestContext, bench: Bench) => Promise<void>): void {
  for (const [kind, open] of Object.entries(kinds))
    test(`${name} (${kind})`, async (t) => {
      const dir = mkdtempSync(join(tmpdir(), 'gyre-contract-'));
      const store = await open(t, dir);
      t.after(async () => {
        await store.close();
        rmSync(dir, { recursive: true, force: true });
      });
      await body(t, { store, dir });
    });
}

async function put(store: BlobStore, ...sources: BlobSource[]): Promise<Map<string, BlobEntry>> {
  const batch = await store.begin();
  await Promise.all(sources.map((source) => batch.add(source)));
  return new Map((await batch.commit()).map((e) => [e.digest, e]));
}

async function packsOf(store: BlobStore): Promise<string[]> {
  const found: string[] = [];
  for await (const { pack, incoming } of store.packs()) if (!incoming) found.push(pack);
  return found;
}

const textOf = async (zone: PathZone, path: string): Promise<string> =>
  Buffer.concat(await (await zone.open(path)).stream.toArray()).toString();

eachStore(
  'files of every size come back as they were: whole, in part, as a copy, as a file of this machine',
  async (_t, { store, dir }) => {
    const path = join(dir, 'source');
    const sources = [0, 1, 1000, MB - 1, MB, MB + 1, 5 * MB, 5 * MB + 1, 13 * MB].map((size) => randomBytes(size));
    writeFileSync(path, sources.at(-1)!);
    const entries = await put(store, ...sources.slice(0, -1), { path }, bytes('in pieces'), Buffer.from(sources[2]!));
    assert.equal(entries.size, sources.length + 1);
    assert.equal((await packsOf(store)).length, 6, 'small ones share a pack, each large one has its own');
    for (const source of [...sources, Buffer.from('in pieces')]) {
      const entry = entries.get(sha256(source))!;
      assert.equal(entry.sizeBytes, source.length);
      assert.deepEqual(await store.read(entry), source);
      assert.deepEqual(Buffer.concat(await store.open(entry).toArray()), source);
      assert.equal(await store.verify(entry), true);
      assert.deepEqual(readFileSync(await store.localCopy(entry)), source);
      const copy = join(dir, 'copies', entry.digest);
      await store.materialise(entry, copy);
      assert.deepEqual(readFileSync(copy), source);
      for (const [start, end] of [
        [0, 4],
        [3, source.length],
        [source.length, source.length + 9],
        [source.length - 2, source.length + 9],
      ] as const)
        if (start >= 0)
          assert.deepEqual(Buffer.concat(await store.open(entry, { start, end }).toArray()), source.subarray(start, end), `${start}`);
    }
  },
);

eachStore('nothing is there before the commit, nor after a batch that was abandoned or a source that broke off', async (_t, { store }) => {
  const batch = await store.begin();
  await batch.add(Buffer.from('small'));
  await batch.add(randomBytes(12 * MB));
  assert.deepEqual(await packsOf(store), []);
  await batch.abandon();
  await assert.rejects(batch.commit(), /the batch has ended/);
  const broken = (size: number) =>
    Readable.from(
      (async function* () {
        yield randomBytes(size);
        throw new Error('the client went away');
      })(),
    );
  const next = await store.begin();
  await assert.rejects(next.add(broken(10)), /went away/);
  await assert.rejects(next.add(broken(12 * MB)), /went away/);
  await next.add(Buffer.from('fine'));
  assert.deepEqual(
    (await next.commit()).map((e) => e.digest),
    [sha256('fine')],
  );
  for await (const { pack, incoming } of store.packs()) assert.equal(incoming, false, pack);
  assert.equal((await packsOf(store)).length, 1);
});

eachStore('a batch whose record failed is left as it is, for the sweeper', async (_t, { store }) => {
  const batch = await store.begin();
  await batch.add(Buffer.from('x'));
  const [entry] = await batch.commit();
  await batch.abandon();
  assert.equal((await store.read(entry!)).toString(), 'x');
  assert.equal(await store.sweep(async () => new Set(), 60_000), 0);
  assert.equal(await store.sweep(async (packs) => new Set(packs), -60_000), 0);
  assert.equal(await store.sweep(async () => new Set(), -60_000), 1);
  await assert.rejects(store.read(entry!), /ENOENT/);
});

eachStore('a pack that is removed is gone, and a copy of it when it is dropped', async (_t, { store }) => {
  const [entry] = (await put(store, Buffer.from('secret'))).values();
  const copy = await store.localCopy(entry!);
  await store.removePack(entry!.pack);
  await assert.rejects(store.verify(entry!), /ENOENT/);
  assert.equal(await store.dropCopies([entry!.digest, sha256('other')]), 1);
  assert.throws(() => readFileSync(copy), /ENOENT/);
});

eachStore('files by path: written, overwritten whole, of no bytes, of any name', async (_t, { store }) => {
  const zone = store.paths;
  const names = [
    'plain',
    'with space',
    'a+b&c=d?e',
    '100%25',
    'ünï/cödé/日本語',
    '\u{1F600}',
    '#',
    'q\'uote"',
    `${'d/'.repeat(40)}deep`,
    '~',
    '<xml>&amp;',
    'a:b',
  ];
  for (const name of names) {
    await zone.write(name, bytes(`old ${name}`));
    assert.deepEqual(await zone.write(name, bytes(name)), { sizeBytes: Buffer.byteLength(name) });
    assert.equal(await textOf(zone, name), name);
  }
  await zone.write('empty', Readable.from([]));
  assert.equal((await zone.open('empty')).sizeBytes, 0);
  assert.equal(await textOf(zone, 'empty'), '');
  const found: string[] = [];
  for await (const file of zone.walk('')) found.push(file.path);
  assert.deepEqual(found.toSorted(), [...names, 'empty'].toSorted());
  await assert.rejects(zone.open('none'), (error) => isProblem(error, 'path-not-found'));
  await assert.rejects(zone.open(''), (error) => isProblem(error, 'path-not-found'));
  for (const path of ['../a', 'a//b', 'a\\b', 'x'.repeat(256), ''])
    await assert.rejects(zone.write(path, bytes('x')), (error) => isProblem(error, 'path-invalid'));
});

eachStore('a write that breaks off leaves the old file, large or small', async (_t, { store }) => {
  const zone = store.paths;
  await zone.write('f', bytes('old'));
  for (const size of [4, 12 * MB])
    await assert.rejects(
      zone.write(
        'f',
        Readable.from(
          (async function* () {
            yield randomBytes(size);
            throw new Error('the client went away');
          })(),
        ),
      ),
      /went away/,
    );
  assert.equal(await textOf(zone, 'f'), 'old');
  const large = randomBytes(12 * MB + 5);
  await zone.write('f', Readable.from([large.subarray(0, 7 * MB), large.subarray(7 * MB)]));
  assert.equal(sha256(Buffer.concat(await (await zone.open('f')).stream.toArray())), sha256(large));
  const part = await zone.openPart('f', (size) => ({ start: size - 9, end: size }));
  assert.deepEqual([Buffer.concat(await part.stream.toArray()), part.sizeBytes], [large.subarray(-9), large.length]);
  assert.equal(await zone.withLocalFile('f', async (file) => sha256(readFileSync(file))), sha256(large));
  await zone.replace('f', Buffer.from('cleared'));
  assert.equal(await textOf(zone, 'f'), 'cleared');
});

eachStore('a file where a folder is, or a folder where a file is, is refused', async (_t, { store }) => {
  const zone = store.paths;
  const isInvalid = (error: unknown): boolean => isProblem(error, 'path-invalid');
  await zone.write('a/b', bytes('x'));
  await assert.rejects(zone.write('a', bytes('x')), isInvalid);
  await assert.rejects(zone.write('a/b/c', bytes('x')), isInvalid);
  await assert.rejects(zone.write('a/b/c/d', bytes('x')), isInvalid);
  await assert.rejects(zone.open('a'), (error) => isProblem(error, 'path-not-found'));
  await assert.rejects(zone.open('a/b/c'), (error) => isProblem(error, 'path-not-found'));
  await zone.remove('a/b');
  await zone.remove('a');
  await zone.write('a', bytes('a file now'));
  await assert.rejects(zone.write('a/b', bytes('x')), isInvalid);
});

eachStore('the order of a folder is the same in pages of any size, however its names begin', async (_t, { store }) => {
  const zone = store.paths;
  const files = ['a-1/x', 'a-1.b/x', 'a-1.b.c', 'a-1.txt', 'a.b', 'a/x', 'a0', 'a-/x', 'a--', 'b c/x', 'b/x', 'b', 'ü-1', 'ü/x'].filter(
    (f) => f !== 'b',
  );
  for (const path of files) await zone.write(`m/${path}`, bytes('x'));
  const order = ['a--', 'a-', 'a-1.b.c', 'a-1.b', 'a-1.txt', 'a-1', 'a.b', 'a', 'a0', 'b c', 'b', 'ü-1', 'ü'];
  assert.deepEqual(
    (await zone.list('m')).map((e) => e.name),
    order,
  );
  for (const limit of [1, 2, 3, 5])
    for (const [i, after] of order.entries()) {
      const page: string[] = [];
      for await (const entry of zone.entries('m', { after, limit })) page.push(entry.name);
      assert.deepEqual(page, order.slice(i + 1, i + 1 + limit), `${limit} after ${after}`);
    }
});

eachStore('folders are listed page by page, walked in full, and removed with what is in them', async (_t, { store }) => {
  const zone = store.paths;
  for (const path of ['m/sub/deep/file', 'm/sub.txt', 'm/sub-1', 'm/subway', 'm/z', 'n', 'mm']) await zone.write(path, bytes(path));
  assert.deepEqual(await zone.list('m'), [
    { name: 'sub-1', isFolder: false, sizeBytes: 7 },
    { name: 'sub.txt', isFolder: false, sizeBytes: 9 },
    { name: 'sub', isFolder: true, sizeBytes: 0 },
    { name: 'subway', isFolder: false, sizeBytes: 8 },
    { name: 'z', isFolder: false, sizeBytes: 3 },
  ]);
  for (const limit of [1, 2, 3, 9]) {
    const seen: string[] = [];
    for (let after: string | undefined; ;) {
      const page: string[] = [];
      for await (const entry of zone.entries('m', { limit, ...(after === undefined ? {} : { after }) })) page.push(entry.name);
      if (page.length === 0) break;
      assert.ok(page.length <= limit);
      seen.push(...page);
      after = page.at(-1)!;
    }
    assert.deepEqual(seen, ['sub-1', 'sub.txt', 'sub', 'subway', 'z'], `pages of ${limit}`);
  }
  for (const path of ['none', 'm/z', 'm/sub/deep/file/x']) assert.deepEqual(await zone.list(path), [], path);
  assert.equal(await zone.remove('m'), true);
  assert.equal(await zone.remove('m'), false);
  const left: string[] = [];
  for await (const file of zone.walk('')) left.push(file.path);
  assert.deepEqual(left.toSorted(), ['mm', 'n']);
  await assert.rejects(zone.remove(''), (error) => isProblem(error, 'path-invalid'));
});
