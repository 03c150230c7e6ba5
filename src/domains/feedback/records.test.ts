import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parquet } from '../../../test/support/parquet.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { stageFiles } from '../datasets/public.ts';
import { inferenceFiles } from '../serving/public.ts';
import { suppress } from '../subjects/public.ts';
import { iso, MARCH_US, openFeedback, type FeedbackBench } from './fixtures/bench.ts';

const record = (id: string, more: object = {}) => ({ id, at: iso(MARCH_US), inputs: { carrier: 'AA', delay: 3 }, score: 0.5, ...more });

async function rowsOf(b: FeedbackBench): Promise<Record<string, unknown>[]> {
  const ctx = b.ctx();
  const files = await inferenceFiles(ctx, { project: 'demo', endpoint: 'elsewhere', fromUs: 0, toUs: Number.MAX_SAFE_INTEGER });
  if (files.length === 0) return [];
  const staged = await stageFiles(
    ctx,
    files.map((f) => f.digest),
  );
  const { rows } = await ctx.compute.run({
    what: 'the test',
    tables: { t: { files: staged } },
    statements: [],
    rows: `select id, "eventTimeUs" as at, inputs, score, "modelVersion" as version, variant, "latencyUs" as latency, error from t order by id`,
  });
  return [...rows];
}

eachDatabase('Records of a model served elsewhere are taken once, whatever is sent twice', async (t, database) => {
  const b = await openFeedback(t, database);
  const lines = [
    record('a', { model_version: '3', variant: 'blue', latency_us: 12 }),
    record('b', { at: MARCH_US + 1, inputs: { carrier: null, delay: 1.5, on: true } }),
    record('c', { score: null, error: 'no answer' }),
    record('a'),
  ];
  const first = await b.post('records', 'elsewhere', lines);
  assert.deepEqual([first.status, first.body.accepted, first.body.duplicates], [200, 3, 1], JSON.stringify(first.body));
  const again = await b.post('records', 'elsewhere', lines);
  assert.deepEqual(again.body, { accepted: 0, duplicates: 4, batch: first.body.batch });
  const more = await b.post('records', 'elsewhere', JSON.stringify([record('b'), record('d')]), 'application/json');
  assert.deepEqual([more.body.accepted, more.body.duplicates], [1, 1]);
  const single = await b.post('records', 'elsewhere', JSON.stringify(record('e')), 'application/json');
  assert.deepEqual([single.body.accepted, single.body.duplicates], [1, 0]);
  assert.deepEqual(
    (await rowsOf(b)).map((r) => Object.values(r)),
    [
      ['a', MARCH_US, { carrier: 'AA', delay: 3, on: null }, 0.5, '3', 'blue', 12, null],
      ['b', MARCH_US + 1, { carrier: null, delay: 1.5, on: true }, 0.5, '', '', null, null],
      ['c', MARCH_US, { carrier: 'AA', delay: 3, on: null }, null, '', '', null, 'no answer'],
      ['d', MARCH_US, { carrier: 'AA', delay: 3, on: null }, 0.5, '', '', null, null],
      ['e', MARCH_US, { carrier: 'AA', delay: 3, on: null }, 0.5, '', '', null, null],
    ],
  );
  const events = await eventsIn(b.ctx().db)
    .selectFrom('events')
    .select('payload')
    .where('type', '=', 'inference-segment.shipped')
    .execute();
  assert.deepEqual(
    events.map((e) => (JSON.parse(e.payload) as { records: number }).records),
    [3, 1, 1],
  );
});

test('Each fault of a batch is named by its line and member, and nothing of the batch is taken', async (t) => {
  const b = await openFeedback(t);
  const body = [
    record('a'),
    record('', {}),
    { ...record('c'), at: 1_362_096_000 },
    { ...record('d'), at: '2013-03-01T00:00:00' },
    { ...record('e'), inputs: [] },
    { ...record('f'), score: 'high' },
    { ...record('g'), score: null },
    { ...record('h'), modelVersion: '3' },
    { ...record('i'), latency_us: -1, variant: 4 },
    { ...record('j'), inputs: { carrier: { code: 'AA' } } },
  ].map((r) => JSON.stringify(r));
  body.splice(1, 0, '', '{"id": "torn');
  const { status, body: problem } = await b.post('records', 'elsewhere', body.join('\n'));
  assert.deepEqual([status, problem.code], [400, 'records-invalid'], JSON.stringify(problem));
  assert.deepEqual(
    (problem.errors as { pointer: string }[]).map((e) => e.pointer),
    [
      'line 3',
      'line 4: id',
      'line 5: at',
      'line 6: at',
      'line 7: inputs',
      'line 8: score',
      'line 9: score',
      'line 10: modelVersion',
      'line 11: latency_us',
      'line 11: variant',
      'line 12: inputs/carrier',
    ],
  );
  const nested = await b.post(
    'records',
    'elsewhere',
    JSON.stringify([record('a'), { ...record('j'), inputs: { carrier: ['AA'] } }]),
    'application/json',
  );
  assert.deepEqual(
    (nested.body.errors as { pointer: string }[]).map((e) => e.pointer),
    ['/1/inputs/carrier'],
  );
  const clash = await b.post('records', 'elsewhere', [record('a', { inputs: { x: 1, X: 2 } })]);
  assert.equal(clash.body.code, 'records-invalid');
  const many = await b.post(
    'records',
    'elsewhere',
    Array.from({ length: 50 }, () => ({})),
  );
  assert.equal((many.body.errors as unknown[]).length, 20);
  assert.deepEqual(await rowsOf(b), []);
});

test('A Parquet file is taken with its own types; columns that are no members of a record are inputs', async (t) => {
  const b = await openFeedback(t);
  const type = 'application/vnd.apache.parquet';
  const file = await parquet(
    `select 'p' || i as id, timestamp '2013-03-01' + to_hours(i::integer) as at, i / 10 as score, 'AA' as carrier, case when i = 0 then 'nan'::float else 1.5::float end as delay,
      i::smallint as n, i > 1 as late, date '2013-03-01' as day, 'v1' as model_version from range(3) t(i)`,
  );
  const { status, body } = await b.post('records', 'elsewhere', file, type);
  assert.deepEqual([status, body.accepted], [200, 3], JSON.stringify(body));
  assert.equal((await b.post('records', 'elsewhere', file, type)).body.duplicates, 3);
  const rows = await rowsOf(b);
  assert.deepEqual(rows[0], {
    id: 'p0',
    at: MARCH_US,
    inputs: { carrier: 'AA', delay: null, n: 0, late: false, day: '2013-03-01' },
    score: 0,
    version: 'v1',
    variant: '',
    latency: null,
    error: null,
  });
  const structs = await parquet(
    `select 's' as id, timestamptz '2013-03-01 02:00:00+02' as at, 0.5 as score, {'carrier': 'B6', 'the delay': 2} as inputs`,
  );
  assert.equal((await b.post('records', 'elsewhere', structs, type)).body.accepted, 1);
  assert.deepEqual((await rowsOf(b)).at(-1)!.at, MARCH_US);
  const bad = await b.post(
    'records',
    'elsewhere',
    await parquet(`select 'x' as id, timestamp '2013-03-01' as at, 1 as score, [1] as list`),
    type,
  );
  assert.deepEqual([bad.status, bad.body.code], [400, 'records-invalid']);
  const torn = await b.post(
    'records',
    'elsewhere',
    await parquet(`select i::varchar as id, null::timestamp as at, 1.0 as score, i as x from range(2) t(i)`),
    type,
  );
  assert.deepEqual(
    (torn.body.errors as { pointer: string }[]).map((e) => e.pointer),
    ['row 1: at', 'row 2: at'],
  );
  assert.equal((await b.post('records', 'elsewhere', Buffer.from('PAR1 no'), type)).body.code, 'batch-unreadable');
});

test('A bare NaN of Python is a missing value, and a column of several kinds of values is text', async (t) => {
  const b = await openFeedback(t);
  const line = (id: string, inputs: string) => `{"id":"${id}","at":"${iso(MARCH_US)}","score":0.5,"inputs":${inputs}}`;
  const { body } = await b.post('records', 'elsewhere', [line('a', '{"x":NaN,"y":1}'), line('b', '{"x":2,"y":"two"}')].join('\n'));
  assert.equal(body.accepted, 2, JSON.stringify(body));
  assert.deepEqual(
    (await rowsOf(b)).map((r) => r.inputs),
    [
      { x: null, y: '1' },
      { x: 2, y: 'two' },
    ],
  );
});

test('What is no batch, is too large, or is for a model served here, is refused', async (t) => {
  const b = await openFeedback(t);
  const codes = [];
  for (const [monitor, body, type] of [
    ['here', 'x', 'application/x-ndjson'],
    ['nobody', 'x', 'application/x-ndjson'],
    ['elsewhere', 'x', 'text/csv'],
    ['elsewhere', '', 'application/x-ndjson'],
    ['elsewhere', '[', 'application/json'],
    ['elsewhere', Buffer.from([0x7b, 0xff, 0x7d]), 'application/x-ndjson'],
    ['elsewhere', '\n\n', 'application/x-ndjson'],
    ['elsewhere', ' '.repeat(9 * 1024 * 1024), 'application/json'],
  ] as const)
    codes.push((await b.post('records', monitor, body, type)).body.code);
  assert.deepEqual(codes, [
    'monitor-served-here',
    'not-found',
    'batch-type-unsupported',
    'records-invalid',
    'batch-unreadable',
    'batch-unreadable',
    'records-invalid',
    'payload-too-large',
  ]);
});

test('With an Idempotency-Key the first answer is given again, and another body is refused', async (t) => {
  const b = await openFeedback(t);
  const send = (id: string) => b.post('records', 'elsewhere', [record(id)], undefined, { 'idempotency-key': 'k1' });
  const first = await send('a');
  const again = await send('a');
  assert.deepEqual([first.body, again.headers['idempotent-replay']], [again.body, 'true']);
  assert.equal(again.body.accepted, 1);
  assert.equal((await send('b')).body.code, 'idempotency-key-reused');
});

eachDatabase(
  'With the Idempotency-Key of a batch whose server was killed before it answered, the batch is taken once',
  async (t, database) => {
    const b = await openFeedback(t, database);
    const send = (what: 'records' | 'feedback', rows: readonly object[]) =>
      b.post(what, 'elsewhere', rows, undefined, { 'idempotency-key': what });
    const both = async () => [
      (await send('records', [record('a')])).body,
      (await send('feedback', [{ prediction_id: 'a', label: 1 }])).body,
    ];
    const [records, labels] = await both();
    assert.deepEqual([records!.accepted, labels!.duplicate], [1, false]);
    // What such a server leaves behind: the key is claimed, its answer was never kept.
    await b
      .ctx()
      .tx(({ db }) =>
        db
          .withTables<{ idempotency_keys: { key: string; status: number | null; reply: string | null } }>()
          .updateTable('idempotency_keys')
          .set({ status: null, reply: null })
          .execute(),
      );
    const [recordsAgain, labelsAgain] = await both();
    assert.deepEqual([recordsAgain!.batch, recordsAgain!.accepted, recordsAgain!.duplicates], [records!.batch, 0, 1]);
    assert.deepEqual(labelsAgain, { ...labels, duplicate: true });
  },
);

eachDatabase('Records about a subject that was erased are not kept', async (t, database) => {
  const b = await openFeedback(t, database);
  await b.ctx().tx((tx) => suppress(tx, 'demo', { kind: 'customer', columns: ['customer'], value: '42' }, 'era_1'));
  const about = (id: string, customer: number | string) => ({ ...record(id), inputs: { visits: 3 }, request: { customer } });
  const lines = await b.post('records', 'elsewhere', [about('a', 42), about('b', 7), about('b', 7)]);
  assert.deepEqual([lines.body.accepted, lines.body.duplicates, lines.body.suppressed], [1, 1, 1], JSON.stringify(lines.body));
  const file = await parquet(`select 'c' || i as id, timestamp '2013-03-01' as at, 0.5 as score, 42.0 + i as customer from range(2) t(i)`);
  const columns = await b.post('records', 'elsewhere', file, 'application/vnd.apache.parquet');
  assert.deepEqual([columns.body.accepted, columns.body.duplicates, columns.body.suppressed], [1, 0, 1], JSON.stringify(columns.body));
  assert.deepEqual(
    (await rowsOf(b)).map((r) => r.id),
    ['b', 'c1'],
  );
});
