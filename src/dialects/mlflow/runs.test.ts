// What MLflow means by runs and what they record, as its own server answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fine, newRun, openMlflow, refused, type Send } from '../../../test/support/mlflow.ts';
import { eachDatabase } from '../../../test/support/platform.ts';

const IPV = 'INVALID_PARAMETER_VALUE';
const SEE = ' See the API docs for more information about request parameters.';
const tagsOf = (run: { data: { tags: { key: string; value: string }[] } }) =>
  Object.fromEntries(run.data.tags.map((t) => [t.key, t.value]));
const getRun = async (send: Send, id: string) => fine(await send('GET', `runs/get?run_id=${id}`)).run;

eachDatabase('a run that is told nothing is in experiment 0, running since the epoch, with a name it can be called by', async (t, kind) => {
  const send = await openMlflow(t, kind);
  const { run } = fine(await send('POST', 'runs/create', {}));
  assert.match(run.info.run_id, /^[0-9a-f]{32}$/);
  assert.match(run.info.run_name, /^[a-z]+-[a-z]+-\d{1,3}$/);
  assert.deepEqual(run, {
    info: {
      run_id: run.info.run_id,
      run_uuid: run.info.run_id,
      run_name: run.info.run_name,
      experiment_id: '0',
      user_id: '',
      status: 'RUNNING',
      start_time: 0,
      artifact_uri: `mlflow-artifacts:/0/${run.info.run_id}/artifacts`,
      lifecycle_stage: 'active',
    },
    data: { tags: [{ key: 'mlflow.runName', value: run.info.run_name }] },
    inputs: {},
  });
  // Whoever starts a run may tag it with what could not be logged later.
  const odd = await newRun(send, { tags: [{ key: 'a//b', value: 'x'.repeat(8001) }] });
  assert.equal(tagsOf(await getRun(send, odd))['a//b']!.length, 8000);
});

eachDatabase('a run’s name and its tag are one thing, wherever it is said', async (t, kind) => {
  const send = await openMlflow(t, kind);
  refused(
    await send('POST', 'runs/create', { run_name: 'a', tags: [{ key: 'mlflow.runName', value: 'b' }] }),
    400,
    IPV,
    "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='a', mlflow.runName='b').",
  );
  const id = await newRun(send, { tags: [{ key: 'mlflow.runName', value: 'tagged' }] });
  const named = async (name: string) => {
    const run = await getRun(send, id);
    assert.deepEqual([run.info.run_name, tagsOf(run)['mlflow.runName']], [name, name]);
  };
  await named('tagged');
  fine(await send('POST', 'runs/update', { run_id: id, run_name: 'updated' }));
  await named('updated');
  fine(await send('POST', 'runs/update', { run_id: id, run_name: '' }));
  await named('updated');
  fine(await send('POST', 'runs/set-tag', { run_id: id, key: 'mlflow.runName', value: 'set' }));
  await named('set');
  fine(await send('POST', 'runs/set-tag', { run_id: id, key: 'mlflow.runName', value: '' }));
  await named('set');
  fine(await send('POST', 'runs/log-batch', { run_id: id, tags: [{ key: 'mlflow.runName', value: 'batch' }] }));
  await named('batch');
});

eachDatabase('an update changes what it names and nothing else', async (t, kind) => {
  const send = await openMlflow(t, kind);
  const id = await newRun(send);
  const update = async (change: object) => fine(await send('POST', 'runs/update', { run_id: id, ...change })).run_info;
  assert.deepEqual([(await update({ status: 'FINISHED', end_time: '99' })).status, (await update({})).end_time], ['FINISHED', 99]);
  assert.equal((await update({ status: 'NO_SUCH' })).status, 'FINISHED');
  assert.equal((await update({ status: 1 })).status, 'RUNNING');
  // 0 is "not yet" to MLflow.
  assert.equal('end_time' in (await update({ end_time: 0 })), false);
  for (const [change, message] of [
    [{ status: 9 }, `Invalid value 9 for parameter 'status' supplied:  Hint: Value was of type 'int'.${SEE}`],
    [{ end_time: 'x' }, `Invalid value "x" for parameter 'end_time' supplied:  Hint: Value was of type 'str'.${SEE}`],
    [{ run_name: 5 }, `Invalid value 5 for parameter 'run_name' supplied:  Hint: Value was of type 'int'.${SEE}`],
  ] as const)
    refused(await send('POST', 'runs/update', { run_id: id, ...change }), 400, IPV, message);
});

eachDatabase('a deleted run is read and refuses every write; deleting and restoring may be said twice', async (t, kind) => {
  const send = await openMlflow(t, kind);
  const id = await newRun(send);
  for (let i = 0; i < 2; i++) assert.deepEqual(fine(await send('POST', 'runs/delete', { run_id: id })), {});
  assert.equal((await getRun(send, id)).info.lifecycle_stage, 'deleted');
  const pair = { key: 'k', value: '1' };
  for (const [path, body] of [
    ['update', { status: 'FINISHED' }],
    ['log-metric', { ...pair, timestamp: 1 }],
    ['log-parameter', pair],
    ['set-tag', pair],
    ['delete-tag', pair],
    ['log-batch', {}],
    ['log-inputs', { datasets: [] }],
    ['outputs', { models: [] }],
  ] as const)
    refused(
      await send('POST', `runs/${path}`, { run_id: id, ...body }),
      400,
      IPV,
      `The run ${id} must be in the 'active' state. Current state is deleted.`,
    );
  for (let i = 0; i < 2; i++) fine(await send('POST', 'runs/restore', { run_id: id }));
  fine(await send('POST', 'runs/set-tag', { run_id: id, ...pair }));
  refused(await send('POST', 'runs/delete', { run_id: 'none' }), 404, 'RESOURCE_DOES_NOT_EXIST', 'Run with id=none not found');
});

test('names are refused in MLflow’s words, each by the path to it', async (t) => {
  const send = await openMlflow(t);
  const id = await newRun(send);
  const chars = 'Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).';
  const resolves = (to: string) =>
    `Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This name would resolve to '${to}'`;
  const point = { value: 1, timestamp: 1 };
  const cases: readonly (readonly [string, object, string])[] = [
    ['log-metric', { key: 'a$', ...point }, `Invalid value "a$" for parameter 'name' supplied: ${chars}`],
    ['log-metric', { key: 'é\n', ...point }, `Invalid value "\\u00e9\\n" for parameter 'name' supplied: ${chars}`],
    ['log-metric', { key: 'k'.repeat(251), ...point }, "'Metric name' exceeds the maximum length of 250 characters"],
    [
      'log-metric',
      { key: 'm', value: 1, timestamp: -1 },
      "Invalid value -1 for parameter 'timestamp' supplied: metric 'm' (value=1.0). Timestamp must be a nonnegative long (64-bit integer) ",
    ],
    ['log-parameter', { key: 'a/../b', value: '1' }, `Invalid value "a/../b" for parameter 'key' supplied: ${resolves('b')}`],
    ['log-parameter', { key: '/a', value: '1' }, `Invalid value "/a" for parameter 'key' supplied: ${resolves('/a')}`],
    ['log-parameter', { key: '..a', value: '1' }, `Invalid value "..a" for parameter 'key' supplied: ${resolves('..a')}`],
    ['log-parameter', { key: 'k'.repeat(251), value: '1' }, "'Param key' exceeds the maximum length of 250 characters"],
    ['set-tag', { key: 'a//b', value: '1' }, `Invalid value "a//b" for parameter 'key' supplied: ${resolves('a/b')}`],
    ['set-tag', { key: 'k'.repeat(251), value: '1' }, "'key' exceeds the maximum length of 250 characters"],
    [
      'log-batch',
      {
        metrics: [
          { key: 'ok', ...point },
          { key: './a', ...point },
        ],
      },
      `Invalid value "./a" for parameter 'metrics[1].name' supplied: ${resolves('a')}`,
    ],
    ['log-batch', { params: [{ key: 'a$', value: '1' }] }, `Invalid value "a$" for parameter 'params[0].key' supplied: ${chars}`],
    ['log-batch', { tags: [{ key: 'k'.repeat(251), value: '1' }] }, "'tags[0].key' exceeds the maximum length of 250 characters"],
    [
      'log-batch',
      { params: [{ key: 'a' }, { key: 'a' }, { key: 'b' }, { key: 'b' }] },
      "Duplicate parameter keys have been submitted: ['a', 'b']. Please ensure the request contains only one param value per param key.",
    ],
    ['log-batch', { params: [{ key: 'ok' }, { value: '1' }] }, `Missing value for required parameter 'params[1].key'.${SEE}`],
    [
      'log-batch',
      { metrics: [{ key: 'k', value: 1, timestamp: null }] },
      `Missing value for required parameter 'metrics[0].timestamp'.${SEE}`,
    ],
  ];
  for (const [path, body, message] of cases) refused(await send('POST', `runs/${path}`, { run_id: id, ...body }), 400, IPV, message);
  // The most that is taken, with every kind of character, counted as characters.
  for (const key of ['k'.repeat(250), 'a b.c-d_e/f:g', 'ключ', '𝒳'.repeat(250)])
    fine(await send('POST', 'runs/log-batch', { run_id: id, metrics: [{ key, ...point }], params: [{ key }], tags: [{ key }] }));
  refused(await send('POST', 'runs/log-batch', { run_id: 'a b' }), 400, IPV, 'Invalid value "a b" for parameter \'run_id\' supplied.');
});

test('a batch has limits, said after its names', async (t) => {
  const send = await openMlflow(t);
  const id = await newRun(send);
  const metrics = (count: number) => Array.from({ length: count }, (_, i) => ({ key: 'm', value: 1, timestamp: i }));
  const pairs = (count: number) => Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: '1' }));
  const most = (limit: number, what: string, got: number) =>
    `A batch logging request can contain at most ${limit} ${what}. Got ${got} ${what}. Please split up ${what} across multiple requests and try again.`;
  for (const [batch, message] of [
    [{ metrics: metrics(1001) }, most(1000, 'metrics', 1001)],
    [{ params: pairs(101) }, most(100, 'params', 101)],
    [{ tags: pairs(101) }, most(100, 'tags', 101)],
    [{ metrics: metrics(901), params: pairs(50), tags: pairs(50) }, most(1000, 'metrics, params, and tags', 1001)],
    [{ metrics: metrics(1001), params: [{ key: '$' }] }, /parameter 'params\[0\]\.key'/],
  ] as const)
    refused(await send('POST', 'runs/log-batch', { run_id: id, ...batch }), 400, IPV, message);
  assert.deepEqual(
    fine(await send('POST', 'runs/log-batch', { run_id: id, metrics: metrics(900), params: pairs(50), tags: pairs(50) })),
    {},
  );
  assert.deepEqual(fine(await send('POST', 'runs/log-batch', { run_id: id })), {});
});

eachDatabase('params stay what they were; long values are cut, by characters', async (t, kind) => {
  const send = await openMlflow(t, kind);
  const id = await newRun(send);
  const log = (key: string, value: string) => send('POST', 'runs/log-parameter', { run_id: id, key, value });
  for (let i = 0; i < 2; i++) fine(await log('p', '1'));
  refused(
    await log('p', '2'),
    400,
    IPV,
    `Changing param values is not allowed. Param with key='p' was already logged with value='1' for run ID='${id}'. Attempted logging new value '2'.`,
  );
  fine(await log('q', 'it’s'));
  refused(
    await send('POST', 'runs/log-batch', {
      run_id: id,
      params: [
        { key: 'p', value: "it's" },
        { key: 'new', value: '1' },
        { key: 'q', value: '3' },
      ],
    }),
    400,
    IPV,
    `Changing param values is not allowed. Params were already logged='[{'key': 'p', 'old_value': '1', 'new_value': "it's"}, {'key': 'q', 'old_value': 'it’s', 'new_value': '3'}]' for run ID='${id}'.`,
  );
  const long = '😀'.repeat(6001);
  fine(await log('long', long));
  fine(await log('long', long));
  fine(await send('POST', 'runs/set-tag', { run_id: id, key: 'long', value: '😀'.repeat(8001) }));
  const run = await getRun(send, id);
  const params = Object.fromEntries(run.data.params.map((p: { key: string; value: string }) => [p.key, p.value]));
  assert.deepEqual([[...params.long!].length, [...tagsOf(run).long!].length, params.new], [6000, 8000, undefined]);
});

eachDatabase('datasets are one for each name and digest; a run reads each once, by what was said first', async (t, kind) => {
  const send = await openMlflow(t, kind);
  const [id, other] = [await newRun(send), await newRun(send)];
  const dataset = (name: string, more: object = {}) => ({ dataset: { name, digest: 'g', source_type: 'local', source: '{}', ...more } });
  const context = { tags: [{ key: 'mlflow.data.context', value: 'train' }] };
  const log = (run: string, ...datasets: object[]) => send('POST', 'runs/log-inputs', { run_id: run, datasets });
  fine(await log(id, { ...dataset('a'), ...context }, dataset('a', { source: 'later' })));
  fine(await log(id, dataset('a')));
  fine(await log(other, dataset('a', { source: 'later' }), dataset('b', { schema: '[]', profile: '{}' })));
  assert.deepEqual((await getRun(send, id)).inputs.dataset_inputs, [{ ...context, ...dataset('a') }]);
  assert.deepEqual((await getRun(send, other)).inputs.dataset_inputs, [dataset('a'), dataset('b', { schema: '[]', profile: '{}' })]);
  const search = (ids: unknown) => send('POST', '/ajax-api/2.0/mlflow/experiments/search-datasets', { experiment_ids: ids });
  assert.deepEqual(
    new Set(fine(await search(['0'])).dataset_summaries.map((s: object) => JSON.stringify(s))),
    new Set(
      [
        { experiment_id: '0', name: 'a', digest: 'g', context: 'train' },
        { experiment_id: '0', name: 'a', digest: 'g' },
        { experiment_id: '0', name: 'b', digest: 'g' },
      ].map((s) => JSON.stringify(s)),
    ),
  );
  refused(await search([]), 400, IPV, 'SearchDatasets request must specify at least one experiment_id.');
  refused(await search(Array.from({ length: 21 }, String)), 400, IPV, /cannot specify more than 20 experiment_ids. Received 21/);
  for (const [faulty, what, limit] of [
    [dataset('n'.repeat(501)), 'name', 500],
    [dataset('a', { digest: 'g'.repeat(37) }), 'digest', 36],
    [dataset('a', { source: 's'.repeat(65_536) }), 'source', 65_535],
    [dataset('a', { schema: 's'.repeat(1_048_576) }), 'schema', 1_048_575],
    [{ ...dataset('a'), tags: [{ key: 'k'.repeat(256), value: '' }] }, 'key', 255],
    [{ ...dataset('a'), tags: [{ key: 'k', value: 'v'.repeat(501) }] }, 'value', 500],
  ] as const)
    refused(await log(id, faulty), 400, IPV, `'${what}' exceeds the maximum length of ${limit} characters`);
});

eachDatabase('what becomes part of a key is no longer than a database can index', async (t, kind) => {
  const send = await openMlflow(t, kind);
  const id = await newRun(send);
  const long = 'x'.repeat(5000);
  const point = { key: 'k', value: 1, timestamp: 1, model_id: long };
  for (const [path, body, what] of [
    ['create', { tags: [{ key: long, value: '1' }] }, 'key'],
    ['log-metric', { run_id: id, ...point }, 'model_id'],
    ['log-batch', { run_id: id, metrics: [point] }, 'model_id'],
    ['log-inputs', { run_id: id, models: [{ model_id: long }] }, 'model_id'],
    ['outputs', { run_id: id, models: [{ model_id: long }] }, 'model_id'],
  ] as const)
    refused(await send('POST', `runs/${path}`, body), 400, IPV, `'${what}' exceeds the maximum length of 250 characters`);
  // What only names something to look for may be as long as it likes.
  refused(await send('GET', `runs/get?run_id=${long}`), 404, 'RESOURCE_DOES_NOT_EXIST');
  refused(await send('GET', `experiments/get?experiment_id=${'9'.repeat(5000)}`), 404, 'RESOURCE_DOES_NOT_EXIST');
  // The most that is taken, at four bytes for each character.
  const widest = (count: number) => '😀'.repeat(count);
  fine(await send('POST', 'experiments/create', { name: widest(500) }));
  const dataset = { name: widest(500), digest: widest(36), source_type: 'local', source: '{}' };
  fine(await send('POST', 'runs/log-inputs', { run_id: id, datasets: [{ dataset }] }));
  fine(await send('POST', 'runs/update', { run_id: id, run_name: widest(9000) }));
});

eachDatabase('a run of MLflow 2 keeps the models it logged in a tag', async (t, kind) => {
  const send = await openMlflow(t, kind);
  const id = await newRun(send);
  const model = { artifact_path: 'm', flavors: {}, utc_time_created: '2026-01-01', run_id: id };
  const log = (json: unknown) => send('POST', 'runs/log-model', { run_id: id, model_json: json });
  for (let i = 0; i < 2; i++) fine(await log(JSON.stringify(model)));
  assert.deepEqual(JSON.parse(tagsOf(await getRun(send, id))['mlflow.log-model.history']!), [model, model]);
  refused(await log('x'), 400, IPV, 'Malformed model info. \n x \n is not a valid JSON.');
  refused(
    await log('{"run_id":"1","flavors":{}}'),
    400,
    IPV,
    "Model json is missing mandatory fields: {'artifact_path', 'utc_time_created'}",
  );
  refused(await log(''), 400, IPV, `Missing value for required parameter 'model_json'.${SEE}`);
});
