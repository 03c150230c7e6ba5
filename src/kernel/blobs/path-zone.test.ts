import assert from 'node:assert/strict';
import {
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { test, type TestContext } from 'node:test';
import { isProblem } from '../errors.ts';
import { openPathZone, type PathZone } from './path-zone.ts';

function openZone(t: TestContext): { zone: PathZone; root: string; outside: string } {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-paths-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const outside = join(dir, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), 'secret');
  return { zone: openPathZone(join(dir, 'paths'), 'power'), root: join(dir, 'paths'), outside };
}

const bytes = (text: string): Readable => Readable.from([Buffer.from(text)]);
const read = async (zone: PathZone, path: string): Promise<string> =>
  Buffer.concat(await (await zone.open(path)).stream.toArray()).toString();
async function walk(zone: PathZone, path: string): Promise<string[]> {
  const found: string[] = [];
  for await (const file of zone.walk(path)) found.push(file.path);
  return found.toSorted();
}
const isInvalid = (error: unknown): boolean => isProblem(error, 'path-invalid');

const refused = [
  '..',
  '../outside/secret',
  'a/../../outside/secret',
  'a/..',
  './a',
  'a/./b',
  '/etc/passwd',
  'a//b',
  'a/',
  'a\\b',
  'nul\0',
  'line\nbreak',
  `${'x'.repeat(256)}`,
  `${'ä'.repeat(200)}`,
  '.incoming-0123',
  'a/'.repeat(3000) + 'b',
];

test('paths that lead elsewhere, or that no file can have, are refused by every call', async (t) => {
  const { zone, root } = openZone(t);
  for (const path of refused) {
    const label = JSON.stringify(path.slice(0, 40));
    await assert.rejects(zone.write(path, bytes('x')), isInvalid, label);
    await assert.rejects(zone.open(path), isInvalid, label);
    await assert.rejects(zone.list(path), isInvalid, label);
    await assert.rejects(walk(zone, path), isInvalid, label);
    await assert.rejects(zone.remove(path), isInvalid, label);
    await assert.rejects(zone.replace(path, Buffer.from('x')), isInvalid, label);
    await assert.rejects(
      zone.withLocalFile(path, async () => undefined),
      isInvalid,
      label,
    );
  }
  await assert.rejects(zone.write('', bytes('x')), isInvalid);
  await assert.rejects(zone.remove(''), isInvalid);
  assert.equal(existsSync(root), false);
});

test('names that only look odd are names', async (t) => {
  const { zone } = openZone(t);
  for (const path of ['...', 'a..b', '%2e%2e', 'ä/𝄞', ' ', '~', '$HOME', '-rf', 'a:b', '*']) {
    await zone.write(path, bytes(path));
    assert.equal(await read(zone, path), path);
  }
});

test('a file is overwritten whole, and a write that breaks off leaves the old one', async (t) => {
  const { zone, root } = openZone(t);
  assert.deepEqual(await zone.write('1/run/artifacts/model.txt', bytes('old and longer')), { sizeBytes: 14 });
  await zone.write('1/run/artifacts/model.txt', bytes('new'));
  assert.equal(await read(zone, '1/run/artifacts/model.txt'), 'new');
  const broken = Readable.from(
    (async function* () {
      yield Buffer.from('half');
      throw new Error('the client went away');
    })(),
  );
  await assert.rejects(zone.write('1/run/artifacts/model.txt', broken), /went away/);
  assert.equal(await read(zone, '1/run/artifacts/model.txt'), 'new');
  assert.deepEqual(readdirSync(join(root, '1/run/artifacts')), ['model.txt']);
});

test('a file that was opened keeps its bytes and its length when another takes its place, or none does', async (t) => {
  const { zone, root } = openZone(t);
  await zone.write('f', bytes('old'));
  const { ino } = statSync(join(root, 'f'));
  const held = (): boolean =>
    readdirSync('/dev/fd').some((fd) => {
      try {
        return fstatSync(Number(fd)).ino === ino;
      } catch {
        return false;
      }
    });
  const [first, second] = [await zone.open('f'), await zone.open('f')];
  await zone.write('f', bytes('new and longer'));
  await zone.remove('f');
  assert.equal(first.sizeBytes, 3);
  assert.equal(Buffer.concat(await first.stream.toArray()).toString(), 'old');
  assert.equal(held(), true);
  // Who does not want it any more lets go of it.
  await finished(second.stream.destroy()).catch(() => undefined);
  assert.equal(held(), false);
});

test('the length is that of the bytes, however often the file is replaced meanwhile', async (t) => {
  const { zone } = openZone(t);
  await zone.write('f', bytes('x'));
  let over = false;
  const writing = (async () => {
    for (let i = 1; !over; i++) await zone.write('f', bytes('x'.repeat(i)));
  })();
  try {
    for (let i = 0; i < 300; i++) {
      const { stream, sizeBytes } = await zone.open('f');
      assert.equal(Buffer.concat(await stream.toArray()).length, sizeBytes);
    }
  } finally {
    over = true;
    await writing;
  }
});

test('a file where a folder is, or a folder where a file is, is refused as the client’s mistake', async (t) => {
  const { zone } = openZone(t);
  await zone.write('a/b', bytes('x'));
  await assert.rejects(zone.write('a', bytes('x')), isInvalid);
  await assert.rejects(zone.write('a/b/c', bytes('x')), isInvalid);
  await assert.rejects(zone.open('a'), (error) => isProblem(error, 'path-not-found'));
  await assert.rejects(zone.open('a/b/c'), (error) => isProblem(error, 'path-not-found'));
});

test('folders are listed by name, walked in full, and removed with what is in them', async (t) => {
  const { zone } = openZone(t);
  for (const path of ['m/z', 'm/a', 'm/sub/deep/file', 'n']) await zone.write(path, bytes(path));
  assert.deepEqual(await zone.list('m'), [
    { name: 'a', isFolder: false, sizeBytes: 3 },
    { name: 'sub', isFolder: true, sizeBytes: 0 },
    { name: 'z', isFolder: false, sizeBytes: 3 },
  ]);
  assert.deepEqual(await walk(zone, 'm'), ['a', 'sub/deep/file', 'z']);
  assert.deepEqual(
    (await zone.list('')).map((f) => f.name),
    ['m', 'n'],
  );
  assert.deepEqual(await zone.list('none'), []);
  assert.equal(await zone.remove('m'), true);
  assert.equal(await zone.remove('m'), false);
  await assert.rejects(zone.open('m/a'), (error) => isProblem(error, 'path-not-found'));
});

test('a folder is read page by page, also when the last entry seen is gone by then', async (t) => {
  const { zone } = openZone(t);
  for (const path of ['m/sub/file', 'm/sub.txt', 'm/sub-1', 'm/subway', 'm/\u{1F600}', 'm/\uFFEE']) await zone.write(path, bytes('x'));
  const page = async (after?: string, limit?: number): Promise<string[]> => {
    const names = [];
    for await (const entry of zone.entries('m', { ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }) }))
      names.push(entry.name);
    return names;
  };
  const all = ['sub-1', 'sub.txt', 'sub', 'subway', '\uFFEE', '\u{1F600}'];
  assert.deepEqual(await page(), all);
  assert.deepEqual(await page(undefined, 2), all.slice(0, 2));
  for (const [i, name] of all.entries()) assert.deepEqual(await page(name, 3), all.slice(i + 1, i + 4), name);
  await zone.remove('m/sub.txt');
  assert.deepEqual(await page('sub.txt', 2), ['sub', 'subway']);
});

test('a link is not followed: not to a file, not to a folder, not on the way, not when writing', async (t) => {
  const { zone, root, outside } = openZone(t);
  await zone.write('own/file', bytes('mine'));
  symlinkSync(join(outside, 'secret'), join(root, 'own/link'));
  symlinkSync(outside, join(root, 'own/folder'));
  for (const path of ['own/link', 'own/folder', 'own/folder/secret']) {
    await assert.rejects(zone.open(path), (error) => isProblem(error, 'path-not-found'), path);
    assert.deepEqual(await zone.list(path), [], path);
  }
  assert.deepEqual(await walk(zone, 'own'), ['file']);
  await assert.rejects(zone.write('own/folder/new', bytes('x')), isInvalid);
  await zone.write('own/link', bytes('mine too'));
  await zone.remove('own');
  assert.deepEqual(readdirSync(outside), ['secret']);
  assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'secret');
});

test('a part of a file is read by where it begins and ends, chosen by the size of the whole', async (t) => {
  const { zone } = openZone(t);
  await zone.write('f', Readable.from([Buffer.from('0123456789')]));
  const part = async (start: number, end: number) => {
    const { stream, sizeBytes } = await zone.openPart('f', () => ({ start, end }));
    return [Buffer.concat(await stream.toArray()).toString(), sizeBytes];
  };
  assert.deepEqual(
    [await part(2, 5), await part(5, 5), await part(9, 10)],
    [
      ['234', 10],
      ['', 10],
      ['9', 10],
    ],
  );
  let seen = 0;
  const whole = await zone.openPart('f', (size) => void (seen = size));
  assert.deepEqual([Buffer.concat(await whole.stream.toArray()).toString(), seen], ['0123456789', 10]);
});
