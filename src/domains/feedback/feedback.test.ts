import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parquet } from '../../../test/support/parquet.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { storeBlobs } from '../../kernel/blobs/blob-index.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { DAY_US, HOUR_US, iso, logPredictions, MARCH_US, openFeedback, type FeedbackBench } from './fixtures/bench.ts';
import { countLabels, joinedFiles } from './public.ts';

const none = { joined: 0, duplicate: 0, corrected: 0, unknown: 0, late: 0, waiting: 0 };
const flights = (n: number, fromUs = MARCH_US) =>
  Array.from({ length: n }, (_, i) => ({ atUs: fromUs + i * HOUR_US, flight: `f${i}`, score: i / 10 }));
const joinedEvents = async (b: FeedbackBench) =>
  (await eventsIn(b.ctx().db).selectFrom('events').select('payload').where('type', '=', 'feedback.joined').orderBy('id').execute()).map(
    (e) => JSON.parse(e.payload) as Record<string, unknown>,
  );

eachDatabase('Labels by prediction id: joined, said again, corrected, withdrawn; the newest accepted counts', async (t, database) => {
  const b = await openFeedback(t, database);
  const ids = await logPredictions(b.ctx(), flights(4));
  const send = async (rows: object[]) => (await b.post('feedback', 'here', rows)).body.batch;
  const first = await send([
    { prediction_id: ids[0], label: true, observed_at: iso(MARCH_US + HOUR_US) },
    { prediction_id: ids[1], label: 0 },
    { prediction_id: ids[2], label: 1 },
  ]);
  assert.deepEqual(await b.batch('here', first), { ...none, rows: 3, waiting: 3 });
  assert.deepEqual((await b.tick(MARCH_US + DAY_US))[0], { monitor: 'here', batches: 1, labels: 3 });
  assert.deepEqual(await b.batch('here', first), { ...none, rows: 3, joined: 3 });
  assert.deepEqual((await b.tick(MARCH_US + DAY_US))[0], { monitor: 'here', batches: 0, labels: 0 });
  const second = await send([
    { prediction_id: ids[0], label: 1 },
    { prediction_id: ids[1], label: 1 },
    { prediction_id: ids[2], label: null },
    { prediction_id: ids[3], label: null },
  ]);
  await b.tick(MARCH_US + DAY_US);
  assert.deepEqual(await b.batch('here', second), { ...none, rows: 4, duplicate: 2, corrected: 2 });
  const third = await send([
    { prediction_id: ids[1], label: 0 },
    { prediction_id: ids[1], label: 1 },
  ]);
  await b.tick(MARCH_US + DAY_US);
  assert.deepEqual(await b.batch('here', third), { ...none, rows: 2, corrected: 2 });
  const labels = await b.labels('here');
  assert.deepEqual(
    labels.map((r) => [r.prediction_id, r.event_us, r.score, r.label, r.label_at_us, r.accepted_us, r.variant, r.model_version, r.carrier]),
    [
      [ids[0], MARCH_US, 0, 1, MARCH_US + DAY_US, MARCH_US + DAY_US, 'stable', '1', 'AA'],
      [ids[1], MARCH_US + HOUR_US, 0.1, 1, MARCH_US + DAY_US, MARCH_US + DAY_US, 'stable', '1', 'AA'],
    ],
  );
  assert.equal(await countLabels(b.ctx(), { project: 'demo', monitor: 'here', sinceUs: MARCH_US - 1 }), 3);
  assert.equal(await countLabels(b.ctx(), { project: 'demo', monitor: 'here', sinceUs: MARCH_US }), 0);
  assert.deepEqual(
    (await joinedEvents(b)).map((e) => [e.monitor, e.batches, e.labels, e.join, e.windowsFromUs, e.windowsToUs]),
    [
      ['here', 1, 3, 1, MARCH_US, MARCH_US + 2 * HOUR_US],
      ['here', 1, 2, 2, MARCH_US, MARCH_US + 3 * HOUR_US],
      ['here', 1, 2, 3, MARCH_US + HOUR_US, MARCH_US + HOUR_US],
    ],
  );
});

eachDatabase('Labels by key and moment, or by a key that only one prediction has', async (t, database) => {
  const b = await openFeedback(t, database);
  const ctx = b.ctx();
  const ids = await logPredictions(ctx, [
    { atUs: MARCH_US, flight: 'a' },
    { atUs: MARCH_US + HOUR_US, flight: 'a' },
    { atUs: MARCH_US, flight: 'b', seat: 12 },
    { atUs: MARCH_US, flight: 'b', seat: 13 },
    { atUs: MARCH_US, flight: '7' },
  ]);
  const { body } = await b.post('feedback', 'here', [
    { key: { flight: 'a' }, at: iso(MARCH_US + HOUR_US), label: 1 },
    { key: { seat: 12, flight: 'b' }, label: 1 },
    { key: { flight: 'a' }, label: 0 },
    { key: { flight: 'a' }, at: MARCH_US + 1, label: 0 },
    { key: { flight: 7 }, label: 1 },
    { key: { carrier: 'AA', flight: 'b', seat: 13 }, at: MARCH_US, label: 0 },
    { key: { no_such: 'a' }, label: 1 },
  ]);
  await b.tick(MARCH_US + DAY_US);
  assert.deepEqual(await b.batch('here', body.batch), { ...none, rows: 7, joined: 4, unknown: 1, waiting: 2 });
  assert.deepEqual(
    (await b.labels('here')).map((r) => [r.prediction_id, r.label]),
    [
      [ids[2], 1],
      [ids[3], 0],
      [ids[4], 1],
      [ids[1], 1],
    ],
  );
});

eachDatabase('A label waits for its prediction, and is unknown thirty days after it was due', async (t, database) => {
  const b = await openFeedback(t, database);
  const record = (id: string, flight: string) => ({ id, at: iso(MARCH_US), inputs: { flight }, score: 0.3 });
  const first = (
    await b.post('feedback', 'elsewhere', [
      { prediction_id: 'p1', label: 1 },
      { key: { flight: 'x' }, at: iso(MARCH_US), label: 0 },
      { prediction_id: 'never', label: 1 },
    ])
  ).body.batch;
  await b.tick(MARCH_US + DAY_US);
  assert.deepEqual(await b.batch('elsewhere', first), { ...none, rows: 3, waiting: 3 });
  assert.deepEqual(await joinedEvents(b), []);
  await b.post('records', 'elsewhere', [record('p1', 'y')]);
  await b.tick(MARCH_US + DAY_US + 1);
  assert.deepEqual(await b.batch('elsewhere', first), { ...none, rows: 3, joined: 1, waiting: 2 });
  await b.post('records', 'elsewhere', [record('p2', 'x')]);
  const second = (await b.post('feedback', 'elsewhere', [{ prediction_id: 'p2', label: 1 }])).body.batch;
  await b.tick(MARCH_US + DAY_US + 2);
  assert.deepEqual(await b.batch('elsewhere', first), { ...none, rows: 3, joined: 2, waiting: 1 });
  assert.deepEqual(await b.batch('elsewhere', second), { ...none, rows: 1, corrected: 1 });
  await b.tick(MARCH_US + 32 * DAY_US);
  assert.deepEqual(await b.batch('elsewhere', first), { ...none, rows: 3, joined: 2, waiting: 1 });
  await b.tick(MARCH_US + 32 * DAY_US + 1);
  assert.deepEqual(await b.batch('elsewhere', first), { ...none, rows: 3, joined: 2, unknown: 1 });
  assert.deepEqual(
    (await b.labels('elsewhere')).map((r) => [r.prediction_id, r.label]),
    [
      ['p1', 1],
      ['p2', 1],
    ],
  );
});

eachDatabase('What waited is an older label than one that was accepted after it, though it is joined later', async (t, database) => {
  const b = await openFeedback(t, database);
  const early = (await b.post('feedback', 'elsewhere', [{ key: { flight: 'x' }, at: iso(MARCH_US), label: 0 }])).body.batch;
  await b.tick(MARCH_US + 1);
  await b.post('feedback', 'elsewhere', [{ prediction_id: 'p', label: 1 }]);
  await b.post('records', 'elsewhere', [{ id: 'p', at: iso(MARCH_US), inputs: { flight: 'x' }, score: 0.1 }]);
  await b.tick(MARCH_US + 2);
  assert.deepEqual(await b.batch('elsewhere', early), { ...none, rows: 1, joined: 1 });
  assert.deepEqual(
    (await b.labels('elsewhere')).map((r) => r.label),
    [1],
  );
});

eachDatabase('A label that comes after its window was due counts as late, and days far apart are told apart', async (t, database) => {
  const b = await openFeedback(t, database);
  const ids = await logPredictions(b.ctx(), [...flights(2), { atUs: MARCH_US + 20 * DAY_US, flight: 'z' }]);
  await b.tick(MARCH_US + 3 * DAY_US);
  const onTime = (await b.post('feedback', 'here', [{ prediction_id: ids[0], label: 1 }])).body.batch;
  await b.tick(MARCH_US + 21 * DAY_US);
  const late = (
    await b.post('feedback', 'here', [
      { prediction_id: ids[1], label: 1 },
      { prediction_id: ids[0], label: 1 },
      { prediction_id: ids[2], label: 1 },
    ])
  ).body.batch;
  await b.tick(MARCH_US + 21 * DAY_US);
  assert.deepEqual(await b.batch('here', onTime), { ...none, rows: 1, joined: 1 });
  assert.deepEqual(await b.batch('here', late), { ...none, rows: 3, joined: 2, duplicate: 1, late: 1 });
  assert.deepEqual(
    (await joinedEvents(b)).slice(1).map((e) => [e.labels, e.windowsFromUs]),
    [
      [1, MARCH_US],
      [1, MARCH_US + 20 * DAY_US],
    ],
  );
  const files = (fromUs: number, toUs: number) => joinedFiles(b.ctx(), { project: 'demo', monitor: 'here', fromUs, toUs });
  assert.equal((await files(MARCH_US, MARCH_US + DAY_US)).length, 2);
  assert.deepEqual(await files(MARCH_US + 5 * DAY_US, MARCH_US + 19 * DAY_US), []);
});

eachDatabase('The same labels again are the batch that is there, in whatever form they come', async (t, database) => {
  const b = await openFeedback(t, database);
  const rows = [
    { prediction_id: 'r1.zzz.1', label: 1 },
    { key: { flight: 'a', seat: 3 }, at: iso(MARCH_US), label: null, observed_at: iso(MARCH_US + 5_000) },
  ];
  const first = await b.post('feedback', 'here', rows);
  assert.deepEqual([first.status, first.body.rows, first.body.duplicate], [202, 2, false]);
  const again = await b.post('feedback', 'here', JSON.stringify(rows), 'application/json');
  assert.deepEqual([again.status, again.body], [200, { ...first.body, duplicate: true }]);
  const file =
    await parquet(`select 'r1.zzz.1' as prediction_id, true as label, null::varchar as flight, null::double as seat, null::timestamp as at, null::timestamp as observed_at
    union all select null, null, 'a', 3.0, timestamp '2013-03-01', timestamp '2013-03-01 00:00:00.005'`);
  const third = await b.post('feedback', 'here', file, 'application/vnd.apache.parquet');
  assert.deepEqual(third.body, { ...first.body, duplicate: true }, JSON.stringify(third.body));
  const other = await b.post('feedback', 'elsewhere', rows);
  assert.notEqual(other.body.batch, first.body.batch);
  const { body } = await b.send<{ items: { batch: string; source: string; state: string }[] }>(
    'GET',
    '/projects/demo/monitors/here/feedback',
  );
  assert.deepEqual(
    body.items.map((i) => [i.batch, i.source, i.state]),
    [[first.body.batch, 'api', 'accepted']],
  );
  assert.equal((await b.send('GET', '/projects/demo/monitors/here/feedback/fbk_no')).body.code, 'feedback-batch-not-found');
});

test('Each fault among labels is named by its line and member, and nothing is taken', async (t) => {
  const b = await openFeedback(t);
  const body = [
    { prediction_id: 'a', label: 1 },
    { prediction_id: 'a', key: { x: 1 }, label: 1 },
    { label: 1 },
    { prediction_id: 'a' },
    { prediction_id: 'a', label: 'yes' },
    { key: { x: null }, label: 1 },
    { key: {}, label: 1 },
    { prediction_id: 'a', label: 1, at: '2013-03-01' },
    { prediction_id: 'a', label: 1, observed_at: 1_362_096_000 },
    { prediction_id: 'a', lable: 1, label: 0 },
    7,
  ].map((r) => JSON.stringify(r));
  const { status, body: problem } = await b.post('feedback', 'here', [...body, '{'].join('\n'));
  assert.deepEqual([status, problem.code], [400, 'feedback-invalid']);
  assert.deepEqual(
    (problem.errors as { pointer: string }[]).map((e) => e.pointer),
    [
      'line 2: prediction_id',
      'line 3: prediction_id',
      'line 4: label',
      'line 5: label',
      'line 6: key/x',
      'line 7: key',
      'line 8: at',
      'line 9: observed_at',
      'line 10: lable',
      'line 11',
      'line 12',
    ],
  );
  const pointers = async (body_: object[]) =>
    ((await b.post('feedback', 'here', JSON.stringify(body_), 'application/json')).body.errors as { pointer: string }[]).map(
      (e) => e.pointer,
    );
  assert.deepEqual(await pointers([{ prediction_id: 'a', label: 1 }, { prediction_id: 'b' }]), ['/1/label']);
  const nan = await b.post(
    'feedback',
    'here',
    await parquet(`select 'a' as prediction_id, 'nan'::double as label`),
    'application/vnd.apache.parquet',
  );
  assert.deepEqual(
    (nan.body.errors as { pointer: string }[]).map((e) => e.pointer),
    ['row 1: label'],
  );
  assert.equal((await b.post('feedback', 'here', [])).body.code, 'feedback-invalid');
  const { body: list } = await b.send<{ items: unknown[] }>('GET', '/projects/demo/monitors/here/feedback');
  assert.deepEqual(list.items, []);
});

eachDatabase('A key column that the log holds as its HMAC finds its prediction, and is not kept as it was sent', async (t, database) => {
  const b = await openFeedback(t, database);
  await b.apply(
    `project: demo\ntimeline: { mode: replay, start: 2013-03-01T00:00:00Z }\nmodels: { m: { gates: [] } }\nendpoints: { e: { model: m, personal: [flight] } }\nmonitors: { here: { endpoint: e, labels: { within: 2d } } }\n`,
  );
  const { loggedPseudonym } = await import('../serving/public.ts');
  await logPredictions(b.ctx(), [{ atUs: MARCH_US, flight: loggedPseudonym(b.folder, 'secret') }]);
  const { body } = await b.post('feedback', 'here', [{ key: { flight: 'secret' }, label: 1 }]);
  await b.tick(MARCH_US + DAY_US);
  assert.deepEqual(await b.batch('here', body.batch), { ...none, rows: 1, joined: 1 });
});

const truth = `datasets: { outcomes: { source: x.parquet, key: [flight], occurred_at: known, known_at: known } }`;
async function push(b: FeedbackBench, sql: string): Promise<void> {
  const [stored] = await storeBlobs(b.ctx(), [await parquet(sql)]);
  const { status, body } = await b.send('POST', '/projects/demo/datasets/outcomes/versions', {
    files: [{ path: 'x.parquet', digest: stored!.digest }],
  });
  assert.equal(status, 201, JSON.stringify(body));
}

eachDatabase(
  'Labels by a query take what the dataset knows by then, on its schedule, and correct what it corrects',
  async (t, database) => {
    const b = await openFeedback(
      t,
      database,
      `  asked: { endpoint: e, window: 1d, labels: { within: 2d, every: 1d, from: { dataset: outcomes, label: delay > 10, where: not cancelled, at: starts, key: [flight] } } }\n${truth}`,
    );
    const ids = await logPredictions(b.ctx(), flights(5));
    const rows = (delay: string) =>
      `select 'f' || i as flight, timestamp '2013-03-01' + to_hours(i::integer) as starts, i = 4 as cancelled, ${delay} as delay, timestamp '2013-03-01' + to_days(i::integer) as known from range(5) t(i)`;
    await b.tick(MARCH_US + DAY_US);
    await push(b, rows('i * 10'));
    const asked = async (toUs: number) => {
      const [, , run] = await b.tick(toUs);
      return [
        run!.monitor,
        run!.batches,
        run!.labels,
        (await b.labels('asked')).map((r) => [ids.indexOf(r.prediction_id as string), r.label, r.label_at_us]),
      ];
    };
    // Asked at the first of March already, when there was no dataset.
    assert.deepEqual(await asked(MARCH_US + 1.5 * DAY_US), ['asked', 0, 0, []]);
    const known = (i: number) => MARCH_US + i * DAY_US;
    assert.deepEqual(await asked(MARCH_US + 2 * DAY_US), ['asked', 1, 3, [0, 1, 2].map((i) => [i, Number(i > 1), known(i)])]);
    assert.deepEqual((await asked(MARCH_US + 2.9 * DAY_US)).slice(1, 3), [0, 0]);
    assert.deepEqual((await asked(MARCH_US + 3 * DAY_US)).slice(1, 3), [1, 1]);
    await push(b, rows('case when i = 0 then 99 else i * 10 end'));
    assert.deepEqual(await asked(MARCH_US + 4 * DAY_US), ['asked', 1, 1, [0, 1, 2, 3].map((i) => [i, Number(i !== 1), known(i)])]);
    const { body } = await b.send<{ items: { source: string; corrected: number; datasetVersion: string }[] }>(
      'GET',
      '/projects/demo/monitors/asked/feedback',
    );
    assert.deepEqual(
      body.items.map((i) => [i.source, i.corrected, i.datasetVersion.startsWith('dsv_')]),
      [
        ['dataset', 1, true],
        ['dataset', 0, true],
        ['dataset', 0, true],
      ],
    );
  },
);

test('A query that cannot be run is told, and the tick goes on', async (t) => {
  const b = await openFeedback(
    t,
    'sqlite',
    `  asked: { endpoint: e, labels: { every: 1d, from: { dataset: outcomes, label: no_such > 10, key: [flight] } } }\n${truth}`,
  );
  await logPredictions(b.ctx(), flights(1));
  await push(b, `select 'f0' as flight, timestamp '2013-03-01' as known`);
  await b.tick(MARCH_US + DAY_US);
  const events = await eventsIn(b.ctx().db).selectFrom('events').select('payload').where('type', '=', 'feedback.query-failed').execute();
  assert.deepEqual(
    events.map((e) => JSON.parse(e.payload) as unknown),
    [{ monitor: 'asked', dataset: 'outcomes', code: 'compute-sql-invalid' }],
  );
});

eachDatabase('A dataset that goes back to what it said before corrects its labels again', async (t, database) => {
  const b = await openFeedback(
    t,
    database,
    `  asked: { endpoint: e, labels: { within: 9d, every: 1d, from: { dataset: outcomes, label: delay > 10, key: [flight] } } }\n${truth}`,
  );
  await logPredictions(b.ctx(), flights(1));
  for (const [i, delay] of [99, 5, 98].entries()) {
    await push(b, `select 'f0' as flight, ${delay} as delay, timestamp '2013-03-01' as known`);
    await b.tick(MARCH_US + (i + 1) * DAY_US);
    assert.deepEqual(
      (await b.labels('asked')).map((r) => r.label),
      [Number(delay > 10)],
      String(delay),
    );
  }
});

test('A window of a week ends on a Monday for labels, too', async (t) => {
  const b = await openFeedback(t, 'sqlite', '  weekly: { endpoint: e, window: 1w, labels: { within: 2d } }');
  // Friday, 1 March 2013: its week ends on the fourth, and its labels are due on the sixth.
  const ids = await logPredictions(b.ctx(), flights(2));
  for (const [day, late] of [
    [5, 0],
    [6, 1],
  ] as const) {
    await b.tick(MARCH_US + day * DAY_US);
    const { body } = await b.post('feedback', 'weekly', [{ prediction_id: ids[late], label: 1 }]);
    await b.tick(MARCH_US + day * DAY_US);
    assert.deepEqual(await b.batch('weekly', body.batch), { ...none, rows: 1, joined: 1, late });
  }
});
