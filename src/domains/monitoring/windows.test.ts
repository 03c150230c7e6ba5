import assert from 'node:assert/strict';
import { eachDatabase } from '../../../test/support/platform.ts';
import { openPipelines } from '../../../test/support/pipelines.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { moveTimeline } from '../../kernel/timeline/timeline.ts';
import { days, labels, openMonitor } from './fixtures/bench.ts';
import { at, iso, noise, projectText, registerWithBaseline, sendLabels, sendRecords } from './fixtures/records.ts';
import type { DataFigures, PerformanceFigures } from './model.ts';
import { listFindings, tickMonitors } from './public.ts';

eachDatabase(
  'data windows close when the watermark and the lateness have passed, performance windows when labels are due',
  async (t, kind) => {
    const b = await openMonitor(t, kind);
    await registerWithBaseline(b.ctx(), b.folder);
    await days(b, 0, 3);
    await labels(b, 0, 3);
    await b.advance(at(1) + 1);
    assert.deepEqual(await b.windows(), []);
    await b.advance(at(1, 1));
    const [first] = await b.windows();
    assert.deepEqual(
      [first!.kind, iso(first!.fromUs), iso(first!.toUs), first!.n, first!.lead, first!.generation],
      ['data', '2013-03-04T00:00:00.000Z', '2013-03-05T00:00:00.000Z', 900, '1', 1],
    );
    await b.advance(at(3));
    const seen = (await b.windows()).map((w) => [w.kind, iso(w.fromUs).slice(0, 10), w.n]);
    assert.deepEqual(seen, [
      ['data', '2013-03-04', 900],
      ['performance', '2013-03-04', 900],
      ['data', '2013-03-05', 900],
    ]);
    const [, performance] = await b.windows();
    const figures = performance!.figures as PerformanceFigures;
    assert.ok(figures.metrics.roc_auc!.ok && figures.metrics.roc_auc!.interval !== undefined, JSON.stringify(figures.metrics));
    const { figures: data } = first as { figures: DataFigures };
    assert.deepEqual(
      data.columns.map((c) => [c.column, c.kind, c.n, c.drift.ok && c.drift.drifted]),
      [
        ['x', 'numeric', 900, false],
        ['hour', 'numeric', 900, false],
        ['origin', 'categorical', 900, false],
      ],
    );
    assert.ok(data.prediction.ok && !data.prediction.drifted);
    assert.ok(data.estimate.roc_auc!.ok);
    assert.deepEqual(await listFindings(b.ctx(), { project: 'demo' }), []);
  },
);

eachDatabase(
  'labels that come late make a second generation of their window beside the first, in the same tick for which they were joined',
  async (t, kind) => {
    const b = await openMonitor(t, kind);
    await days(b, 0, 2);
    await sendLabels(b.ctx(), { fromUs: at(0), toUs: at(1), rows: 900, number: 1, where: 'i % 2 = 0' });
    await b.advance(at(3, 1));
    const [one] = await b.windows('performance');
    assert.deepEqual([one!.generation, one!.latest, one!.n], [1, true, 450]);
    await labels(b, 0, 1, 2);
    await b.drain();
    await b.advance(at(3, 2));
    const both = await b.windows('performance');
    assert.deepEqual(
      both.map((w) => [iso(w.fromUs).slice(0, 10), w.generation, w.latest, w.n]),
      [
        ['2013-03-04', 1, false, 450],
        ['2013-03-04', 2, true, 900],
      ],
    );
    assert.deepEqual(both[0]!.figures, one!.figures);
    assert.deepEqual(
      (await b.windows('performance', true)).map((w) => w.generation),
      [2],
    );
    // The same labels once more are no news.
    await labels(b, 0, 1, 3);
    await b.drain();
    const again = (await b.windows('performance')).filter((w) => w.fromUs === at(0));
    assert.equal(again.length, 2);
  },
);

eachDatabase(
  'windows of two monitors that come due at one moment close in one order, each once, however far event time moves',
  async (t, kind) => {
    const text = projectText().replace(
      'monitors:',
      'monitors:\n  f: { endpoint: e, window: 1d, lateness: 1h, labels: { from: feedback, within: 2d } }',
    );
    const order = async (steps: readonly number[], seed: string) => {
      const b = await openPipelines(t, kind);
      await b.apply(text);
      void seed;
      for (let d = 0; d < 4; d++) await sendRecords(b.ctx(), { fromUs: at(d), toUs: at(d + 1), rows: 100, first: d * 100 });
      for (const us of steps) {
        await moveTimeline(b.ctx(), 'demo', us);
        await b.drain();
        await tickMonitors(b.ctx(), 'demo');
      }
      await b.drain();
      const events = await eventsIn(b.ctx().db)
        .selectFrom('events')
        .select('payload')
        .where('type', '=', 'window.closed')
        .orderBy('seq')
        .execute();
      return events.map((e) => {
        const { monitor, kind: k, fromUs } = JSON.parse(e.payload) as { monitor: string; kind: string; fromUs: number };
        return `${monitor} ${k} ${iso(fromUs).slice(0, 10)}`;
      });
    };
    const small = await order(
      Array.from({ length: 6 * 4 }, (_, i) => at(0, 6 * (i + 1))),
      'a',
    );
    const large = await order([at(6)], 'b');
    assert.deepEqual(small, large);
    assert.deepEqual(small.slice(0, 2), ['e data 2013-03-04', 'f data 2013-03-04']);
    assert.equal(new Set(small).size, small.length);
  },
);

eachDatabase('a month without records is closed window by window, told once, and costs no run of DuckDB', async (t, kind) => {
  const b = await openMonitor(t, kind);
  await days(b, 0, 8);
  await b.advance(at(8, 1));
  const runs = t.mock.method(b.platform.compute, 'run');
  await sendRecords(b.ctx(), { fromUs: at(38), toUs: at(39), rows: 900, first: 90_000 });
  await b.advance(at(38, 1));
  assert.equal(runs.mock.callCount(), 0);
  const data = await b.windows('data');
  assert.equal(data.length, 38);
  assert.deepEqual(
    data.slice(8).map((w) => w.n),
    Array.from({ length: 30 }, () => 0),
  );
  const findings = (await listFindings(b.ctx(), { project: 'demo' })).filter((f) => f.kind === 'volume');
  assert.ok(findings.length >= 1 && findings.length <= 14, `${findings.length} findings until nothing became usual`);
  assert.equal(findings.at(-1)!.fromUs, at(8));
  await b.advance(at(39, 1));
  assert.equal((await b.windows('data')).at(-1)!.n, 900);
});

eachDatabase(
  'the figures of a window are those of the version with most records, compared with the baseline of that version',
  async (t, kind) => {
    const b = await openMonitor(t, kind);
    const [one, two] = [await registerWithBaseline(b.ctx(), b.folder), await registerWithBaseline(b.ctx(), b.folder)];
    await days(b, 0, 1);
    await sendRecords(b.ctx(), { fromUs: at(1), toUs: at(2), rows: 300, first: 900, version: '1' });
    await sendRecords(b.ctx(), { fromUs: at(1), toUs: at(2), rows: 600, first: 1200, version: '2' });
    await b.advance(at(4));
    const [first, second] = await b.windows('data');
    assert.deepEqual([first!.lead, first!.n, second!.lead, second!.n], ['1', 900, '2', 600]);
    const { volume } = second!.figures as DataFigures;
    assert.deepEqual(volume, {
      records: 900,
      lead: 600,
      versions: [
        { version: '2', records: 600 },
        { version: '1', records: 300 },
      ],
    });
    assert.notEqual(first!.baseline, second!.baseline);
    const edges = (
      await eventsIn(b.ctx().db).selectFrom('events').select('edges').where('type', '=', 'window.closed').orderBy('seq').execute()
    ).map((e) => e.edges);
    assert.match(edges[0]!, new RegExp(one.id));
    assert.match(
      edges.find((e) => e.includes(two.id))!,
      /compares-with/,
    );
  },
);

eachDatabase('a tick that is run again, and one that follows the same records elsewhere, leave the same bytes', async (t, kind) => {
  const make = async (steps: readonly number[]) => {
    const b = await openMonitor(t, kind);
    await registerWithBaseline(b.ctx(), b.folder);
    await days(b, 0, 4);
    await labels(b, 0, 4);
    for (const us of steps) {
      await b.advance(us);
      await tickMonitors(b.ctx(), 'demo');
      await tickMonitors(b.ctx(), 'demo');
    }
    const windows = await b.windows();
    assert.equal(windows.length, new Set(windows.map((w) => `${w.kind} ${w.fromUs}`)).size);
    return windows.map((w) => JSON.stringify([w.kind, w.fromUs, w.n, w.lead, w.figures]));
  };
  assert.deepEqual(await make([at(2), at(3), at(7)]), await make([at(7)]));
});

eachDatabase('the wall clock has no part in it, and days begin at midnight UTC when the clocks of a place are moved', async (t, kind) => {
  const b = await openMonitor(t, kind);
  // New York moved its clocks on 10 March 2013.
  await days(b, 5, 9);
  b.clock.advance(400 * 86_400_000);
  await b.drain();
  assert.deepEqual(await b.windows(), []);
  await b.advance(at(9, 1));
  assert.deepEqual(
    (await b.windows('data')).map((w) => [iso(w.fromUs), iso(w.toUs), w.n]),
    ['09', '10', '11', '12'].map((d) => [
      `2013-03-${d}T00:00:00.000Z`,
      `2013-03-${String(Number(d) + 1).padStart(2, '0')}T00:00:00.000Z`,
      900,
    ]),
  );
});

eachDatabase(
  'labels that were joined before their window closed make no second generation, and no window is read again for them',
  async (t, kind) => {
    const b = await openMonitor(t, kind);
    await days(b, 0, 3);
    await labels(b, 0, 3);
    await b.advance(at(5));
    const seen = await b.windows('performance');
    assert.equal(seen.length, 3);
    // News of joins that the windows have seen: what feedback tells in the very tick that closes them.
    await b.ctx().tx((tx) =>
      tx.emit({
        type: 'feedback.joined',
        subject: { kind: 'monitor', id: 'demo/e' },
        project: 'demo',
        payload: { monitor: 'e', batches: 1, labels: 1, windowsFromUs: at(0), windowsToUs: at(2) },
      }),
    );
    const runs = t.mock.method(b.platform.compute, 'run');
    await b.advance(at(5) + 1);
    assert.deepEqual([runs.mock.callCount(), await b.windows('performance')], [0, seen]);
  },
);

eachDatabase('windows of another length are not held against those of before, and no figure is of other records', async (t, kind) => {
  const text = (length: string) => projectText(`{ window: ${length}, labels: { within: 2d } }`);
  const b = await openMonitor(t, kind, text('1d'));
  await days(b, 0, 9);
  await labels(b, 0, 9);
  await b.advance(at(8));
  await b.apply(text('6h'));
  await b.advance(at(11));
  const lengths = (await b.windows('data')).map((w) => (w.toUs - w.fromUs) / 3_600_000_000);
  assert.deepEqual(lengths, [...Array.from({ length: 8 }, () => 24), ...Array.from({ length: 12 }, () => 6)]);
  // A quarter of the records of a day is no fall; none at all is.
  const volumes = await listFindings(b.ctx(), { project: 'demo', kind: 'volume' });
  assert.deepEqual([volumes.at(-1)!.fromUs, ...new Set(volumes.map((f) => f.value))], [at(9), 0]);
  const coverage = (await b.windows('performance')).map((w) => {
    const { coverage: found } = w.figures as PerformanceFigures;
    return [iso(w.fromUs).slice(5, 13), found.ok ? found.value : found.reason];
  });
  // Labels of the seventh and eighth of March were due after the change, the records were counted by the day before it.
  assert.deepEqual(coverage.slice(5, 9), [
    ['03-09T00', 1],
    ['03-10T00', 'no data window of the same span was closed'],
    ['03-10T06', 'no data window of the same span was closed'],
    ['03-10T12', 'no data window of the same span was closed'],
  ]);
  assert.deepEqual(coverage[14], ['03-12T00', 1]);
});

eachDatabase('a monitor of a regression that comes late to its endpoint closes the history there is, in few runs', async (t, kind) => {
  const text = projectText('{ task: regression, window: 1d, labels: { within: 1d }, baseline: { first: 14d } }');
  const b = await openMonitor(t, kind, text.replace(/monitors:[^]*$/, ''));
  const DAYS = 130;
  const all = { fromUs: at(0), toUs: at(DAYS), rows: DAYS * 60 };
  await sendRecords(b.ctx(), all);
  await b.advance(at(DAYS + 1));
  assert.deepEqual(await b.windows(), []);
  await b.apply(text);
  // Outcomes are off by up to a half, and by twice as much in the last month.
  const off = `(${noise(31337)} - 0.5) * case when i >= ${(DAYS - 30) * 60} then 2 else 1 end`;
  await sendLabels(b.ctx(), { ...all, number: 1, label: `${noise(7919)} + ${off}` });
  const runs = t.mock.method(b.platform.compute, 'run');
  await b.advance(at(DAYS + 1) + 1);
  assert.equal((await b.windows('data')).length, DAYS + 1);
  const performance = (await b.windows('performance')).map((w) => (w.figures as PerformanceFigures).pools.mae!);
  assert.equal(performance.length, DAYS);
  assert.ok(runs.mock.callCount() <= 30, `${runs.mock.callCount()} runs of DuckDB for ${2 * DAYS} windows`);
  assert.deepEqual([performance[5]!.ok, performance[13]!.ok, performance[14]!.ok], [false, false, true], 'the first make the baseline');
  const fallen = performance.map((p) => p.ok && p.verdict.ok && p.verdict.fallen);
  assert.deepEqual([fallen.slice(14, DAYS - 30).includes(true), fallen.at(-1)], [false, true]);
  // Corrections of all of it make each window anew, once.
  await sendLabels(b.ctx(), { ...all, number: 2, label: `0.1 + ${noise(7919)}` });
  await b.advance(at(DAYS + 1) + 2);
  const again = await b.windows('performance');
  assert.deepEqual([again.length, again.filter((w) => w.latest && w.generation === 2).length], [2 * DAYS, DAYS]);
});
