import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { openLocalCache, type LocalCache, type LocalCacheOptions } from './local-cache.ts';

interface Bench {
  readonly dir: string;
  readonly cache: LocalCache;
  /** The path of a file of 100 bytes, and whether it had to be fetched. */
  readonly ask: (name: string, cache?: LocalCache) => Promise<{ path: string; fetched: boolean }>;
  readonly again: () => LocalCache;
}

function openBench(t: TestContext, options: Partial<LocalCacheOptions> = {}): Bench {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-cache-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const again = (): LocalCache => openLocalCache({ dir, limitBytes: 300, holdMs: 0, ...options });
  const cache = again();
  const ask: Bench['ask'] = async (name, from = cache) => {
    const bytes = Buffer.alloc(100, name);
    let fetched = false;
    const path = await from.file(createHash('sha256').update(bytes).digest('hex'), 100, () => {
      fetched = true;
      return Readable.from([bytes]);
    });
    assert.deepEqual(readFileSync(path), bytes);
    return { path, fetched };
  };
  return { dir, cache, ask, again };
}

const fetchedOf = async (asked: Promise<{ fetched: boolean }>): Promise<boolean> => (await asked).fetched;

test('what was used longest ago goes when there is too much, and comes again when it is asked for', async (t) => {
  const { cache, ask } = openBench(t);
  for (const name of ['a', 'b', 'c']) assert.equal(await fetchedOf(ask(name)), true);
  assert.equal(await fetchedOf(ask('a')), false);
  assert.equal(await fetchedOf(ask('d')), true);
  assert.equal(await cache.sizeBytes(), 300);
  assert.deepEqual([await fetchedOf(ask('a')), await fetchedOf(ask('c')), await fetchedOf(ask('b'))], [false, false, true]);
});

test('what was asked for lately stays beyond the limit, for somebody may be reading it', async (t) => {
  const { cache, ask } = openBench(t, { holdMs: 60_000 });
  const { path } = await ask('a');
  for (const name of ['b', 'c', 'd', 'e']) await ask(name);
  assert.equal(existsSync(path), true);
  assert.equal(await cache.sizeBytes(), 500);
});

test('no copy gets old, however often it is used', async (t) => {
  const { ask, again } = openBench(t, { limitBytes: 1000 });
  const { path } = await ask('a');
  await ask('b');
  utimesSync(path, Date.now() / 1000, Date.now() / 1000 - 25 * 3600);
  const next = again();
  assert.equal(await next.sizeBytes(), 100);
  assert.deepEqual([await fetchedOf(ask('a', next)), await fetchedOf(ask('b', next))], [true, false]);
});

test('many who ask at once are served by one fetch', async (t) => {
  const { ask } = openBench(t);
  const asked = await Promise.all(Array.from({ length: 20 }, () => ask('a')));
  assert.equal(asked.filter((a) => a.fetched).length, 1);
});

test('after a restart copies are taken up again, checked once more, and half ones are gone', async (t) => {
  const { dir, ask, again } = openBench(t);
  await ask('a');
  const { path } = await ask('b');
  writeFileSync(path, Buffer.alloc(100, 'x'));
  writeFileSync(join(dir, 'incoming', 'half'), 'h');
  const next = again();
  assert.deepEqual([await fetchedOf(ask('a', next)), await fetchedOf(ask('b', next))], [false, true]);
  assert.deepEqual(readdirSync(join(dir, 'incoming')), []);
  assert.equal(await next.sizeBytes(), 200);
});

test('a fetch that fails leaves nothing, and the next one may go well', async (t) => {
  const { dir, cache, ask } = openBench(t);
  const digest = createHash('sha256').update(Buffer.alloc(100, 'a')).digest('hex');
  await assert.rejects(
    cache.file(digest, 100, () =>
      Readable.from(
        (async function* () {
          yield Buffer.alloc(50, 'a');
          throw new Error('broken off');
        })(),
      ),
    ),
    /broken off/,
  );
  assert.deepEqual(readdirSync(join(dir, 'incoming')), []);
  assert.equal(await fetchedOf(ask('a')), true);
  assert.equal(await cache.drop([digest]), 1);
  assert.equal(await fetchedOf(ask('a')), true);
});
