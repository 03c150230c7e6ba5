// Models that hand back what they get, so that every answer says what became of the request.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { writeIdentity, type IdentityTensor } from '../../domains/serving/fixtures/identity.ts';
import { folder, runPlane } from '../../domains/serving/fixtures/plane.ts';
import { mlflowScoring } from './mlflow-scoring.ts';
import { readSignature } from './signature.ts';

const columns: IdentityTensor[] = [
  { name: 'id', datatype: 'INT64', shape: ['N'] },
  { name: 'x', datatype: 'FP32', shape: ['N', 1] },
  { name: 'word', datatype: 'BYTES', shape: ['N'] },
  { name: 'yes', datatype: 'BOOL', shape: ['N', 1] },
];
const columnSignature = readSignature({
  inputs: JSON.stringify([
    { name: 'id', type: 'long', required: true },
    { name: 'x', type: 'double', required: true },
    { name: 'word', type: 'string', required: false },
    { name: 'yes', type: 'boolean' },
  ]),
  params: JSON.stringify([
    { name: 'k', type: 'long', default: 3, shape: null },
    { name: 'names', type: 'string', default: null, shape: [-1] },
  ]),
});
const matrixSignature = readSignature({ inputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]' });
const pairSignature = readSignature({
  inputs:
    '[{"name":"a","type":"tensor","tensor-spec":{"dtype":"int32","shape":[-1,2]}},{"name":"b","type":"tensor","tensor-spec":{"dtype":"float64","shape":[-1]}}]',
});
const timesSignature = readSignature({ inputs: '[{"name": "at", "type": "datetime"}, {"name": "blob", "type": "binary"}]' });

async function open(t: TestContext) {
  const dir = folder(t);
  const model = (name: string, tensors: IdentityTensor[]) => ({ name, path: writeIdentity(join(dir, `${name}.onnx`), tensors) });
  const pair: IdentityTensor[] = [
    { name: 'a', datatype: 'INT32', shape: ['N', 2] },
    { name: 'b', datatype: 'FP64', shape: ['N'] },
  ];
  const signatures = new Map([
    ['columns', columnSignature],
    ['matrix', matrixSignature],
    ['pair', pairSignature],
    ['times', timesSignature],
  ]);
  const plane = await runPlane(t, {
    dir,
    plan: null,
    models: [
      model('columns', columns),
      model('matrix', [{ name: 'x', datatype: 'FP32', shape: ['N', 2] }]),
      model('pair', pair),
      model('bare-columns', columns),
      model('bare-pair', pair),
      model('bare-matrix', [{ name: 'x', datatype: 'FP64', shape: ['N', 'M'] }]),
      model('halves', [
        { name: 'h', datatype: 'FP16', shape: ['N'] },
        { name: 'u', datatype: 'UINT64', shape: ['N'] },
        { name: 'small', datatype: 'INT8', shape: ['N'] },
      ]),
      model('times', [
        { name: 'at', datatype: 'INT64', shape: ['N'] },
        { name: 'blob', datatype: 'BYTES', shape: ['N'] },
      ]),
      { ...model('matrix', [{ name: 'x', datatype: 'FP32', shape: ['N', 2] }]), version: '2' },
    ],
    dialects: [mlflowScoring((name) => signatures.get(name))],
  });
  const send = async (name: string, body: unknown, contentType = 'application/json') => {
    const reply = await fetch(`${plane.url}/models/${name}/invocations`, {
      method: 'POST',
      headers: { 'content-type': contentType },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: reply.status, text: await reply.text(), headers: reply.headers };
  };
  const predictions = async (...sent: Parameters<typeof send>) => {
    const { status, text } = await send(...sent);
    assert.equal(status, 200, text);
    return (JSON.parse(text) as { predictions: unknown }).predictions;
  };
  return { plane, send, predictions };
}

const rows = [
  [1, 0.5, 'ü', true],
  [2, -1, 'b', false],
];
const names = ['id', 'x', 'word', 'yes'];
const record = (row: readonly unknown[]) => Object.fromEntries(names.map((name, c) => [`${name}_out`, row[c]]));

test('Columns of a signature are answered with records, in whatever form the rows come', async (t) => {
  const { predictions } = await open(t);
  const records = rows.map((row) => Object.fromEntries(names.map((name, c) => [name, row[c]])));
  const byName = Object.fromEntries(names.map((name, c) => [name, rows.map((row) => row[c])]));
  for (const body of [
    { dataframe_split: { columns: names, index: ['p', 'q'], data: rows } },
    { dataframe_split: { columns: ['extra', ...names].reverse(), data: rows.map((row) => [null, ...row].reverse()) } },
    { dataframe_split: { data: rows } },
    { dataframe_records: records },
    { instances: records },
    { instances: rows },
    { inputs: records },
    { inputs: byName, params: { k: 4, unknown: 1, names: ['a'] } },
  ])
    assert.deepEqual(await predictions('columns', body), rows.map(record), JSON.stringify(body));
  assert.deepEqual(await predictions('columns', { inputs: records[0] }), [record(rows[0]!)]);
  const csv = 'x,id,yes,word\n0.5,1,True,ü\n-1.0,2,false,b\n';
  assert.deepEqual(await predictions('columns', csv, 'text/csv; charset=UTF-8'), rows.map(record));
});

test('Types of a signature: 2.0 is a whole number, 2.5 is none; what is missing may be NaN or no text, and no digit is lost', async (t) => {
  const { send, predictions } = await open(t);
  const one = (row: string) => `{"dataframe_split": {"columns": ["id", "x", "word", "yes"], "data": [[${row}]]}}`;
  const asText = async (row: string) => (await send('columns', one(row))).text;
  assert.match(await asText('9007199254740993, 1e300000, "a", true'), /"x" |BAD_REQUEST/);
  assert.match(await asText('9007199254740993, 1, "a", true'), /"id_out":9007199254740993,/);
  assert.match(await asText('-9223372036854775808, 1, "a", true'), /"id_out":-9223372036854775808,/);
  assert.deepEqual(await predictions('columns', one('2.0, 3, null, 1')), [{ id_out: 2, x_out: 3, word_out: '', yes_out: true }]);
  assert.deepEqual(await predictions('columns', one('"7", "1.5", 5, "false"')), [{ id_out: 7, x_out: 1.5, word_out: '5', yes_out: false }]);
  assert.deepEqual(await predictions('columns', one('1, NaN, "a", true')), [{ id_out: 1, x_out: null, word_out: 'a', yes_out: true }]);
  assert.deepEqual(await predictions('columns', one('1, -Infinity, "a", true')), [
    { id_out: 1, x_out: null, word_out: 'a', yes_out: true },
  ]);
  assert.deepEqual(await predictions('columns', 'id,x,yes\n4,,true\n', 'text/csv'), [
    { id_out: 4, x_out: null, word_out: '', yes_out: true },
  ]);
  const faults: [string, RegExp][] = [
    ['2.5, 1, "a", true', /column id: row 0 must be a whole number/],
    ['null, 1, "a", true', /column id: row 0 is missing/],
    ['9223372036854775808, 1, "a", true', /int64/],
    ['1e300, 1, "a", true', /write it without a point/],
    ['1, "one", "a", true', /column x: row 0 must be a number/],
    ['1, 1e39, "a", true', /"x" is outside of what float32 can hold/],
    ['1, 1, "a\\u0000b", true', /NUL/],
    ['1, 1, ["a"], true', /must be a string/],
    ['1, 1, "a", 2', /true or false/],
    ['1, 1, "a", null', /boolean cannot be/],
  ];
  for (const [row, message] of faults) {
    const { status, text } = await send('columns', one(row));
    const body = JSON.parse(text) as { error_code: string; message: string };
    assert.deepEqual([status, body.error_code, Object.keys(body)], [400, 'BAD_REQUEST', ['error_code', 'message']], row);
    assert.match(body.message, message);
  }
});

test('What the signature wants and is not there is INVALID_PARAMETER_VALUE, by name', async (t) => {
  const { plane, send } = await open(t);
  const faults: [string, unknown, RegExp][] = [
    [
      'columns',
      { dataframe_split: { columns: ['id', 'z'], data: [[1, 2]] } },
      /Model is missing inputs \['x', 'yes'\]\. Note that there were extra inputs: \['z'\]/,
    ],
    ['columns', { dataframe_split: { columns: names, data: rows }, params: { k: 'many' } }, /Invalid parameters found: "k" must be long/],
    ['columns', { dataframe_split: { columns: names, data: rows }, params: { names: 'a' } }, /"names" must be a list of string/],
    ['matrix', { inputs: [[1, 2, 3]] }, /Shape of input \(1, 3\) does not match expected shape \(-1, 2\)/],
    ['matrix', { inputs: [1, 2] }, /Shape of input \(2,\)/],
    ['pair', { inputs: { a: [[1, 2]] } }, /Model is missing inputs \['b'\]/],
    ['pair', { inputs: [[1, 2]] }, /several inputs/],
    ['bare-pair', { inputs: [[1, 2]] }, /single input/],
    ['bare-pair', { inputs: { a: [[1, 2]], c: [1] } }, /There is no input "c"/],
    ['bare-pair', { inputs: { a: [[1, 2, 3]], b: [1] } }, /"a" has the shape \(1, 3\), the model takes \(-1, 2\)/],
    ['columns', { inputs: { id: [1, 2], x: [1] } }, /not the same/],
  ];
  for (const [name, body, message] of faults) {
    const { status, text } = await send(name, body);
    const told = JSON.parse(text) as { error_code: string; message: string };
    assert.deepEqual([status, told.error_code], [400, 'INVALID_PARAMETER_VALUE'], text);
    assert.match(told.message, message);
  }
  const metrics = await (await fetch(`${plane.url}/metrics`)).text();
  assert.match(metrics, new RegExp(`scoring-input-mismatch"\\} ${faults.length}\n`));
  for (const body of [{ inputs: [[1, 2], [3]] }, { inputs: [[[1, 2]], [[3]]] }])
    assert.match((await send('matrix', body)).text, /BAD_REQUEST.*ragged/);
});

test('Tensors of a signature are answered with arrays by name, nested as they are', async (t) => {
  const { predictions } = await open(t);
  const matrix = [
    [1, 2],
    [3, 4],
  ];
  for (const body of [
    { inputs: matrix },
    { instances: matrix },
    { inputs: { x: matrix } },
    { dataframe_split: { columns: ['p', 'q'], data: matrix } },
    { dataframe_records: matrix.map((x) => ({ x })) },
  ])
    assert.deepEqual(await predictions('matrix', body), { x_out: matrix }, JSON.stringify(body));
  const both = { a_out: matrix, b_out: [0.5, 1.5] };
  for (const body of [
    { inputs: { a: matrix, b: [0.5, 1.5] } },
    {
      instances: [
        { a: [1, 2], b: 0.5 },
        { a: [3, 4], b: 1.5 },
      ],
    },
    {
      dataframe_records: [
        { a: [1, 2], b: 0.5 },
        { a: [3, 4], b: 1.5 },
      ],
    },
  ])
    assert.deepEqual(await predictions('pair', body), both, JSON.stringify(body));
});

test('Without a signature the form says how it is meant: a table is answered with records, arrays with arrays', async (t) => {
  const { predictions } = await open(t);
  assert.deepEqual(await predictions('bare-columns', { dataframe_split: { columns: names, data: rows } }), rows.map(record));
  const byName = Object.fromEntries(names.map((name, c) => [name, rows.map((row) => row[c])]));
  assert.deepEqual(await predictions('bare-columns', { inputs: byName }), {
    id_out: [1, 2],
    x_out: [[0.5], [-1]],
    word_out: ['ü', 'b'],
    yes_out: [[true], [false]],
  });
  assert.deepEqual(await predictions('bare-matrix', { inputs: [[1, 2, 3]] }), { x_out: [[1, 2, 3]] });
  assert.deepEqual(await predictions('bare-matrix', 'a,b\n1,2\n3,\n', 'text/csv'), [{ x_out: [1, 2] }, { x_out: [3, null] }]);
});

test('Elements of every width keep their values: half floats, unsigned 64 bits, small integers', async (t) => {
  const { send, predictions } = await open(t);
  const { text } = await send('halves', '{"inputs": {"h": [0.5, 65504], "u": [18446744073709551615, 0], "small": [-128, 127]}}');
  assert.equal(text, '{"predictions":{"h_out":[0.5,65504],"u_out":[18446744073709551615,0],"small_out":[-128,127]}}');
  for (const inputs of [
    { h: [65_505], u: [0], small: [0] },
    { h: [0], u: [-1], small: [0] },
    { h: [0], u: [0], small: [128] },
  ])
    assert.equal((await send('halves', { inputs })).status, 400, JSON.stringify(inputs));
  assert.deepEqual(
    await predictions('times', { dataframe_records: [{ at: '2013-03-01T12:00:00.5+01:00', blob: Buffer.from('äb').toString('base64') }] }),
    [{ at_out: 1362135600500000000, blob_out: 'äb' }],
  );
  for (const record of [
    { at: 'noon', blob: '' },
    { at: 0, blob: 'not base64!' },
    { at: 0, blob: '//8=' },
  ])
    assert.equal((await send('times', { dataframe_records: [record] })).status, 400, JSON.stringify(record));
});

test('CSV is read as files are written: quotes, line breaks, a byte order mark, an index, missing values', async (t) => {
  const { send, predictions } = await open(t);
  const csv = '\ufeff,id,x,word,yes\r\n0,1,1.5,"a, ""b""\nc",True\r\n1,2,NA,n/a,False\r\n';
  assert.deepEqual(await predictions('columns', csv, 'text/csv'), [
    { id_out: 1, x_out: 1.5, word_out: 'a, "b"\nc', yes_out: true },
    { id_out: 2, x_out: null, word_out: '', yes_out: false },
  ]);
  for (const [body, message] of [
    ['', /empty/],
    ['id,x\n', /no row/],
    ['id,id\n1,2\n', /twice/],
    ['id,x,word,yes\n1,2,a,true,9\n', /not CSV/],
    ['id,x,word,yes\n1,2,"a,true\n', /not CSV/],
  ] as const) {
    const { status, text } = await send('columns', body, 'text/csv');
    assert.match(text, message);
    assert.deepEqual([status, (JSON.parse(text) as { error_code: string }).error_code], [400, 'BAD_REQUEST']);
  }
});

test('A version is asked for in the path, and several names need one', async (t) => {
  const { plane, send } = await open(t);
  const body = { inputs: [[1, 2]] };
  assert.equal((await send('matrix', body)).headers.get('gyre-model-version'), '2');
  assert.equal((await send('matrix/versions/1', body)).headers.get('gyre-model-version'), '1');
  assert.equal((await send('matrix/versions/9', body)).status, 404);
  assert.equal((await send('nothing', body)).status, 404);
  assert.match(String((await plane.send('/invocations', body)).body.message), /name|say which/);
  assert.equal((await plane.send('/invocations', body, { 'x-gyre-endpoint': 'matrix' })).status, 200);
});
