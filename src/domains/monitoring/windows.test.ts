import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { openPipelines, type PipelineBench } from '../../../test/support/pipelines.ts';
import type { DatabaseKind } from '../../../test/support/databases.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { jobsIn } from '../../kernel/jobs/jobs.ts';
import { moveTimeline } from '../../kernel/timeline/timeline.ts';
import { at, iso, projectText, registerWithBaseline, sendLabels, sendRecords } from './fixtures/records.ts';
import type { DataFigures, PerformanceFigures, Window } from './model.ts';
import { listFindings, listWindows, tickMonitors } from './public.ts';

interface Bench extends PipelineBench {
  /** Moves event time and lets everything happen; jobs must not fail. */
  readonly advance: (us: number) => Promise<void>;
  readonly windows: (kind?: 'data' | 'performance', latestOnly?: boolean) => Promise<Window[]>;
}

async function open(t: TestContext, kind: DatabaseKind, text = projectText()): Promise<Bench> {
  const b = await openPipelines(t, kind);
  await b.apply(text);
  return {
    ...b,
    advance: async (us) => {
      await moveTimeline(b.ctx(), 'demo', us);
      await b.drain();
      assert.deepEqual(await jobsIn(b.ctx().db).selectFrom('jobs').select(['name', 'error']).where('state', '=', 'failed').execute(), []);
    },
    windows: (windowKind, latestOnly = false) =>
      listWindows(b.ctx(), { project: 'demo', monitor: 'e', latestOnly, ...(windowKind ? { kind: windowKind } : {}) }),
  };
}

const days = async (b: Bench, from: number, to: number, more: Partial<Parameters<typeof sendRecords>[1]> = {}) => {
  for (let d = from; d < to; d++) await sendRecords(b.ctx(), { fromUs: at(d), toUs: at(d + 1), rows: 900, first: d * 900, ...more });
};
const labels = async (b: Bench, from: number, to: number, number = 1) => {
  for (let d = from; d < to; d++)
    await sendLabels(b.ctx(), { fromUs: at(d), toUs: at(d + 1), rows: 900, first: d * 900, number: number * 1000 + d });
};

eachDatabase(
  'data windows close when the watermark and the lateness have passed, performance windows when labels are due',
  async (t, kind) => {
    const b = await open(t, kind);
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
