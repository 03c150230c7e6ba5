import assert from 'node:assert/strict';
import { eachDatabase } from '../../../test/support/platform.ts';
import { openFeedback, DAY_US } from '../feedback/fixtures/bench.ts';
import { listWindows } from './public.ts';
import { tickMonitors } from './service/tick.ts';

eachDatabase('History that is sent to a live timeline file by file is watched whole, its labels find it', async (t, database) => {
  const b = await openFeedback(t, database);
  const name = 'history';
  await b.apply(
    `project: ${name}\nmonitors: { fraud: { task: binary, window: 1d, labels: { within: 2d }, performance: [roc_auc], baseline: { first: 2d } } }`,
  );
  const nowUs = b.clock.now() * 1000;
  const firstDay = Math.floor(nowUs / DAY_US) - 100;
  const post = async (what: 'records' | 'feedback', lines: readonly object[]): Promise<void> => {
    const reply = await b.app.inject({
      method: 'POST',
      url: `/api/gyre/v1/projects/${name}/monitors/fraud/${what}`,
      headers: { host: '127.0.0.1', 'content-type': 'application/x-ndjson' },
      payload: lines.map((l) => `${JSON.stringify(l)}\n`).join(''),
    });
    assert.ok(reply.statusCode < 300, reply.payload);
  };
  const ids = Array.from({ length: 40 }, (_, i) => i);
  const records = (day: number) =>
    post(
      'records',
      ids.map((i) => ({ id: `${day}-${i}`, at: (firstDay + day) * DAY_US + i, inputs: { x: i }, score: i / 40 })),
    );
  const windows = () => listWindows(b.ctx(), { project: name, monitor: 'fraud', latestOnly: true });
  const tick = async (minutes: number) => {
    b.clock.advance(minutes * 60_000);
    await tickMonitors(b.ctx(), name);
  };

  await records(0);
  await tick(1);
  await records(1);
  await records(2);
  await tick(4);
  assert.deepEqual(await windows(), [], 'nothing is closed while history comes in');
  await post(
    'feedback',
    [0, 1, 2].flatMap((day) => ids.map((i) => ({ prediction_id: `${day}-${i}`, label: i % 3 === 0 }))),
  );
  await tick(4);
  assert.deepEqual(await windows(), []);
  await tick(1);
  const closed = (await windows()).filter((w) => w.n > 0);
  assert.deepEqual(
    closed.map((w) => [w.kind, w.fromUs / DAY_US - firstDay, w.n, w.generation]),
    [0, 1, 2].flatMap((day) => [
      ['data', day, 40, 1],
      ['performance', day, 40, 1],
    ]),
  );
});

eachDatabase('A record of another decade and one of next year neither begin windows nor end the wait for history', async (t, database) => {
  const b = await openFeedback(t, database);
  const name = 'clocks';
  await b.apply(`project: ${name}\nmonitors: { fraud: { task: binary, window: 1d, labels: { within: 2d } } }`);
  const today = Math.floor((b.clock.now() * 1000) / DAY_US);
  const post = async (...days: number[]): Promise<void> => {
    const reply = await b.app.inject({
      method: 'POST',
      url: `/api/gyre/v1/projects/${name}/monitors/fraud/records`,
      headers: { host: '127.0.0.1', 'content-type': 'application/x-ndjson' },
      payload: days.map((day) => `${JSON.stringify({ id: `${day}`, at: day * DAY_US, inputs: { x: 1 }, score: 0.5 })}\n`).join(''),
    });
    assert.equal(reply.statusCode, 200, reply.payload);
    const ahead = days.filter((day) => day > today).length;
    assert.equal((JSON.parse(reply.payload) as { ahead?: number }).ahead, ahead === 0 ? undefined : ahead);
  };
  const closed = async (minutes: number) => {
    b.clock.advance(minutes * 60_000);
    await tickMonitors(b.ctx(), name);
    return (await listWindows(b.ctx(), { project: name, monitor: 'fraud', kind: 'data' })).map((w) => w.fromUs / DAY_US - today);
  };
  await post(today + 300);
  assert.deepEqual(await closed(6), [], 'what is still to come begins nothing');
  await post(today - 9000, today - 3, today - 2, today + 400);
  assert.deepEqual(await closed(1), [], 'history may still be coming');
  await post(today - 4);
  // Set back by an hour: nobody waits for an hour.
  assert.deepEqual(await closed(-60), [-4, -3, -2, -1]);
});
