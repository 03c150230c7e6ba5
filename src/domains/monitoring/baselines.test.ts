import assert from 'node:assert/strict';
import { eachDatabase } from '../../../test/support/platform.ts';
import { parquet } from '../../../test/support/parquet.ts';
import { storeBlobs } from '../../kernel/blobs/blob-index.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { labels, openMonitor } from './fixtures/bench.ts';
import { at, inputs, noise, registerWithBaseline, sendRecords, truth } from './fixtures/records.ts';
import type { DataFigures, PerformanceFigures } from './model.ts';
import { baselineOf, listFindings } from './public.ts';

const elsewhere = (more: string): string =>
  `project: demo\ntimeline: { mode: replay, start: 2013-03-04T00:00:00Z }\nmonitors:\n  e: { window: 1d, labels: { from: feedback, within: 1d }, ${more} }\n`;

eachDatabase(
  'the first windows of a model served elsewhere become its baseline, fixed once and recorded with their span',
  async (t, kind) => {
    const b = await openMonitor(t, kind, elsewhere('baseline: { first: 4d }'));
    for (let d = 0; d < 7; d++)
      await sendRecords(b.ctx(), {
        fromUs: at(d),
        toUs: at(d + 1),
        rows: 900,
        first: d * 900,
        version: '',
        ...(d === 6 ? { inputs: inputs(0.5), score: `(${noise(7919)}) * 0.4` } : {}),
      });
    for (let d = 0; d < 6; d++) await labels(b, d, d + 1);
    await b.advance(at(9));
    const data = (await b.windows('data')).map((w) => w.figures as DataFigures);
    const reasons = data.slice(0, 4).map((f) => !f.prediction.ok && f.prediction.reason);
    assert.deepEqual(new Set(reasons), new Set(['the baseline is being gathered from the first windows']));
    assert.deepEqual(
      data.slice(4, 7).map((f) => f.prediction.ok && f.prediction.drifted),
      [false, false, true],
    );
    assert.ok(data[4]!.columns.length === 3 && data[4]!.columns.every((c) => c.drift.ok && !c.drift.drifted));
    const { row, baseline } = await baselineOf(b.ctx(), 'demo', 'e');
    assert.deepEqual([row.fromUs, row.toUs, row.rows, baseline.of.kind], [at(0), at(4), 3600, 'first-windows']);
    assert.ok(baseline.calibrator !== null);
    const performance = (await b.windows('performance')).map((w) => w.figures as PerformanceFigures);
    const pools = performance.map((f) => f.pools.roc_auc!);
    assert.deepEqual(
      pools.slice(0, 6).map((p) => p.ok),
      [false, false, false, false, true, true],
    );
    const found = await listFindings(b.ctx(), { project: 'demo' });
    assert.ok(found.every((f) => f.fromUs >= at(6)));
    assert.ok(found.some((f) => f.kind === 'prediction-drift'));
  },
);

eachDatabase('a baseline is made once after registration, with what it lacks in words, and is never made again', async (t, kind) => {
  const b = await openMonitor(t, kind);
  const version = await registerWithBaseline(b.ctx(), b.folder);
  await b.drain();
  const { row, baseline } = await baselineOf(b.ctx(), 'demo', 'e', String(version.number));
  assert.deepEqual([baseline.of, baseline.rows, baseline.lacks], [{ kind: 'model-version', id: version.id }, 9000, []]);
  const runs = t.mock.method(b.platform.compute, 'run');
  const again = await baselineOf(b.ctx(), 'demo', 'e', String(version.number));
  assert.deepEqual([again.row, runs.mock.callCount()], [row, 0]);
  const events = await eventsIn(b.ctx().db)
    .selectFrom('events')
    .select(['payload', 'edges'])
    .where('type', '=', 'baseline.fixed')
    .execute();
  assert.equal(events.length, 1);
  assert.match(events[0]!.edges, new RegExp(version.id));
  // Leave-one-out distances of the ten days, and the days' own performance.
  assert.equal(baseline.columns.x!.spread!.js!.chunks, 10);
  const auc = baseline.performance.roc_auc!;
  assert.ok(!('ok' in auc) && auc.windows === 10 && auc.standardError > 0 && auc.standardError < 0.02 && auc.spread >= 0);
});

eachDatabase('a monitor without model and baseline says so in its windows instead of guessing', async (t, kind) => {
  const b = await openMonitor(t, kind, elsewhere('task: binary'));
  await sendRecords(b.ctx(), { fromUs: at(0), toUs: at(1), rows: 100, version: 'mine-7' });
  await b.advance(at(1));
  const [w] = await b.windows('data');
  const figures = w!.figures as DataFigures;
  assert.deepEqual([w!.lead, w!.n, w!.baseline, figures.columns], ['mine-7', 100, null, []]);
  assert.match(!figures.prediction.ok ? figures.prediction.reason : '', /names neither a model nor a baseline/);
  await assert.rejects(baselineOf(b.ctx(), 'demo', 'e'), /names neither/);
});

eachDatabase('a baseline that cannot be made is told in the window, which closes all the same', async (t, kind) => {
  const text = elsewhere('baseline: { dataset: d, score: s, label: y }') + 'datasets:\n  d: { source: d.parquet, key: [id] }\n';
  const b = await openMonitor(t, kind, text);
  await sendRecords(b.ctx(), { fromUs: at(0), toUs: at(1), rows: 100 });
  await b.advance(at(1));
  const [w] = await b.windows('data');
  const { prediction } = w!.figures as DataFigures;
  assert.match(!prediction.ok ? prediction.reason : '', /could not be made: Dataset "d" has no current version/);
});

eachDatabase('a dataset becomes the baseline of a monitor, as it is when it is first needed', async (t, kind) => {
  const text = elsewhere('baseline: { dataset: d, score: s, label: y, at: t }') + 'datasets:\n  d: { source: d.parquet, key: [id] }\n';
  const b = await openMonitor(t, kind, text);
  const table = await parquet(
    `select i as id, ${inputs()}, (${noise(7919)})::double as s, (${truth()})::double as y, timestamp '2013-02-01' + to_seconds(i * 96) as t from range(9000) t(i)`,
  );
  const [stored] = await storeBlobs(b.ctx(), [table]);
  const { status, body } = await b.send('POST', '/projects/demo/datasets/d/versions', {
    files: [{ path: 'd.parquet', digest: stored!.digest }],
  });
  assert.equal(Math.floor(status / 100), 2, JSON.stringify(body));
  await sendRecords(b.ctx(), { fromUs: at(0), toUs: at(1), rows: 900 });
  await b.advance(at(1));
  const [w] = await b.windows('data');
  const figures = w!.figures as DataFigures;
  assert.ok(figures.prediction.ok && !figures.prediction.drifted && figures.estimate.roc_auc!.ok);
  const { baseline, row } = await baselineOf(b.ctx(), 'demo', 'e');
  assert.deepEqual([baseline.of.kind, row.rows, baseline.columns.x!.spread!.js!.chunks], ['dataset', 9000, 10]);
  const auc = baseline.performance.roc_auc!;
  assert.ok(!('ok' in auc) && auc.windows === 10);
});
