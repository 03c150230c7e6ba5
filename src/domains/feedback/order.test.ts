// Whenever event time ticks between batches of labels and records, the labels in the end are the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DAY_US, iso, MARCH_US, openFeedback } from './fixtures/bench.ts';

const PREDICTIONS = 4;
const label = fc.record({ prediction: fc.nat(PREDICTIONS - 1), label: fc.constantFrom(0, 1, null), byKey: fc.boolean() });
/** A batch of labels, the records of one prediction, or a tick. */
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ labels: fc.array(label, { minLength: 1, maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ record: fc.nat(PREDICTIONS - 1) }) },
  { weight: 2, arbitrary: fc.constant('tick' as const) },
);

test('Ticks between batches change nothing of the labels in the end', async (t) => {
  let run = 0;
  const b = await openFeedback(t);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 10 }), async (steps) => {
      // A project's monitors are shared by all runs, predictions are not.
      const own = run++;
      const day = MARCH_US + own * DAY_US;
      const id = (i: number) => `run${own}-${i}`;
      const truth = new Map<number, number | null>();
      const sent = new Set<string>();
      const recorded = new Set<number>();
      const record = async (i: number): Promise<void> => {
        if (recorded.has(i)) return;
        recorded.add(i);
        const { status } = await b.post('records', 'elsewhere', [
          { id: id(i), at: iso(day + i * 1000), inputs: { flight: id(i) }, score: 0.5 },
        ]);
        assert.equal(status, 200);
      };
      for (const s of steps) {
        if (s === 'tick') await b.tick(day);
        else if ('record' in s) await record(s.record);
        else {
          const rows = s.labels.map((l) => ({
            ...(l.byKey ? { key: { flight: id(l.prediction) }, at: iso(day + l.prediction * 1000) } : { prediction_id: id(l.prediction) }),
            label: l.label,
          }));
          // The same content again is the batch that is there, which keeps its place.
          if (sent.has(JSON.stringify(rows))) continue;
          sent.add(JSON.stringify(rows));
          assert.equal((await b.post('feedback', 'elsewhere', rows)).status, 202);
          for (const l of s.labels) truth.set(l.prediction, l.label);
        }
      }
      for (let i = 0; i < PREDICTIONS; i++) await record(i);
      await b.tick(day);
      const labels = (await b.labels('elsewhere')).filter((r) => String(r.prediction_id).startsWith(`run${own}-`));
      assert.deepEqual(
        labels.map((r) => [r.prediction_id, r.label]),
        [...truth].sort(([a], [c]) => a - c).flatMap(([i, l]) => (l === null ? [] : [[id(i), l]])),
      );
    }),
    { numRuns: Number(process.env.TEST_RUNS ?? 12), seed: 7 },
  );
});
