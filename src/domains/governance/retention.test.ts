import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parquet } from '../../../test/support/parquet.ts';
import { openPipelines } from '../../../test/support/pipelines.ts';
import { storeBlobs } from '../../kernel/blobs/blob-index.ts';
import { makeCtx, systemActor } from '../../kernel/ctx.ts';
import { isProblem } from '../../kernel/errors.ts';
import { moveTimeline } from '../../kernel/timeline/timeline.ts';
import { currentVersion } from '../datasets/public.ts';
import { createVersion } from '../datasets/service/create-version.ts';
import { currentRevision } from '../projects/public.ts';
import { insertProject } from '../projects/store.ts';
import { inferenceFiles } from '../serving/public.ts';
import { logPredictions } from './fixtures/bench.ts';
import { retention } from './jobs.ts';
import { processingRecord } from './service/record.ts';
import { recordText } from './service/record-text.ts';

const project = `
project: demo
timeline: { mode: replay, start: 2024-01-01T00:00:00Z }
subjects: { aircraft: tailnum }
datasets:
  raw: { source: raw.parquet, key: [flight], occurred_at: day, known_at: day, retention: 30d, purposes: [planning], legal_basis: contract }
models: { late: { task: binary } }
endpoints: { late: { model: late, retention: 10d } }
pipelines:
  p:
    purpose: planning
    steps:
      a: { run: 'true' }
`;
const iso = (text: string): number => Date.parse(text) * 1000;

test('what is older than its retention goes at the turn of a day of event time, from every version and the log, and only that', async (t) => {
  const b = await openPipelines(t);
  await b.apply(project);
  const ctx = b.ctx();
  const revision = await currentRevision(ctx, 'demo');
  for (const days of [20, 40]) {
    const [blob] = await storeBlobs(ctx, [
      await parquet(`select i as flight, timestamp '2024-01-01' + interval (i) day as day, 'N' || i as tailnum from range(${days}) r(i)`),
    ]);
    await createVersion(ctx, {
      revision,
      definition: revision.definition.datasets.raw!,
      files: [{ path: 'raw.parquet', digest: blob!.digest }],
    });
  }
  await logPredictions(ctx);
  await b.drain();
  const dry = (dryRun: boolean) =>
    b.send<{ items: { what: string; before: string; rows: number }[] }>('POST', '/projects/demo/retention', dryRun ? { dryRun } : {});
  await moveTimeline(ctx, 'demo', iso('2024-02-05T00:00:00Z'));
  // 2024-01-06 and what came before: 5 days in each of two versions; four predictions of 2024-01-01.
  const counted = (await dry(true)).body.items.map((k) => [k.what, k.before, k.rows]);
  assert.deepEqual(counted, [
    ['dataset raw', '2024-01-06T00:00:00.000Z', 10],
    ['inference log of late, and its labels', '2024-01-26T00:00:00.000Z', 4],
    ['segments of the inference log of late', '2024-01-26T00:00:00.000Z', 4],
  ]);
  assert.equal((await currentVersion(ctx, 'demo', 'raw')).rows, 40);
  // The subscriber hears of the new day by itself.
  await b.drain();
  const version = await currentVersion(ctx, 'demo', 'raw');
  assert.deepEqual([version.rows, version.number, version.generation], [35, 2, 2]);
  const [file] = await inferenceFiles(ctx, { project: 'demo', endpoint: 'late', fromUs: 0, toUs: Number.MAX_SAFE_INTEGER });
  assert.equal(file!.records, 0);
  assert.deepEqual(
    (await dry(false)).body.items.map((k) => k.rows),
    [0, 0, 0],
  );
});

test('on live timelines each night goes through the projects of every workspace, whatever is wrong with one of them', async (t) => {
  const b = await openPipelines(t);
  const other = makeCtx(b.platform, { actor: systemActor, workspace: 'other' });
  await b.apply(project.replace(/timeline:.*\n/, ''), {}, other);
  const revision = await currentRevision(other, 'demo');
  const [blob] = await storeBlobs(other, [await parquet(`select 1 as flight, timestamp '2010-01-01' as day, 'N1' as tailnum`)]);
  await createVersion(other, {
    revision,
    definition: revision.definition.datasets.raw!,
    files: [{ path: 'raw.parquet', digest: blob!.digest }],
  });
  await b.drain();
  assert.equal((await currentVersion(other, 'demo', 'raw')).rows, 1);
  await b.ctx().tx((tx) => insertProject(tx.db, 'default', { name: 'broken', revision: 7, createdMs: 1 }));
  await assert.rejects(retention.run(b.ctx(), {}, {} as never), (error) => isProblem(error, 'project-not-found'));
  assert.equal((await currentVersion(other, 'demo', 'raw')).rows, 0);
});

test('the record of processing tells what is declared and done, and names what is missing, the same each time', async (t) => {
  const b = await openPipelines(t);
  await b.apply(project);
  const ctx = b.ctx();
  const revision = await currentRevision(ctx, 'demo');
  const [blob] = await storeBlobs(ctx, [await parquet(`select 1 as flight, timestamp '2024-01-01' as day, 'N1' as tailnum`)]);
  await createVersion(ctx, {
    revision,
    definition: revision.definition.datasets.raw!,
    files: [{ path: 'raw.parquet', digest: blob!.digest }],
  });
  const record = await processingRecord(ctx, 'demo');
  assert.deepEqual(
    record.activities.map((a) => [a.dataset, a.subjects, a.purposes, a.legalBasis]),
    [['raw', [{ kind: 'aircraft', columns: ['tailnum'] }], ['planning'], 'contract']],
  );
  assert.deepEqual(record.activities[0]!.missing, ['classification of columns (a contract)', 'description']);
  const { status, body } = await b.send('GET', '/projects/demo/processing-record');
  assert.deepEqual([status, body], [200, JSON.parse(JSON.stringify(record))]);
  const text = recordText(record);
  assert.match(text, /- kept for: 30 days/);
  assert.match(text, /Missing: a description/);
  assert.equal(recordText(await processingRecord(ctx, 'demo')), text);
});
