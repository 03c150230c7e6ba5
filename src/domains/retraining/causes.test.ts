import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { parquet } from '../../../test/support/parquet.ts';
import { storeBlobs } from '../../kernel/blobs/blob-index.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { openSmall, smallYaml } from './fixtures/small.ts';

const free = 'cooldown: 0s\n    stop_after: 100';

eachDatabase('an alert of performance that a person is to hear of is a cause; others are where they are named', async (t, kind) => {
  const b = await openSmall(t, kind, { policy: `on: [alert]\n    ${free}` });
  await b.fire('alr_1');
  await b.fire('alr_2', { severity: 'info' });
  for (const signal of ['drift', 'drift.x', 'prediction_drift', 'quality', 'range', 'coverage', 'volume', 'error_rate', 'windows'])
    await b.fire(`alr_3_${signal}`, { rule: 'moved', signal });
  await b.fire('alr_4', { monitor: 'elsewhere' });
  await b.drain();
  assert.deepEqual(await b.told(), ['alert recorded'], 'in a replay it is judged at the next tick of event time');
  await b.advance('2013-03-02T00:00:00Z');
  const [trigger] = await b.triggers();
  assert.deepEqual(
    [trigger!.subject, trigger!.reason, trigger!.figures.value, trigger!.params],
    [{ kind: 'alert', id: 'alr_1' }, 'alert fell of monitor e fires at 0.61', 0.61, { to: '2013-03-01' }],
  );
  assert.equal(trigger!.outcome, 'its run registered no model version');
  const run = await b.run(trigger!.run!);
  assert.deepEqual([run.state, (run as unknown as { trigger: { kind: string } }).trigger.kind], ['succeeded', 'alert']);
  // Estimated performance counts like the real one; a rule may be named whatever it looks at.
  await b.fire('alr_5', { rule: 'estimate-fell', signal: 'estimated.roc_auc', severity: 'warn' });
  await b.advance('2013-03-03T00:00:00Z');
  await b.apply(smallYaml({ policy: `on: ['alert: moved']\n    ${free}` }));
  await b.fire('alr_6', { rule: 'moved', signal: 'drift', severity: 'info' });
  await b.fire('alr_7');
  await b.advance('2013-03-04T00:00:00Z');
  assert.deepEqual(
    (await b.triggers()).map((x) => x.subject?.id),
    ['alr_1', 'alr_5', 'alr_6'],
  );
  const [event] = await eventsIn(b.ctx().db)
    .selectFrom('events')
    .selectAll()
    .where('type', '=', 'trigger.recorded')
    .orderBy('seq')
    .execute();
  assert.equal(
    event!.edges,
    JSON.stringify([{ from: { kind: 'trigger', id: trigger!.id }, to: { kind: 'alert', id: 'alr_1' }, relation: 'caused-by' }]),
  );
});

eachDatabase('a finding is a cause by its kind, for a monitor of the policy', async (t, kind) => {
  const b = await openSmall(t, kind, { policy: `on: ['finding: drift']\n    ${free}` });
  const find = (id: string, more = {}) =>
    b.tell('finding.recorded', 'finding', id, {
      monitor: 'e',
      kind: 'drift',
      subject: 'dep_hour',
      method: 'js',
      value: 0.31,
      threshold: 0.1,
      n: 900,
      window: 'win_1',
      ...more,
    });
  await find('fnd_1');
  await find('fnd_2', { kind: 'missing' });
  await find('fnd_3', { monitor: 'elsewhere' });
  await b.advance('2013-03-02T00:00:00Z');
  assert.deepEqual(await b.told(), ['finding failed']);
  assert.equal((await b.triggers())[0]!.reason, 'monitor e found drift of dep_hour: js 0.31, threshold 0.1');
  // Without a cooldown the same in a later window is a cause of its own.
  await find('fnd_4', { window: 'win_2' });
  await b.advance('2013-03-03T00:00:00Z');
  assert.deepEqual(await b.told(), ['finding failed', 'finding failed']);
});

eachDatabase('a new version of the dataset is a cause, of another one or one that is refused it is none', async (t, kind) => {
  const datasets = 'datasets:\n  rows: { source: r.parquet, key: [id] }\n  other: { source: o.parquet, key: [id] }';
  const b = await openSmall(t, kind, { datasets, policy: `on: ['data: rows']\n    ${free}` });
  const push = async (dataset: string, sql: string): Promise<void> => {
    const [stored] = await storeBlobs(b.ctx(), [await parquet(sql)]);
    const { status } = await b.send('POST', `/projects/demo/datasets/${dataset}/versions`, {
      files: [{ path: 'r.parquet', digest: stored!.digest }],
    });
    assert.ok(status < 500);
  };
  await push('rows', 'select i as id from range(5) t(i)');
  await push('other', 'select i as id from range(5) t(i)');
  // A key that comes twice is refused.
  await push('rows', 'select 1 as id from range(5) t(i)');
  await b.drain();
  await b.advance('2013-03-02T00:00:00Z');
  const [only, ...more] = await b.triggers();
  assert.deepEqual([only!.cause, only!.subject?.kind, more], ['data', 'dataset-version', []]);
  assert.match(only!.reason, /rows version 1 arrived with 5 rows/);
});

eachDatabase('a push is a cause when it changes the pipeline or the code it runs', async (t, kind) => {
  const step = '{ run: "true", code: ["steps/a.py"] }';
  const b = await openSmall(t, kind, { step, policy: `on: [push]\n    ${free}` });
  const push = async (files: Record<string, string>, more: object = {}): Promise<void> => {
    await b.apply(smallYaml({ step, policy: `on: [push]\n    ${free}`, ...more }), files);
    await b.drain();
  };
  await push({ 'steps/a.py': '1' });
  await push({ 'steps/a.py': '1', 'steps/b.py': '1' });
  await push({ 'steps/a.py': '1', 'steps/b.py': '1' }, { more: 'subjects: { person: id }\n' });
  await push({ 'steps/a.py': '2', 'steps/b.py': '1' });
  await push({ 'steps/a.py': '2' }, { step: '{ run: "echo 1", code: ["steps/a.py"] }' });
  await b.advance('2013-03-02T00:00:00Z');
  assert.deepEqual(
    (await b.triggers()).map((x) => x.reason),
    ['revision 2 changed steps/a.py', 'revision 5 changed steps/a.py', 'revision 6 changed pipeline train'],
  );
});

eachDatabase('a schedule of event time comes due once for each tick, and a month that is passed over is one cause', async (t, kind) => {
  const b = await openSmall(t, kind, { policy: `on: ['cron: 0 3 * * 1']\n    ${free}` });
  await b.advance('2013-03-04T02:00:00Z');
  assert.deepEqual(await b.told(), []);
  await b.advance('2013-03-04T03:00:00Z');
  await b.advance('2013-03-04T03:00:00Z');
  await b.advance('2013-03-10T00:00:00Z');
  assert.deepEqual(await b.told(), ['cron failed']);
  await b.advance('2013-04-10T00:00:00Z');
  const [, missed, ...more] = await b.triggers();
  assert.deepEqual([missed!.figures.due, missed!.params, more], ['2013-04-08T03:00:00.000Z', { to: '2013-04-10' }, []]);
  // The wall clock has no say in a replay.
  b.clock.advance(365 * 86_400_000);
  await b.drain();
  assert.equal((await b.triggers()).length, 2);
});

test('on a live timeline causes are judged at once, and schedules with the minute', async (t) => {
  const b = await openSmall(t, 'sqlite', { timeline: '{ mode: live }', policy: `on: [alert, 'cron: 0 * * * *']\n    ${free}` });
  await b.fire('alr_1');
  await b.drain();
  assert.deepEqual(await b.told(), ['alert failed']);
  b.clock.advance(2 * 3_600_000);
  await b.drain();
  assert.deepEqual(await b.told(), ['alert failed', 'cron failed']);
});

eachDatabase('an event that is handled twice is one cause', async (t, kind) => {
  const b = await openSmall(t, kind, { policy: `on: [alert]\n    ${free}` });
  await b.fire('alr_1');
  await b.drain();
  await b
    .ctx()
    .tx((tx) =>
      tx.db
        .withTables<{ event_cursors: { subscriber: string; seq: number } }>()
        .updateTable('event_cursors')
        .set({ seq: 0 })
        .where('subscriber', '=', 'retraining.causes')
        .execute(),
    );
  await b.advance('2013-03-02T00:00:00Z');
  assert.deepEqual(await b.told(), ['alert failed']);
});
