import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { TestContext } from 'node:test';
import { parquet } from '../../../test/support/parquet.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { openPipelines, type PipelineBench } from '../../../test/support/pipelines.ts';
import type { DatabaseKind } from '../../../test/support/databases.ts';
import { storeBlobs } from '../../kernel/blobs/blob-index.ts';
import { verifyChain } from '../../kernel/events/sequencer.ts';
import { materialiseViews, onlineStorePath, openOnlineReader } from '../features/public.ts';
import type { Certificate } from './model.ts';

const SUBJECT = 'N14228';
const project = `
project: demo
code: [sql/*.sql]
timeline: { mode: replay, start: 2024-01-01T00:00:00Z }
subjects: { aircraft: tailnum }
datasets:
  raw: { source: raw/*.parquet, key: [flight, day] }
  planes: { source: planes.parquet, key: [tailnum], occurred_at: built, known_at: built }
  flights:
    sql: sql/flights.sql
    from: [raw]
    key: [flight, day]
    occurred_at: day
    known_at: day
  labels: { sql: sql/labels.sql, from: [raw], key: [flight, day] }
features:
  views:
    plane: { dataset: planes, entity: [tailnum], columns: [seats] }
  services:
    late: { views: [plane], request: [tailnum, flight] }
pipelines:
  p:
    steps:
      rows: { features: late, spine: { dataset: flights, at: day, label: late, between: ['2024-01-01', '2024-03-01'] } }
      copy: { run: 'mkdir out/table && cp in/rows/*.parquet out/table/part.parquet && echo done', in: [rows], out: { table: table } }
`;
const sql = 'select flight, day, tailnum, late from raw';
// The same rows without the identifier: they are the subject's by their key.
const labels = 'select flight, day, late from raw';
const flights = (month: number, more = ''): Promise<Buffer> =>
  parquet(`select i as flight, timestamp '2024-0${month}-01' + interval (i % 27) day as day,
    case when i % 10 = 0 then '${SUBJECT}' else 'N' || (20000 + i % 40) end as tailnum, i % 3 = 0 as late, i * 0.5 as delay
    from range(${month * 1000}, ${month * 1000 + 200}) r(i) ${more}`);

interface Bench extends PipelineBench {
  push(
    dataset: string,
    files: Record<string, Buffer>,
  ): Promise<{ created: boolean; leftOut: number; version: { id: string; rows: number } }>;
  erase(subject: string, more?: object): Promise<Certificate>;
}

async function open(t: TestContext, kind: DatabaseKind = 'sqlite'): Promise<Bench> {
  const bench = await openPipelines(t, kind);
  await bench.apply(project, { 'sql/flights.sql': sql, 'sql/labels.sql': labels });
  const push: Bench['push'] = async (dataset, files) => {
    const listed = [];
    for (const [path, bytes] of Object.entries(files)) {
      const digest = createHash('sha256').update(bytes).digest('hex');
      const { body } = await bench.send<{ missing: string[] }>('POST', '/blobs/missing', { digests: [digest] });
      if (body.missing.length > 0) await storeBlobs(bench.ctx(), [bytes]);
      listed.push({ path, digest });
    }
    const { status, body } = await bench.send<never>('POST', `/projects/demo/datasets/${dataset}/versions`, { files: listed });
    assert.ok(status < 300, JSON.stringify(body));
    return body;
  };
  const erase: Bench['erase'] = async (subject, more = {}) => {
    const { status, body } = await bench.send<{ id: string }>('POST', '/projects/demo/erasures', {
      subject,
      reason: `for ${SUBJECT}`,
      ...more,
    });
    assert.equal(status, 202, JSON.stringify(body));
    await bench.drain();
    const certificate = await bench.send<Certificate>('GET', `/projects/demo/erasures/${body.id}/certificate`);
    assert.equal(
      certificate.status,
      200,
      JSON.stringify([certificate.body, (await bench.send('GET', `/projects/demo/erasures/${body.id}`)).body]),
    );
    return certificate.body;
  };
  return { ...bench, push, erase };
}

async function fill(bench: Bench): Promise<{ first: Buffer; second: Buffer }> {
  const [first, second] = [await flights(1), await flights(2)];
  await bench.push('raw', { 'raw/1.parquet': first });
  await bench.drain();
  await bench.push('raw', { 'raw/1.parquet': first, 'raw/2.parquet': second });
  await bench.push('planes', {
    'planes.parquet': await parquet(
      `select 'N' || (20000 + i) as tailnum, timestamp '2020-01-01' as built, 100 + i as seats from range(40) r(i) union all select '${SUBJECT}', timestamp '2020-01-01', 7`,
    ),
  });
  await bench.drain();
  await materialiseViews(bench.ctx(), 'demo');
  await bench.drain();
  return { first, second };
}

eachDatabase('a subject is erased from every version and what was made of it; the certificate says what and how many', async (t, kind) => {
  const bench = await open(t, kind);
  const { first, second } = await fill(bench);
  const run = await bench.finish();
  assert.equal(run.state, 'succeeded', JSON.stringify(run));
  const folder = join(bench.folder, 'paths', 'default', '0', 'artifacts');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'rows.csv'), `tailnum,x\n${SUBJECT},1\nN2,2\n`);
  writeFileSync(join(folder, 'rows.json.gz'), gzipSync(JSON.stringify([{ tailnum: SUBJECT }, { tailnum: 'N2' }])));
  const before = await bench.send<{ items: { id: string }[] }>('GET', '/projects/demo/datasets/raw/versions');

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
  const removed = Object.fromEntries(certificate.places.map((p) => [p.place, p.rowsRemoved]));
  assert.ok(removed['output of a step, training table'] === 40, JSON.stringify(removed));
  assert.equal(removed['online store'], 1);
  assert.equal(removed['artifacts'], 2);
  assert.equal(removed['table of a feature view'], 1);
  assert.ok(certificate.cacheEntriesDropped >= 2, String(certificate.cacheEntriesDropped));
  assert.ok(!JSON.stringify(certificate).includes(SUBJECT));
  const after = await bench.send<{ items: { id: string }[] }>('GET', '/projects/demo/datasets/raw/versions');
  assert.deepEqual(
    after.body.items.map((v) => v.id),
    before.body.items.map((v) => v.id),
  );
  assert.equal((await verifyChain(bench.platform.database.reader)).ok, true);
  assert.deepEqual(bytesWith(bench.folder, SUBJECT), []);

  // The same bytes again are known for what is left of them.
  const again = await bench.push('raw', { 'raw/1.parquet': first, 'raw/2.parquet': second });
  assert.equal(again.created, false);
  // Other bytes with the subject come in without it.
  const third = await bench.push('raw', { 'raw/1.parquet': first, 'raw/2.parquet': second, 'raw/3.parquet': await flights(3) });
  assert.deepEqual([third.created, third.version.rows, third.leftOut >= 20], [true, 540, true]);
  await bench.drain();
  const reader = openOnlineReader(onlineStorePath(bench.ctx(), 'demo'));
  assert.equal(reader.read('plane', [SUBJECT], 2e15), undefined);
  assert.deepEqual(reader.read('plane', ['N20003'], 2e15)?.values, [103]);
  reader.close();
  assert.deepEqual(bytesWith(bench.folder, SUBJECT), []);
});

/** Files whose raw bytes hold the text; Parquet is compressed, so this finds what was left open. */
function bytesWith(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name))
    .filter((path) => readFileSync(path).includes(text));
}
