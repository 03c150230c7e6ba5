// A model that another stack serves: its records and labels come in, its windows close, its alert retrains.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/support/server.ts';
import { applyLoop, callsTo } from './fixtures/loop.ts';

const project = (needed: number): string => `project: demo
timeline: { mode: replay, start: 2013-03-01T00:00:00Z }
pipelines:
  train: { params: { to: 2013-01-01 }, steps: { fit: { run: "true", code: [] } } }
monitors:
  far: { task: binary, window: 1d, labels: { within: 0s }, performance: [roc_auc], trailing: 1, estimate: false, baseline: { first: 2d } }
alerts:
  - { name: fell, when: far.roc_auc below 0.75, for: 2 windows, severity: page }
retraining:
  far: { pipeline: train, on: [alert], params: { to: now }, min_new_labels: ${needed}, release: false }
`;

interface Trigger {
  readonly state: string;
  readonly guard: string | null;
  readonly cause: string;
  readonly reason: string;
  readonly outcome: string;
  readonly figures: Record<string, unknown>;
  readonly subject: { readonly kind: string; readonly id: string } | null;
  readonly params: Record<string, unknown> | null;
}

test('a fall of a model that is served elsewhere is a cause, once enough new labels are there', async (t) => {
  const server = await startServer(t);
  const call = callsTo(() => server.url);
  await applyLoop(call, project(650), {});
  const day = (d: number): string => new Date(Date.UTC(2013, 2, 1 + d)).toISOString();
  /** A hundred predictions and their outcomes; from day 3 on the scores say nothing. */
  const live = async (d: number): Promise<void> => {
    const records = Array.from({ length: 100 }, (_, i) => ({
      id: `p-${d}-${i}`,
      at: new Date(Date.parse(day(d)) + i * 600_000).toISOString(),
      inputs: { x: i },
      score: d < 3 ? ((i * 37) % 100) / 100 : ((i * 61 + 7) % 100) / 100,
      model_version: '1',
    }));
    const labels = records.map(({ id }, i) => ({ prediction_id: id, label: (i * 37) % 100 >= 50 }));
    for (const [path, lines] of [
      ['records', records],
      ['feedback', labels],
    ] as const)
      await call('POST', `/projects/demo/monitors/far/${path}`, lines);
    await call('POST', '/projects/demo/timeline/advance', { to: day(d + 1) });
  };
  const triggers = async (): Promise<Trigger[]> => ((await call('GET', '/projects/demo/triggers')).body.items as Trigger[]).toReversed();
  for (let d = 0; d < 5; d++) await live(d);
  const [early, ...none] = await triggers();
  assert.deepEqual([early!.cause, early!.guard, early!.subject!.kind, none], ['alert', 'new-labels', 'alert', []], JSON.stringify(early));
  assert.deepEqual([early!.figures.labels, early!.figures.needed, early!.figures.rule], [500, 650, 'fell']);
  // The alert goes on firing; two days later there are labels enough.
  await live(5);
  assert.equal((await triggers()).length, 1);
  await live(6);
  const [, accepted, ...more] = await triggers();
  assert.deepEqual([accepted!.subject, more], [early!.subject, []], JSON.stringify(accepted));
  assert.equal(accepted!.reason, 'alert fell of monitor far still fires');
  assert.deepEqual(accepted!.params, { to: '2013-03-08' });
  assert.equal(accepted!.outcome, 'its run registered no model version', 'the barrier has waited for the run');
});
