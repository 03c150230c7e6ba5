import assert from 'node:assert/strict';
import { eachDatabase } from '../../../test/support/platform.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { openMonitor } from './fixtures/bench.ts';

const HOUR_US = 3_600_000_000;
const START_US = Date.UTC(2013, 2, 1) * 1000;
const elsewhere = `project: demo
timeline: { mode: replay, start: 2013-03-01T00:00:00Z }
monitors:
  e: { task: binary, window: 1d, lateness: 0s, labels: { within: 1h }, performance: [accuracy], trailing: 2 }
`;

eachDatabase('a window that late labels change is made again before the next one closes, whose pool has it', async (t, kind) => {
  const b = await openMonitor(t, kind, elsewhere);
  const at = (day: number, hour: number): number => START_US + (day * 24 + hour) * HOUR_US;
  const post = async (what: 'records' | 'feedback', rows: readonly object[]): Promise<void> => {
    const { status, body } = await b.send('POST', `/projects/demo/monitors/e/${what}`, rows);
    assert.ok(status < 300, JSON.stringify(body));
  };
  const day = async (d: number, more: readonly object[] = []): Promise<void> => {
    await post(
      'records',
      [1, 2, 3].map((i) => ({ id: `${d}-${i}`, at: new Date(at(d, i) / 1000).toISOString(), inputs: { x: i }, score: 0.5 })),
    );
    await post('feedback', [{ prediction_id: `${d}-1`, label: 1 }, { prediction_id: `${d}-2`, label: 0 }, ...more]);
    await b.advance(at(d + 1, 2));
  };
  await day(0);
  await day(1, [{ prediction_id: '0-3', label: 1 }]);
  const told = await eventsIn(b.ctx().db)
    .selectFrom('events')
    .select('payload')
    .where('type', '=', 'window.closed')
    .orderBy('seq')
    .execute();
  assert.deepEqual(
    told
      .map(({ payload }) => JSON.parse(payload) as { kind: string; fromUs: number; generation: number; n: number })
      .flatMap((w) => (w.kind === 'performance' ? [[(w.fromUs - START_US) / HOUR_US / 24, w.generation, w.n]] : [])),
    [
      [0, 1, 2],
      [0, 2, 3],
      [1, 1, 2],
    ],
  );
});
