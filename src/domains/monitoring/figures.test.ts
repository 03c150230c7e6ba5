import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { duckdb } from '../../../test/support/parquet.ts';
import { countCategorical, countNumeric, type CategoricalBaseline, type NumericBaseline } from '../../stats/drift-sketch.ts';
import { judgeDrift } from '../../stats/drift.ts';
import { rocAuc } from '../../stats/auc.ts';
import { estimateMetric } from '../../stats/cbpe.ts';
import { days, labels, openMonitor } from './fixtures/bench.ts';
import { at, inputs, noise, projectText, registerWithBaseline, sendLabels, sendRecords, truth } from './fixtures/records.ts';
import type { DataFigures, PerformanceFigures } from './model.ts';
import { baselineOf, listFindings } from './public.ts';
import { measure } from './service/figures/metric-figures.ts';

const rowsOf = (first: number, rows: number) =>
  duckdb(
    `select x, hour, origin, (${noise(7919)})::double as score, ${truth()} as label from (select i, ${inputs()} from range(${first}, ${first + rows}) t(i))`,
  );
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

eachDatabase('the figures of a window are those that the statistics give for its rows', async (t, kind) => {
  const b = await openMonitor(t, kind);
  await registerWithBaseline(b.ctx(), b.folder);
  await days(b, 0, 1);
  await labels(b, 0, 1);
  await b.advance(at(3));
  const [data, performance] = await b.windows();
  const { baseline } = await baselineOf(b.ctx(), 'demo', 'e');
  const rows = await rowsOf(0, 900);
  const column = (name: string): number[] => rows.map((r) => Number(r[name]));
  const figures = data!.figures as DataFigures;
  const drift = (name: string) => figures.columns.find((c) => c.column === name)!.drift;
  for (const name of ['x', 'hour']) {
    const b0 = baseline.columns[name] as NumericBaseline;
    assert.deepEqual(drift(name), asJson(judgeDrift({ counts: countNumeric(b0, column(name)), baseline: b0, columns: 3 })));
  }
  const origin = baseline.columns.origin as CategoricalBaseline;
  const counted = countCategorical(
    origin,
    rows.map((r) => r.origin as string),
  );
  assert.deepEqual(drift('origin'), asJson(judgeDrift({ counts: counted, baseline: origin, columns: 3 })));
  const found = (performance!.figures as PerformanceFigures).metrics.roc_auc!;
  const direct = rocAuc({ labels: column('label'), scores: column('score') });
  assert.ok(found.ok && direct.ok);
  assert.deepEqual([found.value, found.interval], [direct.value, direct.interval]);
  const estimated = figures.estimate.roc_auc!;
  const expected = estimateMetric('roc_auc', baseline.calibrator!, Float64Array.from(column('score')).sort());
  assert.ok(estimated.ok && expected.ok);
  assert.equal(estimated.value, expected.value);
  const gap = (performance!.figures as PerformanceFigures).gaps.roc_auc!;
  assert.equal(gap.value, found.value - estimated.value);
  assert.equal(gap.outside, false);
});

eachDatabase('inputs and scores that moved are drift, each with its method, its bounds and its rows', async (t, kind) => {
  const b = await openMonitor(t, kind);
  await registerWithBaseline(b.ctx(), b.folder);
  await days(b, 0, 1);
  await days(b, 1, 3, { inputs: inputs(0.4, 0.7), score: `(${noise(7919)}) * 0.5` });
  await b.advance(at(3, 1));
  const found = (await listFindings(b.ctx(), { project: 'demo', monitor: 'e' })).map(
    (f) => `${f.fromUs === at(0) ? 'before' : 'after'} ${f.kind} ${f.subject}`,
  );
  const kinds = [...new Set(found)].sort();
  assert.deepEqual(
    kinds.filter((k) => !k.includes('quality') && !k.includes('range') && !k.includes('estimate')),
    ['after dataset-drift ', 'after drift origin', 'after drift x', 'after prediction-drift '],
  );
  assert.ok(kinds.includes('after range x'), 'values beyond those of training are told');
  const [finding] = await listFindings(b.ctx(), { project: 'demo', kind: 'drift', subject: 'x' });
  assert.ok(finding!.n === 900 && finding!.value! > finding!.threshold! && finding!.method.length > 5 && finding!.detail.length > 5);
});

eachDatabase('missing values, new categories and columns that are not there are told with counts and bounds', async (t, kind) => {
  const b = await openMonitor(t, kind);
  await registerWithBaseline(b.ctx(), b.folder);
  await sendRecords(b.ctx(), {
    fromUs: at(0),
    toUs: at(1),
    rows: 900,
    inputs: `(case when i % 4 = 0 then null else ${noise(7919)} end)::double as x, case when i % 10 = 0 then 'XNA' else 'EWR' end as origin`,
    columns: [
      { name: 'x', type: 'number' },
      { name: 'origin', type: 'string' },
    ],
    error: `case when i % 20 = 0 then 'no score' end`,
  });
  await b.advance(at(1, 1));
  const found = await listFindings(b.ctx(), { project: 'demo' });
  const quality = found.filter((f) => f.kind === 'quality').map((f) => [f.subject, f.method.split(':')[0], Number(f.value!.toFixed(2))]);
  assert.deepEqual(quality.sort(), [
    ['hour', 'columns of the records', 1],
    ['origin', 'new_categories', 0.1],
    ['x', 'nulls', 0.25],
  ]);
  const errors = found.find((f) => f.kind === 'error-rate')!;
  assert.deepEqual([errors.value, errors.n], [0.05, 900]);
});

eachDatabase('a model that falls is found by its newest windows together, with what any margin can be judged by', async (t, kind) => {
  const b = await openMonitor(
    t,
    kind,
    projectText('{ window: 1d, labels: { from: feedback, within: 1d }, slices: [origin], trailing: 3 }'),
  );
  await registerWithBaseline(b.ctx(), b.folder);
  await days(b, 0, 7);
  await labels(b, 0, 3);
  // Half of the outcomes have nothing to do with the scores any more.
  const label = `case when i % 2 = 0 then ${truth()} else case when ${noise(50021)} < 0.5 then 1 else 0 end end`;
  for (let d = 3; d < 6; d++)
    await sendLabels(b.ctx(), { fromUs: at(d), toUs: at(d + 1), rows: 900, first: d * 900, number: 100 + d, label });
  await b.advance(at(8));
  const windows = await b.windows('performance');
  assert.equal(windows.length, 7);
  const pools = windows.slice(0, 6).map((w) => (w.figures as PerformanceFigures).pools.roc_auc!);
  assert.deepEqual(
    pools.map((p) => p.ok && p.windows),
    [1, 2, 3, 3, 3, 3],
  );
  const fallen = pools.map((p) => p.ok && p.verdict.ok && p.verdict.fallen);
  assert.deepEqual(
    [fallen.slice(0, 3), fallen.slice(4)],
    [
      [false, false, false],
      [true, true],
    ],
  );
  const last = pools[5]!;
  assert.ok(last.ok && last.value < last.baseline - 0.03 && last.standardError > 0 && last.baselineStandardError > 0 && last.n === 2700);
  const findings = await listFindings(b.ctx(), { project: 'demo', kind: 'performance' });
  assert.ok(findings.some((f) => f.subject === 'roc_auc' && f.fromUs === at(5)));
  const figures = windows[5]!.figures as PerformanceFigures;
  assert.ok(figures.gaps.roc_auc!.outside, 'the estimate did not see it: the relation of inputs and outcome has changed');
  assert.deepEqual(figures.slices.map((s) => [s.column, s.value, s.n > 50]).sort(), [
    ['origin', 'EWR', true],
    ['origin', 'JFK', true],
    ['origin', 'LGA', true],
  ]);
  assert.ok(figures.calibration!.slope.ok && figures.calibration!.slope.value < 0.8);
  // No label at all came for the last day.
  const { coverage } = windows[6]!.figures as PerformanceFigures;
  assert.ok(coverage.ok && coverage.value === 0);
});

eachDatabase('inputs that the baseline does not know are named, with the records that have them', async (t, kind) => {
  const b = await openMonitor(t, kind);
  await registerWithBaseline(b.ctx(), b.folder, { days: 3 });
  const columns = (['x number', 'hour integer', 'origin string'] as const).map((c) => c.split(' ') as [string, 'number']);
  const known = columns.map(([name, type]) => ({ name, type }));
  await days(b, 0, 1, { columns: known });
  await days(b, 1, 2, {
    inputs: `${inputs()}, case when i % 3 = 0 then 1.5 end as fresh`,
    columns: [...known, { name: 'fresh', type: 'number' }],
  });
  await b.advance(at(2, 1));
  const added = (await b.windows('data')).map((w) => (w.figures as DataFigures).added);
  assert.deepEqual(added, [undefined, [{ column: 'fresh', n: 300 }]]);
});

test('a perfect order keeps the interval of its rows, and rows that are all alike have none of width zero', () => {
  const labels = Float64Array.from({ length: 200 }, (_, i) => (i % 4 === 0 ? 1 : 0));
  const perfect = measure('roc_auc', 'binary', { labels, scores: labels.map((y) => 0.1 + 0.8 * y) });
  assert.ok(perfect.figure.ok && perfect.figure.interval && perfect.standardError! > 0);
  assert.deepEqual([perfect.figure.value, perfect.figure.interval.method], [1, 'Wilson']);
  assert.ok(perfect.figure.interval.low > 0.9 && perfect.figure.interval.low < 0.95, String(perfect.figure.interval.low));
  for (const name of ['brier', 'log_loss']) {
    const alike = measure(name, 'binary', { labels, scores: new Float64Array(200).fill(0.5) });
    // A standard error of 0 all the same: a fall from it can be told.
    assert.ok(alike.figure.ok && alike.figure.interval === undefined && alike.standardError === 0, name);
  }
});
