import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { testPython } from '../../../test/journey/flights-project.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { verifyChain } from '../../kernel/events/sequencer.ts';
import { getVersion, inspectTable, stageVersion } from '../datasets/public.ts';
import { onlineStorePath, openOnlineReader } from '../features/public.ts';
import { findPrediction, servingPaths } from '../serving/public.ts';
import { flights, openBench, SUBJECT } from './fixtures/bench.ts';

eachDatabase('a subject is erased from every version and what was made of it; the certificate says what and how many', async (t, kind) => {
  const bench = await openBench(t, kind);
  const { first, second } = await bench.fill();
  const versions = async () =>
    (await bench.send<{ items: { id: string }[] }>('GET', '/projects/demo/datasets/raw/versions')).body.items.map((v) => v.id);
  const before = await versions();

  const certificate = await bench.erase(`aircraft=${SUBJECT}`);
  assert.equal(certificate.reason, 'for [erased]');
  assert.deepEqual(certificate.versions.map((v) => [v.dataset, v.number, v.generation, v.rowsBefore, v.rowsAfter]).sort(), [
    ['flights', 1, 2, 200, 180],
    ['flights', 2, 2, 400, 360],
    ['labels', 1, 2, 200, 180],
    ['labels', 2, 2, 400, 360],
    ['planes', 1, 2, 41, 40],
    ['raw', 1, 2, 200, 180],
    ['raw', 2, 2, 400, 360],
  ]);
  // Digests that were put together from those of files are those of the tables as a whole.
  for (const version of certificate.versions) {
    const files = await stageVersion(bench.ctx(), await getVersion(bench.ctx(), version.id));
    const { digest } = await inspectTable(bench.ctx(), version.dataset, { files });
    assert.equal(version.logicalDigestAfter, digest, `${version.dataset} ${version.number}`);
  }
  const removed = Object.fromEntries(certificate.places.map((p) => [p.place, p.rowsRemoved]));
  assert.deepEqual(
    [
      'output of a step, training table',
      'online store',
      'table of a feature view',
      'inference log (segments)',
      'inference log (shipped)',
      'artifacts',
    ].map((place) => removed[place]),
    [40, 1, 1, 2, 2, 3],
  );
  assert.equal(certificate.cacheEntriesDropped, 2);
  assert.ok(!JSON.stringify(certificate).includes(SUBJECT));
  assert.deepEqual(await versions(), before);
  assert.equal((await verifyChain(bench.platform.database.reader)).ok, true);
  // The other predictions keep their ids.
  const { log } = servingPaths(bench.folder);
  const [segment] = readdirSync(join(log, 'r1'));
  const name = segment!.replace('.seg', '');
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => findPrediction(log, `r1.${name}.${i}`)?.request.tailnum),
    [undefined, 'N20001', undefined, 'N20002'],
  );

  // The same bytes again are known for what is left of them.
  const again = await bench.push('raw', { 'raw/1.parquet': first, 'raw/2.parquet': second });
  assert.equal(again.created, false);
  // Other bytes with the subject come in without it.
  const third = await bench.push('raw', { 'raw/1.parquet': first, 'raw/2.parquet': second, 'raw/3.parquet': await flights(3) });
  assert.deepEqual([third.created, third.version.rows, third.leftOut], [true, 540, 60]);
  await bench.drain();
  const reader = openOnlineReader(onlineStorePath(bench.ctx(), 'demo'));
  assert.equal(reader.read('plane', [SUBJECT], 2e15), undefined);
  assert.deepEqual(reader.read('plane', ['N20003'], 2e15)?.values, [103]);
  reader.close();
  assert.deepEqual(bytesWith(bench.folder, SUBJECT), []);
});

/** Files whose raw bytes hold the text. */
const bytesWith = (folder: string, text: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name))
    .filter((path) => readFileSync(path).includes(text));

interface Read {
  readonly found: Readonly<Record<string, number>>;
  readonly decoded: Readonly<Record<string, number>>;
  readonly others: Readonly<Record<string, readonly [number, string]>>;
}

test('an independent reader finds the subject in many kinds of place before and in none after, and every other row as it was', async (t) => {
  const bench = await openBench(t);
  const { first, second } = await bench.fill();
  const read = (): Read =>
    JSON.parse(
      execFileSync(testPython(), [join(import.meta.dirname, 'fixtures/reader.py'), bench.folder, SUBJECT, 'tailnum', 'flight'], {
        encoding: 'utf8',
      }),
    ) as Read;
  const before = read();
  t.diagnostic(`found before: ${JSON.stringify(before.found)}`);
  t.diagnostic(`decoded: ${JSON.stringify(before.decoded)}`);
  const places = new Set(Object.keys(before.found).map((place) => place.split(':')[0]));
  for (const place of ['cas', 'online', 'paths', 'serving/log', 'attempts'])
    assert.ok(places.has(place), `${place} of ${[...places].join(', ')}`);
  for (const kind of ['parquet', 'sqlite', 'gzip', 'zstd']) assert.ok(before.decoded[kind]! > 0, kind);

  await bench.erase(`tailnum=${SUBJECT}`);
  const after = read();
  assert.deepEqual(after.found, {});
  assert.deepEqual(after.others, before.others);

  await bench.push('raw', { 'raw/1.parquet': first, 'raw/2.parquet': second, 'raw/3.parquet': await flights(3) });
  await bench.drain();
  assert.deepEqual(read().found, {});
});
