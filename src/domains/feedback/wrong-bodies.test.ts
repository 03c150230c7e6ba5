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
