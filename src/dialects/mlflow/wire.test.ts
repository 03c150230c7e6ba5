// MLflow's wire conventions over raw HTTP, for what its own client never sends.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startServer } from '../../../test/support/server.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import type { DatabaseKind } from '../../../test/support/databases.ts';

interface Reply {
  readonly status: number;
  readonly text: string;
  readonly json: Record<string, unknown>;
  readonly type: string;
}
type Send = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>;

async function open(t: TestContext, kind: DatabaseKind = 'sqlite'): Promise<Send> {
  const { url } = await startServer(t, kind);
  return async (method, path, body, headers = { 'content-type': 'application/json' }) => {
    const response = await fetch(`${url}${path.startsWith('/') ? path : `/api/2.0/mlflow/${path}`}`, {
      method,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body), headers }),
    });
    const text = await response.text();
    const type = response.headers.get('content-type') ?? '';
    return { status: response.status, text, json: type.includes('json') ? (JSON.parse(text) as Record<string, unknown>) : {}, type };
  };
}
const newRun = async (send: Send): Promise<string> => {
  const { json } = await send('POST', 'runs/create', { experiment_id: '0', start_time: 5 });
  return (json as { run: { info: { run_id: string } } }).run.info.run_id;
};
const refused = (reply: Reply, status: number, code: string, message: RegExp | string = /./): void => {
  assert.deepEqual([reply.status, reply.json.error_code], [status, code], reply.text);
  if (typeof message === 'string') assert.equal(reply.json.message, message);
  else assert.match(String(reply.json.message), message);
};

eachDatabase('replies leave out what is unset, write int64 as numbers and NaN and infinities as text', async (t, kind) => {
  const send = await open(t, kind);
  const run = await newRun(send);
  const { json } = await send('GET', `runs/get?run_id=${run}`);
  const name = (json as { run: { info: { run_name: string } } }).run.info.run_name;
  assert.deepEqual(json, {
    run: {
      info: {
        run_id: run,
        run_uuid: run,
        run_name: name,
        experiment_id: '0',
        user_id: '',
        status: 'RUNNING',
        start_time: 5,
        artifact_uri: `mlflow-artifacts:/0/${run}/artifacts`,
        lifecycle_stage: 'active',
      },
      data: { tags: [{ key: 'mlflow.runName', value: name }] },
      inputs: {},
      outputs: {},
    },
  });
  const metric = (key: string, value: unknown, more = {}) => ({ run_id: run, key, value, timestamp: 1_700_000_000_123, ...more });
  for (const [key, value] of [
    ['nan', 'NaN'],
    ['inf', 'Infinity'],
    ['text', '0.25'],
  ] as const)
    assert.deepEqual((await send('POST', 'runs/log-metric', metric(key, value))).json, {});
  await send('POST', 'runs/log-metric', metric('step', 1, { step: '-9007199254740991', timestamp: '7' }));
  const read = (await send('GET', `runs/get?run_id=${run}`)).json as { run: { data: { metrics: unknown } } };
  assert.deepEqual(read.run.data.metrics, [
    { key: 'inf', value: Number.MAX_VALUE, timestamp: 1_700_000_000_123, step: 0 },
    { key: 'nan', value: 'NaN', timestamp: 1_700_000_000_123, step: 0 },
    { key: 'step', value: 1, timestamp: 7, step: -9_007_199_254_740_991 },
    { key: 'text', value: 0.25, timestamp: 1_700_000_000_123, step: 0 },
  ]);
  assert.deepEqual((await send('GET', `metrics/get-history?run_id=${run}&metric_key=nan`)).json, {
    metrics: [{ key: 'nan', value: 'NaN', timestamp: 1_700_000_000_123, step: 0 }],
  });
  assert.deepEqual((await send('GET', `metrics/get-history?run_uuid=${run}&metric_key=none`)).json, {});
});

test('every route answers under both prefixes, and slashes too many are one', async (t) => {
  const send = await open(t);
  for (const prefix of ['/api/2.0', '/ajax-api/2.0', '/api/3.0', '/ajax-api/3.0', '//api//2.0']) {
    const reply = await send('GET', `${prefix}/mlflow/experiments/get?experiment_id=0`);
    assert.equal((reply.json as { experiment: { name: string } }).experiment.name, 'Default', prefix);
  }
  assert.deepEqual((await send('GET', '/ajax-api/3.0/mlflow/server-info')).json, { store_type: 'SqlStore', workspaces_enabled: true });
});

test('an unknown route is a 404 that MLflow’s clients can read, whatever the method', async (t) => {
  const send = await open(t);
  for (const [method, path] of [
    ['GET', '/api/2.0/mlflow/no/such'],
    ['POST', '/ajax-api/3.0/mlflow/traces/unknown'],
    ['DELETE', '/api/2.0/mlflow/runs/create'],
  ] as const)
    refused(await send(method, path, method === 'GET' ? undefined : {}), 404, 'ENDPOINT_NOT_FOUND');
});

test('requests are read as leniently as MLflow reads them', async (t) => {
  const send = await open(t);
  const run = await newRun(send);
  // Names in camelCase, members nobody knows, JSON within JSON, an empty body, null for absent.
  assert.equal((await send('POST', 'runs/log-metric', { runId: run, key: 'a', value: 1, timestamp: 1, colour: 'red' })).status, 200);
  assert.equal(
    (await send('POST', 'runs/log-parameter', JSON.stringify(JSON.stringify({ run_id: run, key: 'p', value: '1' })))).status,
    200,
  );
  assert.equal((await send('POST', 'runs/log-batch', { run_id: run, metrics: null, params: [], tags: null })).status, 200);
  assert.equal((await send('POST', 'runs/set-tag', { run_uuid: run, key: 't' })).status, 200);
  assert.equal((await send('POST', 'runs/search', '')).status, 200);
  assert.equal(
    (await send('POST', 'runs/search', { experiment_ids: ['0'] }, { 'content-type': 'application/json; charset=utf-8' })).status,
    200,
  );
  for (const status of ['FINISHED', 3])
    assert.equal(
      ((await send('POST', 'runs/update', { run_id: run, status })).json as { run_info: { status: string } }).run_info.status,
      'FINISHED',
    );
  // A name that an enumeration does not have is passed over like a member that a message does not have.
  for (const view of ['ALL', 3, '3', 'all', 9])
    assert.equal((await send('POST', 'runs/search', { experiment_ids: ['0'], run_view_type: view })).status, view === 9 ? 400 : 200);
  const model = (await send('POST', 'logged-models', { experiment_id: '0', name: 'm' })).json as { model: { info: { model_id: string } } };
  const path = `logged-models/${model.model.info.model_id}`;
  await send('DELETE', path);
  for (const [flag, status] of [
    ['True', 200],
    ['true', 200],
    ['False', 404],
    ['maybe', 400],
  ] as const)
    assert.equal((await send('GET', `${path}?allow_deleted=${flag}`)).status, status, flag);
});

test('what cannot be read is refused in MLflow’s words, as 400 and never as a server error', async (t) => {
  const send = await open(t);
  const run = await newRun(send);
  const see = ' See the API docs for more information about request parameters.';
  const cases: readonly (readonly [string, unknown, string | RegExp])[] = [
    ['experiments/create', {}, `Missing value for required parameter 'name'.${see}`],
    ['experiments/create', { name: '' }, `Missing value for required parameter 'name'.${see}`],
    ['experiments/create', { name: 123 }, `Invalid value 123 for parameter 'name' supplied:  Hint: Value was of type 'int'.${see}`],
    ['experiments/create', { name: ['a'] }, `Invalid value ["a"] for parameter 'name' supplied:  Hint: Value was of type 'list'.${see}`],
    [
      'experiments/create',
      { name: 'x', tags: 'no' },
      `Invalid value "no" for parameter 'tags' supplied:  Hint: Value was of type 'str'.${see}`,
    ],
    ['experiments/create', { name: 'a\0b' }, /NUL/],
    [
      'runs/log-metric',
      { run_id: run, key: 'k', value: 1, timestamp: 1, step: 'foo' },
      `Invalid value "foo" for parameter 'step' supplied:  Hint: Value was of type 'str'.${see}`,
    ],
    ['runs/log-metric', { run_id: run, key: 'k', value: 1, timestamp: 1, step: 1.5 }, /Invalid value 1.5 for parameter 'step'.*'float'/],
    ['runs/log-metric', { run_id: run, key: 'k', value: 1, timestamp: '99999999999999999999' }, /parameter 'timestamp'/],
    ['runs/log-metric', { run_id: run, key: 'k', timestamp: 1 }, `Missing value for required parameter 'value'.${see}`],
    ['runs/log-metric', { run_id: run, key: 'k', value: {}, timestamp: 1 }, /Invalid value \{\} for parameter 'value'.*'dict'/],
    ['runs/log-metric', { run_id: run, key: 'k', value: 1 }, `Missing value for required parameter 'timestamp'.${see}`],
    ['runs/log-batch', { metrics: [] }, `Missing value for required parameter 'run_id'.${see}`],
    [
      'runs/log-batch',
      { run_id: run, metrics: [{ key: 'k', value: 1 }] },
      `Missing value for required parameter 'metrics[0].timestamp'.${see}`,
    ],
    [
      'runs/log-batch',
      { run_id: run, metrics: [{ value: 1, timestamp: 1 }] },
      `Missing value for required parameter 'metrics[0].key'.${see}`,
    ],
    [
      'runs/log-batch',
      { run_id: run, params: [{ key: 'a', value: '1' }, { value: '2' }] },
      `Missing value for required parameter 'params[1].key'.${see}`,
    ],
    ['runs/log-batch', { run_id: run, tags: ['x'] }, /Invalid value "x" for parameter 'tags\[0\]'/],
    ['runs/update', { run_id: run, status: 9 }, `Invalid value 9 for parameter 'status' supplied:  Hint: Value was of type 'int'.${see}`],
    ['runs/search', { experiment_ids: ['0'], max_results: 0 }, /'max_results'/],
    ['runs/search', { experiment_ids: ['0'], page_token: 'x' }, /[Ii]nvalid page token/],
    ['runs/search', { experiment_ids: ['0'], page_token: Buffer.from('{"offset": -1}').toString('base64') }, /[Ii]nvalid page token/],
    ['runs/search', { experiment_ids: [0] }, /'experiment_ids\[0\]'/],
    ['experiments/search', {}, "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer"],
    ['logged-models/search', { experiment_ids: ['0'], datasets: [{ dataset_digest: 'x' }] }, /dataset_name/],
    ['logged-models/search', { experiment_ids: ['0'], max_results: -5 }, /'max_results'/],
    ['runs/log-inputs', { run_id: run, datasets: [{ tags: [] }] }, `Missing value for required parameter 'datasets[0].dataset'.${see}`],
    ['experiments/delete', { experiment_id: '1', experimentId: '2' }, /Request specifies both 'experiment_id' and 'experimentId'/],
    ['model-versions/create', { name: 'absent' }, `Missing value for required parameter 'source'.${see}`],
  ];
  for (const [path, body, message] of cases) refused(await send('POST', path, body), 400, 'INVALID_PARAMETER_VALUE', message);
  refused(await send('POST', 'runs/create', '{"experiment_id": '), 400, 'INVALID_PARAMETER_VALUE');
  refused(await send('POST', 'runs/create', '[1]'), 400, 'INVALID_PARAMETER_VALUE');
  for (const type of ['text/plain', 'application/xml'])
    refused(
      await send('POST', 'runs/create', '{}', { 'content-type': type }),
      400,
      'INVALID_PARAMETER_VALUE',
      "Bad Request. Content-Type must be one of ['application/json'].",
    );
  refused(await send('GET', 'experiments/get?experiment_id=abc'), 400, 'INVALID_PARAMETER_VALUE');
  refused(await send('GET', `metrics/get-history?run_id=${run}&metric_key=m&max_results=-1`), 400, 'INVALID_PARAMETER_VALUE');
  refused(await send('GET', 'runs/get'), 400, 'INVALID_PARAMETER_VALUE', `Missing value for required parameter 'run_id'.${see}`);
});

eachDatabase('codes differ by place, as they do in MLflow', async (t, kind) => {
  const send = await open(t, kind);
  const run = await newRun(send);
  await send('POST', 'registered-models/create', { name: 'm' });
  await send('POST', 'experiments/create', { name: 'e' });
  refused(await send('GET', `runs/get?run_id=${'0'.repeat(32)}`), 404, 'RESOURCE_DOES_NOT_EXIST', /Run with id=0+ not found/);
  refused(await send('GET', 'experiments/get?experiment_id=99'), 404, 'RESOURCE_DOES_NOT_EXIST', 'No Experiment with id=99 exists');
  refused(await send('POST', 'experiments/create', { name: 'e' }), 400, 'RESOURCE_ALREADY_EXISTS');
  refused(await send('POST', 'registered-models/create', { name: 'm' }), 400, 'RESOURCE_ALREADY_EXISTS');
  refused(await send('GET', 'registered-models/get?name=x'), 404, 'RESOURCE_DOES_NOT_EXIST', 'Registered Model with name=x not found');
  refused(
    await send('GET', 'registered-models/alias?name=m&alias=a'),
    400,
    'INVALID_PARAMETER_VALUE',
    'Registered model alias a not found.',
  );
  refused(await send('GET', 'registered-models/alias?name=x&alias=a'), 404, 'RESOURCE_DOES_NOT_EXIST');
  refused(
    await send('GET', 'model-versions/get?name=m&version=1'),
    404,
    'RESOURCE_DOES_NOT_EXIST',
    'Model Version (name=m, version=1) not found',
  );
  refused(await send('GET', 'model-versions/get?name=m&version=one'), 400, 'INVALID_PARAMETER_VALUE');
  refused(
    await send('POST', 'runs/delete-tag', { run_id: run, key: 'none' }),
    404,
    'RESOURCE_DOES_NOT_EXIST',
    /No tag with name: none in run with id/,
  );
  assert.equal((await send('DELETE', 'registered-models/delete-tag', { name: 'm', key: 'none' })).status, 200);
  assert.equal((await send('DELETE', 'registered-models/alias', { name: 'm', alias: 'none' })).status, 200);
});

eachDatabase('a search of runs carries datasets and output models, and leaves input models to the run itself', async (t, kind) => {
  const send = await open(t, kind);
  const run = await newRun(send);
  const id = `m-${'1'.repeat(32)}`;
  await send('POST', 'runs/log-inputs', {
    run_id: run,
    datasets: [{ dataset: { name: 'd', digest: '1', source_type: 'local', source: '{}' } }],
    models: [{ model_id: id }],
  });
  await send('POST', 'runs/outputs', { run_id: run, models: [{ model_id: id, step: '3' }] });
  const dataset = { tags: [], dataset: { name: 'd', digest: '1', source_type: 'local', source: '{}' } };
  const { tags: _, ...bare } = dataset;
  const outputs = { model_outputs: [{ model_id: id, step: 3 }] };
  const got = (await send('GET', `runs/get?run_id=${run}`)).json as { run: { inputs: unknown; outputs: unknown } };
  assert.deepEqual([got.run.inputs, got.run.outputs], [{ dataset_inputs: [bare], model_inputs: [{ model_id: id }] }, outputs]);
  const { runs } = (await send('POST', 'runs/search', { experiment_ids: ['0'] })).json as { runs: { inputs: unknown; outputs: unknown }[] };
  assert.deepEqual([runs[0]!.inputs, runs[0]!.outputs], [{ dataset_inputs: [bare] }, outputs]);
});

test('logging the same again changes nothing, so a client may repeat what it is not sure of', async (t) => {
  const send = await open(t);
  const run = await newRun(send);
  const batch = {
    run_id: run,
    metrics: [{ key: 'm', value: 1, timestamp: 1, step: 1 }],
    params: [{ key: 'p', value: 'v' }],
    tags: [{ key: 't', value: 'v' }],
  };
  for (let i = 0; i < 3; i++) assert.deepEqual((await send('POST', 'runs/log-batch', batch)).json, {});
  const history = (await send('GET', `metrics/get-history?run_id=${run}&metric_key=m`)).json as { metrics: unknown[] };
  assert.equal(history.metrics.length, 1);
});
