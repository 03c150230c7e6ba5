import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { endpointOf, planOf, runPlane } from '../../domains/serving/fixtures/plane.ts';
import { mlflowScoringDialect } from './mlflow-scoring.ts';

const rows = [
  { origin: 'EWR', carrier: 'UA', hour: 20 },
  { origin: 'JFK', carrier: 'AA', hour: 3 },
];
const columns = ['origin', 'carrier', 'hour'] as const;
const run = (t: Parameters<typeof runPlane>[0], options: Parameters<typeof runPlane>[1] = {}) =>
  runPlane(t, { dialects: [mlflowScoringDialect], ...options });

test('All JSON shapes of the same rows give the same predictions', async (t) => {
  const plane = await run(t);
  const ask = async (body: unknown) => {
    const reply = await plane.send('/invocations', body);
    assert.equal(reply.status, 200, JSON.stringify(reply.body));
    assert.match(reply.headers.get('gyre-prediction-id')!, /^r1\.\w+\.\d+$/);
    return reply.body.predictions as unknown as number[];
  };
  const expected = await ask({ dataframe_records: rows });
  assert.ok(expected.length === 2 && expected.every((score) => score > 0 && score < 1));
  const data = rows.map((row) => columns.map((name) => row[name]));
  const byColumn = Object.fromEntries(columns.map((name) => [name, rows.map((row) => row[name])]));
  const nested = Object.fromEntries(columns.map((name) => [name, rows.map((row) => [row[name]])]));
  for (const body of [
    { dataframe_split: { columns, index: [0, 1], data } },
    { dataframe_split: { columns: [...columns].reverse(), data: data.map((row) => [...row].reverse()) } },
    { dataframe_records: rows, params: {}, other: 'dropped as MLflow does' },
    { instances: rows },
    { instances: data },
    { inputs: byColumn },
    { inputs: nested },
    { inputs: data },
    { inputs: rows },
  ])
    assert.deepEqual(await ask(body), expected, JSON.stringify(body));
  assert.deepEqual(await ask({ inputs: rows[0] }), expected.slice(0, 1));
});

test('CSV is read by the types of the endpoint’s columns', async (t) => {
  const plane = await run(t);
  const csv = `,hour,carrier,origin\n0,20,UA,EWR\n1,,,JFK\n`;
  const asRecords = { dataframe_records: [rows[0], { origin: 'JFK', carrier: null, hour: null }] };
  const expected = (await plane.send('/invocations', asRecords)).body.predictions;
  const reply = await plane.send('/invocations', csv, { 'content-type': 'text/csv' });
  assert.deepEqual([reply.status, reply.body.predictions], [200, expected], JSON.stringify(reply.body));
  const wrong = await plane.send('/invocations', 'carrier,hour\nUA,3\n', { 'content-type': 'text/csv' });
  assert.match(String(wrong.body.message), /"origin" is missing/);
});

test('A server of several endpoints is told which by path or header', async (t) => {
  const plane = await run(t, { plan: planOf(1, [endpointOf(), endpointOf({ name: 'other' })]) });
  const body = { instances: rows };
  assert.equal((await plane.send('/endpoints/other/invocations', body)).status, 200);
  assert.equal((await plane.send('/invocations', body, { 'x-gyre-endpoint': 'other' })).status, 200);
  const unnamed = await plane.send('/invocations', body);
  assert.equal(unnamed.status, 400);
  assert.match(String(unnamed.body.message), /late-arrival, other/);
  assert.equal((await plane.send('/invocations', body, { 'x-gyre-endpoint': 'none' })).body.error_code, 'RESOURCE_DOES_NOT_EXIST' as never);
});

test('Ping and version answer as MLflow’s client expects', async (t) => {
  const plane = await run(t);
  assert.deepEqual([(await plane.send('/ping')).status, (await plane.send('/version')).body], [200, '0.1.0']);
});

test('Another content type is 415 in plain text, with one sentence', async (t) => {
  const plane = await run(t);
  for (const type of ['text/plain', 'application/json; charset=latin1', 'application/json; a=b', '']) {
    const reply = await plane.send('/invocations', { instances: rows }, { 'content-type': type });
    assert.deepEqual([reply.status, reply.headers.get('content-type')], [415, 'text/plain'], type);
  }
  assert.equal((await plane.send('/invocations', { instances: rows }, { 'content-type': 'application/json; charset=UTF-8' })).status, 200);
});

test('Every fault of a body is a BAD_REQUEST with one sentence and no stack trace', async (t) => {
  const plane = await run(t);
  const faults: [unknown, RegExp][] = [
    ['{', /not JSON/],
    [[], /exactly one/],
    [3, /exactly one/],
    [{}, /exactly one/],
    [{ instances: rows, inputs: rows }, /exactly one/],
    [{ instances: rows, signature_name: 'x' }, /signature_name/],
    [{ instances: rows, params: [] }, /params/],
    [{ instances: [] }, /no rows/],
    [{ instances: 'x' }, /list of rows/],
    [{ instances: [['EWR']] }, /list of 3 values/],
    [{ dataframe_split: { columns } }, /"data"/],
    [{ dataframe_split: { columns, data: [], rows: 1 } }, /no "rows"/],
    [{ messages: [] }, /language models/],
    [{ dataframe_split: { columns: ['a', 'a'], data: [] } }, /different/],
    [{ dataframe_split: { columns, data: [['EWR', 'UA']] } }, /row 0/],
    [{ dataframe_records: [1] }, /objects/],
    [{ inputs: { origin: ['EWR', 'JFK'], carrier: ['UA'] } }, /as long as the others/],
    [{ inputs: {} }, /no rows/],
    [{ instances: [{ carrier: 'UA' }] }, /"origin" is missing/],
    [{ instances: [{ ...rows[0], origin: 3 }] }, /"origin" must be a string/],
  ];
  for (const [body, message] of faults) {
    const reply = await plane.send('/invocations', body);
    assert.deepEqual(
      [reply.status, reply.body.error_code, Object.keys(reply.body)],
      [400, 'BAD_REQUEST', ['error_code', 'message']],
      JSON.stringify(body),
    );
    assert.match(String(reply.body.message), message);
  }
  assert.equal((await plane.send('/invocations')).status, 405);
});

test('Malformed bodies of any kind are refused, never a 5xx', async (t) => {
  const plane = await run(t);
  const any = fc.jsonValue({ maxDepth: 4 });
  const value = fc.oneof(
    fc.array(fc.dictionary(fc.constantFrom('origin', 'hour', '__proto__'), any), { maxLength: 2 }),
    fc.record({ columns: any, data: any }),
    any,
  );
  const body = fc.oneof(
    fc.dictionary(fc.constantFrom('dataframe_split', 'dataframe_records', 'instances', 'inputs', 'params', '__proto__'), value, {
      minKeys: 1,
      maxKeys: 2,
    }),
    any,
  );
  await fc.assert(
    fc.asyncProperty(body, async (sent) => {
      const reply = await plane.send('/invocations', JSON.stringify(sent));
      assert.ok(reply.status < 500, JSON.stringify(sent));
    }),
    { numRuns: 200 },
  );
});
