// Bodies that nobody would send on purpose: each is refused with its place, and nothing of it is taken.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { parquet } from '../../../test/support/parquet.ts';
import { iso, MARCH_US, openFeedback } from './fixtures/bench.ts';

const record = (id: string, more: object = {}) => ({ id, at: iso(MARCH_US), inputs: { carrier: 'AA' }, score: 0.5, ...more });
const ndjson = (rows: readonly object[]): string => rows.map((r) => `${JSON.stringify(r)}\n`).join('');
const PARQUET = 'application/vnd.apache.parquet';
const NDJSON = 'application/x-ndjson';

test('Texts that no file could hold, days that do not exist and columns without a name are faults of their line', async (t) => {
  const b = await openFeedback(t);
  const { status, body } = await b.post('records', 'elsewhere', [
    record('half\ud800'),
    record('nul\0'),
    record('c', { at: '2013-02-30T00:00:00Z' }),
    record('d', { inputs: { '': 1 } }),
    record('e', { inputs: { ['x'.repeat(201)]: 1 } }),
    record('f', { inputs: { carrier: '\udfff' } }),
    record('g', { model_version: '\ud800' }),
    record('leap', { at: '2012-02-29T00:00:00Z' }),
  ]);
  assert.deepEqual([status, body.code], [400, 'records-invalid'], JSON.stringify(body));
  assert.deepEqual(
    (body.errors as { pointer: string }[]).map((e) => e.pointer),
    [
      'line 1: id',
      'line 2: id',
      'line 3: at',
      'line 4: inputs/',
      `line 5: inputs/${'x'.repeat(200)}`,
      'line 6: inputs/carrier',
      'line 7: model_version',
    ],
  );
});

test('A label that a yes-or-no question cannot have is refused', async (t) => {
  const b = await openFeedback(t);
  const { status, body } = await b.post('feedback', 'elsewhere', [
    { prediction_id: 'a', label: 1 },
    { prediction_id: 'b', label: 7 },
    { prediction_id: 'half\ud800', label: 0.5 },
  ]);
  assert.deepEqual([status, body.code], [400, 'feedback-invalid']);
  assert.deepEqual(
    (body.errors as { pointer: string }[]).map((e) => e.pointer),
    ['line 2: label', 'line 3: prediction_id'],
  );
});

test('A Parquet file that is torn is told so, without a path of the server', async (t) => {
  const b = await openFeedback(t);
  const whole = await parquet(`select 'a' as id, timestamp '2013-03-01' as at, 0.5 as score, 'AA' as carrier`);
  for (const what of ['records', 'feedback'] as const)
    for (const body of [whole.subarray(0, whole.length - 9), Buffer.from('PAR1'), Buffer.alloc(0)]) {
      const answer = await b.post(what, 'elsewhere', body, PARQUET);
      assert.deepEqual([answer.status, answer.body.code], [400, 'batch-unreadable'], JSON.stringify(answer.body));
      assert.doesNotMatch(JSON.stringify(answer.body), /compute\/made|body\.parquet/);
    }
});

test('A compressed body is the same batch as the plain one; torn or otherwise compressed it is refused, and it may not grow without end', async (t) => {
  const b = await openFeedback(t);
  const plain = ndjson([record('a'), record('b')]);
  const gzip = { 'content-encoding': 'gzip' };
  const sent = await b.post('records', 'elsewhere', gzipSync(plain), NDJSON, gzip);
  assert.deepEqual([sent.status, sent.body.accepted], [200, 2], JSON.stringify(sent.body));
  assert.equal((await b.post('records', 'elsewhere', plain)).body.batch, sent.body.batch);
  const torn = await b.post('records', 'elsewhere', gzipSync(plain).subarray(0, 30), NDJSON, gzip);
  assert.deepEqual([torn.status, torn.body.code], [400, 'batch-not-gzip']);
  const none = await b.post('records', 'elsewhere', plain, NDJSON, gzip);
  assert.deepEqual([none.status, none.body.code], [400, 'batch-not-gzip']);
  const other = await b.post('feedback', 'elsewhere', plain, NDJSON, { 'content-encoding': 'br' });
  assert.deepEqual([other.status, other.body.code], [415, 'batch-encoding-unsupported']);
  const bomb = gzipSync(Buffer.alloc(b.ctx().settings.bodyLimitBytes + 1, ' '));
  const large = await b.post('records', 'elsewhere', bomb, 'application/json', gzip);
  assert.deepEqual([large.status, large.body.code], [413, 'payload-too-large']);
});

test('Moments are read as Go, Java, Python and pandas write them, and ids may be whole numbers', async (t) => {
  const b = await openFeedback(t);
  const moments = ['2013-03-01T00:00:00.123456789Z', '2013-03-01 00:00:00.123456+00:00', '2013-03-01T01:00:00.1234567+01:00'];
  const lines = moments.map((at, id) => record('', { id, at }));
  const { status, body } = await b.post('records', 'elsewhere', lines);
  assert.deepEqual([status, body.accepted], [200, 3], JSON.stringify(body));
  // The same moments as a file: nothing of it is new.
  const file = await parquet(
    `select range::bigint as id, ${(MARCH_US + 123_456).toFixed(1)}::double as at, 'AA' as carrier, 0.5 as score from range(3)`,
  );
  const again = await b.post('records', 'elsewhere', file, PARQUET);
  assert.deepEqual([again.status, again.body.duplicates], [200, 3], JSON.stringify(again.body));
  const labels = moments.map((at, id) => ({ prediction_id: id, label: true, observed_at: at }));
  const sent = await b.post('feedback', 'elsewhere', labels);
  assert.deepEqual([sent.status, sent.body.rows], [202, 3], JSON.stringify(sent.body));
  for (const at of ['2013-03-01 00:00:00', '2013-03-01T00:00:00.1234567890Z', '2013-03-01  00:00:00Z'])
    assert.equal((await b.post('records', 'elsewhere', [record('x', { at })])).status, 400, at);
});

test('A Parquet file that lacks a column is told which', async (t) => {
  const b = await openFeedback(t);
  const { status, body } = await b.post('records', 'elsewhere', await parquet(`select 'AA' as carrier`), PARQUET);
  assert.deepEqual([status, body.code], [400, 'records-invalid']);
  assert.deepEqual(
    (body.errors as { detail: string }[]).map((e) => e.detail),
    ['there is no column "id"', 'there is no column "at"', 'there is no column "score"'],
  );
});
